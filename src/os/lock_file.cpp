#include "os/lock_file.h"

#include <fcntl.h>
#include <sys/file.h>

#include <cerrno>

#include "os/error.h"

namespace sinew::os {

Result<Fd> lock_file(const std::string& path) {
  Fd file(retry_interrupted(
      [&] { return ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600); }));
  if (!file.is_open()) return system_error("open " + path);
  if (retry_interrupted([&] { return ::flock(file.get(), LOCK_EX | LOCK_NB); }) == 0) return file;
  if (errno == EWOULDBLOCK)
    return Error{ErrorKind::kConflict, path + " is held by another process"};
  return system_error("lock " + path);
}

}  // namespace sinew::os
