// What is said inside a session: requests of a node, answers of the nucleus, and what the nucleus
// says unasked. A message is a number 4, a type 1 and a body; an answer repeats the number of its
// request, and what is unasked has number 0. No request names its sender: that is who the session
// belongs to (L34).
//
// Decoders are strict: every byte is accounted for, every bound of netmap.h holds, and an address
// that cannot be a destination (unspecified, multicast, port 0) is refused. Pure values.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/bytes.h"
#include "base/ip.h"
#include "base/result.h"
#include "netmap/netmap.h"
#include "signal/messages.h"

namespace sinew::signal {

using netmap::DiscoKey;
using netmap::NodeKey;
using netmap::RelayId;

using RequestId = StrongId<struct RequestIdTag, std::uint32_t>;  // 0: not asked for

inline constexpr std::size_t kMaxTextBytes = 255;  // of a refusal
inline constexpr std::size_t kMaxHostBytes = 255;  // of a relay
inline constexpr std::size_t kMaxPullPages = 16;   // one question, so many answers
inline constexpr std::uint32_t kMaxIntervalSeconds = 86'400;

// Where a map stands. Versions of different epochs have nothing to do with each other.
struct Cursor {
  std::uint64_t epoch = 0;
  std::uint64_t version = 0;

  friend constexpr auto operator<=>(const Cursor&, const Cursor&) = default;
};

// --- Requests ---

struct Register {
  DiscoKey disco;
  std::string name;
  std::optional<IpAddress> wanted_v4;
  std::optional<IpAddress> wanted_v6;
  bool is_wanted_required = false;  // no other address will do
  bool replaces = false;            // take the address from a key that is gone
  std::vector<netmap::Candidate> candidates;
  RelayId home;
  netmap::Connectivity connectivity;

  friend bool operator==(const Register&, const Register&) = default;
};

struct Heartbeat {
  Cursor known;

  friend bool operator==(const Heartbeat&, const Heartbeat&) = default;
};

struct Pull {
  Cursor after;
  std::uint8_t pages = 1;  // 1 to kMaxPullPages

  friend bool operator==(const Pull&, const Pull&) = default;
};

struct Leave {
  friend bool operator==(const Leave&, const Leave&) = default;
};

struct Punch {
  NodeKey target;
  std::vector<netmap::Candidate> candidates;  // where we are

  friend bool operator==(const Punch&, const Punch&) = default;
};

// --- Answers ---

struct Registered {
  netmap::Self self;
  std::uint32_t heartbeat_seconds = 0;
  // How long the nucleus may still not know everybody, because it has just started. Whoever is
  // missing from its map until then is not gone.
  std::uint32_t settling_seconds = 0;
  Cursor map;
  std::optional<Endpoint> observed;  // over UDP

  friend bool operator==(const Registered&, const Registered&) = default;
};

struct HeartbeatAck {
  Cursor map;
  std::optional<Endpoint> observed;

  friend bool operator==(const HeartbeatAck&, const HeartbeatAck&) = default;
};

// The changes in (from, to]. Applied in order of their cursors; one page says all of its range.
struct Page {
  std::uint64_t epoch = 0;
  std::uint64_t from = 0;  // 0: the map from its beginning
  std::uint64_t to = 0;
  bool has_more = false;
  std::vector<netmap::Peer> peers;
  std::vector<NodeKey> removed_peers;
  std::vector<netmap::Relay> relays;
  std::vector<RelayId> removed_relays;

  friend bool operator==(const Page&, const Page&) = default;
};

struct Done {  // a Leave or a Punch was carried out
  friend bool operator==(const Done&, const Done&) = default;
};

enum class RefusalCode : std::uint8_t {
  kInvalid = 1,        // the request makes no sense
  kConflict = 2,       // the address belongs to another key
  kOutOfRange = 3,     // the address is none of this cluster
  kFull = 4,           // no address or no place is left
  kNotRegistered = 5,  // register first
  kNotFound = 6,       // nobody of that key is there
  kOverloaded = 7,     // slower
  kMoved = 8,          // the session is from another address: open a new one
};

struct Refused {
  RefusalCode code = RefusalCode::kInvalid;
  std::string text;  // for the operator; not yet safe to print

  friend bool operator==(const Refused&, const Refused&) = default;
};

// --- Unasked ---

struct Changed {
  Cursor map;

  friend bool operator==(const Changed&, const Changed&) = default;
};

struct PunchFrom {
  NodeKey peer;
  std::vector<netmap::Candidate> candidates;

  friend bool operator==(const PunchFrom&, const PunchFrom&) = default;
};

using Body = std::variant<Register, Heartbeat, Pull, Leave, Punch, Registered, HeartbeatAck, Page,
                          Done, Refused, Changed, PunchFrom>;

struct Message {
  RequestId id;
  Body body;

  friend bool operator==(const Message&, const Message&) = default;
};

// The bounds of the parts are the caller's promise. A Page is built with PageWriter, which knows
// when it is full; every other message fits kMaxOpenMessageSize.
Bytes encode(const Message& message);
std::optional<Message> decode(ByteView message);

// Whether datagrams can be sent there from another machine, as far as the address says.
bool is_usable(const Endpoint& endpoint);
// What fits into a message: usable, without zones, without repetition, at most kMaxCandidates, the
// first ones first.
std::vector<netmap::Candidate> fit_candidates(const std::vector<netmap::Candidate>& candidates);

// Fills one page up to `room` bytes.
class PageWriter {
 public:
  PageWriter(RequestId id, std::uint64_t epoch, std::uint64_t from,
             std::size_t room = kMaxMessageSize);

  // False when it does not fit any more; the page is as before.
  bool add(const netmap::Peer& peer);
  bool add_removed(const NodeKey& peer);
  bool add(const netmap::Relay& relay);
  bool add_removed(RelayId relay);
  Bytes finish(std::uint64_t to, bool has_more);

 private:
  bool append(ByteView item);

  Bytes bytes_;
  std::size_t room_;
};

}  // namespace sinew::signal
