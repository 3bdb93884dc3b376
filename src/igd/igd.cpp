#include "igd/igd.h"

#include <poll.h>

#include <array>
#include <atomic>
#include <optional>
#include <system_error>
#include <thread>
#include <utility>

#include "igd/gateway.h"
#include "os/clock.h"
#include "os/mailbox.h"
#include "os/poll.h"
#include "os/random.h"

namespace sinew::igd {

namespace {

// Nothing: give back what is mapped.
using Order = std::optional<Target>;

}  // namespace

// What both threads have; each mailbox is drained by one of them.
struct Igd::Shared {
  Shared(os::EventFd order_wake, os::EventFd news_wake)
      : orders(std::move(order_wake), kMaxOrders), news(std::move(news_wake), kMaxNews) {}

  os::Mailbox<Order> orders;
  os::Mailbox<News> news;
  std::atomic<bool> is_stopping = false;  // said before an order that wakes the thread
};

namespace {

// What happens on the thread.
class Worker {
 public:
  Worker(os::Mailbox<Order>& orders, os::Mailbox<News>& news, const std::atomic<bool>& is_stopping)
      : orders_(orders), news_(news), is_stopping_(is_stopping) {}

  void run() {
    while (!is_stopping_) {
      std::array waited{pollfd{.fd = orders_.fd().get(), .events = POLLIN, .revents = 0}};
      // A poll that fails is a machine out of memory: as good as the time having come.
      static_cast<void>(os::poll_until(waited, due_));
      for (const Order& order : orders_.drain())
        take(order);
      if (!is_stopping_ && os::SystemClock().now() >= due_) renew();
    }
    give_back();
  }

 private:
  void take(const Order& order) {
    if (target_ != order) give_back();
    target_ = order;
    due_ = order ? os::SystemClock().now() : MonoTime::never();
    if (!order) news_.post({.kind = News::Kind::kReleased});
  }

  void renew() {
    const Result<Endpoint> mapped = try_to_map();
    const MonoTime now = os::SystemClock().now();
    if (mapped) {
      external_ = *mapped;
      due_ = now + std::chrono::seconds(kLease) / 2;
      news_.post({.kind = News::Kind::kMapped, .external = *mapped});
      return;
    }
    external_.reset();
    due_ = now + kRetryPause;
    news_.post({.kind = News::Kind::kUnavailable, .why = mapped.error().message});
  }

  Result<Endpoint> try_to_map() {
    const Gateway gateway = TRY(Gateway::find(target_->gateway, target_->own));
    const IpAddress address = TRY(gateway.external_address());
    std::uint16_t port = external_ ? external_->port : target_->port;
    Result<> added = gateway.add_mapping(target_->own, target_->port, port);
    for (unsigned tries = 1; !added && tries < kPortTries; ++tries) {
      if (added.error().kind != ErrorKind::kConflict) break;
      constexpr std::uint16_t kFirst = 20'000;
      constexpr std::uint16_t kCount = 40'000;
      port = static_cast<std::uint16_t>(kFirst + os::SystemRng().below(kCount));
      added = gateway.add_mapping(target_->own, target_->port, port);
    }
    TRY(std::move(added));
    return Endpoint{address, port};
  }

  // A gateway that cannot be found any more has nothing to give back to; the lease ends by itself.
  void give_back() {
    const std::optional<Endpoint> mapped = std::exchange(external_, std::nullopt);
    if (!mapped || !target_) return;
    const Result<Gateway> gateway = Gateway::find(target_->gateway, target_->own);
    if (gateway) static_cast<void>(gateway->remove_mapping(mapped->port));
  }

  os::Mailbox<Order>& orders_;
  os::Mailbox<News>& news_;
  const std::atomic<bool>& is_stopping_;
  std::optional<Target> target_;
  std::optional<Endpoint> external_;
  MonoTime due_ = MonoTime::never();
};

}  // namespace

Result<std::unique_ptr<Igd>> Igd::open() {
  auto shared = std::make_unique<Shared>(TRY(os::EventFd::create()), TRY(os::EventFd::create()));
  std::unique_ptr<Igd> igd(new Igd(std::move(shared)));
  try {
    igd->thread_ = std::thread(
        [&own = *igd->shared_] { Worker(own.orders, own.news, own.is_stopping).run(); });
  } catch (const std::system_error& error) {
    return Error{ErrorKind::kUnavailable,
                 std::string("start the thread for UPnP: ") + error.what()};
  }
  return igd;
}

Igd::Igd(std::unique_ptr<Shared> shared) : shared_(std::move(shared)) {}

Igd::~Igd() {
  if (!thread_.joinable()) return;
  shared_->is_stopping = true;
  // Refused only when orders wait already, which wake the thread as well.
  shared_->orders.post(std::nullopt);
  thread_.join();
}

bool Igd::map(const Target& target) {
  return shared_->orders.post(target);
}
bool Igd::unmap() {
  return shared_->orders.post(std::nullopt);
}
const os::Fd& Igd::fd() const {
  return shared_->news.fd();
}
std::span<News> Igd::take_news() {
  return shared_->news.drain();
}

}  // namespace sinew::igd
