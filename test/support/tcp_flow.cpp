#include "support/tcp_flow.h"

#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <vector>

#include "os/clock.h"
#include "os/error.h"
#include "os/poll.h"
#include "os/socket.h"

namespace sinew::lab {
namespace {

constexpr std::size_t kChunk = 64 << 10;

// The byte at this place of the stream: a period that divides no packet size.
std::uint8_t byte_at(std::uint64_t place) {
  constexpr std::uint64_t kPeriod = 251;
  return static_cast<std::uint8_t>(place % kPeriod);
}

bool is_ready(const os::Fd& fd, short events, MonoTime deadline) {
  pollfd ready{.fd = fd.get(), .events = events, .revents = 0};
  return must(os::poll_until({&ready, 1}, deadline));
}

}  // namespace

TcpFlow::TcpFlow(Node& from, Node& to, const std::string& address, std::uint16_t port) {
  const Endpoint remote{.address = must(IpAddress::parse(address)), .port = port};
  const os::Fd listener = to.tcp_listener(remote);
  writer_ = must(from.tcp_connect(remote, kPatience));
  if (!is_ready(listener, POLLIN, os::SystemClock().now() + kPatience))
    throw LabError("nobody connects to " + remote.to_string());
  reader_ = os::Fd(::accept4(listener.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
  if (!reader_.is_open()) throw LabError(os::system_error("accept").message);
}

bool TcpFlow::carry(std::size_t bytes) {
  to_write_ += bytes;
  const MonoTime deadline = os::SystemClock().now() + kPatience;
  while (arrived_ < to_write_) {
    const bool has_more = written_ < to_write_;
    std::array<pollfd, 2> ready{
        {{.fd = reader_.get(), .events = POLLIN, .revents = 0},
         {.fd = has_more ? writer_.get() : -1, .events = POLLOUT, .revents = 0}}};
    if (!must(os::poll_until(ready, deadline))) return false;
    if (ready[0].revents != 0 && !read_more()) return false;
    if (ready[1].revents != 0 && !write_more()) return false;
  }
  return true;
}

bool TcpFlow::write_more() {
  std::array<std::uint8_t, kChunk> chunk;
  const std::size_t size = std::min<std::uint64_t>(chunk.size(), to_write_ - written_);
  for (std::size_t i = 0; i < size; ++i)
    chunk[i] = byte_at(written_ + i);
  const auto taken = os::write_some(writer_, ByteView(chunk).first(size));
  if (!taken) return false;
  written_ += taken->value_or(0);
  return true;
}

bool TcpFlow::read_more() {
  std::array<std::uint8_t, kChunk> chunk;
  const auto size = os::read_some(reader_, chunk);
  if (!size || *size == 0) return false;  // broken, or closed by the other side
  for (std::size_t i = 0; i < size->value_or(0); ++i)
    if (chunk[i] != byte_at(arrived_ + i)) return false;
  arrived_ += size->value_or(0);
  return true;
}

}  // namespace sinew::lab
