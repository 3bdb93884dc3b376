#include "relayd/datagrams.h"

#include <array>
#include <utility>

#include "stun/message.h"

namespace sinew::relayd {
namespace {

constexpr std::size_t kMaxMessages = 8;  // a turn, of each family; each up to 64 datagrams

Result<udp::UdpPair> open_ports(const Endpoint& local) {
  if (local.address.is_unspecified()) return udp::open_pair(local.port);
  udp::UdpPair pair;
  auto port = TRY(udp::UdpPort::open(local));
  (local.address.is_v4() ? pair.v4 : pair.v6) = std::move(port);
  return pair;
}

}  // namespace

Result<Datagrams> Datagrams::open(const Endpoint& local, Rng& rng) {
  return Datagrams(TRY(open_ports(local)), local.address, rng);
}

Datagrams::Datagrams(udp::UdpPair ports, const IpAddress& address, Rng& rng)
    : ports_(std::move(ports)), address_(address), stun_(rng), ring_({.messages = kMaxMessages}) {
  replies_.reserve(kMaxMessages * udp::UdpPort::kMaxSegments * 2);
}

Endpoint Datagrams::local() const {
  return {.address = address_, .port = ports_.port()};
}

Result<> Datagrams::watch(os::Poller& poller, std::uint64_t token) const {
  if (ports_.v4) TRY(poller.add(ports_.v4->fd(), os::Poller::Interest::kRead, token));
  if (ports_.v6) TRY(poller.add(ports_.v6->fd(), os::Poller::Interest::kRead, token));
  return {};
}

void Datagrams::receive(relay::Switchboard& board, MonoTime now) {
  if (ports_.v4) receive_at(*ports_.v4, board, now);
  if (ports_.v6) receive_at(*ports_.v6, board, now);
}

void Datagrams::receive_at(udp::UdpPort& port, relay::Switchboard& board, MonoTime now) {
  const auto received = port.receive(ring_);
  if (!received) return;
  departures_.clear();
  replies_.clear();
  for (udp::Datagrams& train : *received)
    handle(train, board, now);
  send_all();
}

void Datagrams::handle(udp::Datagrams& train, relay::Switchboard& board, MonoTime now) {
  for (std::size_t i = 0; i < train.count(); ++i) {
    const ByteSpan datagram = train.segment(i);
    if (datagram[0] != relay::kUdpFirstByte) {
      answer_stun(datagram, train, now);
      continue;
    }
    if (const auto to = board.feed_datagram(datagram, train.from, now)) forward(datagram, *to);
  }
}

void Datagrams::answer_stun(ByteView request, const udp::Datagrams& train, MonoTime now) {
  if (replies_.size() == replies_.capacity()) return;
  const stun::Responder::Addresses mine{.asked = {.address = train.local, .port = ports_.port()}};
  auto reply = stun_.respond(request, train.from, mine, now);
  if (!reply) return;
  replies_.push_back(std::move(*reply));
  const ByteView bytes = replies_.back().bytes();
  departures_.push_back({.to = train.from,
                         .local = train.local,
                         .segment_size = bytes.size(),
                         .bytes = bytes,
                         .is_complete = true});
}

void Datagrams::forward(ByteView datagram, const Endpoint& to) {
  if (!departures_.empty()) {
    Departure& last = departures_.back();
    const bool goes_on = !last.is_complete && last.to == to &&
                         datagram.size() <= last.segment_size &&
                         last.bytes.data() + last.bytes.size() == datagram.data();
    if (goes_on) {
      last.bytes = {last.bytes.data(), last.bytes.size() + datagram.size()};
      last.is_complete = datagram.size() < last.segment_size;
      return;
    }
  }
  departures_.push_back({.to = to,
                         .local = {},
                         .segment_size = datagram.size(),
                         .bytes = datagram,
                         .is_complete = false});
}

void Datagrams::send_all() {
  std::vector<udp::Outgoing> v4;
  std::vector<udp::Outgoing> v6;
  for (const Departure& departure : departures_) {
    const bool is_train = departure.bytes.size() > departure.segment_size;
    (departure.to.address.is_v4() ? v4 : v6)
        .push_back({.to = &departure.to,
                    .local = departure.local,
                    .segment_size = is_train ? static_cast<std::uint16_t>(departure.segment_size)
                                             : std::uint16_t{0},
                    .bytes = departure.bytes});
  }
  const auto send = [](std::optional<udp::UdpPort>& port, std::span<const udp::Outgoing> messages) {
    while (port && !messages.empty()) {
      const udp::SendReport report = port->send(messages);
      if (report.would_block || report.taken == 0) return;
      messages = messages.subspan(report.taken);
    }
  };
  send(ports_.v4, v4);
  send(ports_.v6, v6);
}

}  // namespace sinew::relayd
