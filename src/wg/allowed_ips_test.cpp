#include "wg/allowed_ips.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include "base/rng.h"
#include "wg/naive_ips.h"

using namespace sinew;
using namespace sinew::wg;

namespace {

constexpr PeerId kAlice{1};
constexpr PeerId kBob{2};
constexpr PeerId kCarol{3};

IpAddress address(std::string_view text) {
  return IpAddress::parse(text).value();
}
IpPrefix prefix(std::string_view text) {
  return IpPrefix::parse(text).value();
}

std::vector<std::string> texts_of(const AllowedIps& ips, PeerId peer) {
  std::vector<std::string> texts;
  ips.for_each_of(peer, [&texts](const IpPrefix& each) { texts.push_back(each.to_string()); });
  return texts;
}

// Few distinct bits in few places, so that prefixes nest, meet and repeat. `spread` is how many of
// the bits vary.
IpAddress near_address(SeededRng& rng, unsigned spread) {
  const auto noise = rng.number<std::uint32_t>() & (spread >= 32 ? ~0U : (1U << spread) - 1);
  const bool is_high = rng.below(2) == 0;
  if (rng.below(2) == 0) {
    std::array<std::uint8_t, 4> bytes{10, 147, 0, 0};
    store_be(bytes.data(), load_be<std::uint32_t>(bytes.data()) ^ (is_high ? noise << 8 : noise));
    return IpAddress::v4(bytes);
  }
  std::array<std::uint8_t, 16> bytes{0xfd, 0x12, 0, 0, 0, 0, 0, 1};
  std::uint8_t* place = bytes.data() + (is_high ? 4 : 12);
  store_be(place, load_be<std::uint32_t>(place) ^ noise);
  return IpAddress::v6(bytes);
}

IpPrefix near_prefix(SeededRng& rng, unsigned spread) {
  const IpAddress host = near_address(rng, spread);
  const unsigned bits = host.bit_count();
  const bool is_long = rng.below(4) != 0;
  const auto length =
      static_cast<unsigned>(is_long ? bits - rng.below(spread + 1) : rng.below(bits + 1));
  return IpPrefix::around(host, length);
}

TEST_CASE("an empty table of allowed-IPs owns nothing") {
  AllowedIps ips;
  CHECK_FALSE(ips.find(address("0.0.0.0")));
  CHECK_FALSE(ips.find(address("255.255.255.255")));
  CHECK_FALSE(ips.find(address("::")));
  CHECK_FALSE(ips.remove(prefix("10.0.0.0/8"), kAlice));
  ips.remove_peer(kAlice);
  CHECK(ips.size() == 0);
  CHECK(ips.node_count() == 0);
  CHECK(texts_of(ips, kAlice).empty());
}

TEST_CASE("the longest prefix names the peer") {
  AllowedIps ips;
  ips.insert(prefix("0.0.0.0/0"), kAlice);
  ips.insert(prefix("10.0.0.0/8"), kBob);
  ips.insert(prefix("10.1.2.3/32"), kCarol);
  CHECK(ips.find(address("192.0.2.1")) == kAlice);
  CHECK(ips.find(address("10.1.2.2")) == kBob);
  CHECK(ips.find(address("10.1.2.3")) == kCarol);
  CHECK(ips.find(address("10.1.2.4")) == kBob);
  CHECK(ips.find(address("11.0.0.0")) == kAlice);
  CHECK_FALSE(ips.find(address("::1")));
}

TEST_CASE("L04 a peer with the enclosing prefix does not own the address of a nested one") {
  AllowedIps ips;
  ips.insert(prefix("fd00::/8"), kAlice);
  ips.insert(prefix("fd00:1::/32"), kBob);
  CHECK(ips.find(address("fd00:1::5")) == kBob);
  CHECK(ips.remove(prefix("fd00:1::/32"), kBob));
  CHECK(ips.find(address("fd00:1::5")) == kAlice);
}

TEST_CASE("a prefix that another peer has moves to the last who asks") {
  AllowedIps ips;
  ips.insert(prefix("10.0.0.0/24"), kAlice);
  ips.insert(prefix("10.0.0.0/24"), kBob);
  CHECK(ips.find(address("10.0.0.1")) == kBob);
  CHECK(ips.size() == 1);
  CHECK(texts_of(ips, kAlice).empty());
  CHECK(texts_of(ips, kBob) == std::vector<std::string>{"10.0.0.0/24"});
}

TEST_CASE("a prefix is removed only from the peer that has it") {
  AllowedIps ips;
  ips.insert(prefix("10.0.0.0/24"), kAlice);
  CHECK_FALSE(ips.remove(prefix("10.0.0.0/24"), kBob));
  CHECK_FALSE(ips.remove(prefix("10.0.0.0/25"), kAlice));
  CHECK_FALSE(ips.remove(prefix("10.0.0.0/23"), kAlice));
  CHECK(ips.find(address("10.0.0.1")) == kAlice);
  CHECK(ips.remove(prefix("10.0.0.0/24"), kAlice));
  CHECK_FALSE(ips.find(address("10.0.0.1")));
  CHECK_FALSE(ips.remove(prefix("10.0.0.0/24"), kAlice));
}

TEST_CASE("a fork of the trie belongs to nobody and cannot be removed") {
  AllowedIps ips;
  ips.insert(prefix("10.0.0.0/32"), kAlice);
  ips.insert(prefix("10.0.0.1/32"), kBob);
  REQUIRE(ips.node_count() == 3);
  CHECK_FALSE(ips.remove(prefix("10.0.0.0/31"), kAlice));
  CHECK_FALSE(ips.remove(prefix("10.0.0.0/31"), PeerId(0xffff'ffff)));
  CHECK(ips.node_count() == 3);
}

TEST_CASE("L04 an inner v4-mapped IPv6 address is not the IPv4 address it spells") {
  AllowedIps ips;
  ips.insert(prefix("0.0.0.0/0"), kAlice);
  ips.insert(prefix("192.0.2.1/32"), kAlice);
  const std::array<std::uint8_t, 16> mapped = address("192.0.2.1").as_v6_bytes();
  CHECK(ips.find_v4(mapped.data() + 12) == kAlice);
  CHECK_FALSE(ips.find_v6(mapped.data()));
  ips.insert(prefix("::/0"), kBob);
  CHECK(ips.find_v6(mapped.data()) == kBob);
  CHECK(ips.find_v4(mapped.data() + 12) == kAlice);
}

TEST_CASE("the prefixes of a peer come sorted, whatever order they were inserted in") {
  std::vector<std::string> texts = {"0.0.0.0/0", "10.0.0.0/8", "10.0.0.0/32", "10.0.0.1/32",
                                    "::/0",      "fd00::/8",   "fd00::/128",  "fd00::1/128"};
  for (int i = 0; i < 24; ++i) {
    AllowedIps ips;
    std::vector<std::string> order = texts;
    std::ranges::rotate(order, order.begin() + i % 8);
    if (i >= 8) std::ranges::reverse(order);
    if (i >= 16) std::swap(order[1], order[6]);
    for (const std::string& text : order)
      ips.insert(prefix(text), kAlice);
    CHECK(texts_of(ips, kAlice) == texts);
  }
}

TEST_CASE("the ends of both address spaces are found") {
  AllowedIps ips;
  ips.insert(prefix("0.0.0.0/32"), kAlice);
  ips.insert(prefix("255.255.255.255/32"), kBob);
  ips.insert(prefix("::/128"), kAlice);
  ips.insert(prefix("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/128"), kBob);
  CHECK(ips.find(address("0.0.0.0")) == kAlice);
  CHECK_FALSE(ips.find(address("0.0.0.1")));
  CHECK(ips.find(address("255.255.255.255")) == kBob);
  CHECK_FALSE(ips.find(address("255.255.255.254")));
  CHECK(ips.find(address("::")) == kAlice);
  CHECK_FALSE(ips.find(address("::1")));
  CHECK(ips.find(address("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff")) == kBob);
  CHECK_FALSE(ips.find(address("ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe")));
}

TEST_CASE("nested prefixes of every length answer at every depth") {
  for (const std::string_view text : {"170.85.170.85", "aaaa:5555:aaaa:5555:aaaa:5555:aaaa:5555"}) {
    const IpAddress host = address(text);
    AllowedIps ips;
    for (unsigned length = 0; length <= host.bit_count(); ++length)
      ips.insert(IpPrefix::around(host, length), PeerId(length));
    CHECK(ips.node_count() == host.bit_count() + 1);
    for (unsigned length = host.bit_count();; --length) {
      CHECK(ips.find(host) == PeerId(length));
      CHECK(ips.remove(IpPrefix::around(host, length), PeerId(length)));
      if (length == 0) break;
    }
    CHECK(ips.node_count() == 0);
  }
}

TEST_CASE("L04 random nested tables answer as a look at every prefix does, 10^6 times") {
  constexpr int kTables = 500;
  constexpr int kLookups = 2000;
  int hits = 0;
  for (int table = 0; table < kTables; ++table) {
    SeededRng rng(static_cast<std::uint64_t>(table));
    const auto spread = static_cast<unsigned>(2 + rng.below(20));
    AllowedIps ips;
    NaiveIps naive;
    const std::uint64_t count = rng.below(40);
    for (std::uint64_t i = 0; i < count; ++i) {
      const IpPrefix at = near_prefix(rng, spread);
      const PeerId peer{static_cast<std::uint32_t>(rng.below(8))};
      ips.insert(at, peer);
      naive.insert(at, peer);
    }
    for (int i = 0; i < kLookups; ++i) {
      const IpAddress host = near_address(rng, spread);
      const auto found = ips.find(host);
      if (found != naive.find(host)) FAIL("table ", table, ": ", host.to_string());
      hits += found ? 1 : 0;
    }
  }
  CHECK(hits > kTables * kLookups / 10);
  CHECK(hits < kTables * kLookups);
}

void check_same(const AllowedIps& ips, const NaiveIps& naive, std::uint32_t peers) {
  REQUIRE(ips.size() == naive.size());
  REQUIRE(ips.node_count() <= 2 * ips.size());
  for (std::uint32_t peer = 0; peer < peers; ++peer)
    REQUIRE(ips.prefixes_of(PeerId(peer)) == naive.prefixes_of(PeerId(peer)));
}

// `growth` of 16 changes are insertions, so that tables of all sizes come and go.
void change_at_random(SeededRng& rng, unsigned spread, int changes, std::uint64_t growth) {
  constexpr std::uint32_t kPeers = 6;
  AllowedIps ips;
  NaiveIps naive;
  std::vector<IpPrefix> known;
  for (int i = 0; i < changes; ++i) {
    const PeerId peer{static_cast<std::uint32_t>(rng.below(kPeers))};
    const bool is_known = !known.empty() && rng.below(2) == 0;
    const IpPrefix at = is_known ? known[rng.below(known.size())] : near_prefix(rng, spread);
    if (rng.below(16) < growth) {
      ips.insert(at, peer);
      naive.insert(at, peer);
      known.push_back(at);
    } else if (rng.below(64) == 0) {
      ips.remove_peer(peer);
      naive.remove_peer(peer);
    } else {
      REQUIRE(ips.remove(at, peer) == naive.remove(at, peer));
    }
    for (int probe = 0; probe < 4; ++probe) {
      const IpAddress host = near_address(rng, spread);
      REQUIRE(ips.find(host) == naive.find(host));
    }
    if (i % 64 == 0) check_same(ips, naive, kPeers);
  }
  for (std::uint32_t peer = 0; peer < kPeers; ++peer)
    ips.remove_peer(PeerId(peer));
  CHECK(ips.size() == 0);
  CHECK(ips.node_count() == 0);
}

TEST_CASE("insert, move, remove and remove_peer keep the table as the plain one, at random") {
  for (std::uint64_t seed = 0; seed < 60; ++seed) {
    SeededRng rng(seed);
    const auto spread = static_cast<unsigned>(1 + rng.below(12));
    change_at_random(rng, spread, 600, 4 + seed % 10);
  }
}

// Nobody's node is a fork, and the memory of those that left is used again or given back.
TEST_CASE("nodes are reclaimed when prefixes leave") {
  SeededRng rng(1);
  PrefixTrie<std::uint32_t> trie;
  std::set<std::uint32_t> hosts;
  while (hosts.size() < 10'000)
    hosts.insert(rng.number<std::uint32_t>());
  for (const std::uint32_t host : hosts)
    trie.insert(host, 32, kAlice);
  CHECK(trie.size() == hosts.size());
  CHECK(trie.node_count() == 2 * hosts.size() - 1);
  const std::size_t full = trie.node_room();
  for (int round = 0; round < 3; ++round) {
    for (const std::uint32_t host : hosts) {
      CHECK(trie.remove(host, 32, kAlice));
      trie.insert(host, 32, kAlice);
    }
  }
  CHECK(trie.node_room() == full);
  trie.remove_peer(kAlice);
  CHECK(trie.node_count() == 0);
  CHECK(trie.node_room() == 0);
  CHECK(trie.slot_count() == 2);
}

TEST_CASE("a small table takes little memory") {
  PrefixTrie<std::uint32_t> trie;
  CHECK(trie.slot_count() <= 2);
  trie.insert(0x0a000001, 32, kAlice);
  trie.insert(0x0a000002, 32, kBob);
  CHECK(trie.slot_count() <= 4);
  CHECK(trie.node_room() <= 4);
}

TEST_CASE("L18 130,560 prefixes of one peer and 10,000 peers come and go") {
  AllowedIps ips;
  for (std::uint32_t i = 0; i < 130'560; ++i) {
    std::array<std::uint8_t, 16> bytes{0xab, 0xcd};
    store_be(bytes.data() + 4, i);
    ips.insert(i % 2 == 0 ? IpPrefix::of_host(IpAddress::v6(bytes))
                          : IpPrefix::around(IpAddress::v6(bytes), 64),
               kAlice);
  }
  for (std::uint32_t peer = 10; peer < 10'010; ++peer) {
    std::array<std::uint8_t, 4> bytes;
    store_be(bytes.data(), 0x0a930000 + peer);
    ips.insert(IpPrefix::of_host(IpAddress::v4(bytes)), PeerId(peer));
  }
  CHECK(ips.size() == 140'560);
  CHECK(ips.prefixes_of(kAlice).size() == 130'560);
  CHECK(ips.find(address("10.147.0.10")) == PeerId(10));
  CHECK(ips.find(address("abcd:0:0:1::5")) == kAlice);
  ips.remove_peer(kAlice);
  CHECK(ips.size() == 10'000);
  for (std::uint32_t peer = 10; peer < 10'010; ++peer)
    ips.remove_peer(PeerId(peer));
  CHECK(ips.node_count() == 0);
}

}  // namespace
