#include "os/poller.h"

#include <sys/epoll.h>

#include <algorithm>
#include <array>
#include <limits>

#include "base/verify.h"
#include "os/clock.h"
#include "os/error.h"
#include "os/timespec.h"

namespace sinew::os {
namespace {

std::uint32_t events_for(Poller::Interest interest) {
  switch (interest) {
    case Poller::Interest::kRead: return EPOLLIN;
    case Poller::Interest::kWrite: return EPOLLOUT;
    case Poller::Interest::kReadAndWrite: return EPOLLIN | EPOLLOUT;
  }
  VERIFY_NOT_REACHED();
}

// Rounded up, so that the deadline has come when the wait ends.
int to_milliseconds(Duration rest) {
  constexpr std::chrono::milliseconds kLongest{std::numeric_limits<int>::max()};
  return static_cast<int>(
      std::min(kLongest, std::chrono::ceil<std::chrono::milliseconds>(rest)).count());
}

}  // namespace

Result<Poller> Poller::create() {
  Fd epoll(::epoll_create1(EPOLL_CLOEXEC));
  if (!epoll.is_open()) return system_error("create an event poller");
  return Poller(std::move(epoll));
}

Result<> Poller::add(const Fd& fd, Interest interest, std::uint64_t token) {
  return control(EPOLL_CTL_ADD, fd, interest, token);
}

Result<> Poller::modify(const Fd& fd, Interest interest, std::uint64_t token) {
  return control(EPOLL_CTL_MOD, fd, interest, token);
}

Result<> Poller::remove(const Fd& fd) {
  return control(EPOLL_CTL_DEL, fd, Interest::kRead, 0);
}

Result<> Poller::control(int operation, const Fd& fd, Interest interest, std::uint64_t token) {
  epoll_event event{};
  event.events = events_for(interest);
  event.data.u64 = token;
  if (::epoll_ctl(epoll_.get(), operation, fd.get(), &event) != 0) {
    return system_error("change an event poller");
  }
  return {};
}

Result<std::span<Poller::Event>> Poller::wait(std::span<Event> out, MonoTime deadline) {
  const SystemClock clock;
  std::array<epoll_event, kMaxEvents> ready;
  const int room = static_cast<int>(std::min(out.size(), ready.size()));
  while (true) {
    const MonoTime now = clock.now();
    const Duration rest = std::max(Duration::zero(), deadline - now);
    const timespec precise = to_timespec(rest);
    const int count = has_nanoseconds_
                          ? ::epoll_pwait2(epoll_.get(), ready.data(), room, &precise, nullptr)
                          : ::epoll_wait(epoll_.get(), ready.data(), room, to_milliseconds(rest));
    // Containers that do not know the call either forbid it instead.
    if (count < 0 && (errno == ENOSYS || errno == EPERM) && has_nanoseconds_) {
      has_nanoseconds_ = false;
      continue;
    }
    if (count < 0 && errno != EINTR) return system_error("wait for events");
    if (count <= 0 && now < deadline) continue;
    for (int i = 0; i < count; ++i) {
      const epoll_event& event = ready[static_cast<std::size_t>(i)];
      out[static_cast<std::size_t>(i)] = {.token = event.data.u64,
                                          .readable = (event.events & EPOLLIN) != 0,
                                          .writable = (event.events & EPOLLOUT) != 0,
                                          .closed = (event.events & (EPOLLERR | EPOLLHUP)) != 0};
    }
    return out.first(static_cast<std::size_t>(std::max(count, 0)));
  }
}

}  // namespace sinew::os
