// A client of a running relay over a real socket, for tests and benchmarks: bytes move when it is
// pumped. One thread.
#pragma once

#include <poll.h>

#include <array>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/verify.h"
#include "os/clock.h"
#include "os/fd.h"
#include "os/poll.h"
#include "os/random.h"
#include "os/socket.h"
#include "relay/client.h"
#include "tls/engine.h"

namespace sinew::relayd::test {

// TLS over a socket, without anything inside.
class TlsSocket {
 public:
  TlsSocket(const tls::Context& context, const Endpoint& to)
      : fd_(os::start_connect_tcp(to).value()), engine_(tls::Engine::client(context, "").value()) {}

  // What arrives until `deadline`, or sooner what has arrived; sends what is to be sent. False when
  // the connection has ended.
  bool pump(MonoTime deadline) {
    if (is_over_) return false;
    const bool wants_out = !engine_.output().empty();
    std::array<pollfd, 1> fds = {
        {{.fd = fd_.get(),
          .events = static_cast<short>((is_reading ? POLLIN : 0) | (wants_out ? POLLOUT : 0)),
          .revents = 0}}};
    if (!os::poll_until(fds, deadline).value_or(false)) return true;
    if ((fds[0].revents & POLLOUT) != 0) write_out();
    if ((fds[0].revents & (POLLIN | POLLHUP | POLLERR)) != 0 && is_reading) read_in();
    return !is_over_;
  }

  void write(ByteView bytes) {
    VERIFY(engine_.write(bytes).has_value());
    write_out();
  }
  bool is_established() const { return engine_.is_established(); }
  std::size_t unsent() const { return engine_.output().size(); }
  const os::Fd& fd() const { return fd_; }
  bool is_over() const { return is_over_; }

  Bytes received;
  bool is_reading = true;

 private:
  void write_out() {
    while (!engine_.output().empty()) {
      const auto written = os::write_some(fd_, engine_.output());
      if (!written) {
        is_over_ = true;
        return;
      }
      if (!*written) return;
      engine_.consume_output(**written);
    }
  }
  void read_in() {
    room_.resize(64 << 10);
    const auto size = os::read_some(fd_, room_);
    if (size && !*size) return;
    const bool is_fine = size && **size > 0 &&
                         engine_.feed(ByteView(room_).first(**size), received) &&
                         !engine_.has_ended();
    is_over_ = !is_fine;
  }

  os::Fd fd_;
  tls::Engine engine_;
  Bytes room_;
  bool is_over_ = false;
};

class TestClient {
 public:
  TestClient(const tls::Context& context, const Endpoint& to, relay::Client::Config config)
      : key(config.key.public_key()), client(std::move(config), rng_), socket(context, to) {
    client.start(clock_.now());
  }

  bool pump(Duration patience) {
    send_out();
    const bool is_open = socket.pump(clock_.now() + patience);
    client.feed(std::exchange(socket.received, {}), clock_.now());
    while (auto event = client.next_event()) {
      if (const auto* failed = std::get_if<relay::Client::Failed>(&*event)) failure = failed->error;
      if (auto* packet = std::get_if<relay::Client::Packet>(&*event)) {
        ++packets;
        bytes += packet->bytes.size();
        last = std::move(packet->bytes);
      }
    }
    send_out();
    return is_open;
  }

  // Whether it came true before the connection ended or patience did.
  template <typename Condition>
  bool pump_until(Condition condition) {
    constexpr Duration kPatience = 20s;
    const MonoTime end = clock_.now() + kPatience;
    while (!condition() && clock_.now() < end) {
      if (!pump(20ms)) break;
    }
    return condition();
  }
  bool log_in() {
    return pump_until([&] { return client.is_ready(); });
  }

  const relay::NodeKey key;

 private:
  static constexpr std::size_t kMostUnsent = 256 << 10;

  void send_out() {
    if (!socket.is_established() || socket.is_over()) return;
    while (client.has_output() && socket.unsent() < kMostUnsent) {
      Bytes out;
      client.take_output(out, 64 << 10);
      socket.write(out);
    }
  }

  os::SystemClock clock_;
  os::SystemRng rng_;

 public:
  relay::Client client;
  TlsSocket socket;
  std::size_t packets = 0;
  std::size_t bytes = 0;
  Bytes last;
  std::optional<Error> failure;
};

}  // namespace sinew::relayd::test
