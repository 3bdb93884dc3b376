// The one way to open a file whose name comes from somebody else. A Folder is an open directory;
// everything reached through it lies beneath it: "..", absolute names and symbolic links that would
// lead out are refused by the kernel (openat2), so there is no moment between a check and its use.
// Any thread.
#pragma once

#include <sys/types.h>

#include <string>
#include <utility>

#include "base/result.h"
#include "os/fd.h"

namespace sinew::os {

class Folder {
 public:
  // A directory of our own configuration; symbolic links on the way are followed.
  static Result<Folder> open(const std::string& path);
  // The same, and makes it, and missing ones above it, with this mode less the umask.
  static Result<Folder> create(const std::string& path, mode_t mode);

  // open(2) of a name beneath this folder, without following any symbolic link. `mode` counts when
  // flags hold O_CREAT. kDenied when the name leads out or over a link; kInvalid when it holds a
  // zero byte; kUnsupported on kernels before 5.6. A name may belong to a pipe as well: O_NONBLOCK
  // keeps the call from waiting for its other end.
  Result<Fd> open_beneath(const std::string& name, int flags, mode_t mode = 0) const;
  // The folder of that name, made with this mode when it is missing.
  Result<Folder> subfolder(const std::string& name, mode_t mode) const;

  const Fd& fd() const { return fd_; }

 private:
  explicit Folder(Fd fd) : fd_(std::move(fd)) {}

  Fd fd_;
};

}  // namespace sinew::os
