#include "os/unix_socket.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>

#include "os/error.h"

namespace sinew::os {
namespace {

constexpr int kBacklog = 128;

Result<sockaddr_un> address_of(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  // One that begins with a zero byte would not be a file, and open to everybody.
  if (path.empty() || path.find('\0') != std::string::npos) {
    return Error{ErrorKind::kInvalid, "socket name '" + path + "': is not the name of a file"};
  }
  if (path.size() >= sizeof address.sun_path) {
    return Error{ErrorKind::kInvalid, "socket name " + path + ": longer than " +
                                          std::to_string(sizeof address.sun_path - 1) + " bytes"};
  }
  std::memcpy(address.sun_path, path.data(), path.size());
  return address;
}

Result<Fd> open_socket() {
  Fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd.is_open()) return system_error("open a local socket");
  return fd;
}

// Removes the file of a listener that is gone; leaves everything else.
Result<> remove_stale(const std::string& path) {
  struct stat info;
  if (::lstat(path.c_str(), &info) != 0) {
    if (errno == ENOENT) return {};
    return system_error("listen on " + path);
  }
  if (!S_ISSOCK(info.st_mode)) {
    return Error{ErrorKind::kConflict, "listen on " + path + ": exists and is not a socket"};
  }
  const auto alive = connect_unix(path);
  if (alive || alive.error().kind != ErrorKind::kUnavailable) {
    return Error{ErrorKind::kConflict, "listen on " + path + ": another process listens there"};
  }
  if (::unlink(path.c_str()) != 0 && errno != ENOENT) return system_error("remove " + path);
  return {};
}

// The file has its mode from its first moment: chmod after bind would leave a gap.
int bind_with_mode(const Fd& fd, const sockaddr_un& address, mode_t mode) {
  const mode_t before = ::umask(~mode & 0777);
  const int bound = ::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address);
  const int number = errno;
  ::umask(before);
  errno = number;
  return bound;
}

}  // namespace

Result<Fd> listen_unix(const std::string& path, mode_t mode) {
  const sockaddr_un address = TRY(address_of(path));
  TRY(remove_stale(path));
  Fd fd = TRY(open_socket());
  if (bind_with_mode(fd, address, mode) != 0) return system_error("listen on " + path);
  if (::listen(fd.get(), kBacklog) != 0) return system_error("listen on " + path);
  TRY(set_non_blocking(fd, false));
  return fd;
}

Result<Fd> connect_unix(const std::string& path) {
  const sockaddr_un address = TRY(address_of(path));
  Fd fd = TRY(open_socket());
  if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    if (errno != EAGAIN) return system_error("connect to " + path);
    return Error{ErrorKind::kOverloaded, "connect to " + path + ": its listener is too far behind"};
  }
  TRY(set_non_blocking(fd, false));
  return fd;
}

Result<PeerCredentials> peer_credentials(const Fd& connection) {
  ucred peer{};
  socklen_t size = sizeof peer;
  if (::getsockopt(connection.get(), SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) {
    return system_error("ask who is connected");
  }
  return PeerCredentials{.pid = peer.pid, .uid = peer.uid, .gid = peer.gid};
}

}  // namespace sinew::os
