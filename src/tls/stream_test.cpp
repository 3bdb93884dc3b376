#include "tls/stream.h"

#include <doctest/doctest.h>

#include <array>

#include "aio/memory_stream.h"
#include "aio/task_group.h"
#include "support/runtime.h"
#include "tls/testing.h"

namespace sinew::tls {
namespace {

constexpr std::size_t kRoomBelow = 5000;  // less than a record

Bytes pattern(std::size_t size) {
  Bytes bytes(size);
  for (std::size_t i = 0; i < size; ++i)
    bytes[i] = static_cast<std::uint8_t>(i * 31 + i / 251);
  return bytes;
}

struct Contexts {
  Context client = Context::client(Trust::pinned(pin())).value();
  Context server = Context::server(identity()).value();
};

struct Ends {
  Result<std::unique_ptr<Stream>> client = Error{ErrorKind::kInternal, "not done"};
  Result<std::unique_ptr<Stream>> server = Error{ErrorKind::kInternal, "not done"};
  // Below them; they own these.
  aio::MemoryStream* client_below = nullptr;
  aio::MemoryStream* server_below = nullptr;
};

aio::Task<> keep_connect(const Context& context, std::unique_ptr<aio::Stream> below, Ends& out) {
  out.client = co_await connect(context, std::move(below), "relay.example");
}

aio::Task<> keep_accept(const Context& context, std::unique_ptr<aio::Stream> below, Bytes read,
                        Ends& out) {
  out.server = co_await accept(context, std::move(below), std::move(read));
}

aio::Task<> open_ends(aio::Runtime& runtime, const Contexts& contexts, std::size_t read_limit,
                      Ends& out) {
  auto pair = aio::MemoryStream::create_pair(runtime, kRoomBelow);
  out.client_below = pair.left.get();
  out.server_below = pair.right.get();
  pair.left->limit_reads(read_limit);
  pair.right->limit_reads(read_limit);
  aio::TaskGroup group(runtime);
  group.start("connect", keep_connect(contexts.client, std::move(pair.left), out));
  group.start("accept", keep_accept(contexts.server, std::move(pair.right), {}, out));
  co_await group.wait_empty();
}

aio::Task<> write_and_end(aio::Stream& stream, ByteView bytes) {
  const Result<> wrote = co_await stream.write(bytes);
  CHECK(wrote);
  const Result<> ended = co_await stream.shutdown_write();
  CHECK(ended);
}

// What was read before `out` says how it ended: 0 bytes or an error.
aio::Task<> read_to_end(aio::Stream& stream, Bytes& got, Result<std::size_t>& out) {
  std::array<std::uint8_t, 4096> room;
  while (true) {
    out = co_await stream.read_some(room);
    if (!out || *out == 0) co_return;
    got.insert(got.end(), room.begin(), room.begin() + static_cast<std::ptrdiff_t>(*out));
  }
}

aio::Task<> check_echo(aio::Runtime& runtime, std::size_t read_limit, std::size_t size) {
  const Contexts contexts;
  Ends ends;
  co_await open_ends(runtime, contexts, read_limit, ends);
  REQUIRE(ends.client);
  REQUIRE(ends.server);
  const Bytes there = pattern(size);
  const Bytes back = pattern(size / 3);
  Bytes client_got;
  Bytes server_got;
  Result<std::size_t> client_end;
  Result<std::size_t> server_end;
  aio::TaskGroup group(runtime);
  group.start("client writes", write_and_end(**ends.client, there));
  group.start("server writes", write_and_end(**ends.server, back));
  group.start("client reads", read_to_end(**ends.client, client_got, client_end));
  group.start("server reads", read_to_end(**ends.server, server_got, server_end));
  co_await group.wait_empty();
  CHECK((client_got == back));
  CHECK((server_got == there));
  CHECK(client_end.value() == 0);
  CHECK(server_end.value() == 0);
}

TEST_CASE("bytes flow both ways at once, whole and in order, up to the end") {
  test::TestRuntime test;
  test.run(check_echo(test.runtime, 1 << 20, 1'000'000));
}

TEST_CASE("a wire that gives one byte at a time changes nothing") {
  test::TestRuntime test;
  test.run(check_echo(test.runtime, 1, 3000));
}

aio::Task<> check_cut(aio::Runtime& runtime, bool is_announced) {
  const Contexts contexts;
  Ends ends;
  co_await open_ends(runtime, contexts, 1 << 20, ends);
  REQUIRE(ends.server);
  const Result<> wrote = co_await (*ends.client)->write(as_bytes("hello"));
  CHECK(wrote);
  if (is_announced) {
    const Result<> ended = co_await (*ends.client)->shutdown_write();
    CHECK(ended);
  } else {
    // What somebody on the way can do: end the connection below.
    const Result<> cut = co_await ends.client_below->shutdown_write();
    CHECK(cut);
  }
  Bytes got;
  Result<std::size_t> end;
  co_await read_to_end(**ends.server, got, end);
  CHECK(as_text(got) == "hello");
  CHECK(end.has_value() == is_announced);
  if (!end) CHECK(end.error() == Error{ErrorKind::kUnavailable, "tls: the connection was cut off"});
  // And so it stays.
  std::array<std::uint8_t, 16> room;
  const Result<std::size_t> again = co_await (*ends.server)->read_some(room);
  CHECK(again.has_value() == is_announced);
}

TEST_CASE("a connection that is cut off is not taken for one that has ended") {
  test::TestRuntime test;
  SUBCASE("ended") {
    test.run(check_cut(test.runtime, true));
  }
  SUBCASE("cut off") {
    test.run(check_cut(test.runtime, false));
  }
}

aio::Task<> check_half_close(aio::Runtime& runtime) {
  const Contexts contexts;
  Ends ends;
  co_await open_ends(runtime, contexts, 1 << 20, ends);
  const Result<> ended = co_await (*ends.client)->shutdown_write();
  CHECK(ended);
  const Result<> late = co_await (*ends.client)->write(as_bytes("late"));
  CHECK_FALSE(late);
  co_await write_and_end(**ends.server, as_bytes("answer"));
  Bytes got;
  Result<std::size_t> end;
  co_await read_to_end(**ends.client, got, end);
  CHECK(as_text(got) == "answer");
  CHECK(end.value() == 0);
}

TEST_CASE("who has ended his half can still read, and write no more") {
  test::TestRuntime test;
  test.run(check_half_close(test.runtime));
}

aio::Task<> check_wrong_pin(aio::Runtime& runtime) {
  Contexts contexts;
  contexts.client = Context::client(Trust::pinned(Fingerprint{})).value();
  Ends ends;
  co_await open_ends(runtime, contexts, 1 << 20, ends);
  REQUIRE_FALSE(ends.client);
  CHECK(ends.client.error().kind == ErrorKind::kDenied);
  REQUIRE_FALSE(ends.server);
  CHECK(ends.server.error().message.contains("alert"));
}

TEST_CASE("both sides learn why a certificate was refused") {
  test::TestRuntime test;
  test.run(check_wrong_pin(test.runtime));
}

aio::Task<> check_already_read(aio::Runtime& runtime, std::string_view talk, std::size_t ahead) {
  const Contexts contexts;
  Ends ends;
  auto pair = aio::MemoryStream::create_pair(runtime, kRoomBelow);
  aio::TaskGroup group(runtime);
  if (talk.empty()) {
    group.start("connect", keep_connect(contexts.client, std::move(pair.left), ends));
  } else {
    const Result<> wrote = co_await pair.left->write(as_bytes(talk));
    CHECK(wrote);
  }
  Bytes first(ahead);
  const Result<> read = co_await aio::read_exactly(*pair.right, first);
  CHECK(read);
  group.start("accept", keep_accept(contexts.server, std::move(pair.right), first, ends));
  co_await group.wait_empty();
  CHECK(ends.server.has_value() == talk.empty());
}

TEST_CASE("a connection is accepted behind bytes that somebody has looked at") {
  test::TestRuntime test;
  test.run(check_already_read(test.runtime, "", 1));
  test.run(check_already_read(test.runtime, "", 100));
}

TEST_CASE("bytes that were looked at and are no TLS are refused at once") {
  test::TestRuntime test;
  test.run(check_already_read(test.runtime, "GET / HTTP/1.1\r\n", 16));
}

aio::Task<> check_close(aio::Runtime& runtime) {
  const Contexts contexts;
  Ends ends;
  co_await open_ends(runtime, contexts, 1 << 20, ends);
  Bytes got;
  Result<std::size_t> closed_end;
  Result<std::size_t> other_end;
  aio::TaskGroup group(runtime);
  group.start("client reads", read_to_end(**ends.client, got, closed_end));
  group.start("server reads", read_to_end(**ends.server, got, other_end));
  co_await aio::yield();
  co_await aio::yield();
  (*ends.client)->close();
  co_await group.wait_empty();
  REQUIRE_FALSE(closed_end);
  CHECK(closed_end.error() == aio::closed());
  CHECK_FALSE(other_end);
  const Result<> late = co_await (*ends.client)->write(as_bytes("late"));
  CHECK_FALSE(late);
}

TEST_CASE("close ends a read under way, and the other side sees a connection cut off") {
  test::TestRuntime test;
  test.run(check_close(test.runtime));
}

aio::Task<> check_silence(aio::Runtime& runtime) {
  const Contexts contexts;
  Ends ends;
  auto pair = aio::MemoryStream::create_pair(runtime, kRoomBelow);
  aio::TaskGroup group(runtime);
  group.start("connect", keep_connect(contexts.client, std::move(pair.left), ends));
  co_await aio::yield();
  co_await aio::yield();
  co_await group.stop();
  REQUIRE_FALSE(ends.client);
  CHECK(ends.client.error() == aio::cancelled());
}

TEST_CASE("a handshake with somebody who says nothing can be cancelled") {
  test::TestRuntime test;
  test.run(check_silence(test.runtime));
}

}  // namespace
}  // namespace sinew::tls
