// Getting through where one NAT chooses another port for each destination and the other side lets
// in only who it has written to. The hard side writes from many sockets to the one endpoint of the
// easy side, which makes as many holes on ports nobody knows; the easy side writes to ports of the
// hard side's address until it hits a hole: with 256 of them, 1,024 random ports hit one with 98 %.
// A NAT that counts its ports up is hit sooner, because those after the last one seen come first.
// Where both are hard and both count, each opens holes towards a port in the midst of those that
// the other is about to get.
//
// Bounds: limits.h. Pure; one thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <unordered_set>
#include <vector>

#include "base/clock.h"
#include "base/ip.h"
#include "path/station.h"

namespace sinew::path {

// The hard side.
class Holes {
 public:
  bool is_open() const { return first_.has_value(); }
  // False when another peer has the sockets.
  bool open(Station& station, const Endpoint& target, MonoTime now);
  // Sends what is due. True once: when every socket has written and the other side may begin.
  [[nodiscard]] bool go_on(Station& station, const Correspondent& to, MonoTime now);
  bool is_over(MonoTime now) const { return is_open() && now >= closes_at_; }
  bool owns(SocketNumber socket) const;
  // Closes all sockets but `kept`.
  void close(Station& station, std::optional<SocketNumber> kept);
  MonoTime deadline() const;

 private:
  std::optional<SocketNumber> first_;
  Endpoint target_;
  std::size_t sent_ = 0;
  MonoTime next_at_;
  MonoTime closes_at_;
};

// The easy side.
class Guesses {
 public:
  bool is_running() const { return is_running_; }
  // `seen`: endpoints that the hard side had for other destinations; their address is written to.
  // False when another peer is being guessed.
  bool start(Station& station, const std::vector<Endpoint>& seen, MonoTime now);
  void go_on(Station& station, const Correspondent& to, MonoTime now);
  void stop(Station& station);
  MonoTime deadline() const { return is_running_ ? next_at_ : MonoTime::never(); }

 private:
  static constexpr unsigned kForetold = 64;  // ports after each one seen

  std::optional<std::uint16_t> next_port(Rng& rng);

  bool is_running_ = false;
  IpAddress address_;
  std::vector<std::uint16_t> foretold_;  // the next one last
  std::unordered_set<std::uint16_t> tried_;
  MonoTime next_at_;
};

}  // namespace sinew::path
