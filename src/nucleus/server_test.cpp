#include "nucleus/server.h"

#include <doctest/doctest.h>

#include "aio/task_group.h"
#include "os/random.h"
#include "signal/client.h"
#include "stun/message.h"
#include "support/runtime.h"
#include "support/temp_dir.h"

using namespace sinew;
using namespace sinew::nucleus;

namespace {

const Endpoint kLoopback{.address = IpAddress::v4(127, 0, 0, 1), .port = 0};

class Host final : public StreamHost {
 public:
  void send(std::uint64_t stream, Bytes bytes) override {
    sent.emplace_back(stream, std::move(bytes));
  }
  void close(std::uint64_t) override {}

  std::vector<std::pair<std::uint64_t, Bytes>> sent;
};

class Taker final : public DatagramTaker {
 public:
  void take(ByteView datagram, const Endpoint&) override {
    taken.emplace_back(datagram.begin(), datagram.end());
  }

  std::vector<Bytes> taken;
};

ClusterOptions cluster(std::string name, std::string_view secret) {
  ClusterOptions options;
  options.name = std::move(name);
  options.secret = SecretBytes(secret);
  return options;
}

Options options_in(const test::TempDir& directory) {
  Options options;
  options.listen = kLoopback;
  options.state_directory = directory.path();
  options.clusters.push_back(cluster("home", "secret of home"));
  options.clusters.push_back(cluster("work", "secret of work"));
  return options;
}

struct Setup {
  test::TestRuntime test;
  test::TempDir directory;
  os::SystemRng rng;
  Host host;
  Taker taker;

  std::unique_ptr<Server> open() {
    Options options = options_in(directory);
    options.streams = &host;
    options.datagrams = &taker;
    return Server::open(test.runtime, rng, std::move(options), test.runtime.log()).value();
  }
  signal::Client client(std::string_view cluster, std::string_view secret) {
    return signal::Client(rng,
                          {.key = signal::ClusterKey::derive(cluster, SecretBytes(secret)).value(),
                           .node = signal::PrivateKey::generate(rng),
                           .disco = {},
                           .name = "node",
                           .wanted_v4 = std::nullopt,
                           .wanted_v6 = std::nullopt,
                           .nucleus_key = std::nullopt});
  }
  Endpoint nucleus(const Server& server) const {
    return {.address = kLoopback.address, .port = server.port()};
  }
};

aio::Task<> serve(Server& server) {
  const Result<> ended = co_await server.run();
  CHECK_FALSE(ended);
}

// A client on a socket of its own, until it knows its cluster.
aio::Task<> drive(Setup& setup, signal::Client& client) {
  aio::Runtime& runtime = setup.test.runtime;
  aio::Datagram socket = aio::Datagram::bind(runtime, kLoopback).value();
  std::array<std::uint8_t, 2048> room;
  while (!client.is_map_complete()) {
    while (auto transmit = client.next_transmit()) {
      const Result<> sent = co_await socket.send_to(transmit->to.endpoint, transmit->bytes);
      if (!sent) co_return;
    }
    const Duration rest =
        std::clamp(client.deadline() - runtime.clock().now(), Duration(1ms), Duration(1s));
    const Result<aio::Datagram::Received> got =
        co_await aio::with_timeout(socket.receive_from(room), rest);
    const bool is_cancelled = co_await aio::is_cancelled();
    if (is_cancelled) co_return;
    const MonoTime now = runtime.clock().now();
    if (got)
      client.feed(ByteView(room).first(got->size), {.endpoint = got->from, .stream = 0}, now);
    client.expire(now);
  }
}

aio::Task<> register_both(Setup& setup, Server& server, signal::Client& a, signal::Client& b) {
  aio::TaskGroup group(setup.test.runtime);
  group.start("serve", serve(server));
  const MonoTime now = setup.test.runtime.clock().now();
  a.set_servers({setup.nucleus(server)}, now);
  b.set_servers({setup.nucleus(server)}, now);
  co_await drive(setup, a);
  co_await drive(setup, b);
  co_await group.stop();
}

aio::Task<> ask(Setup& setup, Server& server, Endpoint to, Bytes question, Bytes& answer,
                Endpoint& from) {
  aio::TaskGroup group(setup.test.runtime);
  group.start("serve", serve(server));
  aio::Datagram socket = aio::Datagram::bind(setup.test.runtime, kLoopback).value();
  const Result<> sent = co_await socket.send_to(to, question);
  CHECK(sent);
  std::array<std::uint8_t, 2048> room;
  const Result<aio::Datagram::Received> got =
      co_await aio::with_timeout(socket.receive_from(room), 5s);
  if (got) answer.assign(room.begin(), room.begin() + static_cast<std::ptrdiff_t>(got->size));
  if (got) from = got->from;
  co_await group.stop();
}

// The question behind it is answered when it has been handled.
aio::Task<> send_relayed(Setup& setup, Server& server) {
  aio::TaskGroup group(setup.test.runtime);
  group.start("serve", serve(server));
  aio::Datagram socket = aio::Datagram::bind(setup.test.runtime, kLoopback).value();
  const std::array<std::uint8_t, 2> relayed{0xE1, 5};
  const Result<> sent = co_await socket.send_to(setup.nucleus(server), relayed);
  CHECK(sent);
  while (setup.taker.taken.empty())
    co_await aio::yield();
  co_await group.stop();
}

}  // namespace

