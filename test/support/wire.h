// An Ethernet cable that impairs what crosses it: two TAP devices, each in its namespace, and a
// thread that carries frames between them through two ImpairedLinks in real time. Any traffic
// crosses it unmodified, and either end can be a port of a bridge.
//
// Address resolution (ARP and IPv6 neighbour discovery) crosses untouched and uncounted: it would
// shift the fates of the packets a test counts, and its lost first answer costs a second.
//
// One owner; set_up(), set_down(), up() and down() may be called from any thread.
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "os/fd.h"
#include "support/impairment.h"
#include "support/netns.h"

namespace sinew::lab {

class Wire {
 public:
  struct End {
    const NetNamespace& netns;
    std::string interface;  // made by open(), still down and without address
  };

  // "Up" is from `node` to `network`, "down" the other way. The two directions draw from different
  // sequences of the same seed.
  static Result<std::unique_ptr<Wire>> open(const End& node, const End& network,
                                            const Impairment& both_ways, std::uint64_t seed);
  Wire(const Wire&) = delete;
  Wire& operator=(const Wire&) = delete;
  // Takes both devices away with it.
  ~Wire();

  void set(const Impairment& both_ways);
  void set_up(const Impairment& impairment);
  void set_down(const Impairment& impairment);
  ImpairedLink::Counters up() const;
  ImpairedLink::Counters down() const;

 private:
  struct Direction {
    os::Fd& from;
    os::Fd& to;
    ImpairedLink link;
  };

  Wire(os::Fd node_tap, os::Fd network_tap, os::Pipe stop, const Impairment& both_ways,
       std::uint64_t seed);
  void run();
  void take_in(Direction& direction, MonoTime now);
  void hand_out(Direction& direction, MonoTime now);
  MonoTime turn();

  os::Fd node_tap_;
  os::Fd network_tap_;
  os::Pipe stop_;  // closing the write end stops the thread
  mutable std::mutex mutex_;
  Direction up_;    // under mutex_
  Direction down_;  // under mutex_
  std::thread thread_;
};

}  // namespace sinew::lab
