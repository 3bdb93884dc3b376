#include "os/mailbox.h"

#include <doctest/doctest.h>

#include <array>
#include <memory>
#include <thread>

#include "os/clock.h"
#include "os/poller.h"

namespace sinew::os {
namespace {

TEST_CASE("values come out in the order they were posted") {
  Mailbox<std::unique_ptr<int>> mailbox(*EventFd::create(), 3);
  CHECK(mailbox.drain().empty());
  CHECK(mailbox.post(std::make_unique<int>(1)));
  CHECK(mailbox.post(std::make_unique<int>(2)));
  const auto values = mailbox.drain();
  REQUIRE(values.size() == 2);
  CHECK(*values[0] == 1);
  CHECK(*values[1] == 2);
  CHECK(mailbox.drain().empty());
}

TEST_CASE("a full mailbox refuses and counts until it is drained") {
  Mailbox<int> mailbox(*EventFd::create(), 2);
  CHECK(mailbox.post(1));
  CHECK(mailbox.post(2));
  CHECK(!mailbox.post(3));
  CHECK(!mailbox.post(4));
  CHECK(mailbox.refused() == 2);
  CHECK(mailbox.drain().size() == 2);
  CHECK(mailbox.post(5));
  CHECK(mailbox.drain()[0] == 5);
}

TEST_CASE("the descriptor is readable exactly while values wait") {
  Poller poller = *Poller::create();
  Mailbox<int> mailbox(*EventFd::create(), 4);
  REQUIRE(poller.add(mailbox.fd(), Poller::Interest::kRead, 0));
  std::array<Poller::Event, 1> room;
  const auto is_readable = [&] { return !poller.wait(room, MonoTime()).value().empty(); };
  CHECK(!is_readable());
  mailbox.post(1);
  mailbox.post(2);
  CHECK(is_readable());
  mailbox.drain();
  CHECK(!is_readable());
  mailbox.post(3);
  CHECK(is_readable());
}

TEST_CASE("values of several threads all arrive, each thread's in order") {
  constexpr std::uint32_t kThreads = 4;
  constexpr std::uint32_t kEach = 5000;
  struct Value {
    std::uint32_t thread;
    std::uint32_t number;
  };
  Mailbox<Value> mailbox(*EventFd::create(), 64);
  const auto post_all = [&mailbox](std::uint32_t thread) {
    for (std::uint32_t i = 0; i < kEach;) {
      if (mailbox.post({thread, i}))
        ++i;
      else
        std::this_thread::yield();
    }
  };
  std::vector<std::jthread> threads;
  for (std::uint32_t i = 0; i < kThreads; ++i)
    threads.emplace_back(post_all, i);

  Poller poller = *Poller::create();
  REQUIRE(poller.add(mailbox.fd(), Poller::Interest::kRead, 0));
  std::array<Poller::Event, 1> room;
  std::array<std::uint32_t, kThreads> next{};
  for (std::uint32_t arrived = 0; arrived < kThreads * kEach;) {
    // A wake-up that is lost ends here instead of hanging.
    const auto events = poller.wait(room, SystemClock().now() + 20s);
    REQUIRE(events.value().size() == 1);
    for (const Value& value : mailbox.drain()) {
      REQUIRE(value.number == next[value.thread]++);
      ++arrived;
    }
  }
}

}  // namespace
}  // namespace sinew::os
