#include "node/side_sockets.h"

#include <doctest/doctest.h>
#include <sys/socket.h>

#include <set>

#include "aio/datagram.h"
#include "os/error.h"
#include "os/socket.h"
#include "support/runtime.h"

namespace sinew::node {
namespace {

struct Setup final : SideSockets::Listener {
  void take_side_datagram(ByteView datagram, const path::Direct& from) override {
    arrived.emplace_back(std::string(as_text(datagram)), from);
    if (closes_on_arrival) sockets.close({from.socket, 1});
    arrival.notify();
  }

  aio::Task<> wait_for(std::size_t count) {
    while (arrived.size() < count) {
      const Result<> waited = co_await arrival.wait();
      REQUIRE(waited);
    }
  }

  test::TestRuntime test;
  aio::Event arrival{test.runtime};
  std::vector<std::pair<std::string, path::Direct>> arrived;
  bool closes_on_arrival = false;
  os::Fd stranger = *os::bind_udp({IpAddress::v4(127, 0, 0, 1), 0});
  Endpoint stranger_at = *os::local_endpoint(stranger);
  SideSockets sockets{test.runtime, *this};
};

void send(const os::Fd& from, const Endpoint& to, std::string_view text) {
  const auto address = os::to_socket_address(to, os::family_of(from));
  REQUIRE(address);
  REQUIRE(::sendto(from.get(), text.data(), text.size(), 0, address->get(), address->size) ==
          static_cast<ssize_t>(text.size()));
}

// Who sent it; the socket is known to have something.
Endpoint receive(const os::Fd& socket, std::string& text) {
  std::array<char, 100> room;
  os::SocketAddress from;
  const ssize_t size = os::retry_interrupted([&] {
    return ::recvfrom(socket.get(), room.data(), room.size(), 0, from.get(), &from.size);
  });
  REQUIRE(size >= 0);
  text.assign(room.data(), static_cast<std::size_t>(size));
  return os::to_endpoint(from);
}

Endpoint on_loopback(const Endpoint& endpoint) {
  return {IpAddress::v4(127, 0, 0, 1), endpoint.port};
}

aio::Task<> talk(Setup& setup) {
  setup.sockets.open({path::SocketNumber(5), 3});
  CHECK(setup.sockets.size() == 3);
  std::set<std::uint16_t> ports;
  std::string text;
  for (std::uint16_t number = 5; number < 8; ++number) {
    const path::SocketNumber socket(number);
    const std::string said = "from " + std::to_string(number);
    setup.sockets.send({setup.stranger_at, socket}, as_bytes(said));
    const Endpoint from = receive(setup.stranger, text);
    CHECK(text == said);
    CHECK(ports.insert(from.port).second);
    send(setup.stranger, on_loopback(from), "to " + std::to_string(number));
    co_await setup.wait_for(ports.size());
    CHECK(setup.arrived.back().first == "to " + std::to_string(number));
    CHECK(setup.arrived.back().second == path::Direct{setup.stranger_at, socket});
  }
  co_await setup.sockets.stop();
  CHECK(setup.sockets.size() == 0);
}

TEST_CASE("each socket has a port of its own, and what arrives says which socket it came to") {
  Setup setup;
  setup.test.run(talk(setup));
}

aio::Task<> close_some(Setup& setup) {
  setup.sockets.open({path::SocketNumber(1), 3});
  setup.sockets.close({path::SocketNumber(2), 5});
  CHECK(setup.sockets.size() == 1);
  setup.sockets.send({setup.stranger_at, path::SocketNumber(2)}, as_bytes("lost"));
  setup.sockets.send({setup.stranger_at, path::SocketNumber(9)}, as_bytes("lost too"));
  setup.sockets.send({setup.stranger_at, path::SocketNumber(1)}, as_bytes("arrives"));
  std::string text;
  receive(setup.stranger, text);
  CHECK(text == "arrives");
  // The same number again is another socket.
  setup.sockets.open({path::SocketNumber(2), 1});
  setup.sockets.send({setup.stranger_at, path::SocketNumber(2)}, as_bytes("back"));
  receive(setup.stranger, text);
  CHECK(text == "back");
  co_await setup.sockets.stop();
}

TEST_CASE("a closed socket sends nothing, and its number may be used again") {
  Setup setup;
  setup.test.run(close_some(setup));
}

aio::Task<> close_while_receiving(Setup& setup) {
  setup.closes_on_arrival = true;
  setup.sockets.open({path::SocketNumber(1), 1});
  setup.sockets.send({setup.stranger_at, path::SocketNumber(1)}, as_bytes("where am I?"));
  std::string text;
  const Endpoint from = receive(setup.stranger, text);
  send(setup.stranger, on_loopback(from), "last words");
  co_await setup.wait_for(1);
  CHECK(setup.sockets.size() == 0);
  co_await setup.sockets.stop();
}

TEST_CASE("a socket may be closed by whoever takes what came to it") {
  Setup setup;
  setup.test.run(close_while_receiving(setup));
}

aio::Task<> open_after_stop(Setup& setup) {
  co_await setup.sockets.stop();
  setup.sockets.open({path::SocketNumber(1), 2});
  CHECK(setup.sockets.size() == 0);
}

TEST_CASE("after the end none is opened") {
  Setup setup;
  setup.test.run(open_after_stop(setup));
}

}  // namespace
}  // namespace sinew::node
