#include "relayd/loop.h"

#include <fcntl.h>

#include <algorithm>
#include <array>
#include <utility>

#include "os/clock.h"
#include "os/error.h"
#include "os/socket.h"
#include "relay/http.h"

namespace sinew::relayd {
namespace {

constexpr Duration kAcknowledgementTimeout = 60s;
constexpr std::size_t kKernelUnsentBytes = 256 << 10;
constexpr Duration kReconnectIn = 1s;
constexpr Duration kTryFor = 60s;

relay::ConnectionId connection_id(const Link& link) {
  return relay::ConnectionId(link.id);
}

// What one customer is given: an IPv4 address or an IPv6 /64.
IpAddress source_of(const IpAddress& address) {
  return address.is_v4() ? address : IpPrefix::around(address, 64).address();
}

Result<os::Fd> open_reserve() {
  return os::open_file("/dev/null", O_RDONLY);
}

relay::Switchboard::Limits limits_of(const Options& options) {
  relay::Switchboard::Limits limits = options.limits;
  if (options.shared_udp.is_open()) limits.udp_port = options.shared_udp_port;
  return limits;
}

}  // namespace

Result<std::unique_ptr<Server::Loop>> Server::Loop::create(Options options,
                                                           crypto::X25519PrivateKey key,
                                                           tls::Context context,
                                                           relay::Admission admission,
                                                           const Clock& clock, const Log& log) {
  os::Fd listener;
  if (options.listen) listener = TRY(os::listen_tcp(*options.listen));
  os::SystemRng rng;
  std::optional<Datagrams> datagrams;
  if (options.udp) {
    datagrams = TRY(Datagrams::open(*options.udp, rng));
    options.limits.udp_port = datagrams->local().port;
  }
  Parts parts{.options = std::move(options),
              .context = std::move(context),
              .clock = &clock,
              .log = log,
              .poller = TRY(os::Poller::create()),
              .mail = TRY(os::EventFd::create()),
              .stop = TRY(os::EventFd::create()),
              .listener = std::move(listener),
              .reserve = TRY(open_reserve())};
  std::unique_ptr<Loop> loop(new Loop(std::move(parts), std::move(key), std::move(admission)));
  loop->datagrams_ = std::move(datagrams);
  TRY(loop->watch());
  return loop;
}

Server::Loop::Loop(Parts parts, crypto::X25519PrivateKey key, relay::Admission admission)
    : options_(std::move(parts.options)),
      context_(std::move(parts.context)),
      clock_(*parts.clock),
      log_(parts.log),
      poller_(std::move(parts.poller)),
      mail_(std::move(parts.mail), kMaxMail),
      stop_(std::move(parts.stop)),
      listener_(std::move(parts.listener)),
      reserve_(std::move(parts.reserve)),
      public_key_(key.public_key()),
      board_(std::move(key), std::move(admission), limits_of(options_), rng_),
      now_(clock_.now()),
      wire_(kReadBytes) {}

Server::Loop::~Loop() {
  stop();
}

Result<> Server::Loop::watch() {
  using Interest = os::Poller::Interest;
  TRY(poller_.add(mail_.fd(), Interest::kRead, kTokenMail));
  TRY(poller_.add(stop_.fd(), Interest::kRead, kTokenStop));
  if (listener_.is_open()) {
    TRY(poller_.add(listener_, Interest::kRead, kTokenListener));
    tcp_endpoint_ = TRY(os::local_endpoint(listener_));
  }
  if (datagrams_) {
    TRY(datagrams_->watch(poller_, kTokenUdp));
    udp_endpoint_ = datagrams_->local();
  }
  return {};
}

Result<> Server::Loop::start() {
  publish();
  try {
    thread_ = std::thread([this] { run(); });
  } catch (const std::system_error& error) {
    return Error{ErrorKind::kUnavailable, "start the relay's thread: " + std::string(error.what())};
  }
  return {};
}

void Server::Loop::stop() {
  stop_.raise();
  if (thread_.joinable()) thread_.join();
}

Counters Server::Loop::counters() const {
  const os::MutexLock lock(mutex_);
  Counters counters = published_;
  counters.mailbox_refused = mail_.refused();
  return counters;
}

void Server::Loop::run() {
  std::array<os::Poller::Event, os::Poller::kMaxEvents> room;
  while (!is_stopping_) {
    const auto events = poller_.wait(room, std::min(board_.deadline(), next_sweep_));
    if (!events) {
      log_.error("the relay ends early", {{"reason", events.error().message}});
      break;
    }
    now_ = clock_.now();
    turn(*events);
  }
  say_goodbye();
}

void Server::Loop::turn(std::span<const os::Poller::Event> events) {
  for (const os::Poller::Event& event : events)
    handle(event);
  if (board_.deadline() <= now_) board_.expire(now_);
  settle();
  if (now_ >= next_sweep_) sweep();
  if (next_sweep_ == MonoTime::never() && !links_.empty()) next_sweep_ = now_ + kSweepInterval;
  publish();
}

void Server::Loop::handle(const os::Poller::Event& event) {
  switch (event.token) {
    case kTokenMail: return take_mail();
    case kTokenStop: is_stopping_ = true; return;
    case kTokenListener: return accept_all();
    case kTokenUdp: return datagrams_->receive(board_, now_);
    default: break;
  }
  Link* link = find(event.token);
  if (link == nullptr) return;
  if (event.writable) flush(*link);
  link = find(event.token);
  if (link != nullptr && (event.readable || event.closed)) read(*link);
}

void Server::Loop::take_mail() {
  for (Mail& mail : mail_.drain())
    std::visit([this](auto& each) { take(std::move(each)); }, mail);
}

void Server::Loop::take(Adopt mail) {
  if (heads_ < options_.limits.strangers) add_link(std::move(mail.connection), mail.peer);
}

void Server::Loop::take(Datagram mail) {
  const auto to = board_.feed_datagram(mail.bytes, mail.from, now_);
  // A full socket drops it, as networks do.
  if (to && options_.shared_udp.is_open())
    static_cast<void>(os::send_datagram(options_.shared_udp, mail.bytes, *to));
}

void Server::Loop::take(GuestBytes mail) {
  Link* const link = find(mail.stream.value());
  if (link == nullptr || link->phase != Link::Phase::kGuest) return;
  if (link->guest_output.size() + mail.bytes.size() > kMaxGuestBytes) {
    ++counters_.stalled;
    return drop(*link);
  }
  link->guest_output.insert(link->guest_output.end(), mail.bytes.begin(), mail.bytes.end());
  if (!link->waits_for_room) flush(*link);
}

void Server::Loop::take(GuestClose mail) {
  Link* const link = find(mail.stream.value());
  if (link == nullptr || link->phase != Link::Phase::kGuest) return;
  // What the guest has sent before goes out first; he is not told of an end that is his own.
  static_cast<void>(seal_more(*link));
  --counters_.guest_streams;
  link->phase = Link::Phase::kClosing;
  link->since = now_;
  link->engine.end();
  flush(*link);
}

void Server::Loop::take(relay::Admission mail) {
  board_.set_admission(std::move(mail));
}

void Server::Loop::accept_all() {
  for (std::size_t i = 0; i < kMaxAccepts; ++i) {
    auto accepted = os::accept_tcp(listener_);
    if (!accepted) {
      if (!shed_one()) log_.warning("cannot accept", {{"reason", accepted.error().message}});
      return;
    }
    if (!*accepted) return;
    if (!is_within_rate((*accepted)->peer.address) || heads_ >= options_.limits.strangers ||
        links_.size() >= options_.limits.clients + options_.limits.strangers) {
      ++counters_.accept_refused;
      continue;
    }
    add_link(std::move((*accepted)->connection), (*accepted)->peer);
  }
}

// Without a descriptor for it a connection would stay in the queue and wake the loop for ever.
bool Server::Loop::shed_one() {
  ++counters_.accept_refused;
  reserve_.close();
  const auto refused = os::accept_tcp(listener_);
  auto reserve = open_reserve();
  if (reserve) reserve_ = std::move(*reserve);
  return refused.has_value();
}

bool Server::Loop::is_within_rate(const IpAddress& address) {
  const IpAddress source = source_of(address);
  if (TokenBucket* bucket = sources_.find(source)) return bucket->take(now_);
  return sources_.insert(source, TokenBucket(options_.accepts_per_source, now_)).take(now_);
}

void Server::Loop::add_link(os::Fd socket, const Endpoint& peer) {
  os::disable_delay(socket);
  os::set_acknowledgement_timeout(socket, kAcknowledgementTimeout);
  os::set_unsent_limit(socket, kKernelUnsentBytes);
  auto engine = tls::Engine::server(context_);
  const std::uint64_t id = ++last_id_;
  if (!engine || !poller_.add(socket, os::Poller::Interest::kRead, id)) {
    ++counters_.accept_refused;
    return;
  }
  ++counters_.accepted;
  ++heads_;
  links_.emplace(id, std::make_unique<Link>(Link{.id = id,
                                                 .socket = std::move(socket),
                                                 .peer = peer,
                                                 .engine = std::move(*engine),
                                                 .since = now_,
                                                 .progressed = now_,
                                                 .head = {},
                                                 .guest_output = {}}));
}

Link* Server::Loop::find(std::uint64_t id) {
  const auto found = links_.find(id);
  return found == links_.end() ? nullptr : found->second.get();
}

void Server::Loop::read(Link& link) {
  const auto size = os::read_some(link.socket, wire_);
  if (!size) return drop(link);
  if (!*size) return;
  if (**size == 0) return drop(link);
  plaintext_.clear();
  const auto fed = link.engine.feed(ByteView(wire_).first(**size), plaintext_);
  if (!plaintext_.empty() && !take_plaintext(link, plaintext_)) return;
  if (!fed) {
    if (link.phase == Link::Phase::kHead) ++counters_.tls_failed;
    enter(link, Link::Phase::kClosing);
  } else if (link.engine.has_ended()) {
    enter(link, Link::Phase::kClosing);
    link.engine.end();
  }
  if (!link.waits_for_room &&
      (!link.engine.output().empty() || link.phase == Link::Phase::kClosing))
    flush(link);
}

bool Server::Loop::take_plaintext(Link& link, ByteView plaintext) {
  switch (link.phase) {
    case Link::Phase::kHead: return take_head(link, plaintext);
    case Link::Phase::kRelay: board_.feed(connection_id(link), plaintext, now_); return true;
    case Link::Phase::kGuest:
      if (options_.guest->stream_received(StreamId(link.id), plaintext)) return true;
      drop(link);
      return false;
    case Link::Phase::kClosing: break;
  }
  return true;
}

bool Server::Loop::take_head(Link& link, ByteView plaintext) {
  link.head.insert(link.head.end(), plaintext.begin(), plaintext.end());
  const auto parsed = relay::parse_request(link.head);
  if (!parsed) {
    ++counters_.http_refused;
    return say_and_close(link, relay::answer_to_bad_request());
  }
  if (!*parsed) return true;
  const Bytes head = std::exchange(link.head, {});
  return answer(link, (*parsed)->request, ByteView(head).subspan((*parsed)->size));
}

bool Server::Loop::answer(Link& link, const relay::Request& request, ByteView rest) {
  const std::string text = relay::answer_to(request, public_key_);
  switch (request.wish) {
    case relay::Wish::kRelay:
      if (!board_.open(connection_id(link), now_)) break;
      enter(link, Link::Phase::kRelay);
      static_cast<void>(link.engine.write(as_bytes(text)));
      return take_plaintext(link, rest);
    case relay::Wish::kSignal:
      if (options_.guest == nullptr || !options_.guest->stream_opened(StreamId(link.id), link.peer))
        break;
      ++counters_.guest_streams;
      enter(link, Link::Phase::kGuest);
      static_cast<void>(link.engine.write(as_bytes(text)));
      return rest.empty() || take_plaintext(link, rest);
    case relay::Wish::kProbe:
    case relay::Wish::kNoContent:
    case relay::Wish::kFrontPage: ++counters_.probes; return say_and_close(link, text);
    default: ++counters_.http_refused; return say_and_close(link, text);
  }
  ++counters_.accept_refused;
  return say_and_close(link, relay::answer_to_overload());
}

bool Server::Loop::say_and_close(Link& link, std::string_view text) {
  if (link.engine.write(as_bytes(text))) link.engine.end();
  enter(link, Link::Phase::kClosing);
  flush(link);
  return false;
}

void Server::Loop::enter(Link& link, Link::Phase phase) {
  if (link.phase == phase) return;
  switch (link.phase) {
    case Link::Phase::kHead: --heads_; break;
    case Link::Phase::kRelay: board_.close(connection_id(link)); break;
    case Link::Phase::kGuest:
      --counters_.guest_streams;
      options_.guest->stream_closed(StreamId(link.id));
      break;
    case Link::Phase::kClosing: break;
  }
  link.phase = phase;
  link.since = now_;
}

void Server::Loop::flush(Link& link) {
  while (true) {
    if (link.engine.output().empty() && !seal_more(link)) break;
    const auto written = os::write_some(link.socket, link.engine.output());
    if (!written) return drop(link);
    if (!*written) return watch_writability(link, true);
    link.engine.consume_output(**written);
    link.progressed = now_;
  }
  link.progressed = now_;
  if (link.phase == Link::Phase::kClosing) return drop(link);
  watch_writability(link, false);
}

// Whether there is something to be written.
bool Server::Loop::seal_more(Link& link) {
  if (!link.engine.is_established()) return false;
  batch_.clear();
  if (link.phase == Link::Phase::kRelay)
    board_.take_output(connection_id(link), batch_, kBatchBytes);
  if (link.phase == Link::Phase::kGuest) std::swap(batch_, link.guest_output);
  if (batch_.empty()) return false;
  if (!link.engine.write(batch_)) enter(link, Link::Phase::kClosing);
  return !link.engine.output().empty();
}

void Server::Loop::watch_writability(Link& link, bool is_watched) {
  if (link.waits_for_room == is_watched) return;
  link.waits_for_room = is_watched;
  const auto interest =
      is_watched ? os::Poller::Interest::kReadAndWrite : os::Poller::Interest::kRead;
  static_cast<void>(poller_.modify(link.socket, interest, link.id));
}

void Server::Loop::drop(Link& link) {
  enter(link, Link::Phase::kClosing);
  static_cast<void>(poller_.remove(link.socket));
  links_.erase(link.id);
}

void Server::Loop::settle() {
  while (const auto closing = board_.next_closing()) {
    if (Link* const link = find(closing->id.value())) drop(*link);
  }
  while (const auto id = board_.next_ready()) {
    Link* const link = find(id->value());
    if (link != nullptr && !link->waits_for_room) flush(*link);
  }
}

void Server::Loop::sweep() {
  std::vector<Link*> over;
  for (const auto& [id, link] : links_) {
    const bool is_stalled =
        !link->engine.output().empty() && now_ - link->progressed >= kStallTimeout;
    if (is_stalled) ++counters_.stalled;
    const bool is_late =
        (link->phase == Link::Phase::kHead && now_ - link->since >= relay::kLoginTimeout) ||
        (link->phase == Link::Phase::kClosing && now_ - link->since >= kStallTimeout);
    if (is_stalled || is_late) over.push_back(link.get());
  }
  for (Link* const link : over)
    drop(*link);
  next_sweep_ = links_.empty() ? MonoTime::never() : now_ + kSweepInterval;
}

void Server::Loop::publish() {
  counters_.relay = board_.counters();
  counters_.connections = links_.size();
  if (datagrams_) counters_.stun_answered = datagrams_->stun_answered();
  counters_.busy = os::thread_busy_time();
  const os::MutexLock lock(mutex_);
  published_ = counters_;
}

void Server::Loop::say_goodbye() {
  board_.announce_restart(kReconnectIn, kTryFor);
  settle();
  while (!links_.empty())
    drop(*links_.begin()->second);
  publish();
}

}  // namespace sinew::relayd
