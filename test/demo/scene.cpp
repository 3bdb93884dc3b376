#include "demo/scene.h"

#include <fmt/format.h>
#include <poll.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <utility>

#include "json/parse.h"
#include "os/clock.h"
#include "os/file.h"
#include "os/poll.h"

namespace sinew::demo {

using namespace sinew::lab;

namespace {

// Of a router's line, each way.
constexpr Duration kDelay = 20ms;
constexpr Duration kPatience = 60s;

}  // namespace

Scene::Scene(os::SignalFd& signals) : signals_(signals), internet_(lab_.network("internet")) {
  Node& nucleus = lab_.node("nucleus").join(internet_, {"198.51.100.10/24"});
  machines_.push_back({.node = &nucleus, .state_folder = lab_.folder() + "/nucleus"});
  add("laptop", "home", "1", {.kind = NatKind::kAddressRestricted});
  add("robot", "workshop", "2", {.kind = NatKind::kPortRestricted});
  add("drone", "carrier", "3", {.kind = NatKind::kSymmetric});
  add("press", "factory", "4", {.kind = NatKind::kUdpBlocked});
  must(os::write_file(lab_.folder() + "/" + kSecretFile, "a secret of this demo alone\n", 0600));
}

void Scene::add(const std::string& name, const std::string& router, const std::string& number,
                const NatOptions& nat) {
  Network& inside = lab_.network("inside" + number);
  const std::string subnet = "192.168." + number;
  lab_.node(router)
      .join(internet_, {"198.51.100." + number + "/24"}, {.delay = kDelay})
      .join(inside, {subnet + ".1/24"})
      .nat(internet_, nat);
  Node& node = lab_.node(name).join(inside, {subnet + ".2/24"}).default_route(subnet + ".1");
  machines_.push_back({.node = &node, .state_folder = lab_.folder() + "/" + name});
}

std::vector<Machine*> Scene::members() {
  std::vector<Machine*> members;
  for (Machine& machine : machines_) {
    if (&machine != &nucleus()) members.push_back(&machine);
  }
  return members;
}

Machine& Scene::member(std::string_view name) {
  return *std::ranges::find(
      machines_, name, [](const Machine& each) -> const std::string& { return each.node->name(); });
}

std::vector<std::string> Scene::words_for(const Machine& machine,
                                          const std::vector<std::string>& words) const {
  std::vector<std::string> all = {SINEW_PROGRAM};
  all.insert(all.end(), words.begin(), words.end());
  all.insert(all.end(), {"--state-dir", machine.state_folder});
  return all;
}

std::string Scene::show(Machine& machine, const std::vector<std::string>& words) {
  std::printf("\n%s$ sinew %s\n", machine.node->name().c_str(),
              fmt::format("{}", fmt::join(words, " ")).c_str());
  std::fflush(stdout);
  os::ChildOptions options;
  options.argv = words_for(machine, words);
  options.out = os::Stdio::pipe();
  options.network_namespace = machine.node->netns().fd().get();
  options.working_directory = lab_.folder();
  os::Child child = must(os::Child::spawn(options));
  std::string output;
  const MonoTime end = os::SystemClock().now() + kPatience;
  while (true) {
    std::array<pollfd, 2> fds = {
        {{child.out().get(), POLLIN, 0}, {signals_.fd().get(), POLLIN, 0}}};
    if (!must(os::poll_until(fds, end))) throw LabError("sinew " + words[0] + " does not end");
    if (fds[1].revents != 0) throw Stopped();
    std::array<std::uint8_t, 4096> room;
    const std::size_t size = must(os::read_some(child.out(), room)).value_or(0);
    if (size == 0) break;
    const std::string_view text = as_text(ByteView(room).first(size));
    std::fwrite(text.data(), 1, text.size(), stdout);
    std::fflush(stdout);
    output += text;
  }
  const os::ExitStatus status = must(child.wait(kPatience));
  if (!status.succeeded()) throw LabError("sinew " + words[0] + " " + status.to_string());
  return output;
}

json::Value Scene::ask(Machine& machine, const std::vector<std::string>& words) {
  std::vector<std::string> argv = words_for(machine, words);
  argv.insert(argv.end(), {"-o", "json"});
  const os::RunOutcome outcome = machine.node->run(std::move(argv));
  if (!outcome.status.succeeded()) return {};
  return must(json::parse(outcome.out));
}

std::string Scene::command(const Machine& machine, const std::string& words) const {
  return fmt::format("ip netns exec {} {} {} --state-dir {}", machine.node->netns().name(),
                     SINEW_PROGRAM, words, machine.state_folder);
}

void Scene::start_traffic() {
  for (Machine* from : members()) {
    for (Machine* to : members()) {
      if (from < to)
        traffic_.push_back(from->node->start({"ping", "-n", "-q", "-i", "1", to->address}));
    }
  }
}

void Scene::pause(Duration duration) {
  pollfd fd{.fd = signals_.fd().get(), .events = POLLIN, .revents = 0};
  if (must(os::poll_until({&fd, 1}, os::SystemClock().now() + duration))) throw Stopped();
}

}  // namespace sinew::demo
