#include "node/nucleus_links.h"

#include <utility>

#include "aio/resolve.h"
#include "aio/socket_stream.h"
#include "aio/time.h"
#include "signal/messages.h"
#include "tls/stream.h"

namespace sinew::node {
namespace {

constexpr std::size_t kMaxHead = 8 << 10;
constexpr std::size_t kReadBytes = 16 << 10;
constexpr std::size_t kLengthBytes = 2;
constexpr Duration kFirstDelay = 250ms;
constexpr Duration kLongestDelay = 15s;

}  // namespace

struct NucleusLinks::Link {
  Link(aio::Runtime& runtime, std::size_t index_in_group, HostPort host_port)
      : index(index_in_group),
        name(std::move(host_port)),
        stream_wanted(runtime),
        resolve_wanted(runtime),
        has_output(runtime),
        backoff({.first = kFirstDelay, .ceiling = kLongestDelay}) {}

  std::size_t index;
  HostPort name;
  std::vector<Endpoint> endpoints;
  aio::Event stream_wanted;
  aio::Event resolve_wanted;
  aio::Event has_output;
  Backoff backoff;
  Bytes output;  // of the stream
  std::uint32_t stream_number = 0;
  bool wants_stream = false;
  bool is_open = false;
  bool is_broken = false;
  std::string last_error;
};

NucleusLinks::NucleusLinks(aio::Runtime& runtime, Rng& rng, std::vector<HostPort> nuclei,
                           signal::Group& group, PacketPath& packets, Listener& listener,
                           const Log& log)
    : runtime_(runtime),
      rng_(rng),
      group_(group),
      packets_(packets),
      listener_(listener),
      log_(log.named("signal")),
      tasks_(runtime) {
  for (HostPort& nucleus : nuclei)
    links_.push_back(std::make_unique<Link>(runtime, links_.size(), std::move(nucleus)));
}

NucleusLinks::~NucleusLinks() = default;

void NucleusLinks::start() {
  for (const auto& link : links_) {
    tasks_.start("resolve nucleus", keep_resolved(*link));
    tasks_.start("nucleus stream", keep_stream(*link));
  }
}

aio::Task<> NucleusLinks::stop() {
  co_await tasks_.stop();
}

void NucleusLinks::send(const signal::Group::Sending& sending) {
  const signal::Transmit& transmit = sending.transmit;
  if (transmit.to.is_udp()) {
    static_cast<void>(packets_.send(transmit.to.endpoint, transmit.bytes));
    return;
  }
  Link& link = *links_[sending.nucleus];
  if (!link.is_open || transmit.to.stream != link.stream_number) return;
  if (link.output.size() + transmit.bytes.size() > kMaxQueuedBytes) {
    link.is_broken = true;
  } else {
    std::array<std::uint8_t, kLengthBytes> length;
    store_be(length.data(), static_cast<std::uint16_t>(transmit.bytes.size()));
    link.output.insert(link.output.end(), length.begin(), length.end());
    link.output.insert(link.output.end(), transmit.bytes.begin(), transmit.bytes.end());
  }
  link.has_output.notify();
}

void NucleusLinks::want_stream(std::size_t nucleus) {
  Link& link = *links_[nucleus];
  link.wants_stream = true;
  link.stream_wanted.notify();
}

void NucleusLinks::network_changed() {
  for (const auto& link : links_) {
    link->backoff.reset();
    link->resolve_wanted.notify();
    link->stream_wanted.notify();
    // A connection over the old network may hang for minutes; if it has survived it is soon back.
    if (link->is_open) {
      link->is_broken = true;
      link->has_output.notify();
    }
  }
}

const HostPort& NucleusLinks::name_of(std::size_t nucleus) const {
  return links_[nucleus]->name;
}

std::vector<Endpoint> NucleusLinks::endpoints_of(std::size_t nucleus) const {
  return links_[nucleus]->endpoints;
}

bool NucleusLinks::has_stream(std::size_t nucleus) const {
  return links_[nucleus]->is_open;
}

const std::string& NucleusLinks::last_error(std::size_t nucleus) const {
  return links_[nucleus]->last_error;
}

aio::Task<> NucleusLinks::keep_resolved(Link& link) {
  while (true) {
    const auto addresses = co_await aio::resolve(runtime_, link.name.host);
    Duration pause = kResolveInterval;
    if (addresses) {
      std::vector<Endpoint> endpoints;
      for (const IpAddress& address : *addresses)
        endpoints.push_back({address, link.name.port});
      if (endpoints != link.endpoints) {
        link.endpoints = endpoints;
        group_.set_servers(link.index, std::move(endpoints), runtime_.clock().now());
        listener_.signal_changed();
      }
      link.last_error.clear();
    } else {
      link.last_error = addresses.error().message;
      pause = link.backoff.next_delay(rng_);
    }
    const Result<> waited = co_await aio::with_timeout(link.resolve_wanted.wait(), pause);
    if (!waited && waited.error().kind != ErrorKind::kTimeout) co_return;
  }
}

aio::Task<> NucleusLinks::keep_stream(Link& link) {
  while (true) {
    if (!link.wants_stream) {
      const Result<> waited = co_await link.stream_wanted.wait();
      if (!waited) co_return;
      continue;
    }
    const Result<> served = co_await serve_stream(link);
    if (!served) link.last_error = served.error().message;
    const bool is_cancelled = co_await aio::is_cancelled();
    if (is_cancelled) co_return;
    if (!link.wants_stream) continue;
    const Duration pause = link.backoff.next_delay(rng_);
    const Result<> waited = co_await aio::with_timeout(link.stream_wanted.wait(), pause);
    if (!waited && waited.error().kind != ErrorKind::kTimeout) co_return;
  }
}

aio::Task<Result<>> NucleusLinks::serve_stream(Link& link) {
  Result<std::unique_ptr<aio::Stream>> stream =
      co_await aio::with_timeout(connect(link), kConnectTime);
  if (!stream) co_return stream.error();
  link.output.clear();
  link.is_open = true;
  link.is_broken = false;
  ++link.stream_number;
  log_.info("talking to the nucleus over TCP", {{"nucleus", link.name.to_string()}});
  group_.set_stream(link.index, link.stream_number, runtime_.clock().now());
  listener_.signal_changed();
  aio::TaskGroup writer(runtime_);
  writer.start("nucleus writer", write_all(link, **stream));
  co_await read_all(link, **stream);
  co_await writer.stop();
  (*stream)->close();
  link.is_open = false;
  // Who still needs one asks again.
  link.wants_stream = false;
  group_.set_stream(link.index, 0, runtime_.clock().now());
  listener_.signal_changed();
  co_return Result<>();
}

aio::Task<Result<std::unique_ptr<aio::Stream>>> NucleusLinks::connect(Link& link) {
  // The protocol inside proves who is who; TLS is for the networks in between.
  const Result<tls::Context> context = tls::Context::client(tls::Trust::anyone());
  if (!context) co_return context.error();
  Error last{ErrorKind::kNotFound, "find " + link.name.host + ": no address yet"};
  const std::vector<Endpoint> endpoints = link.endpoints;
  for (const Endpoint& remote : endpoints) {
    Result<std::unique_ptr<aio::Stream>> socket =
        co_await aio::with_timeout(aio::connect_tcp(runtime_, remote), kConnectTime / 3);
    if (!socket) {
      last = socket.error();
      continue;
    }
    Result<std::unique_ptr<tls::Stream>> secured =
        co_await tls::connect(*context, *std::move(socket), link.name.host);
    if (!secured) {
      last = secured.error();
      continue;
    }
    const Result<> upgraded = co_await upgrade(**secured, link.name);
    if (!upgraded) {
      last = upgraded.error();
      continue;
    }
    link.backoff.reset();
    co_return *std::move(secured);
  }
  co_return last;
}

aio::Task<Result<>> NucleusLinks::upgrade(aio::Stream& stream, const HostPort& name) {
  const std::string request = "GET /signal HTTP/1.1\r\nHost: " + name.to_string() +
                              "\r\nConnection: Upgrade\r\nUpgrade: sinew-signal\r\n\r\n";
  const Result<> written = co_await stream.write(as_bytes(request));
  if (!written) co_return written.error();
  // Byte by byte: what is behind the head belongs to the protocol.
  std::string head;
  while (!head.ends_with("\r\n\r\n")) {
    std::array<std::uint8_t, 1> byte;
    const Result<> read = co_await aio::read_exactly(stream, byte);
    if (!read) co_return read.error();
    head.push_back(static_cast<char>(byte[0]));
    if (head.size() > kMaxHead) co_return Error{ErrorKind::kInvalid, "the answer has no end"};
  }
  if (!head.starts_with("HTTP/1.1 101 ")) {
    const std::string status = head.substr(0, std::min(head.find('\r'), std::size_t{64}));
    co_return Error{ErrorKind::kUnavailable, "no nucleus answers there: " + status};
  }
  co_return Result<>();
}

aio::Task<> NucleusLinks::read_all(Link& link, aio::Stream& stream) {
  Bytes received;
  Bytes room(kReadBytes);
  while (!link.is_broken) {
    const Result<std::size_t> size = co_await stream.read_some(room);
    if (!size || *size == 0) co_return;
    received.insert(received.end(), room.begin(),
                    room.begin() + static_cast<std::ptrdiff_t>(*size));
    std::size_t taken = 0;
    while (received.size() - taken >= kLengthBytes) {
      const std::size_t length = load_be<std::uint16_t>(received.data() + taken);
      if (received.size() - taken - kLengthBytes < length) break;
      const ByteView datagram(received.data() + taken + kLengthBytes, length);
      group_.feed(datagram, {.endpoint = {}, .stream = link.stream_number}, runtime_.clock().now());
      taken += kLengthBytes + length;
    }
    received.erase(received.begin(), received.begin() + static_cast<std::ptrdiff_t>(taken));
    listener_.signal_changed();
  }
}

// Also ends the reader, by closing the stream.
aio::Task<> NucleusLinks::write_all(Link& link, aio::Stream& stream) {
  while (!link.is_broken) {
    if (link.output.empty()) {
      const Result<> waited = co_await link.has_output.wait();
      if (!waited) co_return;
      continue;
    }
    const Bytes output = std::exchange(link.output, {});
    const Result<> written = co_await stream.write(output);
    if (!written) break;
  }
  link.is_broken = true;
  stream.close();
}

}  // namespace sinew::node
