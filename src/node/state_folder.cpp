#include "node/state_folder.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>

#include "base/encoding.h"
#include "os/error.h"
#include "os/file.h"
#include "os/lock_file.h"
#include "os/path.h"

namespace sinew::node {
namespace {

constexpr mode_t kPrivateFolder = 0700;
constexpr mode_t kPrivateFile = 0600;
constexpr std::size_t kMaxFile = 1 << 20;
constexpr std::size_t kMaxSecretFile = 4096;

template <typename T>
Result<std::optional<std::string>> read_if_there(const T& path, std::size_t limit) {
  auto text = os::read_file(path, limit);
  if (text) return std::optional(*std::move(text));
  if (text.error().kind == ErrorKind::kNotFound) return std::optional<std::string>();
  return std::move(text).error();
}

void wipe_text(std::string& text) {
  wipe({reinterpret_cast<std::uint8_t*>(text.data()), text.size()});
}

Result<crypto::X25519PrivateKey> parse_key(const std::string& path, std::string_view text) {
  if (text.ends_with('\n')) text.remove_suffix(1);
  auto bytes = from_base64(text);
  if (!bytes || bytes->size() != crypto::X25519PrivateKey::kSize) {
    return Error{
        ErrorKind::kInvalid,
        path + " holds no key: put it back from a backup, or remove it to become a new node"};
  }
  crypto::X25519PrivateKey key(
      std::span<const std::uint8_t, crypto::X25519PrivateKey::kSize>(bytes->data(), bytes->size()));
  wipe(*bytes);
  return key;
}

}  // namespace

Result<StateFolder> StateFolder::open(std::string path) {
  // Relative names would change their meaning when the daemon goes to the background.
  if (!path.starts_with('/')) {
    char* const here = ::getcwd(nullptr, 0);
    if (here == nullptr) return os::system_error("find the current folder");
    path = std::string(here) + "/" + path;
    std::free(here);
  }
  TRY(os::Folder::create(path, kPrivateFolder));
  if (::chmod(path.c_str(), kPrivateFolder) != 0) return os::system_error("protect " + path);
  // Of a socket's name, with its end.
  constexpr std::size_t kLongestPath = 108 - sizeof "/control.sock";
  if (path.size() > kLongestPath) {
    return Error{ErrorKind::kInvalid, "the name of the state folder is longer than " +
                                          std::to_string(kLongestPath) + " bytes: " + path};
  }
  return StateFolder(std::move(path));
}

Result<os::Fd> StateFolder::lock() const {
  auto held = os::lock_file(file("lock"));
  if (held || held.error().kind != ErrorKind::kConflict) return held;
  return Error{ErrorKind::kConflict, "a node is already running with the state folder " + path_};
}

Result<std::optional<Configuration>> StateFolder::load_configuration() const {
  const std::string path = file("config.json");
  const auto text = TRY(read_if_there(path, kMaxFile));
  if (!text) return std::optional<Configuration>();
  auto configuration = parse_configuration(*text);
  if (!configuration) return std::move(configuration).error().while_doing("read " + path);
  return std::optional(*std::move(configuration));
}

Result<> StateFolder::save_configuration(const Configuration& configuration) const {
  return os::write_file(file("config.json"),
                        json::write(to_json(configuration), json::Layout::kIndented) + "\n",
                        kPrivateFile);
}

Result<std::optional<SecretBytes>> StateFolder::load_secret() const {
  auto text = TRY(read_if_there(file("secret"), kMaxSecretFile));
  if (!text) return std::optional<SecretBytes>();
  SecretBytes secret{std::string_view(*text)};
  wipe_text(*text);
  return std::optional(std::move(secret));
}

Result<> StateFolder::save_secret(const SecretBytes& secret) const {
  return os::write_file(file("secret"), secret.expose_text(), kPrivateFile);
}

Result<crypto::X25519PrivateKey> StateFolder::load_or_make_key(std::string_view name,
                                                               Rng& rng) const {
  const std::string path = file(name);
  if (auto text = TRY(read_if_there(path, kMaxSecretFile))) {
    auto key = parse_key(path, *text);
    wipe_text(*text);
    return key;
  }
  crypto::X25519PrivateKey key = crypto::X25519PrivateKey::generate(rng);
  std::string text = to_base64(key.expose()) + "\n";
  const auto written = os::write_file(path, text, kPrivateFile);
  wipe_text(text);
  if (!written) return written.error();
  return key;
}

std::string default_state_folder() {
  if (::geteuid() == 0) return "/var/lib/sinew";
  if (const char* state = std::getenv("XDG_STATE_HOME"); state != nullptr && *state == '/')
    return std::string(state) + "/sinew";
  const char* home = std::getenv("HOME");
  return std::string(home != nullptr ? home : "/tmp") + "/.local/state/sinew";
}

Result<SecretBytes> check_secret(std::string_view text) {
  while (text.ends_with('\n') || text.ends_with('\r'))
    text.remove_suffix(1);
  if (text.size() < kLeastSecretBytes) {
    return Error{ErrorKind::kInvalid,
                 "the secret is shorter than " + std::to_string(kLeastSecretBytes) + " characters"};
  }
  return SecretBytes(text);
}

}  // namespace sinew::node
