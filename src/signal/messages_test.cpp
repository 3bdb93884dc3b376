#include "signal/messages.h"

#include <doctest/doctest.h>

#include "base/rng.h"
#include "signal/session.h"
#include "signal/testing.h"
#include "support/hex.h"

using namespace sinew;
using namespace sinew::signal;
using namespace sinew::signal::test;

namespace {

struct Ends {
  SeededRng rng{1};
  ClusterKey key = key_of(1);
  PrivateKey server = PrivateKey::generate(rng);
  PrivateKey node = PrivateKey::generate(rng);
  PrivateKey ephemeral = PrivateKey::generate(rng);
  Cookie cookie{7};

  Opening open(std::uint8_t flags = 0, std::string_view first = "first") {
    return seal_open(key, node, ephemeral, server.public_key(), cookie, flags, as_bytes(first))
        .value();
  }
};

std::string text_of(const Bytes& bytes) {
  return std::string(as_text(bytes));
}

}  // namespace

TEST_CASE("signal messages: the gate knows each kind by type, version, flags and length") {
  Ends ends;
  const Bytes hello = Hello{.ephemeral = ends.ephemeral.public_key()}.encode(ends.key);
  CHECK(hello.size() == kHelloSize);
  CHECK(kind_of(hello) == Kind::kHello);
  for (const std::size_t at : {0U, 1U, 2U, 3U}) {
    Bytes other = hello;
    other[at] ^= 0x80;
    CHECK(kind_of(other) == Kind::kInvalid);
  }
  CHECK(kind_of(ByteView(hello).first(kHelloSize - 1)) == Kind::kInvalid);
  Bytes longer = hello;
  longer.push_back(0);
  CHECK(kind_of(longer) == Kind::kInvalid);

  CHECK(kind_of(Welcome{}.encode(ends.key, {})) == Kind::kWelcome);
  CHECK(kind_of(Reset{}.encode(ends.key, {})) == Kind::kReset);
  CHECK(kind_of(ends.open().datagram) == Kind::kOpen);
  CHECK(kind_of(ends.open(0, "").datagram) == Kind::kOpen);
  const Bytes shortest = ends.open(0, "").datagram;
  CHECK(kind_of(ByteView(shortest).first(shortest.size() - 1)) == Kind::kInvalid);
  CHECK(kind_of(ends.open().channel.seal({})) == Kind::kData);
  CHECK(kind_of({}) == Kind::kInvalid);
}

TEST_CASE("signal messages: a mac covers every byte and what it is bound to") {
  Ends ends;
  const PublicKey ephemeral = ends.ephemeral.public_key();
  const PublicKey server = ends.server.public_key();
  const Bytes hello = Hello{.tag = ends.key.tag(), .ephemeral = ephemeral}.encode(ends.key);
  const Bytes welcome = Welcome{.server = server}.encode(ends.key, ephemeral);
  const Bytes reset = Reset{.session = SessionId(5), .counter = 6}.encode(ends.key, server);
  REQUIRE(Hello::is_authentic(hello, ends.key));
  REQUIRE(Welcome::is_authentic(welcome, ends.key, ephemeral));
  REQUIRE(Reset::is_authentic(reset, ends.key, server));
  CHECK_FALSE(Hello::is_authentic(hello, key_of(2)));
  CHECK_FALSE(Welcome::is_authentic(welcome, ends.key, server));
  CHECK_FALSE(Reset::is_authentic(reset, ends.key, ephemeral));
  for (std::size_t i = 0; i < hello.size(); ++i) {
    Bytes forged = hello;
    forged[i] ^= 1;
    CHECK_FALSE(Hello::is_authentic(forged, ends.key));
  }
  for (std::size_t i = 0; i < reset.size(); ++i) {
    Bytes forged = reset;
    forged[i] ^= 1;
    CHECK_FALSE(Reset::is_authentic(forged, ends.key, server));
  }
}

