// Relaying over UDP, for who can send datagrams but cannot punch a hole: without the delays that a
// TCP connection adds, and without its copies. It belongs to a login over TLS, over which the relay
// hands out a session (64 bits that name it, and a secret) and the numbers that stand for peers in
// datagrams. When the login ends, so does it.
//
//     bind   e1 01  C->S  session 8 | counter 8 | cookie 16 | mac 16
//     check  e1 02  S->C  the same: here is the cookie of your address, bind with it
//     bound  e1 03  S->C  the same: packets for you go to this address now
//     data   e1 04  both  session 8 | number 4 | packet
//
// A data header is as long on the way in as on the way out, so that a train of equal datagrams
// stays one. Going to the relay, number is the receiver's and session the sender's; coming from it,
// number is the sender's and session the receiver's.
//
// What strangers can do: nothing is answered unless it carries the MAC of a session (L30), and an
// answer is as long as its question. Nothing is sent to an address that has not repeated the cookie
// sent to it, which only the relay can make, and nothing names an address at all: a datagram goes
// to a client of the same group or nowhere (L31). Who watches the way of a client can inject
// packets, as he can everywhere; they do not pass WireGuard behind it.
//
// Pure; one thread.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <unordered_map>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/ip.h"
#include "base/rng.h"
#include "base/secret.h"
#include "base/strong_id.h"
#include "relay/frames.h"

namespace sinew::relay {

inline constexpr std::uint8_t kUdpFirstByte = 0xe1;

enum class UdpKind : std::uint8_t { kBind = 1, kCheck = 2, kBound = 3, kData = 4 };

inline constexpr std::size_t kUdpDataHeaderSize = 14;
inline constexpr std::size_t kUdpMacSize = 16;
inline constexpr std::size_t kUdpCookieSize = 16;
inline constexpr std::size_t kUdpBindSize = 2 + kUdpSessionSize + 8 + kUdpCookieSize + kUdpMacSize;

inline constexpr Duration kUdpRebindInterval = 20s;  // also keeps NATs open
inline constexpr Duration kUdpBusyInterval = 2s;     // the same while it is used
inline constexpr Duration kUdpRetryInterval = 500ms;
inline constexpr unsigned kUdpRetries = 4;  // unanswered ones until the way counts as closed
inline constexpr Duration kUdpReopenInterval = 60s;   // then
inline constexpr Duration kUdpBindingLifetime = 65s;  // without a bind
inline constexpr Duration kUdpCookieLifetime = 120s;  // the least; twice that is the most

// Stands for a client in datagrams; new for each login, never 0.
using ClientNumber = StrongId<struct ClientNumberTag, std::uint32_t>;
using UdpSessionId = StrongId<struct UdpSessionIdTag, std::uint64_t>;

struct UdpGrant {
  UdpSessionId session;
  SecretArray<kUdpSecretSize> secret;
};

struct UdpData {
  UdpSessionId session;
  ClientNumber number;
  ByteView packet;
};
std::optional<UdpData> parse_udp_data(ByteView datagram);
// `out` is kUdpDataHeaderSize or more.
void write_udp_data_header(ByteSpan out, UdpSessionId session, ClientNumber number);

// The relay's side: which session is at which address.
class UdpSessions {
 public:
  explicit UdpSessions(Rng& rng);

  // A session for `owner`, which has none yet.
  UdpGrant open(ClientNumber owner);
  void close(UdpSessionId session) { sessions_.erase(session); }

  // A bind, answered where it lies: true when `datagram` has become what is to be sent back to
  // `from`.
  bool answer_bind(ByteSpan datagram, const Endpoint& from, MonoTime now);

  // Whose session it is, when the datagram came from the session's address.
  std::optional<ClientNumber> owner(UdpSessionId session, const Endpoint& from, MonoTime now) const;
  // Where the session's client can be reached now.
  std::optional<Endpoint> address(UdpSessionId session, MonoTime now) const;

  std::size_t size() const { return sessions_.size(); }

 private:
  struct Session {
    SecretArray<kUdpSecretSize> secret;
    ClientNumber owner;
    std::uint64_t last_counter = 0;
    Endpoint address;
    MonoTime bound_until;
  };

  void rotate(MonoTime now);
  bool is_cookie(ByteView cookie, UdpSessionId session, const Endpoint& from) const;

  Rng& rng_;
  SecretArray<32> cookie_key_;
  SecretArray<32> old_cookie_key_;
  std::optional<MonoTime> rotated_at_;
  std::unordered_map<UdpSessionId, Session> sessions_;
};

// The client's side of one grant: binds, keeps bound, and says whether the way is open.
class UdpLink {
 public:
  using Datagram = std::array<std::uint8_t, kUdpBindSize>;

  UdpLink(UdpGrant grant, MonoTime now);

  UdpSessionId session() const { return grant_.session; }
  // Packets may be sent over it, and come over it.
  bool is_bound() const { return is_bound_; }
  // A packet goes over it: whether the way is still there is asked within kUdpBusyInterval, because
  // a firewall that closes it says nothing.
  void note_used();

  // An answer of the relay. False when it is none.
  bool feed(ByteView datagram, MonoTime now);
  void expire(MonoTime now);
  MonoTime deadline() const { return is_newly_used_ ? MonoTime() : deadline_; }
  std::optional<Datagram> next_transmit();
  // Another address from now on: bind at once.
  void rebind(MonoTime now);

 private:
  void send_bind(MonoTime now);

  UdpGrant grant_;
  std::uint64_t counter_ = 0;
  std::array<std::uint8_t, kUdpCookieSize> cookie_{};
  bool is_bound_ = false;
  bool is_used_ = false;        // since the last answer
  bool is_newly_used_ = false;  // and the deadline does not know of it yet
  unsigned unanswered_ = 0;
  MonoTime deadline_;
  std::optional<Datagram> transmit_;
};

}  // namespace sinew::relay
