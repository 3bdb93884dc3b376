#include "aio/datagram.h"

#include <sys/socket.h>

#include "os/error.h"
#include "os/socket.h"

namespace sinew::aio {
namespace {

// What an ICMP answer to an earlier datagram leaves behind on the socket.
bool is_echo(int number) {
  return number == ECONNREFUSED || number == EHOSTUNREACH || number == ENETUNREACH ||
         number == EHOSTDOWN || number == EPROTO || number == ENOPROTOOPT;
}

}  // namespace

Datagram::Datagram(os::Fd socket, int family, Readiness readiness)
    : socket_(std::move(socket)), family_(family), readiness_(std::move(readiness)) {}

Result<Datagram> Datagram::bind(Runtime& runtime, const Endpoint& local) {
  return adopt(runtime, TRY(os::bind_udp(local)));
}

Result<Datagram> Datagram::adopt(Runtime& runtime, os::Fd socket) {
  TRY(os::set_non_blocking(socket));
  const int family = os::family_of(socket);
  Readiness readiness = TRY(Readiness::watch(runtime, socket));
  return Datagram(std::move(socket), family, std::move(readiness));
}

Result<Endpoint> Datagram::local() const {
  return os::local_endpoint(socket_);
}

Task<Result<Datagram::Received>> Datagram::receive_from(ByteSpan out) {
  while (true) {
    const Result<> ready = co_await readiness_.readable();
    if (!ready) co_return ready.error();
    os::SocketAddress from;
    const ssize_t size = os::retry_interrupted([&] {
      return ::recvfrom(socket_.get(), out.data(), out.size(), 0, from.get(), &from.size);
    });
    if (size >= 0) {
      co_return Received{.size = static_cast<std::size_t>(size), .from = os::to_endpoint(from)};
    }
    if (errno != EAGAIN && !is_echo(errno)) co_return os::system_error("receive");
  }
}

Task<Result<>> Datagram::send_to(Endpoint to, ByteView bytes) {
  const auto address = os::to_socket_address(to, family_);
  if (!address) co_return address.error();
  while (true) {
    const Result<> ready = co_await readiness_.writable();
    if (!ready) co_return ready.error();
    const ssize_t size = os::retry_interrupted([&] {
      return ::sendto(socket_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL, address->get(),
                      address->size);
    });
    if (size >= 0) co_return Result<>();
    if (errno != EAGAIN && errno != ECONNREFUSED) {
      co_return os::system_error("send to " + to.to_string());
    }
  }
}

void Datagram::close() {
  readiness_.interrupt();
}

}  // namespace sinew::aio
