#include "wg/allowed_ips.h"

#include <algorithm>
#include <array>

namespace sinew::wg {
namespace {

std::uint32_t key_v4(const IpPrefix& prefix) {
  return load_be<std::uint32_t>(prefix.address().bytes().data());
}

IpPrefix prefix_v4(std::uint32_t key, unsigned length) {
  std::array<std::uint8_t, 4> bytes;
  store_be(bytes.data(), key);
  return IpPrefix::around(IpAddress::v4(bytes), length);
}

IpPrefix prefix_v6(Key128 key, unsigned length) {
  std::array<std::uint8_t, 16> bytes;
  store_be(bytes.data(), static_cast<std::uint64_t>(key >> 64));
  store_be(bytes.data() + 8, static_cast<std::uint64_t>(key));
  return IpPrefix::around(IpAddress::v6(bytes), length);
}

}  // namespace

void AllowedIps::insert(const IpPrefix& prefix, PeerId peer) {
  if (prefix.address().is_v4()) return v4_.insert(key_v4(prefix), prefix.length(), peer);
  v6_.insert(load_key_v6(prefix.address().bytes().data()), prefix.length(), peer);
}

bool AllowedIps::remove(const IpPrefix& prefix, PeerId peer) {
  if (prefix.address().is_v4()) return v4_.remove(key_v4(prefix), prefix.length(), peer);
  return v6_.remove(load_key_v6(prefix.address().bytes().data()), prefix.length(), peer);
}

void AllowedIps::remove_peer(PeerId peer) {
  v4_.remove_peer(peer);
  v6_.remove_peer(peer);
}

std::vector<IpPrefix> AllowedIps::prefixes_of(PeerId peer) const {
  std::vector<IpPrefix> prefixes;
  v4_.for_each_of(peer, [&prefixes](std::uint32_t key, unsigned length) {
    prefixes.push_back(prefix_v4(key, length));
  });
  v6_.for_each_of(peer, [&prefixes](Key128 key, unsigned length) {
    prefixes.push_back(prefix_v6(key, length));
  });
  std::ranges::sort(prefixes);
  return prefixes;
}

}  // namespace sinew::wg
