#include "udp/udp_port.h"

#include <doctest/doctest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include <algorithm>

#include "base/rng.h"
#include "support/refused_call.h"
#include "support/skip.h"
#include "support/udp_mail.h"

using namespace sinew;
using namespace sinew::udp;
using sinew::test::Mail;
using sinew::test::receive_mail;
using sinew::test::texts;

namespace {

constexpr IpAddress kLoopback = IpAddress::v4(127, 0, 0, 1);
constexpr Endpoint kAnyPort = {.address = IpAddress::any_v4(), .port = 0};

UdpPort open_port(const Options& options = {}, const Endpoint& local = kAnyPort) {
  auto port = UdpPort::open(local, options);
  REQUIRE(port.has_value());
  return *std::move(port);
}

struct Ends {
  explicit Ends(const Options& sending = {}, const Options& receiving = {})
      : from(open_port(sending)), to(open_port(receiving)) {}

  Outgoing message(ByteView bytes, std::uint16_t segment_size = 0) const {
    return {.to = &target, .segment_size = segment_size, .bytes = bytes};
  }
  void send_all(std::span<const Outgoing> messages) {
    const SendReport report = from.send(messages);
    CHECK(report.taken == messages.size());
    CHECK(report.dropped == 0);
  }
  void send(std::string_view text) {
    const Outgoing one = message(as_bytes(text));
    send_all({&one, 1});
  }
  std::vector<Mail> receive(std::size_t count) { return receive_mail(to, ring, count); }

  UdpPort from;
  UdpPort to;
  Endpoint target{.address = kLoopback, .port = to.port()};
  ReceiveRing ring{{.messages = 8}};
};

Bytes pattern(std::size_t size, std::uint8_t seed = 0) {
  Bytes out(size);
  for (std::size_t i = 0; i < size; ++i)
    out[i] = static_cast<std::uint8_t>(seed + i * 7 + i / 251);
  return out;
}

// What a train means, said simply.
std::vector<std::string> cut(ByteView bytes, std::size_t segment_size) {
  std::vector<std::string> out;
  const std::size_t step =
      segment_size == 0 ? std::max<std::size_t>(bytes.size(), 1) : segment_size;
  for (std::size_t at = 0; at == 0 || at < bytes.size(); at += step) {
    out.emplace_back(as_text(bytes.subspan(at, std::min(step, bytes.size() - at))));
  }
  return out;
}

}  // namespace

TEST_CASE("L03 datagrams of 0 to 65,507 bytes arrive as they were sent") {
  Ends ends;
  for (std::size_t size = 0; size <= UdpPort::kMaxDatagramBytes; size += size < 100    ? 1
                                                                         : size < 2000 ? 61
                                                                                       : 4099) {
    CAPTURE(size);
    const Bytes bytes = pattern(size);
    ends.send(as_text(bytes));
    CHECK(texts(ends.receive(1)) == std::vector{std::string(as_text(bytes))});
  }
  const Bytes largest = pattern(UdpPort::kMaxDatagramBytes);
  ends.send(as_text(largest));
  CHECK(texts(ends.receive(1)) == std::vector{std::string(as_text(largest))});
}

TEST_CASE("L03 a datagram longer than its room is dropped and counted, and the next one arrives") {
  Ends ends;
  ends.ring = ReceiveRing({.messages = 4, .message_bytes = 1000});
  const Bytes fits = pattern(1000);
  const Bytes too_long = pattern(1001);
  const Bytes huge = pattern(UdpPort::kMaxDatagramBytes);
  for (const Bytes* bytes : {&too_long, &fits, &huge, &huge, &too_long, &fits}) {
    ends.send(as_text(*bytes));
  }
  const std::string whole(as_text(fits));
  CHECK(texts(ends.receive(2)) == std::vector{whole, whole});
  CHECK(ends.to.counters().received_truncated == 4);
}

TEST_CASE("L03 a train that is longer than its room is dropped as a whole") {
  Ends ends;
  if (!ends.from.features().segmentation || !ends.to.features().coalescing) {
    test::skip("no trains on this kernel");
    return;
  }
  ends.ring = ReceiveRing({.messages = 2, .message_bytes = 1000});
  const Bytes bytes = pattern(3000);
  const Outgoing train = ends.message(bytes, 600);
  ends.send_all({&train, 1});
  ends.send("next");
  CHECK(texts(ends.receive(1)) == std::vector<std::string>{"next"});
  CHECK(ends.to.counters().received_truncated == 1);
}

