#include "os/path.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "os/error.h"

namespace sinew::os {
namespace {

// Beyond any race with a rename, which is over in an instant: somebody holds the name back, as a
// lease on the file can do for 45 seconds.
constexpr int kMaxTries = 100;

// C ends a string there, and would open another name than the one that was checked.
Result<> check_name(const std::string& name) {
  if (name.find('\0') == std::string::npos) return {};
  return Error{ErrorKind::kInvalid, "open " + name + ": holds a zero byte"};
}

Error refusal(const std::string& name) {
  if (errno == EXDEV || errno == ELOOP) {
    return {ErrorKind::kDenied, "open " + name + ": leads out of its folder or over a link"};
  }
  if (errno == ENOSYS) {
    return {ErrorKind::kUnsupported, "open " + name + ": needs Linux 5.6 or newer (openat2)"};
  }
  return system_error("open " + name);
}

// mkdir of one level; one that is there already is fine.
Result<> make_folder(const std::string& path, mode_t mode) {
  if (::mkdir(path.c_str(), mode) == 0 || errno == EEXIST) return {};
  return system_error("create " + path);
}

}  // namespace

Result<Folder> Folder::open(const std::string& path) {
  return Folder(TRY(open_file(path.c_str(), O_RDONLY | O_DIRECTORY)));
}

Result<Folder> Folder::create(const std::string& path, mode_t mode) {
  for (std::size_t slash = path.find('/', 1); slash != std::string::npos;
       slash = path.find('/', slash + 1)) {
    TRY(make_folder(path.substr(0, slash), mode));
  }
  TRY(make_folder(path, mode));
  return open(path);
}

Result<Fd> Folder::open_beneath(const std::string& name, int flags, mode_t mode) const {
  TRY(check_name(name));
  open_how how{};
  how.flags = static_cast<std::uint64_t>(flags | O_CLOEXEC);
  how.mode = (flags & O_CREAT) != 0 ? mode : 0;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;
  // EAGAIN: something on the way was renamed at this moment, and the kernel cannot vouch for "..".
  for (int tries = 1;; ++tries) {
    Fd fd(static_cast<int>(::syscall(SYS_openat2, fd_.get(), name.c_str(), &how, sizeof how)));
    if (fd.is_open()) return fd;
    const bool may_pass = errno == EINTR || errno == EAGAIN;
    if (!may_pass || tries == kMaxTries) return refusal(name);
  }
}

Result<Folder> Folder::subfolder(const std::string& name, mode_t mode) const {
  TRY(check_name(name));
  // mkdirat does follow links in the middle of a name, hence one level only.
  if (name.find('/') != std::string::npos || name == "." || name == "..") {
    return Error{ErrorKind::kDenied, "open " + name + ": is not a single name"};
  }
  if (::mkdirat(fd_.get(), name.c_str(), mode) != 0 && errno != EEXIST) {
    return system_error("create " + name);
  }
  return Folder(TRY(open_beneath(name, O_RDONLY | O_DIRECTORY)));
}

}  // namespace sinew::os
