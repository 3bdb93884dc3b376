// Module portmap: keeps a UDP port of ours open on the gateway, by PCP if it speaks that, else by
// NAT-PMP. (UPnP is HTTP, through a library: module igd.) Five verbs; every Transmit goes to the
// gateway's port 5351, from any socket of the address given to set_target().
//
//     idle -> asking PCP -> asking NAT-PMP for its address, then for a port -> mapped -> renewing
//                     \________ nothing works: kUnavailable, again after kRetryPause ______/
//
// A question is asked kTries times with pauses that double from kFirstPause. A mapping is renewed
// at half of its life and, while that fails, again and again until it is over: then kLost, and all
// from the beginning. A gateway whose epoch went back has restarted and is asked again at once
// (RFC 6887 section 8.5). release() gives the port back; when it is done, or nobody answered, comes
// kReleased.
//
// What an attacker can do (L33): nothing from another address or port than the gateway's, and with
// PCP nothing without having seen the nonce of the request. Who forges a gateway that speaks
// NAT-PMP only can make up an outside endpoint; it is a candidate that peers probe, not a path. An
// outside address that is unspecified, loopback, link-local, multicast, private or CGNAT is never
// reported: the last two are kGatewayIsPrivate, which tells an operator that there is another NAT
// outside. Lifetimes are held between kMinLifetime and kMaxLifetime, so that no answer makes us ask
// faster. Pure; one thread.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string_view>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/ip.h"
#include "base/rng.h"
#include "portmap/natpmp.h"
#include "portmap/pcp.h"

namespace sinew::portmap {

inline constexpr std::uint32_t kWantedLifetime = 7200;  // s
inline constexpr Duration kMinLifetime = 2min;
inline constexpr Duration kMaxLifetime = 24h;
inline constexpr unsigned kTries = 3;
inline constexpr Duration kFirstPause = 250ms;
inline constexpr Duration kRetryPause = 10min;
inline constexpr std::size_t kMaxWaitingEvents = 16;  // the oldest make room

enum class Protocol : std::uint8_t { kPcp, kNatPmp };
std::string_view name_of(Protocol protocol);

enum class Reason : std::uint8_t {
  kNoAnswer,          // neither protocol is spoken here
  kRefused,           // the gateway says no
  kGatewayIsPrivate,  // its outside address is private: another NAT behind it
  kUnusableAddress,   // or one that nobody can have
  kExpired,           // the mapping could not be renewed
  kGatewayRestarted,  // and has forgotten the mapping
};
std::string_view name_of(Reason reason);

// Why an outside address that a gateway names is of no use, if so.
std::optional<Reason> objection(const IpAddress& external);

struct Target {
  IpAddress gateway;
  IpAddress own;  // our address towards it
  std::uint16_t port = 0;

  friend bool operator==(const Target&, const Target&) = default;
};

struct Event {
  enum class Kind : std::uint8_t {
    kMapped,       // `external` is open, or has become another
    kLost,         // it no longer is, for `reason`
    kUnavailable,  // there is none, for `reason`
    kReleased,     // the port was given back as asked
  };
  Kind kind = Kind::kUnavailable;
  Endpoint external = {};
  Protocol protocol = Protocol::kPcp;
  Reason reason = Reason::kNoAnswer;

  friend bool operator==(const Event&, const Event&) = default;
};

struct Transmit {
  Endpoint to;
  Bytes bytes;
};

struct Counters {
  std::uint64_t foreign = 0;  // datagrams from elsewhere than the gateway's port
  std::uint64_t unasked = 0;  // from there, but the answer to nothing
};

class Mapper {
 public:
  explicit Mapper(Rng& rng) : rng_(rng) {}

  // Begins, or begins anew when the gateway, the address or the port is another than before; what
  // was mapped is then given up without a word, because the old gateway may be out of reach.
  void set_target(const Target& target, MonoTime now);
  // Gives the mapping back; there is none to give back without a target.
  void release(MonoTime now);

  const std::optional<Endpoint>& external() const { return external_; }
  const Counters& counters() const { return counters_; }

  // False: not from the gateway's port.
  bool feed(ByteView datagram, const Endpoint& from, MonoTime now);
  void expire(MonoTime now);
  MonoTime deadline() const;
  std::optional<Transmit> next_transmit();
  std::optional<Event> next_event();

 private:
  enum class State : std::uint8_t {
    kIdle,
    kAskingPcp,
    kAskingAddress,  // NAT-PMP
    kAskingPort,     // NAT-PMP
    kMapped,         // nothing to do before `due_`
    kResting,        // nothing worked
    kReleasing,
  };

  void begin(MonoTime now);
  void ask(State state, MonoTime now);
  void transmit(MonoTime now);
  void give_up_question(MonoTime now);
  void take_pcp(const pcp::MapAnswer& answer, MonoTime now);
  void take_address(const natpmp::AddressAnswer& answer, MonoTime now);
  void take_port(const natpmp::MapAnswer& answer, MonoTime now);
  // False when the gateway has restarted: all begins anew.
  bool take_epoch(std::uint32_t epoch, MonoTime now);
  void take_external(const Endpoint& external, std::uint32_t lifetime, MonoTime now);
  void fail(Reason reason, MonoTime now);
  void lose(Reason reason);
  void send(ByteView bytes);
  void report(const Event& event);

  Rng& rng_;
  std::optional<Target> target_;
  State state_ = State::kIdle;
  Protocol protocol_ = Protocol::kPcp;
  pcp::Nonce nonce_{};
  unsigned tries_ = 0;
  Duration pause_{};
  MonoTime due_ = MonoTime::never();
  std::optional<Reason> refusal_;  // of PCP, while NAT-PMP is asked
  std::optional<Endpoint> external_;
  IpAddress natpmp_address_;
  MonoTime expires_ = MonoTime::never();  // the mapping
  struct Epoch {
    std::uint32_t seconds = 0;
    MonoTime at;
  };
  std::optional<Epoch> epoch_;
  std::deque<Transmit> transmits_;
  std::deque<Event> events_;
  Counters counters_;
};

}  // namespace sinew::portmap