TEST_CASE("a datagram that no datagram can hold is dropped, and those around it go") {
  Ends ends;
  const Bytes too_long = pattern(UdpPort::kMaxDatagramBytes + 1);
  const std::vector<Outgoing> messages = {ends.message(as_bytes("before")), ends.message(too_long),
                                          ends.message(as_bytes("behind"))};
  const SendReport report = ends.from.send(messages);
  CHECK(report.taken == 3);
  CHECK(report.dropped == 0b010);
  CHECK(ends.from.counters().send_dropped == 1);
  CHECK(ends.from.counters().last_send_error == EMSGSIZE);
  CHECK(texts(ends.receive(2)) == std::vector<std::string>{"before", "behind"});
}

TEST_CASE("a train arrives as its datagrams, in one message where the kernel joins them") {
  Ends ends;
  ends.ring = ReceiveRing({.messages = 3, .huge_pages = true});
  const Bytes bytes = pattern(44 * 1452 + 700);
  const Outgoing train = ends.message(bytes, 1452);
  ends.send_all({&train, 1});
  const std::vector<Mail> mail = ends.receive(45);
  CHECK(texts(mail) == cut(bytes, 1452));
  const bool in_one = ends.from.features().segmentation && ends.to.features().coalescing;
  CHECK(mail.front().train == (in_one ? 45 : 1));
  CHECK(ends.from.counters().segmentation_refused == 0);
}

TEST_CASE(
    "trains of any length arrive like single datagrams, with and without help of the kernel") {
  for (const bool segmentation : {true, false}) {
    for (const bool coalescing : {true, false}) {
      CAPTURE(segmentation);
      CAPTURE(coalescing);
      Ends ends({.disable_segmentation = !segmentation}, {.disable_coalescing = !coalescing});
      if (!segmentation) CHECK_FALSE(ends.from.features().segmentation);
      if (!coalescing) CHECK_FALSE(ends.to.features().coalescing);
      SeededRng rng(7);
      for (int round = 0; round < 60; ++round) {
        std::vector<Bytes> trains;
        std::vector<Outgoing> messages;
        std::vector<std::string> expected;
        for (std::uint64_t i = 0; i <= rng.number<std::uint64_t>() % 4; ++i) {
          const auto segment = static_cast<std::uint16_t>(16 + rng.number<std::uint64_t>() % 1450);
          trains.push_back(
              pattern(1 + rng.number<std::uint64_t>() % (round % 8 == 0 ? 90'000 : 6'000),
                      static_cast<std::uint8_t>(rng.number<std::uint64_t>())));
          messages.push_back({.to = &ends.target, .segment_size = segment, .bytes = {}});
          const auto datagrams = cut(trains.back(), segment);
          expected.insert(expected.end(), datagrams.begin(), datagrams.end());
        }
        for (std::size_t i = 0; i < messages.size(); ++i)
          messages[i].bytes = trains[i];
        ends.send_all(messages);
        REQUIRE(texts(ends.receive(expected.size())) == expected);
      }
    }
  }
}

TEST_CASE("a train is cut where the kernel's limits are") {
  Ends ends;
  // More than 64 datagrams; more than 65,507 bytes; exactly as many as fit, and one more.
  const std::pair<std::size_t, std::uint16_t> shapes[] = {
      {200 * 16, 16},       {48 * 1452, 1452}, {64 * 100, 100}, {65 * 100, 100},
      {2 * 40'000, 40'000}, {65'507, 1007},    {65'508, 1007},
  };
  for (const auto& [size, segment] : shapes) {
    CAPTURE(size);
    const Bytes bytes = pattern(size);
    const Outgoing train = ends.message(bytes, segment);
    ends.send_all({&train, 1});
    const auto expected = cut(bytes, segment);
    CHECK(texts(ends.receive(expected.size())) == expected);
  }
  CHECK(ends.from.counters().segmentation_refused == 0);
}

TEST_CASE("one send takes 64 messages and says so") {
  Ends ends;
  const std::vector<Outgoing> messages(UdpPort::kMaxSendBatch + 1, ends.message(as_bytes("x")));
  const SendReport report = ends.from.send(messages);
  CHECK(report.taken == UdpPort::kMaxSendBatch);
  CHECK_FALSE(report.would_block);
  CHECK(ends.receive(64).size() == 64);
  CHECK(ends.from.send({}).taken == 0);
}

