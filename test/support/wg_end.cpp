#include "support/wg_end.h"

#include <doctest/doctest.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <csignal>
#include <utility>

#include "base/encoding.h"
#include "crypto/x25519.h"
#include "os/file.h"
#include "os/random.h"
#include "os/unix_socket.h"

namespace sinew::lab {
namespace {

// The sockets of all interfaces on the machine are in one folder, so names are never used twice.
std::string new_interface() {
  static std::atomic<unsigned> count = 0;
  return "w" + std::to_string(::getpid()) + "n" + std::to_string(++count);
}

std::string socket_of(const std::string& interface) {
  return "/var/run/wireguard/" + interface + ".sock";
}

struct Command {
  std::vector<std::string> words;
  std::string ready;  // is written when the configuration socket is there
};

Command command_of(WgProgram program, const std::string& interface,
                   const std::vector<std::string>& arguments) {
  if (program == WgProgram::kWireguardGo) {
    return {.words = {"env", "LOG_LEVEL=verbose", "wireguard-go", "-f", interface},
            .ready = "UAPI listener started"};
  }
  std::vector<std::string> words = {SINEW_PROGRAM, "wg", "-f", "--log-level", "info", interface};
  words.insert(words.end(), arguments.begin(), arguments.end());
  return {.words = std::move(words), .ready = "serving"};
}

Process start(Node& node, const Command& command) {
  Process process = node.start(command.words);
  process.wait_for_output(command.ready);
  return process;
}

}  // namespace

std::string new_wg_key() {
  os::SystemRng rng;
  return to_base64(crypto::X25519PrivateKey::generate(rng).expose());
}

std::string public_key_of(const std::string& private_key) {
  const Bytes bytes = from_base64(private_key).value();
  return crypto::X25519PrivateKey(std::span(bytes).first<crypto::X25519PrivateKey::kSize>())
      .public_key()
      .to_string();
}

WgEnd::WgEnd(Lab& lab, Node& node, WgProgram program, const Addresses& addresses,
             const Options& options)
    : folder_(lab.folder()),
      node_(&node),
      interface_(new_interface()),
      is_ours_(program == WgProgram::kSinew),
      program_(start(node, command_of(program, interface_, options.arguments))) {
  set_private_key(new_wg_key());
  set({"listen-port", std::to_string(kPort)});
  std::string commands;
  for (const std::string& address : addresses)
    commands += "address add " + address + " dev " + interface_ + " nodad\n";
  commands += "link set " + interface_ + " mtu " + std::to_string(options.mtu) + " up\n";
  node.ip(commands);
}

WgEnd::~WgEnd() {
  if (!is_ours_) return;
  try {
    const os::ExitStatus status = program_.is_running() ? program_.stop() : program_.wait();
    INFO(interface_ << " " << status.to_string() << ":\n" << program_.output());
    CHECK((status.succeeded() || status.signal == SIGKILL));
  } catch (const LabError& error) {
    FAIL_CHECK(error.what());
  }
}

void WgEnd::set_private_key(const std::string& key) {
  public_key_ = public_key_of(key);
  key_file_ = write_file("private", key);
  set({"private-key", key_file_});
}

void WgEnd::add_peer(const WgEnd& peer, const PeerOptions& options) {
  std::vector<std::string> words = {"peer", peer.public_key(), "allowed-ips", options.allowed_ips};
  if (!options.endpoint.empty()) words.insert(words.end(), {"endpoint", options.endpoint});
  if (!options.preshared_key.empty())
    words.insert(words.end(), {"preshared-key", write_file("psk", options.preshared_key)});
  if (options.keepalive > 0)
    words.insert(words.end(), {"persistent-keepalive", std::to_string(options.keepalive)});
  set(words);
}

void WgEnd::set(const std::vector<std::string>& words) {
  std::vector<std::string> all = {"set", interface_};
  all.insert(all.end(), words.begin(), words.end());
  wg(all);
}

std::string WgEnd::show(const std::vector<std::string>& words) {
  std::vector<std::string> all = {"show", interface_};
  all.insert(all.end(), words.begin(), words.end());
  return wg(all);
}

std::string WgEnd::peer_field(std::string_view field, const WgEnd& peer) {
  const std::string table = show({std::string(field)});
  const std::size_t row = table.find(peer.public_key() + '\t');
  if (row == std::string::npos) return {};
  const std::size_t start = row + peer.public_key().size() + 1;
  return table.substr(start, table.find('\n', start) - start);
}

std::uint64_t WgEnd::counter(std::string_view name) {
  auto socket = os::connect_unix(socket_of(interface_));
  if (!socket || !os::set_non_blocking(*socket, false)) throw LabError("no configuration socket");
  if (!os::write_all(*socket, as_bytes("counters=1\n\n"))) throw LabError("no answer");
  std::string answer;
  while (!answer.contains("\n\n")) {
    std::array<std::uint8_t, 4096> room;
    const auto size = os::read_some(*socket, room);
    if (!size || size->value_or(0) == 0) throw LabError("no counters in: " + answer);
    answer += as_text(ByteView(room).first(**size));
  }
  const std::string key = "\n" + std::string(name) + "=";
  const std::size_t at = ("\n" + answer).find(key);
  if (at == std::string::npos) throw LabError("no counter " + std::string(name));
  return std::stoull(answer.substr(at + key.size() - 1));
}

std::string WgEnd::wg(const std::vector<std::string>& words) {
  std::vector<std::string> command = {"wg"};
  command.insert(command.end(), words.begin(), words.end());
  const os::RunOutcome outcome = node_->run(command, {.out_size = 64 << 20});
  if (!outcome.status.succeeded()) throw LabError("wg " + words[0] + ": " + outcome.err);
  return outcome.out;
}

std::string WgEnd::write_file(std::string_view name, std::string_view content) {
  std::string path = folder_ + "/" + interface_ + "." + std::string(name);
  if (!os::write_file(path, content, 0600)) throw LabError("write " + path);
  return path;
}

}  // namespace sinew::lab
