// Finds out how a machine is connected, by asking STUN servers from one socket, which has to be the
// one whose outside endpoint is of interest. Five verbs around it:
//
//     survey.set_servers(...); survey.begin(Survey::Mode::kFull, own_endpoints, now);
//     loop: while (auto transmit = survey.next_transmit()) send(*transmit);
//           wait for a datagram or survey.deadline();
//           survey.feed(datagram, from, now) / survey.expire(now);
//           if (auto report = survey.next_event()) ...
//
// A full survey asks every server, the first to answer per family three questions more, and sends
// itself a datagram:
//
//     mapping    same outside endpoint towards two servers: endpoint-independent. Otherwise, or
//     with
//                one server only, its second port is asked too.
//     filtering  CHANGE-REQUEST: an answer from an address never asked proves endpoint-independent,
//     one
//                from another port address-dependent, none at all address- and port-dependent.
//     hairpin    whether a request to our own outside endpoint comes back.
//
// Asking a second port opens the NAT for it, which would spoil the filtering test; so that test
// goes first, and is not repeated for kFilterMemory after the port was asked: the verdict is
// carried over as long as the outside endpoint stays. A light survey asks one server of each
// family, the fastest, and after silence the next; it is for noticing a new outside endpoint, and
// carries all else over.
//
// A question is asked up to kTries times with growing pauses (RFC 8489 section 6.2.1 with shorter
// ones) and a transaction id of its own for each try, so that a latency is exact. A survey ends
// when all is answered, at the latest after kMaxTime. Answers count only from the endpoint that was
// asked, or, for CHANGE-REQUEST, from another one, and with a transaction id of this survey.
//
// What an attacker can do: whoever sees the requests can answer them and make up our outside
// endpoint; a server can lie. Neither makes us send anywhere but to the servers given, their second
// ports, and the outside endpoint claimed for us: two of kRequestSize bytes at most, and never to
// loopback, multicast or link-local addresses. Bounds: kMaxServers. Pure; one thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <span>
#include <vector>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/ip.h"
#include "base/rng.h"
#include "stun/message.h"

namespace sinew::stun {

inline constexpr std::size_t kMaxServers = 16;
inline constexpr unsigned kTries = 3;
inline constexpr Duration kFirstPause =
    250ms;  // doubles; after the last one the question is given up
inline constexpr Duration kMaxTime = 2900ms;
inline constexpr Duration kFilterMemory = 10min;

struct Server {
  std::uint16_t id = 0;
  std::optional<Endpoint> v4 = {};
  std::optional<Endpoint> v6 = {};
  std::uint16_t other_port = 0;  // 0: learned from OTHER-ADDRESS, if it has one
};

// RFC 4787; the numbers are those of netmap::NatBehaviour.
enum class Behaviour : std::uint8_t {
  kUnknown = 0,
  kNone = 1,  // not translated; for filtering: nothing in front of us filters
  kEndpointIndependent = 2,
  kAddressDependent = 3,
  kAddressAndPortDependent = 4,
};

struct Latency {
  std::uint16_t server = 0;
  bool over_v6 = false;
  Duration round_trip{};

  friend bool operator==(const Latency&, const Latency&) = default;
};

// What one endpoint of a server saw; in the order in which they were asked first, which a NAT that
// hands out ports in sequence shows.
struct Observation {
  Endpoint asked;
  Endpoint mapped;

  friend bool operator==(const Observation&, const Observation&) = default;
};

struct Report {
  bool is_full = false;
  bool has_udp = false;
  std::optional<Endpoint> v4;  // our outside endpoint, from the server that answered first
  std::optional<Endpoint> v6;
  // Of IPv4, or of IPv6 when nothing answers over IPv4.
  Behaviour mapping = Behaviour::kUnknown;
  Behaviour filtering = Behaviour::kUnknown;
  std::optional<bool> hairpins;  // nothing: not tried, or not translated
  std::vector<Latency> latencies;
  std::vector<Observation> observations;

