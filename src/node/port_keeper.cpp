#include "node/port_keeper.h"

#include <array>
#include <utility>

namespace sinew::node {

PortKeeper::PortKeeper(aio::Runtime& runtime, Rng& rng, Listener& listener, const Log& log)
    : runtime_(runtime), listener_(listener), log_(log), mapper_(rng), tasks_(runtime) {}

PortKeeper::~PortKeeper() = default;

void PortKeeper::aim(const portmap::Target& target) {
  if (target_ == target) return;
  auto socket = aio::Datagram::bind(runtime_, {target.own, 0});
  if (!socket) return rest(socket.error().message);
  hang_up();
  target_ = target;
  line_ = std::make_unique<Line>(runtime_, *std::move(socket));
  line_->tasks.start("router", read(*line_));
  mapper_.set_target(target, runtime_.clock().now());
  if (igd_) static_cast<void>(igd_->unmap());
  set_mapped(std::nullopt, "asking");
  pump();
}

void PortKeeper::rest(std::string_view why) {
  release();
  target_.reset();
  set_mapped(std::nullopt, why);
}

void PortKeeper::release() {
  mapper_.release(runtime_.clock().now());
  if (igd_) static_cast<void>(igd_->unmap());
  pump();
}

aio::Task<> PortKeeper::stop() {
  hang_up();
  for (const auto& line : old_lines_)
    co_await line->tasks.stop();
  old_lines_.clear();
  co_await tasks_.stop();
  igd_ready_.reset();
  igd_.reset();
}

void PortKeeper::expire(MonoTime now) {
  std::erase_if(old_lines_, [](const auto& line) { return line->tasks.is_empty(); });
  if (mapper_.deadline() <= now) mapper_.expire(now);
  pump();
}

MonoTime PortKeeper::deadline() const {
  return mapper_.deadline();
}

void PortKeeper::hang_up() {
  if (!line_) return;
  line_->tasks.cancel();
  line_->socket.close();
  old_lines_.push_back(std::move(line_));
}

aio::Task<> PortKeeper::read(Line& line) {
  std::array<std::uint8_t, 1500> room;
  while (true) {
    const auto received = co_await line.socket.receive_from(room);
    if (!received) co_return;
    mapper_.feed(ByteView(room).first(received->size), received->from, runtime_.clock().now());
    pump();
  }
}

aio::Task<> PortKeeper::send(Line& line, portmap::Transmit transmit) {
  // A loss is repaired by the mapper's own repetition.
  const Result<> sent = co_await line.socket.send_to(transmit.to, transmit.bytes);
  if (!sent) log_.debug("the router cannot be asked", {{"reason", sent.error().message}});
}

void PortKeeper::pump() {
  while (auto transmit = mapper_.next_transmit()) {
    if (line_) line_->tasks.start("ask router", send(*line_, *std::move(transmit)));
  }
  while (const auto event = mapper_.next_event())
    take(*event);
}

void PortKeeper::take(const portmap::Event& event) {
  using Kind = portmap::Event::Kind;
  if (event.kind == Kind::kMapped) return set_mapped(event.external, name_of(event.protocol));
  if (event.kind == Kind::kReleased) return set_mapped(std::nullopt, "given back");
  set_mapped(std::nullopt, portmap::name_of(event.reason));
  const bool has_other_way =
      event.reason == portmap::Reason::kNoAnswer || event.reason == portmap::Reason::kRefused;
  if (event.kind == Kind::kUnavailable && has_other_way && target_) try_igd();
}

void PortKeeper::try_igd() {
  if (!igd_) {
    auto opened = igd::Igd::open();
    if (!opened) return;
    igd_ = *std::move(opened);
    auto readiness = aio::Readiness::watch(runtime_, igd_->fd());
    if (!readiness) return igd_.reset();
    igd_ready_ = *std::move(readiness);
    tasks_.start("upnp", read_igd());
  }
  static_cast<void>(
      igd_->map({.gateway = target_->gateway, .own = target_->own, .port = target_->port}));
}

aio::Task<> PortKeeper::read_igd() {
  while (true) {
    const Result<> ready = co_await igd_ready_->readable();
    if (!ready) co_return;
    for (const igd::News& news : igd_->take_news())
      take(news);
  }
}

void PortKeeper::take(const igd::News& news) {
  if (!target_) return;
  switch (news.kind) {
    case igd::News::Kind::kMapped: return set_mapped(news.external, "upnp");
    case igd::News::Kind::kUnavailable: return set_mapped(std::nullopt, news.why);
    case igd::News::Kind::kReleased: return set_mapped(std::nullopt, "given back");
  }
}

void PortKeeper::set_mapped(const std::optional<Endpoint>& mapped, std::string_view note) {
  note_ = note;
  if (mapped == mapped_) return;
  mapped_ = mapped;
  if (mapped) {
    log_.info("the router keeps a port open for us", {{"external", *mapped}, {"protocol", note}});
  }
  listener_.port_changed();
}

}  // namespace sinew::node
