#include "dataplane/worker.h"

#include <array>
#include <utility>

namespace sinew::dataplane {
namespace {

std::optional<Notices> make_notices(Companion* companion) {
  if (companion == nullptr) return std::nullopt;
  return Notices(*companion);
}

}  // namespace

Result<std::unique_ptr<Worker>> Worker::open(const Surroundings& surroundings, unsigned queue) {
  os::Poller poller = TRY(os::Poller::create());
  os::EventFd wake = TRY(os::EventFd::create());
  std::unique_ptr<Inlet> inlet;
  if (surroundings.companion != nullptr) inlet = TRY(Inlet::open());
  std::unique_ptr<Worker> worker(
      new Worker(surroundings, queue, std::move(poller), std::move(wake), std::move(inlet)));
  TRY(worker->watch());
  return worker;
}

Worker::Worker(const Surroundings& surroundings, unsigned queue, os::Poller poller,
               os::EventFd wake, std::unique_ptr<Inlet> inlet)
    : around_(surroundings),
      queue_(queue),
      poller_(std::move(poller)),
      orders_(std::move(wake), kMaxOrders),
      inlet_(std::move(inlet)),
      notices_(make_notices(surroundings.companion)),
      receiver_(*surroundings.tunnel, queue, counters_, notices_ ? &*notices_ : nullptr,
                surroundings.seed),
      sender_(*surroundings.tunnel, queue, counters_, notices_ ? &*notices_ : nullptr) {}

Result<> Worker::watch() {
  TRY(poller_.add(orders_.fd(), os::Poller::Interest::kRead, kTokenOrders));
  if (inlet_) TRY(poller_.add(inlet_->fd(), os::Poller::Interest::kRead, kTokenInlet));
  watches_tunnel_ = true;
  return poller_.add(around_.tunnel->queue(queue_), os::Poller::Interest::kRead, kTokenTunnel);
}

void Worker::order(Order order) {
  if (order.kind == Order::Kind::kStop) is_told_to_stop_ = true;
  static_cast<void>(orders_.post(std::move(order)));
}

Result<> Worker::run() {
  std::array<os::Poller::Event, os::Poller::kMaxEvents> room;
  while (!is_stopping_ && !is_told_to_stop_) {
    const bool is_busy = sender_.has_backlog() && !sender_.is_blocked();
    const auto events = TRY(poller_.wait(room, is_busy ? MonoTime() : deadline_));
    now_ = around_.clock->now();
    turn(events);
  }
  return {};
}

void Worker::turn(std::span<const os::Poller::Event> events) {
  ++counters_.turns;
  const WallTime wall = around_.clock->wall_now();
  for (const os::Poller::Event& event : events) {
    if (event.token == kTokenV4 && ports_ && ports_->v4)
      receiver_.turn(*ports_->v4, *around_.shared, now_, wall);
    if (event.token == kTokenV6 && ports_ && ports_->v6)
      receiver_.turn(*ports_->v6, *around_.shared, now_, wall);
    if (event.token == kTokenInlet) receiver_.turn(*inlet_, *around_.shared, now_, wall);
    if (event.token == kTokenOrders) carry_out_orders();
    if (event.token < kFirstForeignToken || !handle_foreign_) continue;
    handle_foreign_(event);
    now_ = around_.clock->now();  // a large configuration takes its time
  }
  collect_events();
  const bool is_there = sender_.turn(*around_.shared, now_);
  settle();
  if (notices_) notices_->tell();
  watch_writability();
  if (!is_there || receiver_.is_tunnel_gone()) is_stopping_ = true;
}

// ------------------------------------------------------------------------------------- orders

void Worker::carry_out_orders() {
  for (Order& order : orders_.drain()) {
    switch (order.kind) {
      case Order::Kind::kEvent: tell(order.event); break;
      case Order::Kind::kPorts: take_ports(std::move(order.ports)); break;
      case Order::Kind::kDown: sender_.drop_waiting(); break;
      case Order::Kind::kMtu: sender_.set_mtu(order.number); break;
      case Order::Kind::kLook: break;
      case Order::Kind::kStop: is_stopping_ = true; break;
      case Order::Kind::kFwmark:
        if (!ports_) break;
        for (auto* port : {&ports_->v4, &ports_->v6})
          if (*port) static_cast<void>((*port)->set_fwmark(order.number));
    }
  }
}

void Worker::take_ports(std::unique_ptr<udp::UdpPair> ports) {
  if (ports_) {
    if (ports_->v4) static_cast<void>(poller_.remove(ports_->v4->fd()));
    if (ports_->v6) static_cast<void>(poller_.remove(ports_->v6->fd()));
  }
  past_ports_ = count().ports;
  ports_ = std::move(ports);
  sender_.set_ports(ports_.get());
  waits_for_room_ = false;
  watch_tunnel(true);
  const auto add_port = [this](const std::optional<udp::UdpPort>& port, Token token) {
    if (port) static_cast<void>(poller_.add(port->fd(), os::Poller::Interest::kRead, token));
  };
  add_port(ports_->v4, kTokenV4);
  add_port(ports_->v6, kTokenV6);
}

void Worker::tell(const wg::Event& event) {
  switch (event.kind) {
    case wg::Event::Kind::kSessionReady: sender_.release_staged(event.peer, now_); break;
    case wg::Event::Kind::kPeerUnreachable: sender_.drop_staged(event.peer); break;
    case wg::Event::Kind::kEndpointMoved: break;
  }
}

// What the device has to tell concerns the packets that wait in every worker.
void Worker::collect_events() {
  events_.clear();
  {
    const os::MutexLock lock(around_.shared->mutex);
    while (auto event = around_.shared->device.next_event())
      events_.push_back(*event);
  }
  for (const wg::Event& event : events_) {
    if (event.kind == wg::Event::Kind::kEndpointMoved) continue;  // the device knows
    tell(event);
    for (Worker* colleague : colleagues_)
      if (colleague != this) colleague->order({.kind = Order::Kind::kEvent, .event = event});
  }
}

// ------------------------------------------------------------------------------------- settle

// A full socket makes handshake messages wait; they are the first to go when it has room.
void Worker::settle() {
  {
    const os::MutexLock lock(around_.shared->mutex);
    wg::Device& device = around_.shared->device;
    if (device.deadline() <= now_) {
      device.expire(now_, around_.clock->wall_now());
      sender_.drop_staged_of_strangers(device);
    }
    while (auto transmit = device.next_transmit()) {
      transmits_.push_back(*transmit);
      if (notices_ && transmit->peer) notices_->note_wanted(device, *transmit->peer, now_);
    }
    deadline_ = device.deadline();
    published_ = count();
  }
  std::size_t sent = 0;
  while (sent < transmits_.size() && sender_.send(transmits_[sent]))
    ++sent;
  transmits_.erase(transmits_.begin(), transmits_.begin() + static_cast<std::ptrdiff_t>(sent));
  if (transmits_.size() > kMaxTransmits) transmits_.resize(kMaxTransmits);
}

// A full socket is watched until it takes more, and until then nothing more is taken from the
// tunnel.
void Worker::watch_writability() {
  if (sender_.is_blocked() == waits_for_room_ || !ports_) return;
  waits_for_room_ = sender_.is_blocked();
  // The other family's socket has room, and would say so all the time.
  const bool is_v4 = waits_for_room_ && sender_.is_blocked_by_v4();
  watch_port(ports_->v4, kTokenV4, is_v4);
  watch_port(ports_->v6, kTokenV6, waits_for_room_ && !is_v4);
  watch_tunnel(!waits_for_room_);
}

void Worker::watch_port(const std::optional<udp::UdpPort>& port, Token token, bool for_room) {
  if (!port) return;
  static_cast<void>(poller_.modify(
      port->fd(), for_room ? os::Poller::Interest::kReadAndWrite : os::Poller::Interest::kRead,
      token));
}

void Worker::watch_tunnel(bool is_watched) {
  if (is_watched == watches_tunnel_) return;
  watches_tunnel_ = is_watched;
  const os::Fd& fd = around_.tunnel->queue(queue_);
  if (!is_watched) return static_cast<void>(poller_.remove(fd));
  static_cast<void>(poller_.add(fd, os::Poller::Interest::kRead, kTokenTunnel));
}

Worker::Published Worker::count() const {
  Published all{.own = counters_, .ports = past_ports_, .queue = around_.tunnel->counters(queue_)};
  if (ports_ && ports_->v4) all.ports += ports_->v4->counters();
  if (ports_ && ports_->v6) all.ports += ports_->v6->counters();
  return all;
}

Worker::Published Worker::published_counters() {
  const os::MutexLock lock(around_.shared->mutex);
  return published_;
}

}  // namespace sinew::dataplane
