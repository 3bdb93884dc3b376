#include "os/file_watch.h"

#include <sys/inotify.h>
#include <sys/stat.h>

#include <array>
#include <cstdint>
#include <utility>

#include "os/error.h"

namespace sinew::os {

Result<FileWatch> FileWatch::open(const std::string& path) {
  Fd fd(::inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
  if (!fd.is_open()) return system_error("watch files");
  // Watches before it looks. A file that is open stays an inode without a name: that its number of
  // names changes is what is told.
  constexpr std::uint32_t kEvents = IN_ATTRIB | IN_DELETE_SELF | IN_MOVE_SELF | IN_DONT_FOLLOW;
  struct stat info{};
  if (::inotify_add_watch(fd.get(), path.c_str(), kEvents) < 0 ||
      ::lstat(path.c_str(), &info) != 0) {
    return system_error("watch " + path);
  }
  return FileWatch(std::move(fd), path, info.st_dev, info.st_ino);
}

bool FileWatch::is_gone() const {
  struct stat info{};
  if (::lstat(path_.c_str(), &info) != 0) return errno == ENOENT || errno == ENOTDIR;
  return info.st_dev != device_ || info.st_ino != inode_;
}

void FileWatch::clear() const {
  std::array<std::uint8_t, 4096> events;
  for (auto size = read_some(fd_, events); size && size->value_or(0) > 0;)
    size = read_some(fd_, events);
}

}  // namespace sinew::os
