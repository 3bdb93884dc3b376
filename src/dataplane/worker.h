// One worker of the packet path: a queue of the tunnel, sockets of its own, and the loop that moves
// packets between them, from arrival to departure without a hand-over to another thread, which
// costs more than the work itself (docs/guide/performance.md). A turn of the loop:
//
//   wait      until something arrives, a deadline comes, or not at all while packets are queued
//   receive   network to tunnel first: acknowledgements set the senders of this machine free
//   send      tunnel to network
//   settle    timers that are due; handshake messages and keepalives that the device wants sent
//
// The clock is read once a turn. A machine of one or two cores has one worker. With more, the
// kernel spreads flows over the tunnel's queues and senders over the sockets, so that a flow stays
// with one worker and in order; what they share is SharedDevice.
//
// open(), order() and inject() belong to any thread, all else to the thread in run().
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <span>

#include "base/clock.h"
#include "base/log.h"
#include "base/result.h"
#include "dataplane/counters.h"
#include "dataplane/inlet.h"
#include "dataplane/notices.h"
#include "dataplane/receiver.h"
#include "dataplane/sender.h"
#include "dataplane/shared_device.h"
#include "os/mailbox.h"
#include "os/poller.h"
#include "tun/tun.h"
#include "udp/udp_port.h"

namespace sinew::dataplane {

// What a worker is told from outside its thread.
struct Order {
  // kLook: the device was changed elsewhere, and may have work.
  enum class Kind : std::uint8_t { kEvent, kPorts, kDown, kMtu, kFwmark, kLook, kStop };
  Kind kind = Kind::kEvent;
  wg::Event event = {};
  std::unique_ptr<udp::UdpPair> ports = nullptr;
  std::uint32_t number = 0;  // the MTU, the fwmark
};

class Worker {
 public:
  // Descriptors that others watch in this worker's loop have tokens from here on.
  static constexpr std::uint64_t kFirstForeignToken = 16;
  static constexpr std::size_t kMaxOrders = 4096;
  // Handshake messages and keepalives that wait for a full socket; later ones are lost, and
  // repeated.
  static constexpr std::size_t kMaxTransmits = 1024;
  using ForeignHandler = std::function<void(const os::Poller::Event&)>;

  struct Surroundings {
    SharedDevice* shared;
    tun::Tun* tunnel;
    const Clock* clock;
    Log log;
    Companion* companion;  // none: no detours
    std::uint64_t seed;    // unpredictable
  };

  static Result<std::unique_ptr<Worker>> open(const Surroundings& surroundings, unsigned queue);
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  // Before run(): who else hears of what this worker's turns bring about.
  void set_colleagues(std::span<Worker* const> colleagues) { colleagues_ = colleagues; }
  void set_foreign_handler(ForeignHandler handler) { handle_foreign_ = std::move(handler); }
  os::Poller& poller() { return poller_; }

  // Carried out before the next turn. An order that finds kMaxOrders others waiting is dropped, but
  // for kStop, which is a flag as well.
  void order(Order order);

  // False when there is no room, or no Companion.
  bool inject(std::uint32_t number, ByteView train, std::size_t segment_size) {
    return inlet_ && inlet_->post(number, train, segment_size);
  }

  // Until told to stop, or until the tunnel was deleted.
  Result<> run();

  // Of the last turn that has ended: the worker's own, of all sockets it had, of its queue.
  struct Published {
    Counters own;
    udp::Counters ports;
    tun::Tun::Counters queue;
  };
  Published published_counters();

 private:
  enum Token : std::uint64_t { kTokenTunnel, kTokenV4, kTokenV6, kTokenOrders, kTokenInlet };

  Worker(const Surroundings& surroundings, unsigned queue, os::Poller poller, os::EventFd wake,
         std::unique_ptr<Inlet> inlet);
  Result<> watch();

  void turn(std::span<const os::Poller::Event> events);
  void carry_out_orders();
  void take_ports(std::unique_ptr<udp::UdpPair> ports);
  void tell(const wg::Event& event);
  void collect_events();
  void settle();
  Published count() const;
  void watch_writability();
  void watch_port(const std::optional<udp::UdpPort>& port, Token token, bool for_room);
  void watch_tunnel(bool is_watched);

  Surroundings around_;
  unsigned queue_;
  os::Poller poller_;
  os::Mailbox<Order> orders_;
  Counters counters_;
  udp::Counters past_ports_;      // of sockets that are closed
  Published published_;           // guarded by shared->mutex
  std::unique_ptr<Inlet> inlet_;  // both with a Companion alone
  std::optional<Notices> notices_;
  Receiver receiver_;
  Sender sender_;
  std::unique_ptr<udp::UdpPair> ports_;
  std::span<Worker* const> colleagues_;
  ForeignHandler handle_foreign_;

  MonoTime now_;
  MonoTime deadline_ = MonoTime::never();
  std::vector<wg::Transmit> transmits_;
  std::vector<wg::Event> events_;
  bool is_stopping_ = false;
  std::atomic<bool> is_told_to_stop_ = false;  // whatever becomes of the order
  bool waits_for_room_ = false;
  bool watches_tunnel_ = false;
};

}  // namespace sinew::dataplane
