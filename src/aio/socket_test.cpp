// Connections, listeners and datagrams over the loopback interface.
#include <doctest/doctest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <array>

#include "aio/datagram.h"
#include "aio/listener.h"
#include "aio/socket_stream.h"
#include "aio/task_group.h"
#include "os/socket.h"
#include "support/runtime.h"
#include "support/temp_dir.h"

namespace sinew::aio {
namespace {

const IpAddress kLoopbackV4 = IpAddress::v4(127, 0, 0, 1);
const IpAddress kLoopbackV6 = *IpAddress::parse("::1");

Task<> turns(int number) {
  for (int i = 0; i < number; ++i)
    co_await yield();
}

Task<> check_tcp(Runtime& runtime, IpAddress listen_on, IpAddress call) {
  auto listener = Listener::listen_tcp(runtime, {listen_on, 0});
  REQUIRE(listener);
  const std::uint16_t port = listener->local()->port;
  const Endpoint target = {call, port};
  auto client = co_await connect_tcp(runtime, target);
  REQUIRE(client);
  auto server = co_await listener->accept();
  REQUIRE(server);
  CHECK(server->peer.address == call);
  CHECK(!server->process);
  const Result<> wrote = co_await (*client)->write(as_bytes("hello"));
  CHECK(wrote);
  std::array<std::uint8_t, 5> room;
  const Result<> read = co_await read_exactly(*server->stream, room);
  CHECK(read);
  CHECK(as_text(room) == "hello");
}

TEST_CASE("TCP over either family, and over both on one listener") {
  test::TestRuntime test;
  SUBCASE("IPv4") {
    test.run(check_tcp(test.runtime, kLoopbackV4, kLoopbackV4));
  }
  SUBCASE("IPv6") {
    test.run(check_tcp(test.runtime, kLoopbackV6, kLoopbackV6));
  }
  SUBCASE("IPv4 to both") {
    test.run(check_tcp(test.runtime, IpAddress::any_v6(), kLoopbackV4));
  }
  SUBCASE("IPv6 to both") {
    test.run(check_tcp(test.runtime, IpAddress::any_v6(), kLoopbackV6));
  }
}

Task<> check_refused(Runtime& runtime) {
  auto listener = Listener::listen_tcp(runtime, {kLoopbackV4, 0});
  REQUIRE(listener);
  const Endpoint there = *listener->local();
  CHECK(Listener::listen_tcp(runtime, there).error().kind == ErrorKind::kConflict);
  listener->close();
  const auto client = co_await connect_tcp(runtime, there);
  REQUIRE(!client);
  CHECK(client.error() ==
        Error{ErrorKind::kUnavailable, "connect to " + there.to_string() + ": connection refused"});
}

TEST_CASE("a closed listener refuses callers, and the error names the endpoint") {
  test::TestRuntime test;
  test.run(check_refused(test.runtime));
}

Task<> keep_accept(Listener& listener, Result<Accepted>& out) {
  out = co_await listener.accept();
}

Task<> check_accept_ends(Runtime& runtime) {
  auto listener = Listener::listen_tcp(runtime, {kLoopbackV4, 0});
  REQUIRE(listener);
  Result<Accepted> accepted = Error{};
  TaskGroup group(runtime);
  group.start("accept", keep_accept(*listener, accepted));
  co_await turns(5);
  group.cancel();
  co_await group.wait_empty();
  CHECK(accepted.error() == cancelled());
  group.start("accept", keep_accept(*listener, accepted));
  co_await turns(5);
  listener->close();
  co_await group.wait_empty();
  CHECK(accepted.error() == closed());
}

TEST_CASE("accepting ends by cancel and by close") {
  test::TestRuntime test;
  test.run(check_accept_ends(test.runtime));
}

Task<> keep_connect(Runtime& runtime, Endpoint remote, Result<std::unique_ptr<Stream>>& out) {
  out = co_await connect_tcp(runtime, remote);
}

Task<> check_connect_cancel(Runtime& runtime) {
  // A listener whose queue is full does not answer: the connection stays in the making.
  os::Fd full(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const auto address = os::to_socket_address({kLoopbackV4, 0}, AF_INET);
  REQUIRE(::bind(full.get(), address->get(), address->size) == 0);
  REQUIRE(::listen(full.get(), 0) == 0);
  const Endpoint there = *os::local_endpoint(full);

  Result<std::unique_ptr<Stream>> first = Error{};
  Result<std::unique_ptr<Stream>> last = Error{};
  TaskGroup group(runtime);
  group.start("connect", keep_connect(runtime, there, first));
  co_await group.wait_empty();
  REQUIRE(first);
  group.start("connect", keep_connect(runtime, there, last));
  co_await turns(20);
  CHECK(group.size() == 1);
  co_await group.stop();
  CHECK(last.error() == cancelled());
}

TEST_CASE("connecting can be cancelled") {
  test::TestRuntime test;
  test.run(check_connect_cancel(test.runtime));
}

Task<> check_unix(Runtime& runtime, std::string path) {
  auto listener = Listener::listen_unix(runtime, path, 0600);
  REQUIRE(listener);
  auto client = co_await connect_unix(runtime, path);
  REQUIRE(client);
  auto server = co_await listener->accept();
  REQUIRE(server);
  REQUIRE(server->process);
  CHECK(server->process->pid == ::getpid());
  CHECK(server->process->uid == ::geteuid());
  const auto missing = co_await connect_unix(runtime, path + "x");
  CHECK(missing.error().kind == ErrorKind::kNotFound);
}

TEST_CASE("a local connection knows the process on the other side") {
  const test::TempDir dir;
  test::TestRuntime test;
  test.run(check_unix(test.runtime, dir / "socket"));
}

// As few descriptors as are open now, for the life of the object.
class NoMoreDescriptors {
 public:
  NoMoreDescriptors() {
    ::getrlimit(RLIMIT_NOFILE, &before_);
    const os::Fd next = *os::open_file("/dev/null", 0);
    const rlimit now{static_cast<rlim_t>(next.get()), before_.rlim_max};
    ::setrlimit(RLIMIT_NOFILE, &now);
  }
  NoMoreDescriptors(const NoMoreDescriptors&) = delete;
  NoMoreDescriptors& operator=(const NoMoreDescriptors&) = delete;
  ~NoMoreDescriptors() { ::setrlimit(RLIMIT_NOFILE, &before_); }

 private:
  rlimit before_;
};

Task<> check_exhaustion(Runtime& runtime) {
  auto listener = Listener::listen_tcp(runtime, {kLoopbackV4, 0});
  REQUIRE(listener);
  const Endpoint there = *listener->local();
  auto dropped = co_await connect_tcp(runtime, there);
  REQUIRE(dropped);
  Result<Accepted> accepted = Error{};
  TaskGroup group(runtime);
  {
    const NoMoreDescriptors few;
    group.start("accept", keep_accept(*listener, accepted));
    std::array<std::uint8_t, 1> room;
    const Result<std::size_t> end = co_await (*dropped)->read_some(room);
    CHECK((!end || *end == 0));
  }
  CHECK(listener->dropped() == 1);
  CHECK(group.size() == 1);  // still accepting
  auto served = co_await connect_tcp(runtime, there);
  CHECK(served);
  co_await group.wait_empty();
  CHECK(accepted);
}

TEST_CASE("without free descriptors a caller is dropped at once, and the next one served") {
  test::TestRuntime test;
  test.run(check_exhaustion(test.runtime));
}

Task<> check_datagrams(Runtime& runtime, IpAddress bind_to, IpAddress call) {
  auto left = Datagram::bind(runtime, {bind_to, 0});
  auto right = Datagram::bind(runtime, {call, 0});
  REQUIRE(left);
  REQUIRE(right);
  const Endpoint left_at{call, left->local()->port};
  const Result<> sent = co_await right->send_to(left_at, as_bytes("longer than the room"));
  CHECK(sent);
  std::array<std::uint8_t, 6> room;
  const Result<Datagram::Received> received = co_await left->receive_from(room);
  REQUIRE(received);
  CHECK(received->from == *right->local());
  CHECK(as_text(ByteView(room).first(received->size)) == "longer");
  const Result<> replied = co_await left->send_to(received->from, as_bytes("reply"));
  CHECK(replied);
  const Result<Datagram::Received> reply = co_await right->receive_from(room);
  REQUIRE(reply);
  CHECK(reply->from == left_at);
  CHECK(reply->size == 5);
}

TEST_CASE("datagrams know where they come from, over either family and both") {
  test::TestRuntime test;
  SUBCASE("IPv4") {
    test.run(check_datagrams(test.runtime, kLoopbackV4, kLoopbackV4));
  }
  SUBCASE("IPv6") {
    test.run(check_datagrams(test.runtime, kLoopbackV6, kLoopbackV6));
  }
  SUBCASE("IPv4 to both") {
    test.run(check_datagrams(test.runtime, IpAddress::any_v6(), kLoopbackV4));
  }
}

Task<> keep_receive(Datagram& socket, Result<Datagram::Received>& out) {
  std::array<std::uint8_t, 16> room;
  out = co_await socket.receive_from(room);
}

Task<> check_receive_ends(Runtime& runtime) {
  auto socket = Datagram::bind(runtime, {kLoopbackV4, 0});
  REQUIRE(socket);
  // A port where nobody is: the refusal that comes back is not an error of receiving.
  const Endpoint nobody = {kLoopbackV4, 1};
  const Result<> sent = co_await socket->send_to(nobody, as_bytes("x"));
  CHECK(sent);
  const Endpoint other_family = {kLoopbackV6, 1};
  const Result<> wrong = co_await socket->send_to(other_family, as_bytes("x"));
  CHECK(wrong.error().kind == ErrorKind::kUnsupported);
  Result<Datagram::Received> received = Error{};
  TaskGroup group(runtime);
  group.start("receive", keep_receive(*socket, received));
  co_await turns(5);
  group.cancel();
  co_await group.wait_empty();
  CHECK(received.error() == cancelled());
  group.start("receive", keep_receive(*socket, received));
  co_await turns(5);
  socket->close();
  co_await group.wait_empty();
  CHECK(received.error() == closed());
}

TEST_CASE("receiving ends by cancel and by close, not by refusals from the network") {
  test::TestRuntime test;
  test.run(check_receive_ends(test.runtime));
}

}  // namespace
}  // namespace sinew::aio
