// The relay as it runs: real sockets on the loopback, real threads.
#include "relayd/server.h"

#include <doctest/doctest.h>
#include <sys/socket.h>

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "os/log_sink.h"
#include "os/mutex.h"
#include "relay/http.h"
#include "relay/udp.h"
#include "relayd/test_client.h"
#include "stun/message.h"
#include "tls/certificate.h"

using namespace sinew;
using namespace sinew::relayd;
using namespace sinew::relayd::test;

namespace {

const Endpoint kLoopback{.address = IpAddress::v4(127, 0, 0, 1), .port = 0};

const tls::CertificateAndKey& identity() {
  static const std::vector<std::string> kNames = {"relay.test"};
  static const tls::CertificateAndKey kIdentity = tls::make_self_signed(kNames).value();
  return kIdentity;
}

class NullSink final : public LogSink {
 public:
  void write(const LogRecord&) override {}
};

Options on_loopback() {
  Options options;
  options.listen = kLoopback;
  options.udp = kLoopback;
  return options;
}

class Running {
 public:
  explicit Running(Options options = on_loopback(),
                   relay::Admission admission = {.is_open = true, .keys = {}, .clusters = {}})
      : server(Server::start(std::move(options), crypto::X25519PrivateKey::generate(rng),
                             tls::Context::server(identity()).value(), std::move(admission), clock,
                             Log(sink, clock, LogLevel::kError, "relay"))
                   .value()) {}

  relay::Client::Config config() {
    return {.key = crypto::X25519PrivateKey::generate(rng), .host = "relay.test"};
  }
  std::unique_ptr<TestClient> connect() { return connect(config()); }
  std::unique_ptr<TestClient> connect(relay::Client::Config with) {
    return std::make_unique<TestClient>(context, *server->tcp_endpoint(), std::move(with));
  }
  // Whether it comes true within patience, while `clients` are pumped.
  template <typename Condition>
  bool wait(Condition condition, std::initializer_list<TestClient*> clients) {
    const MonoTime end = clock.now() + 20s;
    while (!condition() && clock.now() < end) {
      for (TestClient* client : clients)
        client->pump(1ms);
    }
    return condition();
  }

  // Of the kernel's clock and chance: these threads are real.
  os::SystemRng rng;
  os::SystemClock clock;
  NullSink sink;
  std::unique_ptr<Server> server;
  tls::Context context = tls::Context::client(tls::Trust::anyone()).value();
};

// What an HTTP request gets, until the connection ends.
std::string ask(Running& running, std::string_view request) {
  TlsSocket socket(running.context, *running.server->tcp_endpoint());
  const MonoTime end = running.clock.now() + 20s;
  bool is_sent = false;
  while (socket.pump(end) && running.clock.now() < end) {
    if (is_sent || !socket.is_established()) continue;
    socket.write(as_bytes(request));
    is_sent = true;
  }
  return std::string(as_text(socket.received));
}

std::string get(std::string_view path) {
  return "GET " + std::string(path) + " HTTP/1.1\r\nHost: relay.test\r\n\r\n";
}

// A guest that gives back what it gets.
class EchoGuest final : public Guest {
 public:
  bool stream_opened(StreamId, const Endpoint&) override {
    ++opened;
    return !refuses;
  }
  bool stream_received(StreamId stream, ByteView bytes) override {
    return server->send_to_guest_stream(stream, Bytes(bytes.begin(), bytes.end()));
  }
  void stream_closed(StreamId) override { ++closed; }

