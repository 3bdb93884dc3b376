#include "dataplane/receiver.h"

#include <algorithm>

#include "packet/ecn.h"
#include "wg/messages.h"

namespace sinew::dataplane {
namespace {

packet::TunOffloads offloads_of(const tun::Tun& tunnel) {
  return {.tcp = tunnel.offloads().tso, .udp = tunnel.offloads().uso};
}

wg::Path path_of(const udp::Datagrams& train) {
  return {.remote = train.from, .local = train.local, .interface = train.interface};
}

// The rule of cryptokey routing: an address belongs to whom it would be sent to.
bool is_from(wg::PeerId peer, const packet::InnerPacket& inner, const wg::AllowedIps& routes) {
  const auto owner = inner.is_v4 ? routes.find_v4(inner.source) : routes.find_v6(inner.source);
  return owner == peer;
}

}  // namespace

Receiver::Receiver(tun::Tun& tunnel, unsigned queue, Counters& counters, Notices* notices,
                   std::uint64_t seed)
    : tunnel_(&tunnel),
      tunnel_queue_(queue),
      counters_(&counters),
      notices_(notices),
      ring_({.messages = kRingMessages}),
      coalescer_(offloads_of(tunnel), seed) {
  control_.reserve(kMaxBatch);
  incoming_.reserve(kMaxBatch);
  items_.reserve(kMaxBatch);
}

bool Receiver::turn(udp::UdpPort& port, SharedDevice& shared, MonoTime now, WallTime wall) {
  const auto trains = port.receive(ring_, next_messages_);
  if (!trains || trains->empty()) return false;
  counters_->trains_received += trains->size();
  share_ = &shares_[port.is_v6() ? 1 : 0];
  if (share_->is_window_over(now)) {
    const udp::ReceiveQueue queue = port.measure_queue();
    share_->begin_window(now, {.dropped = queue.dropped, .filled_percent = queue.filled_percent});
  }
  expect_like(*trains);
  process(*trains, shared, now, wall);
  return true;
}

void Receiver::turn(Inlet& inlet, SharedDevice& shared, MonoTime now, WallTime wall) {
  const Inlet::Batch batch = inlet.drain();
  counters_->trains_injected += batch.trains.size();
  counters_->count(Loss::kInletFull, batch.refused);
  share_ = &shares_[2];
  if (share_->is_window_over(now)) {
    share_->begin_window(now, {.dropped = batch.refused, .filled_percent = batch.filled_percent});
  }
  process(batch.trains, shared, now, wall);
}

void Receiver::process(std::span<const udp::Datagrams> trains, SharedDevice& shared, MonoTime now,
                       WallTime wall) {
  next_train_ = 0;
  next_datagram_ = 0;
  while (next_train_ < trains.size()) {
    take_round(trains);
    process_round(shared, now, wall);
  }
}

void Receiver::process_round(SharedDevice& shared, MonoTime now, WallTime wall) {
  {
    const os::MutexLock lock(shared.mutex);
    look_up(shared.device, now, wall);
  }
  if (incoming_.empty()) return;
  open();
  {
    const os::MutexLock lock(shared.mutex);
    settle(shared.device, now, wall);
  }
  deliver();
}

// ------------------------------------------------------------------------------------- receive

// The next receive() probably brings what this one did.
void Receiver::expect_like(std::span<const udp::Datagrams> trains) {
  std::size_t bytes = 0;
  for (const udp::Datagrams& train : trains)
    bytes += train.bytes.size();
  next_messages_ = bytes >= kLongTrainBytes * trains.size() ? kLongTrains : kRingMessages;
}

// A short train behind a long one is the rest of it, and goes along.
bool Receiver::is_enough_before(const udp::Datagrams& next) const {
  return incoming_.size() + control_.size() >= kEnoughBatch && next.count() >= kShortTrain;
}

// Sorts datagrams until there are enough for a round, or no more.
void Receiver::take_round(std::span<const udp::Datagrams> trains) {
  control_.clear();
  incoming_.clear();
  for (; next_train_ < trains.size(); ++next_train_, next_datagram_ = 0) {
    if (next_datagram_ == 0 && is_enough_before(trains[next_train_])) return;
    const udp::Datagrams& train = trains[next_train_];
    if (notices_ != nullptr && next_datagram_ == 0 && hand_over(train)) continue;
    for (const std::size_t count = train.count(); next_datagram_ < count; ++next_datagram_) {
      if (incoming_.size() + control_.size() == kMaxBatch) return;
      const ByteSpan datagram = train.segment(next_datagram_);
      switch (wg::kind_of(datagram)) {
        case wg::Kind::kData:
          incoming_.push_back({.train = &train,
                               .header = wg::DataHeader::load(datagram.data()),
                               .session = nullptr,
                               .inner = {},
                               .packet = datagram.subspan(wg::kDataHeaderSize),
                               .is_delivered = false});
          break;
        case wg::Kind::kInvalid:
          share_->count_others(1);
          if (notices_ != nullptr && hand_over_one(train, datagram)) break;
          counters_->count(Loss::kNotWireGuard);
          break;
        default: control_.push_back({.train = &train, .message = datagram});
      }
    }
  }
}

// A train of one other protocol goes to the Companion in one piece.
bool Receiver::hand_over(const udp::Datagrams& train) {
  const std::size_t count = train.count();
  if (count == 0) return false;
  const Stray kind = stray_kind(train.segment(0));
  if (kind == Stray::kNone) return false;
  for (std::size_t i = 1; i < count; ++i)
    if (stray_kind(train.segment(i)) != kind) return false;
  counters_->strays += count;
  share_->count_others(count);
  notices_->companion().take_stray(train.bytes, train.segment_size, path_of(train));
  return true;
}

bool Receiver::hand_over_one(const udp::Datagrams& train, ByteView datagram) {
  if (stray_kind(datagram) == Stray::kNone) return false;
  ++counters_->strays;
  notices_->companion().take_stray(datagram, datagram.size(), path_of(train));
  return true;
}

// ------------------------------------------------------------------------------------- look up

void Receiver::look_up(wg::Device& device, MonoTime now, WallTime wall) {
  share_->count_others(control_.size());
  for (const Control& control : control_)
    device.feed(control.message, path_of(*control.train), now, wall);
  for (Incoming& incoming : incoming_)
    incoming.session = device.begin_receive(incoming.header.receiver, incoming.header.counter, now);
  share_out(device);
  std::erase_if(incoming_, [](const Incoming& incoming) { return incoming.session == nullptr; });
}

// By runs of one session.
void Receiver::share_out(wg::Device& device) {
  for (auto first = incoming_.begin(); first != incoming_.end();) {
    wg::Session* const session = first->session;
    const auto end = std::find_if(first, incoming_.end(), [session](const Incoming& incoming) {
      return incoming.session != session;
    });
    const std::span run(first, end);
    first = end;
    if (session == nullptr) {
      share_->count_others(run.size());
      continue;
    }
    const std::size_t admitted = share_->admit(session->peer, run.size());
    if (admitted < run.size()) drop_over_share(device, run.subspan(admitted));
  }
}

void Receiver::drop_over_share(wg::Device& device, std::span<Incoming> run) {
  counters_->count(Loss::kPeerOverShare, run.size());
  device.unpin(*run.front().session, run.size());
  for (Incoming& incoming : run)
    incoming.session = nullptr;
}

// ---------------------------------------------------------------------------------------- open

void Receiver::open() {
  items_.clear();
  for (const Incoming& incoming : incoming_) {
    const ByteSpan sealed = incoming.packet;
    items_.push_back({.counter = incoming.header.counter,
                      .sealed = sealed,
                      .plain = sealed.first(sealed.size() - crypto::kAeadTagSize)});
  }
  for (std::size_t first = 0; first < items_.size();) {
    std::size_t end = first + 1;
    while (end < items_.size() && incoming_[end].session == incoming_[first].session)
      ++end;
    const auto run = std::span(items_).subspan(first, end - first);
    counters_->packets_opened += incoming_[first].session->receiving.open_batch(run);
    first = end;
  }
  for (std::size_t i = 0; i < items_.size(); ++i)
    look_inside(incoming_[i], items_[i]);
}

// A keepalive has nothing inside; neither has what is not authentic.
void Receiver::look_inside(Incoming& incoming, const crypto::OpenItem& item) {
  incoming.packet = {};
  if (!item.is_authentic || item.plain.empty()) return;
  incoming.packet = item.plain;
  const auto inner = packet::parse_inner(item.plain);
  if (!inner) return;
  incoming.inner = *inner;
  incoming.is_delivered = true;
}

// -------------------------------------------------------------------------------------- settle

void Receiver::settle(wg::Device& device, MonoTime now, WallTime wall) {
  for (std::size_t first = 0; first < incoming_.size();)
    first = settle_run(device, first, now, wall);
}

// Packets of one session from one path, behind one another. Returns where the next run begins.
std::size_t Receiver::settle_run(wg::Device& device, std::size_t first, MonoTime now,
                                 WallTime wall) {
  wg::Session& session = *incoming_[first].session;
  const udp::Datagrams& train = *incoming_[first].train;
  std::size_t accepted = 0;
  std::size_t wire_bytes = 0;
  bool has_data = false;
  std::size_t i = first;
  for (; i < incoming_.size(); ++i) {
    Incoming& incoming = incoming_[i];
    if (incoming.session != &session || incoming.train != &train) break;
    if (!accept(device, incoming, items_[i].is_authentic)) continue;
    ++accepted;
    wire_bytes += items_[i].sealed.size() + wg::kDataHeaderSize;
    has_data |= !items_[i].plain.empty();
  }
  const wg::PeerId peer = session.peer;
  const std::size_t refused = i - first - accepted;
  if (refused > 0) device.unpin(session, refused);
  const bool is_valid = accepted == 0 || device.finish_receive(session, path_of(train), accepted,
                                                               wire_bytes, has_data, now, wall);
  if (notices_ != nullptr && accepted > 0 && is_valid)
    notices_->note_heard(device, peer, path_of(train), now);
  for (std::size_t k = first; k < i; ++k) {
    Incoming& incoming = incoming_[k];
    if (!incoming.is_delivered) continue;
    incoming.is_delivered = is_valid && is_from(peer, incoming.inner, device.allowed_ips());
    if (!incoming.is_delivered) counters_->count(Loss::kWrongSource);
  }
  return i;
}

// Whether an authentic packet is new. What is not delivered any more is counted here.
bool Receiver::accept(wg::Device& device, Incoming& incoming, bool is_authentic) {
  if (!is_authentic) {
    device.counters().count(wg::Drop::kNotAuthentic);
    return false;
  }
  if (!incoming.session->window.accept(incoming.header.counter)) {
    device.counters().count(wg::Drop::kReplay);
    incoming.is_delivered = false;
    return false;
  }
  if (!incoming.is_delivered && !incoming.packet.empty()) counters_->count(Loss::kMalformedInside);
  return true;
}

// ------------------------------------------------------------------------------------- deliver

void Receiver::deliver() {
  for (Incoming& incoming : incoming_) {
    if (!incoming.is_delivered) continue;
    const ByteSpan packet = incoming.packet.first(incoming.inner.total_length);
    if (!packet::apply_outer_ds(packet, incoming.inner.ds, incoming.train->ds)) {
      counters_->count(Loss::kCongestionUnmarkable);
      continue;
    }
    coalescer_.add(packet, incoming.inner);
  }
  coalescer_.flush([this](const packet::TunWrite& piece) { write(piece); });
}

void Receiver::write(const packet::TunWrite& write) {
  std::array<std::uint8_t, packet::kVnetHeaderSize> header;
  write.header.store(header.data());
  switch (tunnel_->write(tunnel_queue_, header, write.parts)) {
    case tun::WriteOutcome::kWritten: ++counters_->tunnel_writes; return;
    case tun::WriteOutcome::kGone: is_tunnel_gone_ = true; [[fallthrough]];
    case tun::WriteOutcome::kFull:
    case tun::WriteOutcome::kRefused:
      counters_->count(Loss::kTunnelRefused, write.parts.size());
      return;
  }
}

}  // namespace sinew::dataplane
