#include "aio/socket_stream.h"

#include <sys/socket.h>

#include <optional>

#include "aio/readiness.h"
#include "aio/turns.h"
#include "os/error.h"
#include "os/socket.h"
#include "os/unix_socket.h"

namespace sinew::aio {
namespace {

class SocketStream final : public Stream {
 public:
  SocketStream(os::Fd socket, Readiness readiness)
      : socket_(std::move(socket)), readiness_(std::move(readiness)) {}

  Task<Result<std::size_t>> read_some(ByteSpan out) override;
  Task<Result<>> write(ByteView bytes) override;
  Task<Result<>> shutdown_write() override;
  void close() override;

 private:
  os::Fd socket_;
  Readiness readiness_;  // dies before its descriptor
  Turns reads_;
  Turns writes_;
  bool is_closed_ = false;
};

Result<std::optional<std::size_t>> send_some(const os::Fd& socket, ByteView bytes) {
  const ssize_t size = os::retry_interrupted(
      [&] { return ::send(socket.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL); });
  if (size >= 0) return static_cast<std::size_t>(size);
  if (errno == EAGAIN) return std::nullopt;
  return os::system_error("write");
}

Task<Result<std::size_t>> SocketStream::read_some(ByteSpan out) {
  if (reads_.is_over()) co_await yield();
  const bool is_stopped = co_await is_cancelled();
  if (is_stopped) co_return cancelled();
  while (true) {
    if (is_closed_) co_return closed();
    const auto size = os::read_some(socket_, out);
    if (!size) co_return size.error();
    if (size->has_value()) co_return **size;
    const Result<> ready = co_await readiness_.readable();
    if (!ready) co_return ready.error();
  }
}

Task<Result<>> SocketStream::write(ByteView bytes) {
  if (writes_.is_over()) co_await yield();
  const bool is_stopped = co_await is_cancelled();
  if (is_stopped) co_return cancelled();
  while (!bytes.empty()) {
    if (is_closed_) co_return closed();
    const auto size = send_some(socket_, bytes);
    if (!size) co_return size.error();
    bytes = bytes.subspan(size->value_or(0));
    if (size->has_value()) continue;
    const Result<> ready = co_await readiness_.writable();
    if (!ready) co_return ready.error();
  }
  co_return Result<>();
}

Task<Result<>> SocketStream::shutdown_write() {
  if (is_closed_) co_return closed();
  if (::shutdown(socket_.get(), SHUT_WR) != 0) co_return os::system_error("end writing");
  co_return Result<>();
}

// The descriptor itself stays until the end: an operation under way still holds its number.
void SocketStream::close() {
  if (is_closed_) return;
  is_closed_ = true;
  ::shutdown(socket_.get(), SHUT_RDWR);
  readiness_.interrupt();
}

// Waits for the end of a connect under way.
Task<Result<>> await_connection(Runtime& runtime, const os::Fd& socket, Endpoint remote) {
  auto readiness = Readiness::watch(runtime, socket);
  if (!readiness) co_return readiness.error();
  const Result<> ready = co_await readiness->writable();
  if (!ready) co_return ready.error();
  co_return os::finish_connect(socket, remote);
}

}  // namespace

Result<std::unique_ptr<Stream>> adopt_socket(Runtime& runtime, os::Fd socket) {
  TRY(os::set_non_blocking(socket));
  os::disable_delay(socket);
  Readiness readiness = TRY(Readiness::watch(runtime, socket));
  return std::make_unique<SocketStream>(std::move(socket), std::move(readiness));
}

Task<Result<std::unique_ptr<Stream>>> connect_tcp(Runtime& runtime, Endpoint remote) {
  auto socket = os::start_connect_tcp(remote);
  if (!socket) co_return socket.error();
  const Result<> connected = co_await await_connection(runtime, *socket, remote);
  if (!connected) co_return connected.error();
  co_return adopt_socket(runtime, *std::move(socket));
}

Task<Result<std::unique_ptr<Stream>>> connect_unix(Runtime& runtime, std::string path) {
  const bool is_stopped = co_await is_cancelled();
  if (is_stopped) co_return cancelled();
  auto socket = os::connect_unix(path);
  if (!socket) co_return socket.error();
  co_return adopt_socket(runtime, *std::move(socket));
}

}  // namespace sinew::aio
