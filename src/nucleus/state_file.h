// Where a nucleus keeps what it has to remember: its key and its state, in a directory of its own.
//
// The state is one file, replaced in one step; the one before it stays as state.bak. A file that is
// damaged is set aside as state.damaged and the one before is taken; when that is no good either,
// the nucleus begins empty and says so. The key is a file that nobody else may read, and is made
// when it is missing; one that is damaged is an error, because nodes may have pinned it. Blocks on
// the disk: the files are small. One thread.
#pragma once

#include <string>

#include "base/log.h"
#include "base/result.h"
#include "base/rng.h"
#include "crypto/x25519.h"
#include "signal/snapshot.h"

namespace sinew::nucleus {

class StateFile {
 public:
  // Makes the directory when it is missing, for its owner alone.
  static Result<StateFile> open(std::string directory, Log log);

  Result<crypto::X25519PrivateKey> load_or_make_key(Rng& rng) const;
  // Never fails: what cannot be had is reported in the log.
  signal::Snapshot load() const;
  Result<> save(const signal::Snapshot& snapshot) const;

 private:
  StateFile(std::string directory, Log log) : directory_(std::move(directory)), log_(log) {}
  std::string path(const char* name) const { return directory_ + "/" + name; }
  Result<signal::Snapshot> load(const std::string& file) const;

  std::string directory_;
  Log log_;
};

}  // namespace sinew::nucleus