TEST_CASE("receive tells where a datagram came from, came to, came in, and its DS field") {
  for (const bool is_v6 : {false, true}) {
    CAPTURE(is_v6);
    const IpAddress loopback = is_v6 ? IpAddress::parse("::1").value() : kLoopback;
    const Endpoint any = {.address = is_v6 ? IpAddress::any_v6() : IpAddress::any_v4(), .port = 0};
    auto from = UdpPort::open(any);
    auto to = UdpPort::open(any);
    if (is_v6 && !from) {
      test::skip("no IPv6");
      return;
    }
    ReceiveRing ring({.messages = 2});
    const Endpoint target{.address = loopback, .port = to->port()};
    const Bytes bytes = pattern(2500);
    const std::vector<Outgoing> messages = {
        {.to = &target, .ds = 0xb9, .bytes = as_bytes("marked")},
        {.to = &target,
         .local = loopback,
         .interface = 1,
         .ds = 0x03,
         .segment_size = 1000,
         .bytes = bytes},
        {.to = &target, .bytes = as_bytes("plain")}};
    CHECK(from->send(messages).taken == 3);
    const std::vector<Mail> mail = receive_mail(*to, ring, 5);
    REQUIRE(mail.size() == 5);
    for (const Mail& one : mail) {
      CHECK(one.from == Endpoint{.address = loopback, .port = from->port()});
      CHECK(one.local == loopback);
      CHECK(one.interface == 1);
    }
    CHECK(mail[0].ds == 0xb9);
    CHECK(mail[1].ds == 0x03);
    CHECK(mail[3].ds == 0x03);
    CHECK(mail[4].ds == 0);
    CHECK(from->counters().stale_sources == 0);
  }
}

TEST_CASE("a datagram leaves from the address asked for") {
  Ends ends;
  Outgoing one = ends.message(as_bytes("x"));
  one.local = IpAddress::v4(127, 0, 0, 77);
  ends.send_all({&one, 1});
  CHECK(ends.receive(1).at(0).from.address == IpAddress::v4(127, 0, 0, 77));
}

TEST_CASE("a source address that is not ours is left out and reported") {
  Ends ends;
  const Bytes bytes = pattern(5000);
  std::vector<Outgoing> messages = {ends.message(as_bytes("first")), ends.message(bytes, 1200),
                                    ends.message(as_bytes("last"))};
  messages[1].local = IpAddress::v4(192, 0, 2, 1);
  const SendReport report = ends.from.send(messages);
  CHECK(report.taken == 3);
  CHECK(report.stale_sources == 0b010);
  CHECK(report.dropped == 0);
  CHECK(ends.from.counters().stale_sources == 1);
  const std::vector<Mail> mail = ends.receive(7);
  REQUIRE(mail.size() == 7);
  CHECK(mail[1].from.address == kLoopback);
  // Still a train: it was not to blame.
  CHECK(mail[1].train == (ends.to.features().coalescing ? 5 : 1));
}

TEST_CASE("a message that can never be sent is dropped and takes no blame off its source") {
  Ends ends;
  const Endpoint nowhere{.address = kLoopback, .port = 0};
  const Bytes bytes = pattern(3000);
  const std::vector<Outgoing> messages = {
      {.to = &nowhere, .local = kLoopback, .segment_size = 1000, .bytes = bytes},
      ends.message(as_bytes("x"))};
  const SendReport report = ends.from.send(messages);
  CHECK(report.taken == 2);
  CHECK(report.dropped == 0b01);
  CHECK(report.stale_sources == 0);
  CHECK(texts(ends.receive(1)) == std::vector<std::string>{"x"});
}

TEST_CASE("a closed port on the other side stops nothing") {
  Ends ends;
  Endpoint closed = ends.target;
  {
    const UdpPort gone = open_port();
    closed.port = gone.port();
  }
  const Outgoing lost{.to = &closed, .bytes = as_bytes("lost")};
  for (int i = 0; i < 20; ++i) {
    ends.send_all({&lost, 1});
    ends.send("kept");
    CHECK(texts(ends.receive(1)) == std::vector<std::string>{"kept"});
    REQUIRE(ends.from.receive(ends.ring).has_value());
  }
}

