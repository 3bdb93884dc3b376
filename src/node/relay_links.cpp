#include "node/relay_links.h"

#include <algorithm>
#include <deque>
#include <utility>

#include "aio/resolve.h"
#include "aio/socket_stream.h"
#include "aio/time.h"
#include "tls/stream.h"

namespace sinew::node {
namespace {

constexpr std::size_t kWriteBytes = 64 << 10;
constexpr std::size_t kReadBytes = 64 << 10;
constexpr Duration kPingInterval = 20s;

tls::Trust trust_of(const netmap::Relay& relay) {
  return relay.certificate ? tls::Trust::pinned(*relay.certificate)
                           : tls::Trust::public_authorities();
}

bool has_key(const netmap::Relay& relay) {
  return relay.key != crypto::X25519PublicKey();
}

}  // namespace

struct RelayLinks::Link {
  Link(aio::Runtime& runtime, const netmap::Relay& relay_record)
      : relay(relay_record),
        wanted(runtime),
        has_output(runtime),
        tasks(runtime),
        backoff({.first = kFirstDelay, .ceiling = kLongestDelay}) {}

  struct Waiting {
    netmap::NodeKey to;
    Bytes packet;
    MonoTime since;
  };

  netmap::Relay relay;
  aio::Event wanted;      // the link is to be up, or to end
  aio::Event has_output;  // of the session
  aio::TaskGroup tasks;   // the one that keeps it up
  Backoff backoff;
  std::optional<relay::Client> client;  // of the session
  Endpoint remote;                      // the same
  MonoTime last_use;
  MonoTime next_ping = MonoTime::never();
  bool is_home = false;
  bool is_wanted = false;
  bool is_up = false;
  bool is_over_udp = false;
  bool has_failed = false;  // of the session
  bool is_ending = false;
  bool is_out_of_reach = false;  // the last attempt ended badly
  std::deque<Waiting> waiting;   // at most kMaxWaiting
  std::optional<Duration> round_trip;
  std::string last_error;
};

RelayLinks::RelayLinks(aio::Runtime& runtime, Rng& rng, const Identity& identity,
                       PacketPath& packets, RelayListener& listener, const Log& log)
    : runtime_(runtime),
      rng_(rng),
      identity_(identity),
      packets_(packets),
      listener_(listener),
      log_(log.named("relay")) {}

RelayLinks::~RelayLinks() = default;

void RelayLinks::set_relays(const std::map<netmap::RelayId, netmap::Relay>& relays) {
  for (auto at = links_.begin(); at != links_.end();) {
    const auto wanted = relays.find(at->first);
    if (wanted != relays.end() && wanted->second == at->second->relay) {
      ++at;
      continue;
    }
    end(*at->second);
    retired_.push_back(std::move(at->second));
    at = links_.erase(at);
  }
  for (const auto& [id, relay] : relays) {
    if (links_.contains(id)) continue;
    auto& link = links_[id] = std::make_unique<Link>(runtime_, relay);
    link->is_home = id == home_;
    link->is_wanted = link->is_home;
    start(*link);
  }
}

void RelayLinks::set_home(netmap::RelayId home) {
  home_ = home;
  for (const auto& [id, link] : links_) {
    link->is_home = id == home;
    if (link->client) link->client->set_home(link->is_home);
    if (link->is_home && !link->is_wanted) {
      link->is_wanted = true;
      link->wanted.notify();
    }
    link->has_output.notify();
  }
}

bool RelayLinks::can_carry(netmap::RelayId relay) const {
  const auto found = links_.find(relay);
  return found != links_.end() && !found->second->is_out_of_reach;
}

bool RelayLinks::send(netmap::RelayId relay, const netmap::NodeKey& to, ByteView packet,
                      MonoTime now) {
  const auto found = links_.find(relay);
  if (found == links_.end()) return false;
  Link& link = *found->second;
  link.last_use = now;
  if (!link.is_up) {
    if (link.waiting.size() == kMaxWaiting) link.waiting.pop_front();
    link.waiting.push_back({.to = to, .packet = Bytes(packet.begin(), packet.end()), .since = now});
    link.is_wanted = true;
    link.wanted.notify();
    return false;
  }
  const bool is_taken = link.client->send(to, packet);
  pump(link);
  return is_taken;
}

void RelayLinks::feed_datagram(ByteView datagram, const Endpoint& from, MonoTime now) {
  for (const auto& [unused, link] : links_) {
    if (!link->client || link->remote.address != from.address) continue;
    if (!link->client->feed_datagram(datagram, now)) continue;
    return pump(*link);
  }
}

void RelayLinks::network_changed(MonoTime now) {
  for (const auto& [unused, link] : links_) {
    link->backoff.reset();
    link->wanted.notify();
    if (!link->client) continue;
    link->client->rebind(now);
    // An answer proves that the connection has survived; without one it ends soon.
    link->client->ping(now);
    pump(*link);
  }
}

void RelayLinks::expire(MonoTime now) {
  std::erase_if(retired_, [](const auto& link) { return link->tasks.is_empty(); });
  for (const auto& [unused, link] : links_) {
    if (!link->client) continue;
    if (link->next_ping <= now) {
      link->next_ping = now + kPingInterval;
      link->client->ping(now);
    }
    if (!link->is_home && now - link->last_use > kIdleTime) {
      link->is_wanted = false;
      link->has_failed = true;
    }
    if (link->client->deadline() <= now) link->client->expire(now);
    pump(*link);
  }
}

MonoTime RelayLinks::deadline() const {
  MonoTime earliest = MonoTime::never();
  for (const auto& [unused, link] : links_) {
    if (!link->client) continue;
    earliest = std::min({earliest, link->client->deadline(), link->next_ping});
    if (!link->is_home) earliest = std::min(earliest, link->last_use + kIdleTime + 1s);
  }
  return earliest;
}

aio::Task<> RelayLinks::stop() {
  for (const auto& [unused, link] : links_)
    end(*link);
  for (const auto& [unused, link] : links_)
    co_await link->tasks.stop();
  for (const auto& link : retired_)
    co_await link->tasks.stop();
}

std::vector<RelayLinks::Status> RelayLinks::status() const {
  std::vector<Status> all;
  for (const auto& [id, link] : links_) {
    all.push_back({.id = id,
                   .name = link->relay.name,
                   .address = link->relay.host + ":" + std::to_string(link->relay.port),
                   .is_home = link->is_home,
                   .is_up = link->is_up,
                   .is_over_udp = link->is_over_udp,
                   .round_trip = link->round_trip,
                   .last_error = link->last_error});
  }
  return all;
}

// ------------------------------------------------------------------------------ one link over time

void RelayLinks::start(Link& link) {
  link.tasks.start("relay link", keep_up(link));
}

void RelayLinks::end(Link& link) {
  link.is_ending = true;
  link.tasks.cancel();
  link.is_up = false;
  listener_.relay_is_down(link.relay.id);
}

aio::Task<> RelayLinks::keep_up(Link& link) {
  while (!link.is_ending) {
    if (!link.is_wanted) {
      const Result<> waited = co_await link.wanted.wait();
      if (!waited) co_return;
      continue;
    }
    const Result<> served = co_await serve_once(link);
    link.is_up = false;
    link.client.reset();
    const bool is_cancelled = co_await aio::is_cancelled();
    if (is_cancelled || link.is_ending) co_return;
    // One that was closed for want of use is there when it is wanted again.
    if (!link.is_wanted) continue;
    link.is_out_of_reach = true;
    listener_.relay_is_down(link.relay.id);
    if (!served) {
      link.last_error = served.error().message;
      log_.info("no relay", {{"relay", link.relay.name}, {"reason", link.last_error}});
    }
    const Duration delay = link.backoff.next_delay(rng_);
    // Somebody who wants the link at once, because the network has changed, cuts the wait short.
    const Result<> waited = co_await aio::with_timeout(link.wanted.wait(), delay);
    if (!waited && waited.error().kind != ErrorKind::kTimeout) co_return;
  }
}

aio::Task<Result<>> RelayLinks::serve_once(Link& link) {
  Result<std::unique_ptr<aio::Stream>> stream =
      co_await aio::with_timeout(connect(link), kConnectTime);
  if (!stream) co_return stream.error();
  const Result<> ended = co_await converse(link, **stream);
  (*stream)->close();
  co_return ended;
}

aio::Task<Result<std::unique_ptr<aio::Stream>>> RelayLinks::connect(Link& link) {
  const auto addresses = co_await aio::resolve(runtime_, link.relay.host);
  if (!addresses) co_return addresses.error();
  const Result<tls::Context> context = tls::Context::client(trust_of(link.relay));
  if (!context) co_return context.error();
  Error last{ErrorKind::kNotFound, "no address"};
  for (const IpAddress& address : *addresses) {
    const Endpoint remote{address, link.relay.port};
    Result<std::unique_ptr<aio::Stream>> socket =
        co_await aio::with_timeout(aio::connect_tcp(runtime_, remote), kConnectTime / 3);
    if (!socket) {
      last = socket.error();
      continue;
    }
    link.remote = remote;
    Result<std::unique_ptr<tls::Stream>> secured =
        co_await tls::connect(*context, *std::move(socket), link.relay.host);
    if (!secured) {
      last = secured.error();
      continue;
    }
    co_return *std::move(secured);
  }
  co_return last;
}

aio::Task<Result<>> RelayLinks::converse(Link& link, aio::Stream& stream) {
  const MonoTime now = runtime_.clock().now();
  link.has_failed = false;
  link.last_error.clear();
  link.last_use = now;
  link.next_ping = now + 1s;
  link.client.emplace(
      relay::Client::Config{
          .key = identity_.key->clone(),
          .host = link.relay.host,
          .server_key = has_key(link.relay) ? std::optional(link.relay.key) : std::nullopt,
          .admission = identity_.admission->clone(),
          .is_home = link.is_home,
          .wants_udp = link.relay.udp_port.has_value()},
      rng_);
  link.client->start(now);
  aio::TaskGroup writer(runtime_);
  writer.start("relay writer", write_all(link, stream));
  pump(link);
  Result<> ended;
  Bytes room(kReadBytes);
  while (!link.has_failed) {
    const Result<std::size_t> size = co_await stream.read_some(room);
    if (!size) {
      if (!link.has_failed) ended = size.error();
      break;
    }
    if (*size == 0) {
      ended = Error{ErrorKind::kUnavailable, "the relay closed the connection"};
      break;
    }
    link.client->feed(ByteView(room).first(*size), runtime_.clock().now());
    pump(link);
  }
  if (link.has_failed && !link.last_error.empty())
    ended = Error{ErrorKind::kUnavailable, link.last_error};
  co_await writer.stop();
  co_return ended;
}

// Also ends the reader, by closing the stream, when the session has failed.
aio::Task<> RelayLinks::write_all(Link& link, aio::Stream& stream) {
  Bytes output;
  while (!link.has_failed) {
    output.clear();
    link.client->take_output(output, kWriteBytes);
    if (output.empty()) {
      const Result<> waited = co_await link.has_output.wait();
      if (!waited) co_return;
      continue;
    }
    const Result<> written = co_await stream.write(output);
    if (!written) break;
  }
  stream.close();
}

void RelayLinks::pump(Link& link) {
  while (link.client) {
    const auto event = link.client->next_event();
    if (!event) break;
    take_event(link, *event);
  }
  while (link.client) {
    const auto datagram = link.client->next_datagram();
    if (!datagram) break;
    const auto port = link.client->udp_port();
    if (port) static_cast<void>(packets_.send({link.remote.address, *port}, *datagram));
  }
  if (link.has_failed || (link.client && link.client->has_output())) link.has_output.notify();
}

void RelayLinks::send_waiting(Link& link) {
  const MonoTime oldest = runtime_.clock().now() - kLongestWait;
  for (const Link::Waiting& each : std::exchange(link.waiting, {})) {
    if (each.since >= oldest) static_cast<void>(link.client->send(each.to, each.packet));
  }
}

void RelayLinks::take_event(Link& link, const relay::Client::Event& event) {
  using relay::Client;
  if (const auto* packet = std::get_if<Client::Packet>(&event)) {
    listener_.take_relayed(packet->from, packet->bytes);
  } else if (std::holds_alternative<Client::Ready>(event)) {
    link.is_up = true;
    link.is_out_of_reach = false;
    link.backoff.reset();
    log_.info("connected to relay", {{"relay", link.relay.name}, {"address", link.remote}});
    listener_.relay_is_up(link.relay.id);
    send_waiting(link);
  } else if (const auto* round_trip = std::get_if<Client::RoundTrip>(&event)) {
    link.round_trip = round_trip->time;
  } else if (const auto* udp = std::get_if<Client::UdpChanged>(&event)) {
    link.is_over_udp = udp->is_bound;
  } else if (const auto* health = std::get_if<Client::Health>(&event)) {
    if (!health->text.empty()) log_.warning("the relay complains", {{"text", health->text}});
  } else if (const auto* failed = std::get_if<Client::Failed>(&event)) {
    link.last_error = failed->error.message;
    link.has_failed = true;
  } else if (std::holds_alternative<Client::Restarting>(event)) {
    link.last_error = "the relay restarts";
    link.has_failed = true;
  }
}

}  // namespace sinew::node
