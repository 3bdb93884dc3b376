#include "support/mesh_node.h"

#include <doctest/doctest.h>
#include <poll.h>

#include <array>
#include <csignal>
#include <fstream>
#include <sstream>
#include <utility>

#include "json/parse.h"
#include "os/clock.h"
#include "os/file.h"
#include "os/poll.h"
#include "os/unix_socket.h"

namespace sinew::lab {
namespace {

constexpr Duration kPause = 100ms;
constexpr std::int64_t kMsPerDay = 86'400'000;

void pause() {
  pollfd nothing{.fd = -1, .events = 0, .revents = 0};
  static_cast<void>(os::poll_until({&nothing, 1}, os::SystemClock().now() + kPause));
}

void write_secret(const std::string& path, const std::string& secret) {
  std::ofstream(path) << secret << '\n';
}

std::string line_from(const os::Fd& socket) {
  std::string line;
  while (!line.ends_with('\n')) {
    std::array<std::uint8_t, 4096> room;
    const auto size = must(os::read_some(socket, room));
    if (size == std::size_t{0}) throw LabError("the node has ended");
    if (size) line.append(as_text(ByteView(room).first(*size)));
  }
  return line;
}

// Of a line of the log, in milliseconds of some day.
std::int64_t ms_of_day(const std::string& time) {
  // 2026-11-21T13:16:42.877Z
  constexpr std::size_t kSize = 24;
  if (time.size() != kSize) throw LabError("not a time: " + time);
  const auto number = [&](std::size_t at, std::size_t size) {
    return std::int64_t{std::stoi(time.substr(at, size))};
  };
  return ((number(11, 2) * 60 + number(14, 2)) * 60 + number(17, 2)) * 1000 + number(20, 3);
}

}  // namespace

std::string text_of(const json::Value& object, std::string_view member) {
  const json::Value* const found = object.find(member);
  if (found == nullptr || found->is_null()) return {};
  if (const std::string* text = found->as_string()) return *text;
  return json::write(*found);
}

MeshNode::MeshNode(Lab& lab, Node& node, const Options& options)
    : node_(&node),
      name_(options.name.empty() ? node.name() : options.name),
      state_folder_(lab.folder() + "/state-" + name_) {
  const std::string secret = lab.folder() + "/secret-" + name_;
  write_secret(secret, options.secret);
  std::vector<std::string> words = {
      "start",         "--foreground",  "--mode", options.mode, "-n",
      options.cluster, "--secret-file", secret,   "--name",     name_};
  for (const std::string& nucleus : options.nuclei)
    words.insert(words.end(), {"--nucleus", nucleus});
  words.insert(words.end(), options.arguments.begin(), options.arguments.end());
  program_ = node.start(command(std::move(words)));
  if (options.is_awaited) wait_until_ready();
}

MeshNode::~MeshNode() {
  if (!program_) return;
  try {
    const os::ExitStatus status = program_->is_running() ? program_->stop() : program_->wait();
    INFO(name_ << " " << status.to_string() << ":\n" << program_->output());
    CHECK((status.succeeded() || status.signal == SIGKILL));
  } catch (const LabError& error) {
    FAIL_CHECK(error.what());
  }
}

void MeshNode::start() {
  program_.reset();
  program_ = node_->start(command({"start", "--foreground"}));
  wait_until_ready();
}

void MeshNode::wait_until_ready() {
  program_->wait_for_output(R"("message":"ready")", kPatience);
}

void MeshNode::stop() {
  const os::ExitStatus status = program_->stop();
  if (!status.succeeded()) throw LabError(name_ + " " + status.to_string());
}

void MeshNode::kill() {
  program_->signal(SIGKILL);
  static_cast<void>(program_->wait());
}

std::vector<std::string> MeshNode::command(std::vector<std::string> words) const {
  words.insert(words.begin(), SINEW_PROGRAM);
  words.insert(words.end(), {"--state-dir", state_folder_});
  return words;
}

os::RunOutcome MeshNode::run(std::vector<std::string> words) {
  return node_->run(command(std::move(words)));
}

json::Value MeshNode::ask(std::vector<std::string> words) {
  words.insert(words.end(), {"-o", "json"});
  const std::string question = words.front();
  const os::RunOutcome outcome = run(std::move(words));
  if (!outcome.status.succeeded())
    throw LabError(name_ + " does not answer to " + question + ": " + outcome.err);
  return must(json::parse(outcome.out));
}

Process MeshNode::start_verb(std::vector<std::string> words) {
  return node_->start(command(std::move(words)));
}

json::Value MeshNode::ask_directly(const json::Value& question) {
  const os::Fd socket = must(os::connect_unix(state_folder_ + "/control.sock"));
  must(os::set_non_blocking(socket, false));
  must(os::write_all(socket, as_bytes(json::write(question) + "\n")));
  const json::Value answer = must(json::parse(line_from(socket)));
  const json::Value* const result = answer.find("result");
  if (result == nullptr) throw LabError(name_ + " answers " + json::write(answer));
  return *result;
}

json::Value MeshNode::peer(std::string_view name) {
  const json::Value all = ask({"peers"});
  const json::Value::Array* const peers = all.as_array();
  if (peers == nullptr) throw LabError("peers are no list: " + json::write(all));
  for (const json::Value& each : *peers) {
    if (text_of(each, "name") == name) return each;
  }
  return {};
}

std::string MeshNode::address() {
  return text_of(status(), "address");
}

bool MeshNode::can_ping(const std::string& peer) {
  const MonoTime end = os::SystemClock().now() + kPatience;
  while (os::SystemClock().now() < end) {
    const os::RunOutcome outcome = run({"ping", peer, "-c", "1", "-o", "json"});
    if (outcome.status.succeeded()) return true;
  }
  return false;
}

void MeshNode::wait_for_peer(std::string_view name) {
  wait_for(
      "to know " + std::string(name), [&] { return text_of(peer(name), "state") == "online"; },
      kPatience);
}

void MeshNode::wait_for_loss_of(std::string_view name) {
  wait_for(
      "to lose " + std::string(name), [&] { return text_of(peer(name), "state") != "online"; },
      kPatience);
}

void MeshNode::wait_for_route(std::string_view peer_name, std::string_view beginning,
                              Duration limit) {
  wait_for(
      "to reach " + std::string(peer_name) + " by " + std::string(beginning),
      [&] { return text_of(peer(peer_name), "route").starts_with(beginning); }, limit);
}

void MeshNode::wait_for(const std::string& what, const std::function<bool()>& condition,
                        Duration limit) {
  const MonoTime end = os::SystemClock().now() + limit;
  while (!condition()) {
    if (os::SystemClock().now() >= end)
      throw LabError(name_ + " was " + what + ", and did not:\n" + program_->output());
    pause();
  }
}

std::optional<Duration> MeshNode::time_to_route(std::string_view peer,
                                                std::string_view beginning) const {
  std::optional<std::int64_t> begun;
  std::istringstream lines(program_->output());
  for (std::string line; std::getline(lines, line);) {
    if (!line.contains(R"("message":"route")")) continue;
    const auto entry = json::parse(line);
    if (!entry || text_of(*entry, "peer") != peer) continue;
    const std::int64_t at = ms_of_day(text_of(*entry, "time"));
    if (!begun) begun = at;
    if (text_of(*entry, "route").starts_with(beginning))
      return std::chrono::milliseconds((at - *begun + kMsPerDay) % kMsPerDay);
  }
  return std::nullopt;
}

}  // namespace sinew::lab