TEST_CASE("a device that cannot do checksums ends segmentation for good") {
  Ends ends;
  if (!ends.from.features().segmentation) {
    test::skip("no segmentation on this kernel");
    return;
  }
  const Bytes bytes = pattern(5000);
  const Outgoing train = ends.message(bytes, 1200);
  test::with_refused_call(SYS_sendmmsg, EIO, [&] {
    const SendReport report = ends.from.send({&train, 1});
    CHECK(report.taken == 1);
    CHECK(report.dropped == 1);
  });
  CHECK(ends.from.counters().segmentation_refused == 1);
  CHECK_FALSE(ends.from.features().segmentation);
  ends.send_all({&train, 1});
  CHECK(texts(ends.receive(5)) == cut(bytes, 1200));
}

TEST_CASE("a kernel that cannot cut or join trains still carries datagrams") {
  const auto check_single = [](bool segmentation, bool coalescing) {
    Ends ends;
    CHECK((segmentation || !ends.from.features().segmentation));
    CHECK((coalescing || !ends.to.features().coalescing));
    const Bytes bytes = pattern(5000);
    const Outgoing train = ends.message(bytes, 1200);
    ends.send_all({&train, 1});
    CHECK(texts(ends.receive(5)) == cut(bytes, 1200));
  };
  test::with_refused_argument(SYS_getsockopt, 1, IPPROTO_UDP, ENOPROTOOPT,
                              [&] { check_single(false, true); });
  test::with_refused_argument(SYS_setsockopt, 1, IPPROTO_UDP, ENOPROTOOPT,
                              [&] { check_single(true, false); });
}

TEST_CASE("a full socket takes nothing and says so, and an error of the past is passed over") {
  Ends ends;
  const Outgoing one = ends.message(as_bytes("x"));
  test::with_refused_call(SYS_sendmmsg, EAGAIN, [&] {
    const SendReport report = ends.from.send({&one, 1});
    CHECK(report.taken == 0);
    CHECK(report.would_block);
  });
  CHECK(ends.from.counters().send_would_block == 1);
  // For ever: it is dropped, so that the loop goes on.
  test::with_refused_call(SYS_sendmmsg, ECONNREFUSED,
                          [&] { CHECK(ends.from.send({&one, 1}).dropped == 1); });
  CHECK(ends.from.counters().asynchronous_errors > 1);
}

TEST_CASE("an error of a datagram does not stop receiving, a broken socket does") {
  Ends ends;
  test::with_refused_call(SYS_recvmmsg, ECONNREFUSED, [&] {
    const auto received = ends.to.receive(ends.ring);
    REQUIRE(received.has_value());
    CHECK(received->empty());
  });
  CHECK(ends.to.counters().receive_errors > 0);
  test::with_refused_call(SYS_recvmmsg, EBADF,
                          [&] { CHECK_FALSE(ends.to.receive(ends.ring).has_value()); });
  ends.send("x");
  CHECK(ends.receive(1).size() == 1);
}

TEST_CASE("a pair has one port number in both families") {
  const auto pair = open_pair(0);
  REQUIRE(pair.has_value());
  REQUIRE(pair->v4.has_value());
  if (!pair->v6) {
    test::skip("no IPv6");
    return;
  }
  CHECK(pair->v4->port() == pair->v6->port());
  CHECK(pair->v6->is_v6());
  const auto again = open_pair(pair->port());
  REQUIRE_FALSE(again.has_value());
  CHECK(again.error().kind == ErrorKind::kConflict);
}

TEST_CASE("a machine without IPv6 has the IPv4 half of a pair, and the other way round") {
  test::with_refused_argument(SYS_socket, 0, AF_INET6, EAFNOSUPPORT, [] {
    const auto pair = open_pair(0);
    REQUIRE(pair.has_value());
    CHECK(pair->v4.has_value());
    CHECK_FALSE(pair->v6.has_value());
    CHECK(pair->port() != 0);
  });
  if (!UdpPort::open({.address = IpAddress::any_v6(), .port = 0})) {
    test::skip("no IPv6");
    return;
  }
  test::with_refused_argument(SYS_socket, 0, AF_INET, EAFNOSUPPORT, [] {
    const auto pair = open_pair(0);
    REQUIRE(pair.has_value());
    CHECK_FALSE(pair->v4.has_value());
    CHECK(pair->v6.has_value());
  });
  test::with_refused_call(SYS_bind, EADDRNOTAVAIL, [] { CHECK_FALSE(open_pair(0).has_value()); });
}

