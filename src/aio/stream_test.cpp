#include "aio/stream.h"

#include <doctest/doctest.h>
#include <sys/socket.h>

#include <array>

#include "aio/memory_stream.h"
#include "aio/socket_stream.h"
#include "aio/task_group.h"
#include "support/runtime.h"

namespace sinew::aio {
namespace {

struct Pair {
  std::unique_ptr<Stream> left;
  std::unique_ptr<Stream> right;
};

Pair make_memory_pair(Runtime& runtime) {
  auto pair = MemoryStream::create_pair(runtime, 1000);
  return {std::move(pair.left), std::move(pair.right)};
}

Pair make_socket_pair(Runtime& runtime) {
  int ends[2];
  REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
  return {*adopt_socket(runtime, os::Fd(ends[0])), *adopt_socket(runtime, os::Fd(ends[1]))};
}

using Check = Task<> (*)(Runtime& runtime, Pair pair);

// What every Stream promises, whatever it is made of.
void check_both(Check check) {
  SUBCASE("in memory") {
    test::TestRuntime test;
    test.run(check(test.runtime, make_memory_pair(test.runtime)));
  }
  SUBCASE("sockets") {
    test::TestRuntime test;
    test.run(check(test.runtime, make_socket_pair(test.runtime)));
  }
}

constexpr std::size_t kMuch = 3'000'000;  // more than any buffer on the way holds

Bytes pattern(std::size_t size) {
  Bytes bytes(size);
  for (std::size_t i = 0; i < size; ++i)
    bytes[i] = static_cast<std::uint8_t>(i * 31 + i / 251);
  return bytes;
}

Task<> write_and_end(Stream& stream, ByteView bytes, Result<>& out) {
  out = co_await stream.write(bytes);
  const Result<> ended = co_await stream.shutdown_write();
  CHECK(ended);
}

Task<> read_to_end(Stream& stream, Bytes& out) {
  std::array<std::uint8_t, 4096> room;
  while (true) {
    const Result<std::size_t> size = co_await stream.read_some(room);
    CHECK(size);
    if (!size || *size == 0) co_return;
    out.insert(out.end(), room.begin(), room.begin() + static_cast<std::ptrdiff_t>(*size));
  }
}

// One operation at a time, its result kept.
Task<> keep_read(Stream& stream, Result<std::size_t>& out) {
  std::array<std::uint8_t, 16> room;
  out = co_await stream.read_some(room);
}
Task<> keep_write(Stream& stream, ByteView bytes, Result<>& out) {
  out = co_await stream.write(bytes);
}

Task<> turns(int number) {
  for (int i = 0; i < number; ++i)
    co_await yield();
}

Task<> check_echo(Runtime& runtime, Pair pair) {
  const Bytes there = pattern(kMuch);
  const Bytes back = pattern(kMuch / 3);
  Bytes left_got;
  Bytes right_got;
  Result<> left_wrote = cancelled();
  Result<> right_wrote = cancelled();
  TaskGroup group(runtime);
  group.start("left writes", write_and_end(*pair.left, there, left_wrote));
  group.start("right writes", write_and_end(*pair.right, back, right_wrote));
  group.start("left reads", read_to_end(*pair.left, left_got));
  group.start("right reads", read_to_end(*pair.right, right_got));
  co_await group.wait_empty();
  CHECK(left_wrote);
  CHECK(right_wrote);
  CHECK((left_got == back));
  CHECK((right_got == there));
}

TEST_CASE("bytes flow both ways at once, whole and in order, up to the end") {
  check_both(check_echo);
}

Task<> check_back_pressure(Runtime& runtime, Pair pair) {
  const Bytes bytes = pattern(kMuch);
  Result<> wrote = Error{ErrorKind::kInternal, "still writing"};
  TaskGroup group(runtime);
  group.start("writer", keep_write(*pair.left, bytes, wrote));
  co_await turns(100);
  CHECK(group.size() == 1);
  Bytes got(kMuch);
  const Result<> read = co_await read_exactly(*pair.right, got);
  CHECK(read);
  co_await group.wait_empty();
  CHECK(wrote);
  CHECK((got == bytes));
}

TEST_CASE("a write waits for its reader") {
  check_both(check_back_pressure);
}

Task<> check_early_end(Runtime&, Pair pair) {
  const Result<> wrote = co_await pair.left->write(as_bytes("abc"));
  CHECK(wrote);
  const Result<> ended = co_await pair.left->shutdown_write();
  CHECK(ended);
  std::array<std::uint8_t, 4> room;
  const Result<> read = co_await read_exactly(*pair.right, room);
  CHECK(read.error().kind == ErrorKind::kUnavailable);
  const Result<std::size_t> again = co_await pair.right->read_some(room);
  CHECK(again.value() == 0);
  // Half open: the other direction still works.
  const Result<> back = co_await pair.right->write(as_bytes("xyz!"));
  CHECK(back);
  const Result<> read_back = co_await read_exactly(*pair.left, room);
  CHECK(read_back);
  CHECK(as_text(room) == "xyz!");
}

TEST_CASE("one half may end while the other goes on") {
  check_both(check_early_end);
}

Task<> check_cancel(Runtime& runtime, Pair pair) {
  const Bytes bytes = pattern(kMuch);
  Result<std::size_t> read = std::size_t{99};
  Result<> wrote;
  TaskGroup group(runtime);
  group.start("reader", keep_read(*pair.left, read));
  group.start("writer", keep_write(*pair.left, bytes, wrote));
  co_await turns(100);
  CHECK(group.size() == 2);
  co_await group.stop();
  CHECK(read.error() == cancelled());
  CHECK(wrote.error() == cancelled());
}

TEST_CASE("reading and writing can be cancelled") {
  check_both(check_cancel);
}

Task<> check_close(Runtime& runtime, Pair pair) {
  const Bytes bytes = pattern(kMuch);
  Result<std::size_t> read = std::size_t{99};
  Result<> wrote;
  TaskGroup group(runtime);
  group.start("reader", keep_read(*pair.left, read));
  group.start("writer", keep_write(*pair.left, bytes, wrote));
  co_await turns(100);
  pair.left->close();
  pair.left->close();
  co_await group.wait_empty();
  CHECK(read.error() == closed());
  CHECK(wrote.error() == closed());
  const Result<> later = co_await pair.left->write(as_bytes("x"));
  CHECK(later.error() == closed());

  Bytes rest;
  co_await read_to_end(*pair.right, rest);
  CHECK(rest.size() < kMuch);
  const Result<> lost = co_await pair.right->write(as_bytes("x"));
  CHECK(lost.error().kind == ErrorKind::kUnavailable);
}

TEST_CASE("close ends our operations at once, and the other side reads to the end") {
  check_both(check_close);
}

Task<> read_single_bytes(Stream& stream, std::size_t number) {
  std::uint8_t byte = 0;
  for (std::size_t i = 0; i < number; ++i) {
    const ByteSpan one(&byte, 1);
    const Result<std::size_t> size = co_await stream.read_some(one);
    CHECK(size.value() == 1);
  }
}

Task<> count_turns(const TaskGroup& others, int& count) {
  while (!others.is_empty()) {
    ++count;
    co_await yield();
  }
}

Task<> check_fairness(Runtime& runtime, Pair pair) {
  const Bytes bytes = pattern(900);
  const Result<> wrote = co_await pair.left->write(bytes);
  CHECK(wrote);
  TaskGroup reader(runtime);
  TaskGroup other(runtime);
  int count = 0;
  reader.start("reader", read_single_bytes(*pair.right, bytes.size()));
  other.start("other", count_turns(reader, count));
  co_await other.wait_empty();
  CHECK(count >= 10);
}

TEST_CASE("a task whose stream always has bytes leaves the others their turns") {
  check_both(check_fairness);
}

Task<> check_short_reads(Runtime& runtime) {
  auto pair = MemoryStream::create_pair(runtime, 100);
  pair.right->limit_reads(2);
  const Result<> wrote = co_await pair.left->write(as_bytes("abcde"));
  CHECK(wrote);
  std::array<std::uint8_t, 16> room;
  const Result<std::size_t> size = co_await pair.right->read_some(room);
  CHECK(size.value() == 2);
  const Result<> rest = co_await read_exactly(*pair.right, ByteSpan(room).first(3));
  CHECK(rest);
  CHECK(as_text(ByteView(room).first(3)) == "cde");
}

TEST_CASE("a memory stream gives short reads on request") {
  test::TestRuntime test;
  test.run(check_short_reads(test.runtime));
}

Task<> check_failure(Runtime& runtime) {
  const Error reset{ErrorKind::kUnavailable, "connection reset by peer"};
  auto pair = MemoryStream::create_pair(runtime, 4);
  Result<> wrote;
  Result<std::size_t> read = std::size_t{99};
  TaskGroup group(runtime);
  group.start("writer", keep_write(*pair.left, as_bytes("more than four"), wrote));
  group.start("reader", keep_read(*pair.left, read));
  co_await turns(5);
  pair.right->fail(reset);
  co_await group.wait_empty();
  CHECK(wrote.error() == reset);
  CHECK(read.error() == reset);
  std::array<std::uint8_t, 4> room;
  const Result<std::size_t> lost = co_await pair.right->read_some(room);
  CHECK(lost.error() == reset);
}

TEST_CASE("a failed memory stream fails on both sides and loses what was on its way") {
  test::TestRuntime test;
  test.run(check_failure(test.runtime));
}

}  // namespace
}  // namespace sinew::aio
