// Module nucleus: the running nucleus. On one UDP port it serves the nodes of its clusters
// (signal::Server), answers STUN there and on a second port (stun::Responder), so that nodes can
// find out how their NATs behave, and hands on what belongs to a relay. TCP belongs to the relay,
// which lives at the same port number: streams that ask for the nucleus come from there as bytes,
// and carry the same datagrams, each behind its length in two bytes.
//
// Every cluster has a secret of its own. State lives in a directory (nucleus/state_file.h): changed
// addresses are saved within kSaveDelay, the rest within kRecordDelay and at stop().
//
//     Options options; ...
//     auto server = TRY(Server::open(runtime, rng, std::move(options), log));
//     group.start("nucleus", server->run());   // until cancelled
//     server->stop();                          // saves; afterwards
//
// A cluster is there as long as the server; it may also be added later. Strangers can make it send
// no more than they do, see signal/server.h and stun/responder.h. Thread: that of the Runtime.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "aio/datagram.h"
#include "aio/event.h"
#include "aio/runtime.h"
#include "aio/task.h"
#include "aio/task_group.h"
#include "base/bytes.h"
#include "base/clock.h"
#include "base/ip.h"
#include "base/log.h"
#include "base/result.h"
#include "base/rng.h"
#include "base/secret.h"
#include "nucleus/state_file.h"
#include "os/fd.h"
#include "signal/framing.h"
#include "signal/server.h"
#include "stun/responder.h"

namespace sinew::nucleus {

inline constexpr std::uint16_t kDefaultPort = 51821;
inline constexpr Duration kSaveDelay = 1s;
inline constexpr Duration kRecordDelay = 60s;
inline constexpr std::size_t kMaxStreams = 5000;

// Who owns the streams. Called on the Runtime's thread; must not block.
class StreamHost {
 public:
  virtual ~StreamHost() = default;
  virtual void send(std::uint64_t stream, Bytes bytes) = 0;
  // The nucleus forgets the stream with this.
  virtual void close(std::uint64_t stream) = 0;
};

// Who takes datagrams for a relay, which begin with 0xE1. The same thread; must not block.
class DatagramTaker {
 public:
  virtual ~DatagramTaker() = default;
  virtual void take(ByteView datagram, const Endpoint& from) = 0;
};

struct ClusterOptions {
  std::string name;
  SecretBytes secret;
  IpPrefix v4_range = signal::Server::default_v4_range();
  std::vector<netmap::Relay> relays;
};

struct Options {
  Endpoint listen{.address = IpAddress::any_v6(), .port = kDefaultPort};  // "::" serves IPv4 too
  // Of STUN alone. 0: the one behind the first. The kernel chooses it where it chose the first.
  std::uint16_t second_port = 0;
  std::string state_directory;
  std::vector<ClusterOptions> clusters;
  signal::Server::Settings settings;
  StreamHost* streams = nullptr;       // outlives the server
  DatagramTaker* datagrams = nullptr;  // outlives the server
};

class Server {
 public:
  static Result<std::unique_ptr<Server>> open(aio::Runtime& runtime, Rng& rng, Options options,
                                              Log log);
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;
  ~Server();

  // Serves until cancelled, or a socket breaks.
  aio::Task<Result<>> run();
  // Saves the state. After run() has ended.
  Result<> stop();

  // Streams, by the numbers of their host: not 0, and never used again.
  bool stream_opened(std::uint64_t stream, const Endpoint& from);  // false: too many
  bool stream_received(std::uint64_t stream, ByteView bytes);      // false: it makes no sense
  void stream_closed(std::uint64_t stream);

  Result<> add_cluster(ClusterOptions cluster);
  Result<> remove_cluster(std::string_view name);
  Result<> set_relays(std::string_view cluster, std::vector<netmap::Relay> relays);
  // Gives an address back, and removes the node that holds it.
  Result<> forget(std::string_view cluster, const IpAddress& address);
  // What members of a cluster prove to a relay.
  std::optional<SecretArray<32>> relay_admission_key(std::string_view cluster) const;

  // Sends from the first port; for the relay.
  void send_datagram(const Endpoint& to, ByteView datagram);
  // The first port's socket once more, for a relay that sends from it on a thread of its own.
  Result<os::Fd> share_socket() const { return shared_.duplicate(); }

  signal::PublicKey public_key() const { return protocol_.public_key(); }
  std::vector<signal::Server::ClusterInfo> clusters() const { return protocol_.clusters(); }
  std::vector<signal::Server::Node> nodes() const;
  const signal::Server::Stats& stats() const { return protocol_.stats(); }
  std::uint16_t port() const { return ports_[0]; }
  std::uint16_t second_port() const { return ports_[1]; }
  std::size_t stream_count() const { return streams_.size(); }
  std::uint64_t unsent() const { return unsent_; }  // datagrams that did not leave

 private:
  struct Outgoing {
    std::size_t socket;
    Endpoint to;
    Bytes bytes;
  };
  struct Stream {
    Endpoint from;
    signal::Deframer deframer;
  };

  Server(aio::Runtime& runtime, Rng& rng, crypto::X25519PrivateKey key, Options options,
         StateFile state, aio::Datagram first, aio::Datagram second, Log log);

  aio::Task<> receive(std::size_t socket);
  aio::Task<> send();
  aio::Task<> keep_time();
  void fail(const Error& error);
  void take(std::size_t socket, ByteView datagram, const Endpoint& from);
  void answer_stun(std::size_t socket, ByteView request, const Endpoint& from);
  void enqueue(std::size_t socket, const Endpoint& to, Bytes bytes);
  void flush();
  void write_log(const signal::Server::Event& event) const;
  void plan_save();
  void save_if_due();
  Result<> save();
  MonoTime next_deadline() const;
  MonoTime now() const { return runtime_.clock().now(); }

  aio::Runtime& runtime_;
  Rng& rng_;
  Options options_;
  Log log_;
  StateFile state_;
  signal::Server protocol_;
  stun::Responder stun_;
  std::map<std::string, SecretArray<32>, std::less<>> admission_keys_;
  std::vector<aio::Datagram> sockets_;  // two
  os::Fd shared_;                       // the first again
  std::uint16_t ports_[2] = {};
  std::map<std::uint64_t, Stream> streams_;
  std::deque<Outgoing> out_;
  std::uint64_t unsent_ = 0;
  aio::Event has_output_;
  aio::Event has_deadline_;
  std::optional<Error> failure_;
  std::uint64_t saved_addresses_ = 0;
  std::uint64_t saved_records_ = 0;
  MonoTime save_at_ = MonoTime::never();
  MonoTime woken_for_ = MonoTime::never();
};

}  // namespace sinew::nucleus
