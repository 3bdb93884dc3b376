#include "dataplane/sender.h"

#include <algorithm>
#include <utility>

#include "base/verify.h"
#include "dataplane/congestion.h"
#include "packet/ecn.h"
#include "packet/inner.h"
#include "wg/messages.h"

namespace sinew::dataplane {
namespace {

// What one segment of the plan takes in the arena at most.
std::size_t sealed_size_limit(const packet::SplitPlan& plan) {
  return plan.largest_segment + wg::kDataOverhead + wg::kPaddingSize;
}

bool fits_datagram(const packet::SplitPlan& plan) {
  return sealed_size_limit(plan) <= udp::UdpPort::kMaxDatagramBytes;
}

std::size_t segments_left(const Parcel& parcel) {
  return parcel.plan.segment_count - parcel.next_segment;
}

bool is_same_flow(const Parcel& one, const Parcel& other) {
  return one.peer == other.peer && one.flow_hash == other.flow_hash;
}

// Link-local addresses mean nothing without their interface. For all others the routes decide,
// which may have changed since the peer was heard.
std::uint32_t way_out(const wg::Path& path) {
  return path.remote.address.is_link_local() ? path.interface : 0;
}

}  // namespace

Sender::Sender(tun::Tun& tunnel, unsigned queue, Counters& counters, Notices* notices)
    : tunnel_(&tunnel),
      tunnel_queue_(queue),
      counters_(&counters),
      notices_(notices),
      queue_(Queue::Limits{.items = ParcelPool::kCount, .bytes = kMaxQueuedBytes}),
      arena_(std::make_unique_for_overwrite<std::uint8_t[]>(kArenaBytes)) {
  fresh_.reserve(kMaxReads);
  pieces_.reserve(kMaxSegments);
  runs_.reserve(kMaxSegments);
  items_.reserve(kMaxSegments);
  messages_.reserve(kMaxMessages);
  run_of_message_.reserve(kMaxMessages);
}

void Sender::set_ports(udp::UdpPair* ports) {
  ports_ = ports;
  unsent_ = 0;
}

bool Sender::turn(SharedDevice& shared, MonoTime now) {
  if (is_blocked()) {
    transmit();
    const os::MutexLock lock(shared.mutex);
    forget_stale_sources(shared.device);
    if (is_blocked()) return true;
  }
  if (!read()) return false;
  if (ports_ == nullptr) drop_fresh();
  if (fresh_.empty() && !has_backlog()) return true;
  {
    const os::MutexLock lock(shared.mutex);
    plan(shared.device, now);
  }
  if (runs_.empty()) return true;
  seal();
  if (notices_ != nullptr) divert();
  transmit();
  const os::MutexLock lock(shared.mutex);
  settle(shared.device, now);
  return true;
}

// ---------------------------------------------------------------------------------------- read

bool Sender::read() {
  fresh_.clear();
  while (fresh_.size() < kMaxReads) {
    if (pool_.read_room().empty()) make_room();
    const ByteSpan room = pool_.read_room();
    if (room.empty()) return true;
    const auto size = tunnel_->read(tunnel_queue_, room);
    if (!size) return size.error().kind != ErrorKind::kNotFound;
    if (!size->has_value()) return true;
    ++counters_->tunnel_reads;
    accept(**size);
  }
  return true;
}

// A packet that cannot be what the kernel sends is dropped here; all others become a parcel.
void Sender::accept(std::size_t size) {
  if (size <= packet::kVnetHeaderSize) return counters_->count(Loss::kMalformedFromTunnel);
  const ByteView bytes = pool_.read_room().first(size);
  const auto inner = packet::parse_inner(bytes.subspan(packet::kVnetHeaderSize));
  if (!inner) return counters_->count(Loss::kMalformedFromTunnel);
  const auto plan = packet::plan_split(packet::VnetHeader::load(bytes.data()), *inner);
  if (!plan) return counters_->count(Loss::kMalformedFromTunnel);
  if (!fits_datagram(*plan)) return counters_->count(Loss::kTooLarge);
  const Handle handle = pool_.keep(size);
  Parcel& parcel = pool_[handle];
  parcel.plan = *plan;
  parcel.flow_hash = static_cast<std::uint32_t>(inner->flow_hash());
  parcel.ds = packet::outer_ds(inner->ds);
  fresh_.push_back(handle);
}

void Sender::drop_fresh() {
  for (const Handle handle : fresh_)
    drop(handle, Loss::kNotRunning);
  fresh_.clear();
}

void Sender::make_room() {
  if (const auto victim = queue_.evict()) drop(victim->handle, Loss::kQueueFull);
}

// ---------------------------------------------------------------------------------------- plan

void Sender::plan(wg::Device& device, MonoTime now) {
  for (const Handle handle : fresh_)
    enqueue(handle, device.allowed_ips(), now);
  choose(now);
  make_runs(device, now);
}

void Sender::enqueue(Handle handle, const wg::AllowedIps& routes, MonoTime now) {
  Parcel& parcel = pool_[handle];
  const std::uint8_t* packet = parcel.packet.data();
  const bool is_v4 = packet[0] >> 4 == 4;
  const auto peer = is_v4 ? routes.find_v4(packet + 16) : routes.find_v6(packet + 24);
  if (!peer) return drop(handle, Loss::kNoRoute);
  parcel.peer = *peer;
  push(handle, now);
}

void Sender::push(Handle handle, MonoTime now) {
  const Parcel& parcel = pool_[handle];
  const auto size = static_cast<std::uint32_t>(parcel.packet.size());
  queue_.push({parcel.peer.value(), parcel.flow_hash, size, handle, now},
              [this](const Queue::Item& victim) { drop(victim.handle, Loss::kQueueFull); });
}

// Small packets leave in a turn of their own, which is over before the next super-packet is split
// and sealed; then it is the turn of bulk.
void Sender::choose(MonoTime now) {
  pieces_.clear();
  chosen_segments_ = 0;
  chosen_bytes_ = 0;
  if (!owes_bulk_) choose_small(now);
  if (pieces_.empty()) {
    choose_bulk(now);
    owes_bulk_ = false;
  } else {
    owes_bulk_ = carried_.has_value();
    last_small_ = now;
  }
}

// As long as the queue gives no super-packet, and nothing that would overtake the rest of one.
void Sender::choose_small(MonoTime now) {
  while (chosen_segments_ < kMaxSegments && chosen_bytes_ < kEnoughBytes) {
    const Queue::Item* const next = queue_.front();
    if (next == nullptr || ParcelPool::is_large(next->handle)) return;
    const Parcel& parcel = pool_[next->handle];
    if (carried_ && is_same_flow(pool_[*carried_], parcel)) return;
    if (segments_left(parcel) > kMaxSegments - chosen_segments_) return;
    const auto popped = queue_.pop(now);
    const Handle handle = popped->item.handle;
    if (!popped->is_late || slow_down(handle)) take(handle);
  }
}

// One super-packet while there is other traffic that waits for the end of it, else two.
void Sender::choose_bulk(MonoTime now) {
  const bool is_alone = now - last_small_ > kQuietTime;
  const std::size_t enough = is_alone ? kEnoughBytes : kEnoughBesideOthers;
  while (chosen_segments_ < kMaxSegments && chosen_bytes_ < enough) {
    if (!carried_) carried_ = next_parcel(now);
    if (!carried_ || !take(*carried_)) return;
    carried_.reset();
  }
}

// As much of a parcel as there is room for in this turn. False if some of it is left.
bool Sender::take(Handle handle) {
  Parcel& parcel = pool_[handle];
  const std::size_t each = sealed_size_limit(parcel.plan);
  const std::size_t fitting = std::max<std::size_t>(1, (kArenaBytes - chosen_bytes_) / each);
  const std::size_t count =
      std::min({segments_left(parcel), kMaxSegments - chosen_segments_, fitting});
  const bool is_last = count == segments_left(parcel);
  pieces_.push_back({.handle = handle,
                     .first = parcel.next_segment,
                     .count = static_cast<std::uint32_t>(count),
                     .is_last = is_last});
  parcel.next_segment += static_cast<std::uint32_t>(count);
  chosen_segments_ += count;
  chosen_bytes_ += count * each;
  return is_last;
}

std::optional<Sender::Handle> Sender::next_parcel(MonoTime now) {
  while (const auto next = queue_.pop(now)) {
    const Handle handle = next->item.handle;
    if (!next->is_late || slow_down(handle)) return handle;
  }
  return std::nullopt;
}

// False: the sign was the loss of the parcel.
bool Sender::slow_down(Handle handle) {
  const auto header = packet::VnetHeader::load(pool_.vnet_header(handle));
  switch (tell_congestion(pool_[handle], header)) {
    case CongestionSign::kMarked: ++counters_->congestion_marks; return true;
    case CongestionSign::kSegmentLost: counters_->count(Loss::kQueueDelay); return true;
    case CongestionSign::kParcelLost: drop(handle, Loss::kQueueDelay); return false;
  }
  VERIFY_NOT_REACHED();
}

void Sender::make_runs(wg::Device& device, MonoTime now) {
  runs_.clear();
  for (std::size_t i = 0; i < pieces_.size();) {
    Run run{.peer = pool_[pieces_[i].handle].peer,
            .grant = {},
            .first_piece = i,
            .piece_count = 0,
            .packets = 0};
    while (i < pieces_.size() && pool_[pieces_[i].handle].peer == run.peer) {
      run.packets += pieces_[i++].count;
      ++run.piece_count;
    }
    if (notices_ != nullptr) notices_->note_wanted(device, run.peer, now);
    const auto grant = device.begin_send(run.peer, run.packets, now);
    if (!grant) {
      refuse(run, grant.error());
      continue;
    }
    run.grant = *grant;
    runs_.push_back(run);
  }
}

void Sender::refuse(const Run& run, wg::SendRefusal refusal) {
  for (std::size_t i = 0; i < run.piece_count; ++i) {
    const Piece& piece = pieces_[run.first_piece + i];
    if (carried_ == piece.handle) carried_.reset();
    pool_[piece.handle].next_segment = piece.first;
    switch (refusal) {
      case wg::SendRefusal::kNoSession: stage(piece.handle); break;
      case wg::SendRefusal::kNoEndpoint: drop(piece.handle, Loss::kNoEndpoint); break;
      case wg::SendRefusal::kUnknownPeer: drop(piece.handle, Loss::kNoRoute); break;
      case wg::SendRefusal::kNotRunning: drop(piece.handle, Loss::kNotRunning); break;
    }
  }
}

void Sender::stage(Handle handle) {
  const auto victim = staging_.add(pool_[handle].peer, handle);
  if (victim) drop(*victim, Loss::kStagedFull);
}

// The wait for the handshake is not the queue's, and is nothing to slow down for.
void Sender::release_staged(wg::PeerId peer, MonoTime now) {
  staging_.take(peer, [this, now](Handle handle) { push(handle, now); });
}

void Sender::drop_staged(wg::PeerId peer) {
  staging_.take(peer, [this](Handle handle) { drop(handle, Loss::kPeerUnreachable); });
}

void Sender::drop_staged_of_strangers(const wg::Device& device) {
  staging_.take_if([&device](wg::PeerId peer) { return !device.has_peer(peer); },
                   [this](Handle handle) { drop(handle, Loss::kPeerUnreachable); });
}

void Sender::drop_waiting() {
  if (carried_) drop(*carried_, Loss::kNotRunning);
  carried_.reset();
  while (const auto next = queue_.evict())
    drop(next->handle, Loss::kNotRunning);
  staging_.take_if([](wg::PeerId) { return true; },
                   [this](Handle handle) { drop(handle, Loss::kNotRunning); });
}

void Sender::drop(Handle handle, Loss loss) {
  counters_->count(loss, segments_left(pool_[handle]));
  pool_.release(handle);
}

// ---------------------------------------------------------------------------------------- seal

void Sender::seal() {
  arena_used_ = 0;
  messages_.clear();
  run_of_message_.clear();
  for (Run& run : runs_)
    seal_run(run);
  unsent_ = messages_.size();
}

void Sender::seal_run(Run& run) {
  items_.clear();
  std::uint64_t counter = run.grant.first_counter;
  for (std::size_t i = 0; i < run.piece_count; ++i) {
    const Piece& piece = pieces_[run.first_piece + i];
    write_piece(piece, run, counter);
    const std::uint8_t ds = pool_[piece.handle].ds;
    for (std::size_t k = items_.size() - piece.count; k < items_.size(); ++k) {
      const ByteSpan sealed = items_[k].sealed;
      add_message(run, {sealed.data() - wg::kDataHeaderSize, sealed.size() + wg::kDataHeaderSize},
                  ds);
    }
    if (piece.is_last) pool_.release(piece.handle);
  }
  run.grant.session->sending.seal_batch(items_);
  counters_->packets_sealed += items_.size();
}

void Sender::write_piece(const Piece& piece, const Run& run, std::uint64_t& counter) {
  const Parcel& parcel = pool_[piece.handle];
  for (std::uint32_t i = 0; i < piece.count; ++i) {
    std::uint8_t* const out = arena_.get() + arena_used_;
    std::uint8_t* const plain = out + wg::kDataHeaderSize;
    const std::size_t size =
        packet::write_segment(parcel.plan, parcel.packet, piece.first + i, plain);
    const std::size_t padded = wg::padded_size(size, mtu_);
    std::memset(plain + size, 0, padded - size);
    wg::DataHeader{run.grant.session->remote, counter}.store(out);
    items_.push_back({.counter = counter++,
                      .plain = {plain, padded},
                      .sealed = {plain, padded + crypto::kAeadTagSize}});
    arena_used_ += wg::kDataOverhead + padded;
  }
}

// A datagram joins the train before it when it is as long as the others of it, or ends it when it
// is shorter.
void Sender::add_message(Run& run, ByteView datagram, std::uint8_t ds) {
  run.wire_bytes += datagram.size();
  const auto run_index = static_cast<std::uint32_t>(&run - runs_.data());
  if (!messages_.empty() && run_of_message_.back() == run_index) {
    udp::Outgoing& train = messages_.back();
    const bool is_open = train.bytes.size() % train.segment_size == 0;
    if (is_open && train.ds == ds && datagram.size() <= train.segment_size) {
      train.bytes = {train.bytes.data(), train.bytes.size() + datagram.size()};
      return;
    }
  }
  messages_.push_back({.to = &run.grant.path.remote,
                       .local = run.grant.path.local,
                       .interface = way_out(run.grant.path),
                       .ds = ds,
                       .segment_size = static_cast<std::uint16_t>(datagram.size()),
                       .bytes = datagram});
  run_of_message_.push_back(run_index);
}

// What is for detours leaves the messages, the others keep their order.
void Sender::divert() {
  std::size_t kept = 0;
  for (std::size_t i = 0; i < messages_.size(); ++i) {
    const udp::Outgoing& message = messages_[i];
    if (divert_one(*message.to, message.bytes, message.segment_size)) continue;
    messages_[kept] = message;
    run_of_message_[kept] = run_of_message_[i];
    ++kept;
  }
  messages_.resize(kept);
  run_of_message_.resize(kept);
  unsent_ = kept;
}

bool Sender::divert_one(const Endpoint& to, ByteView train, std::size_t segment_size) {
  const auto number = detour_number(to);
  if (!number) return false;
  if (notices_->companion().take_detour(*number, train, segment_size)) {
    ++counters_->trains_detoured;
  } else {
    counters_->count(Loss::kDetourRefused, (train.size() + segment_size - 1) / segment_size);
  }
  return true;
}

// Sends what is unsent, as far as the sockets take it. Messages for one family stand together in
// one call as long as the other family does not come between.
void Sender::transmit() {
  if (ports_ == nullptr) unsent_ = 0;
  while (unsent_ > 0) {
    const std::size_t first = messages_.size() - unsent_;
    const bool is_v4 = messages_[first].to->address.is_v4();
    std::size_t count = 1;
    while (count < std::min(unsent_, udp::UdpPort::kMaxSendBatch) &&
           messages_[first + count].to->address.is_v4() == is_v4)
      ++count;
    auto& port = is_v4 ? ports_->v4 : ports_->v6;
    if (!port) {
      counters_->count(Loss::kSendRefused, count);
      unsent_ -= count;
      continue;
    }
    const udp::SendReport report = port->send(std::span(messages_).subspan(first, count));
    counters_->trains_sent += report.taken;
    counters_->count(Loss::kSendRefused, static_cast<unsigned>(std::popcount(report.dropped)));
    note_stale(report.stale_sources, first);
    unsent_ -= report.taken;
    if (!report.would_block) continue;
    udp::Outgoing& next = messages_[first + report.taken];
    next.bytes = next.bytes.subspan(report.bytes_of_next);
    return;
  }
}

void Sender::note_stale(std::uint64_t mask, std::size_t first) {
  for (; mask != 0; mask &= mask - 1)
    runs_[run_of_message_[first + static_cast<std::size_t>(std::countr_zero(mask))]]
        .has_stale_source = true;
}

bool Sender::send(const wg::Transmit& transmit) {
  if (ports_ == nullptr) return true;
  const ByteView bytes = transmit.bytes();
  if (notices_ != nullptr && divert_one(transmit.to.remote, bytes, bytes.size())) return true;
  auto& port = transmit.to.remote.address.is_v4() ? ports_->v4 : ports_->v6;
  if (!port) {
    counters_->count(Loss::kSendRefused);
    return true;
  }
  const udp::Outgoing message{.to = &transmit.to.remote,
                              .local = transmit.to.local,
                              .interface = way_out(transmit.to),
                              .ds = transmit.ds,
                              .segment_size = 0,
                              .bytes = bytes};
  const udp::SendReport report = port->send({&message, 1});
  counters_->trains_sent += report.taken;
  if (report.dropped != 0) counters_->count(Loss::kSendRefused);
  return !report.would_block;
}

// -------------------------------------------------------------------------------------- settle

void Sender::settle(wg::Device& device, MonoTime now) {
  for (const Run& run : runs_)
    device.finish_send(run.grant, run.packets, run.wire_bytes, true, now);
  forget_stale_sources(device);
}

void Sender::forget_stale_sources(wg::Device& device) {
  for (Run& run : runs_)
    if (std::exchange(run.has_stale_source, false)) device.forget_source(run.peer);
}

}  // namespace sinew::dataplane
