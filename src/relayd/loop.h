// The relay's thread. A turn: wait; take mail; read what has arrived, at most kReadBytes of a
// connection; let the switchboard and the clock do their part; write what is ready. So a connection
// that sends without end delays the others by one read.
//
// start() and the mail functions belong to any thread, all else to the loop's own.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <thread>
#include <unordered_map>
#include <variant>
#include <vector>

#include "base/log.h"
#include "base/lru_map.h"
#include "os/mailbox.h"
#include "os/mutex.h"
#include "os/poller.h"
#include "os/random.h"
#include "relay/http.h"
#include "relay/server.h"
#include "relayd/datagrams.h"
#include "relayd/link.h"
#include "relayd/server.h"

namespace sinew::relayd {

class Server::Loop {
 public:
  struct Adopt {
    os::Fd connection;
    Endpoint peer;
  };
  struct Datagram {
    Bytes bytes;
    Endpoint from;
  };
  struct GuestBytes {
    StreamId stream;
    Bytes bytes;
  };
  struct GuestClose {
    StreamId stream;
  };
  using Mail = std::variant<Adopt, Datagram, GuestBytes, GuestClose, relay::Admission>;

  struct Parts {
    Options options;
    tls::Context context;
    const Clock* clock;
    Log log;
    os::Poller poller;
    os::EventFd mail;
    os::EventFd stop;
    os::Fd listener;
    os::Fd reserve;
  };

  static Result<std::unique_ptr<Loop>> create(Options options, crypto::X25519PrivateKey key,
                                              tls::Context context, relay::Admission admission,
                                              const Clock& clock, const Log& log);
  ~Loop();

  Result<> start();
  void stop();
  bool post(Mail mail) { return mail_.post(std::move(mail)); }
  Counters counters() const;
  const relay::NodeKey& public_key() const { return public_key_; }
  std::optional<Endpoint> tcp_endpoint() const { return tcp_endpoint_; }
  std::optional<Endpoint> udp_endpoint() const { return udp_endpoint_; }

 private:
  enum Token : std::uint64_t { kTokenMail, kTokenStop, kTokenListener, kTokenUdp, kFirstLink = 16 };
  static constexpr std::size_t kReadBytes = 64 << 10;
  static constexpr std::size_t kBatchBytes = 64 << 10;  // sealed and written at once
  static constexpr std::size_t kMaxAccepts = 32;        // a turn
  static constexpr std::size_t kMaxSources = 4096;
  static constexpr Duration kSweepInterval = 1s;

  Loop(Parts parts, crypto::X25519PrivateKey key, relay::Admission admission);
  Result<> watch();

  void run();
  void turn(std::span<const os::Poller::Event> events);
  void handle(const os::Poller::Event& event);
  void take_mail();
  void take(Adopt mail);
  void take(Datagram mail);
  void take(GuestBytes mail);
  void take(GuestClose mail);
  void take(relay::Admission mail);

  void accept_all();
  bool shed_one();
  bool is_within_rate(const IpAddress& source);
  void add_link(os::Fd socket, const Endpoint& peer);
  Link* find(std::uint64_t id);

  void read(Link& link);
  // False: the link is gone.
  bool take_plaintext(Link& link, ByteView plaintext);
  bool take_head(Link& link, ByteView plaintext);
  bool answer(Link& link, const relay::Request& request, ByteView rest);
  bool say_and_close(Link& link, std::string_view text);
  void enter(Link& link, Link::Phase phase);
  void flush(Link& link);
  bool seal_more(Link& link);
  void watch_writability(Link& link, bool is_watched);
  void drop(Link& link);

  void settle();
  void sweep();
  void publish();
  void say_goodbye();

  Options options_;
  tls::Context context_;
  const Clock& clock_;
  Log log_;
  os::SystemRng rng_;
  os::Poller poller_;
  os::Mailbox<Mail> mail_;
  os::EventFd stop_;
  os::Fd listener_;
  os::Fd reserve_;  // given up to turn a connection away when there are no descriptors left
  relay::NodeKey public_key_;
  relay::Switchboard board_;
  std::optional<Datagrams> datagrams_;
  std::optional<Endpoint> tcp_endpoint_;
  std::optional<Endpoint> udp_endpoint_;

  MonoTime now_;
  MonoTime next_sweep_ = MonoTime::never();
  std::unordered_map<std::uint64_t, std::unique_ptr<Link>> links_;
  std::uint64_t last_id_ = kFirstLink;
  std::size_t heads_ = 0;  // links that have not said what they want
  LruMap<IpAddress, TokenBucket> sources_{kMaxSources};
  Bytes wire_;
  Bytes plaintext_;
  Bytes batch_;
  bool is_stopping_ = false;

  Counters counters_;
  mutable os::Mutex mutex_;
  Counters published_ SINEW_GUARDED_BY(mutex_);
  std::thread thread_;
};

}  // namespace sinew::relayd
