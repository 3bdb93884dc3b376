#include "nucleus/state_file.h"

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "base/bytes.h"
#include "base/encoding.h"
#include "base/secret.h"
#include "os/file.h"
#include "os/path.h"

namespace sinew::nucleus {
namespace {

constexpr const char* kKeyFile = "nucleus.key";
constexpr const char* kStateFile = "nucleus.state";
constexpr const char* kBackupFile = "nucleus.state.bak";
constexpr const char* kDamagedFile = "nucleus.state.damaged";
constexpr mode_t kPrivate = 0600;
constexpr std::size_t kMaxKeyFile = 128;  // bytes

bool exists(const std::string& path) {
  return ::access(path.c_str(), F_OK) == 0;
}

}  // namespace

Result<StateFile> StateFile::open(std::string directory, Log log) {
  TRY(os::Folder::create(directory, 0700));
  return StateFile(std::move(directory), log);
}

Result<crypto::X25519PrivateKey> StateFile::load_or_make_key(Rng& rng) const {
  const std::string file = path(kKeyFile);
  if (!exists(file)) {
    auto key = crypto::X25519PrivateKey::generate(rng);
    std::string text = to_base64(key.expose()) + "\n";
    const Result<> written = os::write_file(file, text, kPrivate);
    wipe({reinterpret_cast<std::uint8_t*>(text.data()), text.size()});
    if (!written) return Error(written.error()).while_doing("keep the nucleus' key");
    return key;
  }
  auto text = os::read_file(file, kMaxKeyFile);
  if (!text) return std::move(text).error().while_doing("read the nucleus' key");
  std::string_view line = *text;
  if (line.ends_with('\n')) line.remove_suffix(1);
  auto bytes = from_base64(line);
  wipe({reinterpret_cast<std::uint8_t*>(text->data()), text->size()});
  if (!bytes || bytes->size() != crypto::X25519PrivateKey::kSize) {
    return Error{ErrorKind::kInvalid, file +
                                          ": it is damaged; restore it, or remove it and tell "
                                          "the nodes that pinned it"};
  }
  crypto::X25519PrivateKey key(std::span<const std::uint8_t, 32>(bytes->data(), 32));
  wipe(*bytes);
  return key;
}

Result<signal::Snapshot> StateFile::load(const std::string& file) const {
  const std::string text = TRY(os::read_file(file, signal::kMaxSnapshotBytes));
  return signal::Snapshot::decode(as_bytes(text));
}

signal::Snapshot StateFile::load() const {
  const std::string file = path(kStateFile);
  const std::string backup = path(kBackupFile);
  if (exists(file)) {
    auto loaded = load(file);
    if (loaded) return *std::move(loaded);
    log_.warning("state set aside", {{"file", file}, {"reason", loaded.error().message}});
    static_cast<void>(::rename(file.c_str(), path(kDamagedFile).c_str()));
  }
  if (!exists(backup)) return {};
  auto loaded = load(backup);
  if (loaded) {
    log_.warning("state of an earlier time used", {{"file", backup}});
    return *std::move(loaded);
  }
  log_.warning("state lost: beginning empty", {{"reason", loaded.error().message}});
  return {};
}

Result<> StateFile::save(const signal::Snapshot& snapshot) const {
  const std::string file = path(kStateFile);
  const Bytes bytes = snapshot.encode();
  if (bytes.size() > signal::kMaxSnapshotBytes) {
    return Error{ErrorKind::kOverloaded, "nucleus state: it is too large to be kept"};
  }
  // A second name for the old file: at no moment is there no whole one.
  const std::string backup = path(kBackupFile);
  if (exists(file)) {
    static_cast<void>(::unlink(backup.c_str()));
    static_cast<void>(::link(file.c_str(), backup.c_str()));
  }
  return os::write_file(file, as_text(bytes), kPrivate);
}

}  // namespace sinew::nucleus
