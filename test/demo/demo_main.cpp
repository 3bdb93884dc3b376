// sinew_demo [--once]: tells what the program does, with the program, in network namespaces. Then
// the network stays up, with a table of its state, until Ctrl-C; with --once it ends, and fails if
// the story did not go as it should.
#include <fmt/format.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <exception>
#include <optional>
#include <string>
#include <string_view>

#include "demo/scene.h"

using namespace sinew;
using namespace sinew::demo;

namespace {

constexpr std::string_view kMap = R"(
One private network across four routers, in network namespaces of this machine:

  laptop --- home,     an open router (address-restricted) --+
  robot  --- workshop, a common router (port-restricted) ----+
  drone  --- carrier,  a mobile network (symmetric NAT) -----+--- internet
  press  --- factory,  a firewall that lets no UDP out ------+
                                     nucleus ----------------+
)";

bool is_terminal() {
  return ::isatty(STDOUT_FILENO) != 0;
}

void say(std::string_view text) {
  const bool is_bold = is_terminal();
  std::printf("\n%s%s%s\n", is_bold ? "\x1b[1m" : "", std::string(text).c_str(),
              is_bold ? "\x1b[0m" : "");
  std::fflush(stdout);
}

std::string text_of(const json::Value& record, std::string_view field) {
  const json::Value* const found = record.find(field);
  const std::string* const text = found == nullptr ? nullptr : found->as_string();
  return text == nullptr ? "-" : *text;
}

void expect(bool is_true, std::string_view what) {
  if (!is_true) throw lab::LabError("not as it should be: " + std::string(what));
}

// ------------------------------------------------------------------------------------------ table

struct Way {
  std::string text;  // "direct 82 ms"
  bool is_direct = false;
  bool is_relayed = false;
};

Way way_between(const json::Value& peers, std::string_view name) {
  if (peers.as_array() == nullptr) return {.text = "?"};
  for (const json::Value& peer : *peers.as_array()) {
    if (text_of(peer, "name") != name) continue;
    const std::string route = text_of(peer, "route");
    Way way{.text = route,
            .is_direct = route.starts_with("direct"),
            .is_relayed = route.starts_with("relay")};
    if (way.is_direct) way.text = "direct";
    if (way.is_relayed) way.text = "relayed";
    const json::Value* const time = peer.find("round_trip_ms");
    if (time != nullptr && !time->is_null()) way.text += " " + json::write(*time) + " ms";
    return way;
  }
  return {.text = "-"};
}

std::string table(Scene& scene) {
  std::string text = fmt::format("{:<8} {:<15} {:<24}", "", "ADDRESS", "NAT");
  for (const Machine* to : scene.members())
    text += fmt::format(" {:<16}", "to " + to->node->name());
  text += "\n";
  for (Machine* from : scene.members()) {
    const json::Value status = scene.ask(*from, {"status"});
    from->address = text_of(status, "address");
    from->nat = text_of(status, "nat");
    const json::Value peers = scene.ask(*from, {"peers"});
    text += fmt::format("{:<8} {:<15} {:<24}", from->node->name(), from->address, from->nat);
    for (const Machine* to : scene.members())
      text += fmt::format(" {:<16}", from == to ? "" : way_between(peers, to->node->name()).text);
    text += "\n";
  }
  return text;
}

// ------------------------------------------------------------------------------------------ story

void found_and_join(Scene& scene) {
  say("1. A machine that all can reach founds the network. All members share its secret.");
  scene.show(scene.nucleus(), {"start", "--mode", "nucleus", "--name", "nucleus", "-n", "demo",
                               "--secret-file", Scene::kSecretFile});
  say("2. The others join it, each from behind its router.");
  for (Machine* machine : scene.members()) {
    scene.show(*machine, {"start", "--name", machine->node->name(), "-n", "demo", "--nucleus",
                          "198.51.100.10", "--secret-file", Scene::kSecretFile});
    machine->address = text_of(scene.ask(*machine, {"status"}), "address");
    expect(machine->address != "-", machine->node->name() + " has an address");
  }
}

