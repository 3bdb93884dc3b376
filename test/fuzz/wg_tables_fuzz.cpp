// The tables of the data path against their plain twins. The first byte chooses: allowed-IPs, whose
// operations follow, or the replay window, whose counters follow.
#include <algorithm>
#include <optional>
#include <set>

#include "base/verify.h"
#include "wg/allowed_ips.h"
#include "wg/naive_ips.h"
#include "wg/replay_window.h"

using namespace sinew;
using namespace sinew::wg;

namespace {

constexpr std::uint32_t kPeers = 8;

// One byte says the family, two say where a third is put; the rest is zeros, or the network of a
// mesh. So a few bytes make prefixes that nest.
IpAddress read_address(ByteReader& in) {
  const std::uint8_t shape = in.u8();
  const std::uint8_t place = in.u8();
  const std::uint8_t value = in.u8();
  const bool is_mesh = (shape & 2) != 0;
  if ((shape & 1) != 0) {
    std::array<std::uint8_t, 4> bytes{};
    if (is_mesh) bytes = {10, 147, 0, 0};
    bytes[place % 4] ^= value;
    bytes[3] = static_cast<std::uint8_t>(bytes[3] ^ shape >> 2);
    return IpAddress::v4(bytes);
  }
  std::array<std::uint8_t, 16> bytes{};
  if (is_mesh) bytes = {0xfd, 0x12, 0x34, 0x56};
  bytes[place % 16] ^= value;
  bytes[15] = static_cast<std::uint8_t>(bytes[15] ^ shape >> 2);
  return IpAddress::v6(bytes);
}

IpPrefix read_prefix(ByteReader& in) {
  const IpAddress address = read_address(in);
  return IpPrefix::around(address, in.u8() % (address.bit_count() + 1));
}

void check_same(const AllowedIps& ips, const NaiveIps& naive) {
  VERIFY(ips.size() == naive.size());
  VERIFY(ips.node_count() <= 2 * ips.size());
  for (std::uint32_t peer = 0; peer < kPeers; ++peer)
    VERIFY(ips.prefixes_of(PeerId(peer)) == naive.prefixes_of(PeerId(peer)));
}

void fuzz_allowed_ips(ByteReader& in) {
  AllowedIps ips;
  NaiveIps naive;
  while (!in.failed() && in.remaining() > 0) {
    const std::uint8_t verb = in.u8();
    const PeerId peer{verb % kPeers};
    switch (verb / kPeers % 8) {
      case 0: {
        const IpPrefix prefix = read_prefix(in);
        VERIFY(ips.remove(prefix, peer) == naive.remove(prefix, peer));
        break;
      }
      case 1:
        ips.remove_peer(peer);
        naive.remove_peer(peer);
        break;
      case 2:
      case 3: {
        const IpAddress address = read_address(in);
        VERIFY(ips.find(address) == naive.find(address));
        break;
      }
      default: {
        const IpPrefix prefix = read_prefix(in);
        ips.insert(prefix, peer);
        naive.insert(prefix, peer);
        VERIFY(ips.find(prefix.address()) == naive.find(prefix.address()));
      }
    }
  }
  check_same(ips, naive);
}

bool accept_naively(std::set<std::uint64_t>& seen, std::uint64_t counter) {
  if (!seen.empty() && *seen.rbegin() >= counter &&
      *seen.rbegin() - counter >= ReplayWindow::kSize) {
    return false;
  }
  return seen.insert(counter).second;
}

void fuzz_replay_window(ByteReader& in) {
  ReplayWindow window;
  std::set<std::uint64_t> seen;
  std::uint64_t counter = in.le<std::uint64_t>();
  while (!in.failed() && in.remaining() > 0) {
    const std::uint8_t verb = in.u8();
    // Steps of either direction wrap, so that both ends are met.
    const std::uint64_t step = (verb & 1) != 0 ? in.le<std::uint16_t>() : verb / 4;
    if ((verb & 3) == 3) counter = in.le<std::uint64_t>();
    counter = (verb & 2) != 0 ? counter - step : counter + step;
    const bool expected = accept_naively(seen, counter);
    VERIFY(window.would_accept(counter) == expected);
    VERIFY(window.accept(counter) == expected);
    VERIFY(!window.would_accept(counter));
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  ByteReader in({data, size});
  if (in.u8() % 2 == 0) {
    fuzz_allowed_ips(in);
  } else {
    fuzz_replay_window(in);
  }
  return 0;
}
