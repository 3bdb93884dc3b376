// The part of the Switchboard that moves packets.
#include <algorithm>

#include "relay/connection.h"
#include "relay/server.h"

namespace sinew::relay {

bool Switchboard::take_client_frame(Connection& from, const Frame& frame, MonoTime now) {
  switch (frame.type) {
    case FrameType::kSendPacket:
      if (frame.payload.size() < kKeySize) return refuse(from, Reason::kBadFrames);
      take_packet(from, frame.payload, now);
      return true;
    case FrameType::kPing:
      if (frame.payload.size() < kPingSize) return refuse(from, Reason::kBadFrames);
      send_control(from, FrameType::kPong, {frame.payload.first(kPingSize)});
      return true;
    case FrameType::kNotePreferred:
      if (frame.payload.empty()) return refuse(from, Reason::kBadFrames);
      set_home(from, frame.payload[0] != 0);
      return true;
    case FrameType::kUdpOpen: open_udp(from, now); return true;
    case FrameType::kUdpAsk:
      if (frame.payload.size() < kKeySize) return refuse(from, Reason::kBadFrames);
      take_udp_ask(from, frame.payload, now);
      return true;
    default: return true;  // unknown, or of no meaning from a client
  }
}

void Switchboard::set_home(Connection& connection, bool is_home) {
  if (connection.is_home == is_home) return;
  connection.is_home = is_home;
  is_home ? ++counters_.home_clients : --counters_.home_clients;
}

Switchboard::Connection* Switchboard::active_at(const Address& address) const {
  const auto found = clients_.find(address);
  return found == clients_.end() ? nullptr : found->second.back();
}

void Switchboard::take_packet(Connection& from, ByteView payload, MonoTime now) {
  make_active(from);
  const NodeKey key(ByteReader(payload).array<kKeySize>());
  const ByteView packet = payload.subspan(kKeySize);
  if (!from.rate.take(payload.size(), now)) {
    ++counters_.dropped_over_rate;
    return;
  }
  Connection* const to = active_at({.group = from.address.group, .key = key});
  if (to == nullptr) {
    ++counters_.dropped_not_here;
    return tell_not_here(from, key, now);
  }
  watch(from, *to);
  deliver(*to, from, packet);
}

void Switchboard::deliver(Connection& to, const Connection& from, ByteView packet) {
  if (to.is_ending) return;
  Bytes frame;
  append_frame(frame, FrameType::kReceivedPacket, {from.address.key.bytes(), packet});
  const bool is_urgent = is_disco(packet);
  const std::uint64_t dropped_before = to.queue.dropped();
  to.queue.push(std::move(frame), from.number.value(), is_urgent);
  counters_.dropped_queue_full += to.queue.dropped() - dropped_before;
  count_packet(packet, is_urgent);
  mark_ready(to);
}

void Switchboard::count_packet(ByteView packet, bool is_urgent) {
  ++counters_.packets;
  counters_.packet_bytes += packet.size();
  if (is_urgent) ++counters_.disco_packets;
}

void Switchboard::tell_not_here(Connection& to, const NodeKey& key, MonoTime now) {
  if (!to.not_here.take(now)) return;
  const auto reason = static_cast<std::uint8_t>(GoneReason::kNotHere);
  send_control(to, FrameType::kPeerGone, {key.bytes(), {&reason, 1}});
}

void Switchboard::watch(Connection& watched, const Connection& watcher) {
  if (watched.watchers.size() < kMaxWatchers) watched.watchers.insert(watcher.number);
}

void Switchboard::open_udp(Connection& connection, MonoTime now) {
  if (!limits_.udp_port || !connection.udp_asks.take(now)) return;
  if (connection.udp) udp_.close(*connection.udp);
  const UdpGrant grant = udp_.open(connection.number);
  connection.udp = grant.session;
  std::array<std::uint8_t, kUdpSessionSize> session;
  store_be(session.data(), grant.session.value());
  std::array<std::uint8_t, 2> port;
  store_be(port.data(), *limits_.udp_port);
  send_control(connection, FrameType::kUdpGrant, {session, grant.secret.expose(), port});
}

// Both learn the other's number, so that the answer finds its way without another question.
void Switchboard::take_udp_ask(Connection& from, ByteView payload, MonoTime now) {
  if (!from.udp_asks.take(now)) return;
  const NodeKey key(ByteReader(payload).array<kKeySize>());
  Connection* const peer = active_at({.group = from.address.group, .key = key});
  if (peer == nullptr) return tell_not_here(from, key, now);
  watch(*peer, from);
  watch(from, *peer);
  if (peer->udp) tell_number(*peer, from);
  tell_number(from, *peer);
}

void Switchboard::tell_number(Connection& to, const Connection& about) {
  std::array<std::uint8_t, 4> number;
  store_be(number.data(), about.number.value());
  send_control(to, FrameType::kUdpNumber, {about.address.key.bytes(), number});
}

std::optional<Endpoint> Switchboard::feed_datagram(ByteSpan datagram, const Endpoint& from,
                                                   MonoTime now) {
  const std::optional<UdpData> data = parse_udp_data(datagram);
  if (!data) {
    if (udp_.answer_bind(datagram, from, now)) return from;
    ++counters_.dropped_datagrams;
    return std::nullopt;
  }
  const std::optional<ClientNumber> owner = udp_.owner(data->session, from, now);
  if (!owner) {
    ++counters_.dropped_datagrams;
    return std::nullopt;
  }
  return forward_datagram(datagram, *data, *numbers_.at(*owner), now);
}

std::optional<Endpoint> Switchboard::forward_datagram(ByteSpan datagram, const UdpData& data,
                                                      Connection& from, MonoTime now) {
  if (!from.rate.take(datagram.size(), now)) {
    ++counters_.dropped_over_rate;
    return std::nullopt;
  }
  make_active(from);
  const auto found = numbers_.find(data.number);
  if (found == numbers_.end() || found->second->address.group != from.address.group) {
    ++counters_.dropped_not_here;
    return std::nullopt;
  }
  Connection& to = found->second->has_twins ? *active_at(found->second->address) : *found->second;
  const std::optional<Endpoint> address =
      to.udp ? udp_.address(*to.udp, now) : std::optional<Endpoint>();
  if (!address) {
    deliver(to, from, data.packet);
    return std::nullopt;
  }
  count_packet(data.packet, is_disco(data.packet));
  ++counters_.udp_packets;
  write_udp_data_header(datagram, *to.udp, from.number);
  return address;
}

}  // namespace sinew::relay
