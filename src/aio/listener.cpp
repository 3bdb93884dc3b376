#include "aio/listener.h"

#include <fcntl.h>
#include <sys/socket.h>

#include "aio/socket_stream.h"
#include "aio/time.h"
#include "os/error.h"
#include "os/socket.h"

namespace sinew::aio {
namespace {

constexpr Duration kPause = 10ms;  // when not even a connection could be dropped

os::Fd accept_one(const os::Fd& socket) {
  return os::Fd(os::retry_interrupted(
      [&] { return ::accept4(socket.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK); }));
}

Result<os::Fd> open_reserve() {
  return os::open_file("/dev/null", O_RDONLY);
}

// Out of descriptors or memory: what waits in the queue cannot be taken now.
bool is_exhaustion(int number) {
  return number == EMFILE || number == ENFILE || number == ENOBUFS || number == ENOMEM;
}

// accept(2) hands on network errors of the connection it would have returned.
bool is_fault_of_socket(int number) {
  return number == EBADF || number == EINVAL || number == ENOTSOCK || number == EOPNOTSUPP ||
         number == EFAULT;
}

Result<Accepted> welcome(Runtime& runtime, os::Fd connection) {
  Accepted accepted;
  if (os::family_of(connection) == AF_UNIX) {
    accepted.process = TRY(os::peer_credentials(connection));
  } else {
    accepted.peer = TRY(os::peer_endpoint(connection));
  }
  accepted.stream = TRY(adopt_socket(runtime, std::move(connection)));
  return accepted;
}

}  // namespace

Listener::Listener(Runtime& runtime, os::Fd socket, os::Fd reserve, Readiness readiness)
    : runtime_(&runtime),
      socket_(std::move(socket)),
      reserve_(std::move(reserve)),
      readiness_(std::move(readiness)) {}

Result<Listener> Listener::listen_tcp(Runtime& runtime, const Endpoint& local) {
  return adopt(runtime, TRY(os::listen_tcp(local)));
}

Result<Listener> Listener::listen_unix(Runtime& runtime, const std::string& path, mode_t mode) {
  return adopt(runtime, TRY(os::listen_unix(path, mode)));
}

Result<Listener> Listener::adopt(Runtime& runtime, os::Fd socket) {
  TRY(os::set_non_blocking(socket));
  os::Fd reserve = TRY(open_reserve());
  Readiness readiness = TRY(Readiness::watch(runtime, socket));
  return Listener(runtime, std::move(socket), std::move(reserve), std::move(readiness));
}

Result<Endpoint> Listener::local() const {
  return os::local_endpoint(socket_);
}

Task<Result<Accepted>> Listener::accept() {
  while (true) {
    // Always through the loop: a flood of connections leaves the others their turns.
    const Result<> ready = co_await readiness_.readable();
    if (!ready) co_return ready.error();
    os::Fd connection = accept_one(socket_);
    const int number = errno;
    if (connection.is_open()) {
      auto accepted = welcome(*runtime_, std::move(connection));
      if (accepted) co_return accepted;
      ++dropped_;
    } else if (is_exhaustion(number)) {
      if (drop_one()) continue;
      const Result<> waited = co_await sleep_for(kPause);
      if (!waited) co_return waited.error();
    } else if (is_fault_of_socket(number)) {
      co_return os::system_error("accept", number);
    }
  }
}

bool Listener::drop_one() {
  reserve_.close();
  const bool is_dropped = accept_one(socket_).is_open();
  if (is_dropped) ++dropped_;
  auto reserve = open_reserve();
  // Another thread may have been quicker; then there is none until the next time.
  if (reserve) reserve_ = *std::move(reserve);
  return is_dropped;
}

void Listener::close() {
  ::shutdown(socket_.get(), SHUT_RDWR);  // from now on callers are refused
  readiness_.interrupt();
}

}  // namespace sinew::aio
