#include "signal/snapshot.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

#include "crypto/equal.h"
#include "crypto/hash.h"
#include "signal/cluster_key.h"
#include "signal/wire.h"

namespace sinew::signal {
namespace {

constexpr std::string_view kFormat = "SNWNUC01";
constexpr std::uint8_t kIsInMap = 1;

Error damaged() {
  return {ErrorKind::kInvalid, "nucleus state: it is damaged"};
}

void append(Bytes& all, const ByteWriter& part) {
  all.insert(all.end(), part.written().begin(), part.written().end());
}

void append_count(Bytes& all, std::size_t count) {
  std::array<std::uint8_t, 4> bytes;
  store_be(bytes.data(), static_cast<std::uint32_t>(count));
  all.insert(all.end(), bytes.begin(), bytes.end());
}

void append_pin(Bytes& all, const Snapshot::Pin& pin) {
  std::array<std::uint8_t, kMaxItemSize + 16> room;
  ByteWriter out(room);
  out.be(static_cast<std::uint64_t>(pin.last_heard.since_epoch().count()));
  out.u8(pin.is_in_map ? kIsInMap : 0);
  write_peer(out, pin.record);
  append(all, out);
}

std::optional<Snapshot::Pin> read_pin(ByteReader& in) {
  Snapshot::Pin pin;
  pin.last_heard = WallTime(Duration(static_cast<std::int64_t>(in.be<std::uint64_t>())));
  const std::uint8_t flags = in.u8();
  if (flags > kIsInMap) return std::nullopt;
  pin.is_in_map = flags == kIsInMap;
  auto record = read_peer(in);
  if (!record) return std::nullopt;
  pin.record = *std::move(record);
  return pin;
}

bool read_cluster(ByteReader& in, Snapshot& snapshot) {
  auto name = read_text(in, kMaxClusterNameBytes);
  if (!name || !ClusterKey::check_name(*name)) return false;
  const auto count = in.be<std::uint32_t>();
  Snapshot::Cluster cluster;
  for (std::uint32_t i = 0; i < count; ++i) {
    auto pin = read_pin(in);
    if (!pin) return false;
    cluster.pins.push_back(*std::move(pin));
  }
  return snapshot.clusters.emplace(*std::move(name), std::move(cluster)).second;
}

}  // namespace

Bytes Snapshot::encode() const {
  Bytes all(as_bytes(kFormat).begin(), as_bytes(kFormat).end());
  append_count(all, clusters.size());
  for (const auto& [name, cluster] : clusters) {
    std::array<std::uint8_t, 1 + kMaxClusterNameBytes> room;
    ByteWriter out(room);
    write_text(out, name);
    append(all, out);
    append_count(all, cluster.pins.size());
    for (const Pin& pin : cluster.pins)
      append_pin(all, pin);
  }
  const crypto::Digest sum = crypto::sha256(all);
  all.insert(all.end(), sum.begin(), sum.end());
  return all;
}

Result<Snapshot> Snapshot::decode(ByteView bytes) {
  constexpr std::size_t kSumSize = sizeof(crypto::Digest);
  if (bytes.size() < kFormat.size() + kSumSize || bytes.size() > kMaxSnapshotBytes)
    return damaged();
  const ByteView content = bytes.first(bytes.size() - kSumSize);
  if (!crypto::equal_constant_time(crypto::sha256(content), bytes.last(kSumSize))) return damaged();
  ByteReader in(content);
  if (as_text(in.take(kFormat.size())) != kFormat) {
    return Error{ErrorKind::kUnsupported, "nucleus state: it is of another version"};
  }
  Snapshot snapshot;
  const auto count = in.be<std::uint32_t>();
  for (std::uint32_t i = 0; i < count; ++i)
    if (!read_cluster(in, snapshot)) return damaged();
  if (!in.finished()) return damaged();
  return snapshot;
}

}  // namespace sinew::signal
