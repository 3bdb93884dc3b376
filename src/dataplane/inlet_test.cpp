#include "dataplane/inlet.h"

#include <doctest/doctest.h>
#include <poll.h>

#include <thread>

#include "dataplane/detour.h"

namespace sinew::dataplane {
namespace {

std::unique_ptr<Inlet> open_inlet() {
  auto inlet = Inlet::open();
  REQUIRE(inlet.has_value());
  return *std::move(inlet);
}

bool is_readable(const Inlet& inlet) {
  pollfd look{.fd = inlet.fd().get(), .events = POLLIN, .revents = 0};
  return ::poll(&look, 1, 0) == 1;
}

}  // namespace

TEST_CASE("trains come out as they were posted, in order, from their detours") {
  const auto inlet = open_inlet();
  CHECK_FALSE(is_readable(*inlet));
  REQUIRE(inlet->post(7, as_bytes("aaabbbc"), 3));
  REQUIRE(inlet->post(8, as_bytes("single"), 6));
  REQUIRE(inlet->post(7, as_bytes("shorter"), 100));
  CHECK(is_readable(*inlet));
  const Inlet::Batch batch = inlet->drain();
  REQUIRE(batch.trains.size() == 3);
  CHECK(batch.trains[0].from == detour_endpoint(7));
  CHECK(batch.trains[0].count() == 3);
  CHECK(as_text(batch.trains[0].segment(1)) == "bbb");
  CHECK(as_text(batch.trains[0].segment(2)) == "c");
  CHECK(batch.trains[1].from == detour_endpoint(8));
  CHECK(as_text(batch.trains[1].bytes) == "single");
  CHECK(batch.trains[2].segment_size == 7);
  CHECK(batch.refused == 0);
  CHECK_FALSE(is_readable(*inlet));
  CHECK(inlet->drain().trains.empty());
}

TEST_CASE("what was drained stays while more is posted") {
  const auto inlet = open_inlet();
  REQUIRE(inlet->post(1, as_bytes("first"), 5));
  const Inlet::Batch batch = inlet->drain();
  for (int i = 0; i < 100; ++i)
    REQUIRE(inlet->post(2, Bytes(5000, 0xff), 5000));
  CHECK(as_text(batch.trains[0].bytes) == "first");
}

TEST_CASE("an inlet takes its bytes and its trains and no more, and counts what it refuses") {
  const auto inlet = open_inlet();
  const Bytes large(1 << 16);
  for (std::size_t i = 0; i < Inlet::kMaxBytes / large.size(); ++i)
    REQUIRE(inlet->post(1, large, 1000));
  CHECK_FALSE(inlet->post(1, as_bytes("x"), 1));
  Inlet::Batch batch = inlet->drain();
  CHECK(batch.refused == 1);
  CHECK(batch.filled_percent == 100);

  for (std::size_t i = 0; i < Inlet::kMaxTrains; ++i)
    REQUIRE(inlet->post(1, as_bytes("x"), 1));
  CHECK_FALSE(inlet->post(1, as_bytes("x"), 1));
  batch = inlet->drain();
  CHECK(batch.trains.size() == Inlet::kMaxTrains);
  CHECK(batch.refused == 1);
  CHECK(batch.filled_percent == 0);
  CHECK(inlet->drain().refused == 0);
}

TEST_CASE("what is no train is refused") {
  const auto inlet = open_inlet();
  CHECK_FALSE(inlet->post(1, {}, 10));
  CHECK_FALSE(inlet->post(1, as_bytes("x"), 0));
  CHECK_FALSE(inlet->post(1, Bytes(65'536), 65'536));
  CHECK(inlet->post(1, Bytes(65'535), 65'536));
}

TEST_CASE("several threads post while one drains") {
  const auto inlet = open_inlet();
  constexpr std::uint32_t kEach = 500;
  const auto post_all = [&](std::uint32_t number) {
    for (std::uint32_t i = 0; i < kEach;)
      if (inlet->post(number, Bytes(100, static_cast<std::uint8_t>(number)), 100)) ++i;
  };
  std::thread one(post_all, 1);
  std::thread other(post_all, 2);
  std::size_t trains = 0;
  std::size_t wrong = 0;
  while (trains < 2 * kEach) {
    for (const udp::Datagrams& train : inlet->drain().trains) {
      ++trains;
      if (train.bytes.size() != 100 || train.bytes[99] != *detour_number(train.from)) ++wrong;
    }
  }
  one.join();
  other.join();
  CHECK(wrong == 0);
}

}  // namespace sinew::dataplane