TEST_CASE("signal session: both ends have the same keys and open what the other seals") {
  for (const std::uint8_t flags : {std::uint8_t{0}, kClear}) {
    CAPTURE(flags);
    Ends ends;
    Opening opening = ends.open(flags);
    auto opened = open_open(ends.key, ends.server, opening.datagram);
    REQUIRE(opened);
    CHECK(opened->node == ends.node.public_key());
    CHECK(text_of(opened->first) == "first");
    CHECK(opened->channel.id() == opening.channel.id());
    Bytes out;
    CHECK(opened->channel.open(opening.channel.seal(as_bytes("up")), out) ==
          Channel::Verdict::kNew);
    CHECK(text_of(out) == "up");
    CHECK(opening.channel.open(opened->channel.seal(as_bytes("down")), out) ==
          Channel::Verdict::kNew);
    CHECK(text_of(out) == "down");
    // What one end seals is not for itself.
    CHECK(opening.channel.open(opening.channel.seal(as_bytes("up")), out) ==
          Channel::Verdict::kForged);
  }
}

TEST_CASE("signal session: no bit of an OPEN or DATA may change, in either mode") {
  for (const std::uint8_t flags : {std::uint8_t{0}, kClear}) {
    Ends ends;
    Opening opening = ends.open(flags, "x");
    for (std::size_t i = kHeaderSize; i < opening.datagram.size(); ++i) {
      Bytes forged = opening.datagram;
      forged[i] ^= 0x10;
      CHECK_FALSE(open_open(ends.key, ends.server, forged));
    }
    auto opened = open_open(ends.key, ends.server, opening.datagram);
    const Bytes data = opening.channel.seal(as_bytes("x"));
    Bytes out;
    for (std::size_t i = kHeaderSize; i < data.size(); ++i) {
      Bytes forged = data;
      forged[i] ^= 0x10;
      CHECK(opened->channel.open(forged, out) == Channel::Verdict::kForged);
    }
    // Sealed is not readable and the other way round, whatever the flag says.
    Bytes other = data;
    other[3] ^= kClear;
    CHECK(opened->channel.open(other, out) == Channel::Verdict::kForged);
    CHECK(opened->channel.open(data, out) == Channel::Verdict::kNew);
    CHECK(opened->channel.open(data, out) == Channel::Verdict::kReplayed);
  }
}

TEST_CASE("signal session: another cluster, another nucleus and another node have other keys") {
  Ends ends;
  const Opening opening = ends.open();
  CHECK_FALSE(open_open(key_of(2), ends.server, opening.datagram));
  CHECK_FALSE(open_open(ends.key, ends.node, opening.datagram));
  Ends other;
  other.node = PrivateKey::generate(other.rng);
  CHECK(other.open().channel.id() != opening.channel.id());
  CHECK_FALSE(seal_open(ends.key, ends.node, ends.ephemeral, PublicKey(), ends.cookie, 0, {}));
}

TEST_CASE("signal session: an OPEN does not show whose it is") {
  Ends ends;
  const Opening opening = ends.open();
  const auto key = ends.node.public_key().bytes();
  CHECK_FALSE(as_text(opening.datagram).contains(as_text(key)));
}

TEST_CASE("counter window: as a set that remembers the last 256") {
  SeededRng rng(3);
  CounterWindow window;
  std::set<std::uint64_t> seen;
  std::uint64_t highest = 0;
  for (int i = 0; i < 20'000; ++i) {
    const std::uint64_t around = highest + rng.below(20);
    const std::uint64_t counter = rng.below(50) == 0 ? around + rng.below(600)
                                  : around > 270     ? around - rng.below(270)
                                                     : around;
    const bool expected = !seen.contains(counter) && (counter + CounterWindow::kSize > highest);
    CHECK(window.would_accept(counter) == expected);
    CHECK(window.accept(counter) == expected);
    if (expected) seen.insert(counter);
    if (expected) highest = std::max(highest, counter);
  }
}

TEST_CASE("cluster key: name and secret make it, and neither alone") {
  const auto key = ClusterKey::derive("home", SecretBytes("secret")).value();
  CHECK(key.tag() == ClusterKey::derive("home", SecretBytes("secret")).value().tag());
  CHECK(key.tag() != ClusterKey::derive("home2", SecretBytes("secret")).value().tag());
  CHECK(key.tag() != ClusterKey::derive("home", SecretBytes("secreu")).value().tag());
  CHECK(ClusterKey(key.root().clone()).tag() == key.tag());
  CHECK_FALSE(ClusterKey::derive("home", SecretBytes()));
  CHECK_FALSE(ClusterKey::derive("", SecretBytes("secret")));
  CHECK_FALSE(ClusterKey::derive("a b", SecretBytes("secret")));
  CHECK_FALSE(ClusterKey::check_name(std::string(65, 'a')));
  CHECK(ClusterKey::check_name(std::string(64, 'a')));
}
