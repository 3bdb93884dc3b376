#include "os/fd.h"

#include <fcntl.h>
#include <unistd.h>

#include <string>

#include "base/verify.h"
#include "os/error.h"

namespace sinew::os {

void Fd::close() {
  if (!is_open()) return;
  const int saved = errno;
  // EBADF would mean that somebody else closed our number and may by now own it: a bug, not bad
  // luck. All other errors leave nothing to do, because the number is free.
  VERIFY(::close(release()) == 0 || errno != EBADF);
  errno = saved;
}

Result<Fd> Fd::duplicate() const {
  Fd copy(::fcntl(number_, F_DUPFD_CLOEXEC, 0));
  if (!copy.is_open()) return system_error("duplicate a descriptor");
  return copy;
}

Result<Pipe> open_pipe() {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return system_error("open a pipe");
  return Pipe{Fd(ends[0]), Fd(ends[1])};
}

Result<Fd> open_file(const char* path, int flags, unsigned mode) {
  Fd fd(retry_interrupted([&] { return ::open(path, flags | O_CLOEXEC, mode); }));
  if (!fd.is_open()) return system_error(std::string("open ") + path);
  return fd;
}

Result<> set_non_blocking(const Fd& fd, bool on) {
  const int flags = ::fcntl(fd.get(), F_GETFL);
  if (flags < 0) return system_error("read descriptor flags");
  const int wanted = on ? flags | O_NONBLOCK : flags & ~O_NONBLOCK;
  if (::fcntl(fd.get(), F_SETFL, wanted) != 0) return system_error("set descriptor flags");
  return {};
}

Result<std::optional<std::size_t>> read_some(const Fd& fd, ByteSpan out) {
  const ssize_t size = retry_interrupted([&] { return ::read(fd.get(), out.data(), out.size()); });
  if (size >= 0) return static_cast<std::size_t>(size);
  if (errno == EAGAIN) return std::nullopt;
  return system_error("read");
}

Result<std::optional<std::size_t>> write_some(const Fd& fd, ByteView bytes) {
  const ssize_t size =
      retry_interrupted([&] { return ::write(fd.get(), bytes.data(), bytes.size()); });
  if (size >= 0) return static_cast<std::size_t>(size);
  if (errno == EAGAIN) return std::nullopt;
  return system_error("write");
}

Result<> write_all(const Fd& fd, ByteView bytes) {
  while (!bytes.empty()) {
    const std::optional<std::size_t> size = TRY(write_some(fd, bytes));
    VERIFY(size.has_value());
    bytes = bytes.subspan(*size);
  }
  return {};
}

}  // namespace sinew::os
