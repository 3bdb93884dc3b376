// Whether a file is still the one at its path: inotify(7), so that nobody has to look again and
// again. Readable when it may be gone; is_gone() then says whether it is. One thread.
#pragma once

#include <sys/types.h>

#include <string>

#include "base/result.h"
#include "os/fd.h"

namespace sinew::os {

class FileWatch {
 public:
  // kNotFound when there is no such file. The last part of the path is not followed as a link.
  static Result<FileWatch> open(const std::string& path);

  const Fd& fd() const { return fd_; }
  // Removed, renamed, or another one is in its place.
  bool is_gone() const;
  // Makes fd() unreadable until something happens again.
  void clear() const;

 private:
  FileWatch(Fd fd, std::string path, dev_t device, ino_t inode)
      : fd_(std::move(fd)), path_(std::move(path)), device_(device), inode_(inode) {}

  Fd fd_;
  std::string path_;
  dev_t device_;
  ino_t inode_;
};

}  // namespace sinew::os