  Server* server = nullptr;
  std::atomic<bool> refuses = false;
  std::atomic<int> opened = 0;
  std::atomic<int> closed = 0;
};

std::optional<Bytes> receive_datagram(const os::Fd& socket) {
  std::array<pollfd, 1> fds = {{{.fd = socket.get(), .events = POLLIN, .revents = 0}}};
  os::SystemClock clock;
  if (!os::poll_until(fds, clock.now() + 20s).value()) return std::nullopt;
  Bytes room(2'000);
  const auto size = ::recv(socket.get(), room.data(), room.size(), 0);
  if (size < 0) return std::nullopt;
  room.resize(static_cast<std::size_t>(size));
  return room;
}

}  // namespace

TEST_CASE("relayd: two clients reach each other through it") {
  Running running;
  const auto a = running.connect();
  const auto b = running.connect();
  REQUIRE(a->log_in());
  REQUIRE(b->log_in());
  REQUIRE(a->client.send(b->key, as_bytes("hello")));
  a->pump(0ms);
  REQUIRE(b->pump_until([&] { return b->packets == 1; }));
  CHECK(as_text(b->last) == "hello");
  REQUIRE(running.wait([&] { return running.server->counters().relay.packets == 1; }, {}));
  CHECK(running.server->counters().relay.clients == 2);
}

TEST_CASE("relayd: packets of every size pass whole") {
  Running running;
  const auto a = running.connect();
  const auto b = running.connect();
  REQUIRE(a->log_in());
  REQUIRE(b->log_in());
  for (const std::size_t size : {0UL, 1UL, 1'419UL, 16'384UL, 65'535UL, relay::kMaxPacketBytes}) {
    Bytes packet(size);
    running.rng.fill(packet);
    const std::size_t before = b->packets;
    REQUIRE(a->client.send(b->key, packet));
    REQUIRE(running.wait([&] { return b->packets == before + 1; }, {a.get(), b.get()}));
    REQUIRE(b->last == packet);
  }
}

TEST_CASE("relayd: answers probes and refuses what it is not for") {
  Running running;
  CHECK(ask(running, get("/derp/probe")).starts_with("HTTP/1.1 200 OK\r\n"));
  CHECK(ask(running, get("/generate_204")).starts_with("HTTP/1.1 204 "));
  CHECK(ask(running, get("/nothing")).starts_with("HTTP/1.1 404 "));
  CHECK(ask(running, get("/derp")).starts_with("HTTP/1.1 426 "));
  CHECK(ask(running, "nonsense\r\n\r\n").starts_with("HTTP/1.1 400 "));
  // Nobody lives there.
  CHECK(ask(running,
            "GET /signal HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: "
            "sinew-signal\r\n\r\n")
            .starts_with("HTTP/1.1 503 "));
  REQUIRE(running.wait([&] { return running.server->counters().connections == 0; }, {}));
  CHECK(running.server->counters().probes == 2);
}

TEST_CASE("relayd: a guest has streams of its own inside the relay's TLS") {
  EchoGuest guest;
  Options options = on_loopback();
  options.guest = &guest;
  Running running(std::move(options));
  guest.server = running.server.get();
  TlsSocket socket(running.context, *running.server->tcp_endpoint());
  const auto pump_until = [&](auto condition) {
    const MonoTime end = running.clock.now() + 20s;
    while (!condition() && running.clock.now() < end)
      socket.pump(running.clock.now() + 20ms);
    return condition();
  };
  REQUIRE(pump_until([&] { return socket.is_established(); }));
  socket.write(
      as_bytes("GET /signal HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: "
               "sinew-signal\r\n\r\nfirst"));
  REQUIRE(pump_until([&] { return as_text(socket.received).ends_with("\r\n\r\nfirst"); }));
  socket.received.clear();
  socket.write(as_bytes("second"));
  REQUIRE(pump_until([&] { return as_text(socket.received) == "second"; }));
  CHECK(guest.opened == 1);
  CHECK(guest.closed == 0);
  running.server->stop();
  CHECK(guest.closed == 1);
}

TEST_CASE("relayd: a guest may refuse a stream") {
  EchoGuest guest;
  Options options = on_loopback();
  options.guest = &guest;
  Running running(std::move(options));
  guest.server = running.server.get();
  guest.refuses = true;
  CHECK(ask(running,
            "GET /signal HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: "
            "sinew-signal\r\n\r\n")
            .starts_with("HTTP/1.1 503 "));
}

TEST_CASE("relayd: serves a connection that somebody else has accepted") {
  Options options;
  Running running(std::move(options));
  const os::Fd listener = os::listen_tcp(kLoopback).value();
  TestClient client(running.context, os::local_endpoint(listener).value(), running.config());
  auto accepted = os::accept_tcp(listener).value();
  REQUIRE(accepted);
  REQUIRE(running.server->adopt(std::move(accepted->connection), accepted->peer));
  CHECK(client.log_in());
}

TEST_CASE("relayd: relays over UDP, and answers STUN at the same port") {
  Running running;
  auto config_a = running.config();
  config_a.wants_udp = true;
  const auto a = running.connect(std::move(config_a));
  const auto b = running.connect();
  REQUIRE(a->log_in());
  REQUIRE(b->log_in());
  REQUIRE(a->pump_until([&] { return a->client.udp_port().has_value(); }));
  const Endpoint to = *running.server->udp_endpoint();
  CHECK(a->client.udp_port() == to.port);
  const os::Fd socket = os::bind_udp(kLoopback).value();
  for (int i = 0; i < 2; ++i) {
    REQUIRE(os::send_datagram(socket, *a->client.next_datagram(), to));
    const auto answer = receive_datagram(socket);
    REQUIRE(answer);
    REQUIRE(a->client.feed_datagram(*answer, running.clock.now()));
  }
  CHECK(a->client.is_udp_bound());
  // The first packet asks for the number.
  REQUIRE(a->client.send(b->key, as_bytes("over TLS")));
  REQUIRE(running.wait([&] { return b->packets == 1; }, {a.get(), b.get()}));
  a->pump(20ms);
  std::optional<Bytes> datagram;
  REQUIRE(running.wait(
      [&] {
        REQUIRE(a->client.send(b->key, as_bytes("over UDP")));
        datagram = a->client.next_datagram();
        return datagram.has_value();
      },
      {a.get()}));
  const std::size_t before = b->packets;
  REQUIRE(os::send_datagram(socket, *datagram, to));
  REQUIRE(running.wait([&] { return b->packets > before && as_text(b->last) == "over UDP"; },
                       {a.get(), b.get()}));
}

TEST_CASE("relayd: L30 a stranger's datagram is not answered, and does not stop the next one") {
  Running running;
  const Endpoint to = *running.server->udp_endpoint();
  const os::Fd socket = os::bind_udp(kLoopback).value();
  for (unsigned first = 0; first < 256; ++first) {
    Bytes bytes(relay::kUdpBindSize, static_cast<std::uint8_t>(first));
    if (first == 0xe1) bytes[1] = 1;
    REQUIRE(os::send_datagram(socket, bytes, to));
  }
  // Behind them all, what is answered.
  auto config = running.config();
  config.wants_udp = true;
  const auto a = running.connect(std::move(config));
  REQUIRE(a->pump_until([&] { return a->client.udp_port().has_value(); }));
  REQUIRE(os::send_datagram(socket, *a->client.next_datagram(), to));
  const auto answer = receive_datagram(socket);
  REQUIRE(answer);
  CHECK(a->client.feed_datagram(*answer, running.clock.now()));
}

TEST_CASE("relayd: datagrams that somebody else received are answered through his socket") {
  const os::Fd shared = os::bind_udp(kLoopback).value();
  Options options;
  options.listen = kLoopback;
  options.shared_udp = shared.duplicate().value();
  options.shared_udp_port = os::local_endpoint(shared).value().port;
  Running running(std::move(options));
  auto config = running.config();
  config.wants_udp = true;
  const auto a = running.connect(std::move(config));
  REQUIRE(a->pump_until([&] { return a->client.udp_port().has_value(); }));
  CHECK(a->client.udp_port() == os::local_endpoint(shared).value().port);
  const os::Fd socket = os::bind_udp(kLoopback).value();
  REQUIRE(running.server->take_datagram(*a->client.next_datagram(),
                                        os::local_endpoint(socket).value()));
  const auto answer = receive_datagram(socket);
  REQUIRE(answer);
  CHECK(a->client.feed_datagram(*answer, running.clock.now()));
}

TEST_CASE("relayd: whom the admission no longer admits is put out") {
  Running running;
  const auto a = running.connect();
  REQUIRE(a->log_in());
  REQUIRE(running.server->set_admission({}));
  CHECK(a->pump_until([&] { return a->socket.is_over(); }));
  CHECK_FALSE(running.connect()->log_in());
}

TEST_CASE("relayd: bytes that are no TLS end the connection and are counted") {
  Running running;
  const os::Fd socket = os::start_connect_tcp(*running.server->tcp_endpoint()).value();
  const Bytes nonsense(100, 'x');
  REQUIRE(running.wait(
      [&] {
        const auto written = os::write_some(socket, nonsense);
        return written && *written;
      },
      {}));
  CHECK(running.wait([&] { return running.server->counters().tls_failed == 1; }, {}));
  CHECK(running.wait([&] { return running.server->counters().connections == 0; }, {}));
}

TEST_CASE("relayd: a source that connects too often is turned away, others are not asked to wait") {
  Options options = on_loopback();
  options.accepts_per_source = {.interval = 1h, .burst = 2};
  Running running(std::move(options));
  CHECK(running.connect()->log_in());
  CHECK(running.connect()->log_in());
  CHECK_FALSE(running.connect()->log_in());
  CHECK(running.server->counters().accept_refused == 1);
}

TEST_CASE("relayd: L36 T-RELAY-SLOW clients that stop reading do not slow down the others") {
  Options options = on_loopback();
  options.limits.total_queue_bytes = 2 << 20;
  Running running(std::move(options));
  const auto sender = running.connect();
  const auto reader = running.connect();
  REQUIRE(sender->log_in());
  REQUIRE(reader->log_in());
  std::vector<std::unique_ptr<TestClient>> slow;
  for (int i = 0; i < 8; ++i) {
    slow.push_back(running.connect());
    REQUIRE(slow.back()->log_in());
    slow.back()->socket.is_reading = false;
  }
  const Bytes packet(16'000, 7);
  // Until the kernel takes no more for any of them and the relay drops.
  REQUIRE(running.wait(
      [&] {
        for (const auto& each : slow)
          REQUIRE(sender->client.send(each->key, packet));
        return running.server->counters().relay.dropped_queue_full > 100;
      },
      {sender.get()}));
  CHECK(running.server->counters().relay.queued_bytes <= 2 << 20);
  const std::size_t before = reader->packets;
  REQUIRE(sender->client.send(reader->key, packet));
  CHECK(running.wait([&] { return reader->packets == before + 1; }, {sender.get(), reader.get()}));
}

TEST_CASE("relayd: stopping tells the clients when to come back, and ends their connections") {
  Running running;
  const auto a = running.connect();
  REQUIRE(a->log_in());
  running.server->stop();
  CHECK(a->pump_until([&] { return a->socket.is_over(); }));
}