void ping_all(Scene& scene) {
  Machine& laptop = scene.member("laptop");
  say("3. The first packet goes at once, through the relay in the nucleus. Meanwhile both sides\n"
      "   look for a hole in each other's router, and go on through it.");
  const std::string robot = scene.show(laptop, {"ping", "robot", "-c", "4"});
  expect(robot.contains(" by direct"), "robot is reached directly");

  say("4. The mobile network chooses a new port for everyone it talks to. The laptop's router is\n"
      "   open enough to be found all the same.");
  const std::string drone = scene.show(laptop, {"ping", "drone", "-c", "4"});
  expect(drone.contains(" by direct"), "drone is reached directly");

  say("5. The factory lets no UDP out. What is left is the relay, over TLS, and the reason is "
      "told.");
  const std::string press = scene.show(laptop, {"ping", "press", "-c", "3"});
  expect(press.contains(" by relay") && !press.contains(" by direct"), "press is relayed");
  const std::string peers = scene.show(laptop, {"peers", "-o", "wide"});
  expect(peers.contains("UDP is blocked"), "the reason of the relay is told");
  // Which answers came before the move depends on how busy this machine is; that it took place does
  // not.
  expect(peers.contains("relay (somebody wants to talk)"), "the relay carried the first packet");
}

void print_commands(Scene& scene) {
  const Machine& laptop = scene.member("laptop");
  const Machine& drone = scene.member("drone");
  std::printf("\nThe network stays up until Ctrl-C. In another terminal, as root:\n\n");
  for (const std::string& line :
       {scene.command(laptop, "peers -o wide"), scene.command(laptop, "ping drone"),
        scene.command(drone, "netcheck"), scene.command(drone, "config relay off"),
        scene.command(scene.nucleus(), "stop"), scene.command(scene.nucleus(), "start"),
        fmt::format("ip netns exec {} bash", laptop.node->netns().name())})
    std::printf("  %s\n", line.c_str());
  std::fflush(stdout);
}

[[noreturn]] void stay(Scene& scene) {
  scene.start_traffic();
  if (!is_terminal()) {
    scene.pause(5s);
    std::printf("\n%s", table(scene).c_str());
    print_commands(scene);
    while (true)
      scene.pause(1h);
  }
  while (true) {
    const std::string now = table(scene);
    std::printf("\x1b[H\x1b[2J%s", now.c_str());
    print_commands(scene);
    scene.pause(1s);
  }
}

void tell(os::SignalFd& signals, bool is_once) {
  std::printf("%s", std::string(kMap).c_str());
  std::fflush(stdout);
  try {
    Scene scene(signals);
    found_and_join(scene);
    ping_all(scene);
    say("6. Everybody's view:");
    std::printf("\n%s", table(scene).c_str());
    if (is_once) return;
    say("Next: all of them talk to one another, and you can look.");
    scene.pause(5s);
    stay(scene);
  } catch (const Stopped&) {
    std::printf("\nremoving the network\n");
  }
}

std::optional<std::string> why_impossible() {
  if (::geteuid() != 0) return "network namespaces need root";
  if (::access("/dev/net/tun", R_OK | W_OK) != 0) return "there is no /dev/net/tun";
  return std::nullopt;
}

}  // namespace

int main(int argc, char** argv) {
  const bool is_once = argc == 2 && std::string_view(argv[1]) == "--once";
  if (argc > 1 && !is_once) {
    std::fputs("usage: ./dev demo [--once]\n", stderr);
    return 2;
  }
  if (const auto reason = why_impossible()) {
    // As a test it is skipped and counted.
    std::printf("%s%s\n", is_once ? "[skip] demo: " : "demo: ", reason->c_str());
    return is_once ? 0 : 1;
  }
  auto signals = os::SignalFd::open({SIGINT, SIGTERM, SIGHUP});
  if (!signals) return 1;
  try {
    tell(*signals, is_once);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "\ndemo: %s\n", error.what());
    return 1;
  }
  return 0;
}