TEST_CASE("nucleus: nodes of two clusters register over UDP, each with its secret") {
  Setup setup;
  auto server = setup.open();
  signal::Client home = setup.client("home", "secret of home");
  signal::Client work = setup.client("work", "secret of work");
  setup.test.run(register_both(setup, *server, home, work));
  CHECK(home.state() == signal::Client::State::kRegistered);
  CHECK(home.map().peers.empty());
  CHECK(server->nodes().size() == 2);
  REQUIRE(server->clusters().size() == 2);
  CHECK(server->clusters()[0].online == 1);
  CHECK(home.nucleus_key() == server->public_key());
  CHECK(server->relay_admission_key("home"));
  CHECK_FALSE(server->relay_admission_key("nobody"));
}

TEST_CASE("nucleus: addresses and key outlive a restart") {
  Setup setup;
  auto server = setup.open();
  const auto key = server->public_key();
  signal::Client a = setup.client("home", "secret of home");
  signal::Client b = setup.client("home", "secret of home");
  setup.test.run(register_both(setup, *server, a, b));
  REQUIRE(server->stop());
  server.reset();

  server = setup.open();
  CHECK(server->public_key() == key);
  CHECK(server->nodes().size() == 2);
  REQUIRE(server->forget("home", *a.map().self.v4));
  CHECK_FALSE(server->forget("home", *a.map().self.v4));
  CHECK_FALSE(server->forget("nobody", *a.map().self.v4));
  CHECK(server->nodes().size() == 1);
}

TEST_CASE("nucleus: answers STUN on both ports and hands on what is the relay's") {
  Setup setup;
  auto server = setup.open();
  CHECK(server->second_port() != server->port());
  // A binding request as others send it: type, length, cookie, transaction.
  Bytes request(20);
  store_be<std::uint16_t>(request.data(), 1);
  store_be<std::uint32_t>(request.data() + 4, 0x2112A442);
  for (const std::uint16_t port : {server->port(), server->second_port()}) {
    Bytes answer;
    Endpoint from;
    const Endpoint to{.address = kLoopback.address, .port = port};
    setup.test.run(ask(setup, *server, to, request, answer, from));
    CHECK(from.port == port);
    CHECK(stun::is_stun(answer));
  }
  setup.test.run(send_relayed(setup, *server));
  REQUIRE(setup.taker.taken.size() == 1);
  CHECK(setup.taker.taken[0] == Bytes{0xE1, 5});
}

TEST_CASE("nucleus: a stream carries the same datagrams, behind their lengths and in any pieces") {
  Setup setup;
  auto server = setup.open();
  signal::Client client = setup.client("home", "secret of home");
  const auto now = [&] { return setup.test.runtime.clock().now(); };
  client.set_stream(7, now());
  CHECK_FALSE(server->stream_received(7, {}));
  REQUIRE(server->stream_opened(7, kLoopback));
  CHECK_FALSE(server->stream_opened(7, kLoopback));
  signal::Deframer deframer;
  for (int round = 0; round < 10 && !client.is_map_complete(); ++round) {
    while (const auto transmit = client.next_transmit()) {
      for (const std::uint8_t byte : signal::frame(transmit->bytes))
        REQUIRE(server->stream_received(7, {&byte, 1}));
    }
    for (const auto& [stream, bytes] : std::exchange(setup.host.sent, {})) {
      CHECK(stream == 7);
      deframer.feed(bytes);
    }
    while (const auto datagram = deframer.next())
      client.feed(*datagram, {.endpoint = {}, .stream = 7}, now());
  }
  CHECK(client.is_map_complete());
  REQUIRE(server->nodes().size() == 1);
  CHECK(server->nodes()[0].route->stream == 7);

  const std::array<std::uint8_t, 2> nonsense{0xff, 0xff};
  CHECK_FALSE(server->stream_received(7, nonsense));
  CHECK(server->stream_count() == 0);
  CHECK_FALSE(server->nodes()[0].route);
}
