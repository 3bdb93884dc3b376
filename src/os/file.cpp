#include "os/file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cstdio>

#include "base/encoding.h"
#include "os/error.h"
#include "os/fd.h"
#include "os/random.h"

namespace sinew::os {
namespace {

constexpr std::size_t kReadSize = 16 << 10;

std::string folder_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

// A file beside its target, whose name nobody can foresee. Removed unless it was moved into place.
class TemporaryFile {
 public:
  static Result<TemporaryFile> create(const std::string& target) {
    std::array<std::uint8_t, 8> random;
    SystemRng().fill(random);
    std::string path = target + "." + to_hex(random) + ".tmp";
    // Private until the content is complete.
    Fd fd = TRY(open_file(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600));
    return TemporaryFile(std::move(path), std::move(fd));
  }
  TemporaryFile(TemporaryFile&& other) noexcept
      : path_(std::exchange(other.path_, "")), fd_(std::move(other.fd_)) {}
  TemporaryFile& operator=(TemporaryFile&&) = delete;
  ~TemporaryFile() {
    if (!path_.empty()) ::unlink(path_.c_str());
  }

  const Fd& fd() const { return fd_; }

  Result<> move_to(const std::string& target) {
    if (::rename(path_.c_str(), target.c_str()) != 0) return system_error("rename");
    path_.clear();
    return {};
  }

 private:
  TemporaryFile(std::string path, Fd fd) : path_(std::move(path)), fd_(std::move(fd)) {}

  std::string path_;
  Fd fd_;
};

Result<> sync(const Fd& fd) {
  if (retry_interrupted([&] { return ::fsync(fd.get()); }) != 0) return system_error("sync");
  return {};
}

Result<> replace(const std::string& path, std::string_view content, mode_t mode) {
  // Opened first: once the new file stands in its place nothing but the disk itself may fail.
  const Fd folder = TRY(open_file(folder_of(path).c_str(), O_RDONLY | O_DIRECTORY));
  TemporaryFile file = TRY(TemporaryFile::create(path));
  TRY(write_all(file.fd(), as_bytes(content)));
  if (::fchmod(file.fd().get(), mode) != 0) return system_error("set the mode");
  TRY(sync(file.fd()));
  TRY(file.move_to(path));
  return sync(folder);
}

}  // namespace

Result<std::string> read_file(const std::string& path, std::size_t limit) {
  const Fd fd = TRY(open_file(path.c_str(), O_RDONLY));
  std::string content;
  std::array<std::uint8_t, kReadSize> room;
  while (true) {
    const auto size = read_some(fd, room);
    if (!size) return Error(size.error()).while_doing("read " + path);
    if (size->value_or(0) == 0) return content;
    if (**size > limit - content.size()) {
      return Error{ErrorKind::kOverloaded,
                   "read " + path + ": larger than " + std::to_string(limit) + " bytes"};
    }
    content += as_text(ByteView(room).first(**size));
  }
}

Result<> write_file(const std::string& path, std::string_view content, mode_t mode) {
  auto written = replace(path, content, mode);
  if (!written) return std::move(written).error().while_doing("write " + path);
  return {};
}

}  // namespace sinew::os