  friend bool operator==(const Report&, const Report&) = default;
};

struct Transmit {
  Endpoint to;
  Bytes bytes;
};

class Survey {
 public:
  enum class Mode : std::uint8_t { kFull, kLight };

  explicit Survey(Rng& rng) : rng_(rng) {}

  // What is beyond kMaxServers is left out. A survey under way goes on with the old ones.
  void set_servers(std::vector<Server> servers);
  // `own` are the endpoints of the socket on this machine's addresses. Ends a survey under way
  // without a report.
  void begin(Mode mode, std::span<const Endpoint> own, MonoTime now);
  bool is_running() const { return running_; }

  // False: not for us. Whoever serves STUN at the same port asks here first.
  bool feed(ByteView datagram, const Endpoint& from, MonoTime now);
  void expire(MonoTime now);
  MonoTime deadline() const;
  std::optional<Transmit> next_transmit();
  std::optional<Report> next_event();

 private:
  enum class Purpose : std::uint8_t { kPlain, kChangePort, kChangeBoth, kSecondPort, kHairpin };
  enum class State : std::uint8_t {
    kAsking,
    kAnswered,
    kSilent,  // asked often enough
    kUnclear  // refused, not done as asked, or cut off by the end of the survey
  };
  struct Try {
    TransactionId transaction{};
    MonoTime sent;
  };
  struct Question {
    Purpose purpose = Purpose::kPlain;
    std::size_t server = 0;  // index into asked_servers_
    Endpoint to;
    State state = State::kAsking;
    std::vector<Try> tries;  // at most kTries
    MonoTime next;
    std::optional<Endpoint> mapped;
    std::optional<Endpoint> other;  // OTHER-ADDRESS
    Duration round_trip{};
    // Nothing of ours had opened the NAT for where the answer came from.
    bool is_proof = false;
  };
  // What a full survey does once in each family.
  struct Family {
    std::optional<std::size_t> first;   // the plain question that was answered first
    std::optional<std::size_t> tester;  // the first one whose server has a second port
    bool has_seen_first = false;
    bool has_tested_filter = false;
    bool has_asked_second_port = false;
  };

  Family& family(bool v6) { return v6 ? v6_ : v4_; }
  const Family& family(bool v6) const { return v6 ? v6_ : v4_; }

  void ask(Purpose purpose, std::size_t server, const Endpoint& to, MonoTime now);
  void transmit(Question& question, MonoTime now);
  void ask_next_server(bool v6, MonoTime now);
  void take(Question& question, const Try& asked, const Message& message, const Endpoint& from,
            MonoTime now);
  void take_mapped(std::size_t index, const Message& message);
  void take_changed(Question& question, const Endpoint& from) const;
  void proceed(MonoTime now);
  void proceed_family(bool v6, MonoTime now);
  void take_first(bool v6, MonoTime now);
  void test_filter(bool v6, MonoTime now);
  bool wants_second_port(bool v6) const;
  std::optional<Endpoint> second_port_of(const Question& plain) const;
  bool is_asking(bool v6, bool only_filter) const;
  const Question* find(Purpose purpose, bool v6) const;
  bool is_own(const Endpoint& mapped) const;
  std::optional<Endpoint> mapped_of(bool v6) const;
  Behaviour mapping_of(bool v6) const;
  Behaviour filtering_of(bool v6) const;
  std::optional<bool> hairpins() const;
  void finish();
  Report full_report() const;
  Report light_report() const;

  Rng& rng_;
  std::vector<Server> servers_;
  std::vector<Server> asked_servers_;  // of the survey under way
  std::vector<Endpoint> own_;
  Mode mode_ = Mode::kFull;
  bool running_ = false;
  bool has_heard_ = false;  // any answer
  MonoTime began_;
  std::vector<Question> questions_;
  Family v4_;
  Family v6_;
  std::map<Endpoint, MonoTime> contacted_;  // when we last sent there, for kFilterMemory
  std::deque<Transmit> transmits_;
  std::optional<Report> report_;  // to be taken
  std::optional<Report> last_;
};

}  // namespace sinew::stun
