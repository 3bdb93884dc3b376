// Where a node keeps what outlives it, one folder a node, mode 0700:
//
//     lock           held for as long as the node runs
//     config.json    how it was started, and its settings
//     secret         the cluster's secret
//     node.key       its WireGuard key, made here and never told
//     control.sock   for the verbs that talk to it
//     log.json       what it writes when nobody keeps its standard error
//
// Files that hold secrets have mode 0600. One thread.
#pragma once

#include <optional>
#include <string>

#include "base/result.h"
#include "base/rng.h"
#include "base/secret.h"
#include "crypto/x25519.h"
#include "node/settings.h"
#include "os/fd.h"

namespace sinew::node {

class StateFolder {
 public:
  // Makes the folder when it is missing.
  static Result<StateFolder> open(std::string path);

  const std::string& path() const { return path_; }
  std::string file(std::string_view name) const { return path_ + "/" + std::string(name); }
  std::string control_socket() const { return file("control.sock"); }
  std::string log_file() const { return file("log.json"); }

  // kConflict when a node runs here.
  Result<os::Fd> lock() const;

  // Nothing when none was saved.
  Result<std::optional<Configuration>> load_configuration() const;
  Result<> save_configuration(const Configuration& configuration) const;
  Result<std::optional<SecretBytes>> load_secret() const;
  Result<> save_secret(const SecretBytes& secret) const;

  // The one that is there, or a new one. A file that holds no key is an error, not a reason to
  // become somebody else.
  Result<crypto::X25519PrivateKey> load_or_make_key(std::string_view name, Rng& rng) const;

 private:
  explicit StateFolder(std::string path) : path_(std::move(path)) {}

  std::string path_;
};

// /var/lib/sinew for root; else under XDG_STATE_HOME or ~/.local/state.
std::string default_state_folder();

// A secret of a file: without the line feed at its end, at least kLeastSecretBytes.
inline constexpr std::size_t kLeastSecretBytes = 16;
Result<SecretBytes> check_secret(std::string_view text);

}  // namespace sinew::node