TEST_CASE("a port is shared with siblings and with nobody else") {
  UdpPort first = open_port();
  const Endpoint same{.address = IpAddress::any_v4(), .port = first.port()};
  CHECK_FALSE(UdpPort::open(same).has_value());
  auto second = first.open_sibling();
  REQUIRE(second.has_value());
  CHECK(second->port() == first.port());
  auto third = second->open_sibling();
  REQUIRE(third.has_value());
  const auto stranger = UdpPort::open(same);
  REQUIRE_FALSE(stranger.has_value());
  CHECK(stranger.error().kind == ErrorKind::kConflict);

  // Many senders reach more than one of them, and each always the same one.
  const Endpoint target{.address = kLoopback, .port = first.port()};
  ReceiveRing ring({.messages = 4});
  std::vector<std::size_t> counts(3);
  for (int i = 0; i < 64; ++i) {
    UdpPort sender = open_port();
    const std::vector<Outgoing> three(3, {.to = &target, .bytes = as_bytes("x")});
    REQUIRE(sender.send(three).taken == 3);
    UdpPort* const ports[] = {&first, &*second, &*third};
    for (std::size_t k = 0; k < 3; ++k) {
      const auto received = ports[k]->receive(ring);
      REQUIRE(received.has_value());
      CHECK((received->empty() || received->size() == 3));
      counts[k] += received->size();
    }
  }
  CHECK(counts[0] + counts[1] + counts[2] == 64 * 3);
  CHECK(std::ranges::count_if(counts, [](std::size_t count) { return count > 0; }) > 1);
}

TEST_CASE("the routing mark can be changed while running") {
  if (!test::is_root("setting a routing mark")) return;
  UdpPort port = open_port({.fwmark = 51});
  const auto mark = [&] {
    std::uint32_t value = 0;
    socklen_t size = sizeof value;
    REQUIRE(::getsockopt(port.fd().get(), SOL_SOCKET, SO_MARK, &value, &size) == 0);
    return value;
  };
  CHECK(mark() == 51);
  REQUIRE(port.set_fwmark(0xdeadbeef).has_value());
  CHECK(mark() == 0xdeadbeef);
  const auto sibling = port.open_sibling();
  REQUIRE(sibling.has_value());
  REQUIRE(port.set_fwmark(0).has_value());
  CHECK(mark() == 0);
}

TEST_CASE("queues of the socket are as long as asked for, or as the system allows") {
  const UdpPort port = open_port({.receive_buffer = 3 << 20});
  int size = 0;
  socklen_t length = sizeof size;
  REQUIRE(::getsockopt(port.fd().get(), SOL_SOCKET, SO_RCVBUF, &size, &length) == 0);
  if (!test::is_root("more than the system's limit")) return;
  CHECK(size >= 3 << 20);
}

TEST_CASE("what did not fit the socket is counted, once, and how full it is is known") {
  constexpr std::size_t kSent = 400;
  Ends ends({}, {.receive_buffer = 32 << 10});
  CHECK(ends.to.measure_queue().dropped == 0);
  CHECK(ends.to.measure_queue().filled_percent == 0);
  const Bytes bytes = pattern(1000);
  for (std::size_t i = 0; i < kSent; ++i)
    ends.send(as_text(bytes));

  const ReceiveQueue full = ends.to.measure_queue();
  CHECK(full.filled_percent > 75);
  CHECK(ends.to.measure_queue().dropped == 0);
  CHECK(ends.to.counters().received_overflow == full.dropped);
  REQUIRE(full.dropped > 0);
  REQUIRE(full.dropped < kSent);
  CHECK(ends.receive(kSent - full.dropped).size() == kSent - full.dropped);
  CHECK(ends.to.measure_queue().filled_percent == 0);

  ends.send("next");
  CHECK(texts(ends.receive(1)) == std::vector<std::string>{"next"});
  CHECK(ends.to.measure_queue().dropped == 0);
  CHECK(ends.to.counters().received_overflow == full.dropped);
}

TEST_CASE("counters of several ports add up") {
  Counters sum{.received_overflow = 1, .send_dropped = 2, .last_send_error = EPERM};
  sum += {.received_overflow = 10, .received_truncated = 5, .send_would_block = 7};
  CHECK(sum.received_overflow == 11);
  CHECK(sum.received_truncated == 5);
  CHECK(sum.send_dropped == 2);
  CHECK(sum.send_would_block == 7);
  CHECK(sum.last_send_error == EPERM);
}
