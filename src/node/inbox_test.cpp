#include "node/inbox.h"

#include <doctest/doctest.h>

#include <string>

namespace sinew::node {
namespace {

News train_of(std::size_t size) {
  return {.train = Bytes(size, 0x5a), .segment = size};
}

std::vector<std::size_t> sizes_in(const News& news) {
  std::vector<std::size_t> sizes;
  for_each_datagram(news, [&](ByteView datagram) { sizes.push_back(datagram.size()); });
  return sizes;
}

TEST_CASE("news come out in the order they went in") {
  const auto inbox = *Inbox::open();
  for (std::uint32_t i = 0; i < 10; ++i)
    REQUIRE(inbox->post({.kind = News::Kind::kDetour, .detour = DetourNumber(i)}));
  const auto news = inbox->drain();
  REQUIRE(news.size() == 10);
  for (std::uint32_t i = 0; i < 10; ++i)
    CHECK(news[i].detour == DetourNumber(i));
  CHECK(inbox->drain().empty());
}

TEST_CASE("bytes that wait are bounded to the byte, and are free again when they were drained") {
  const auto inbox = *Inbox::open();
  CHECK(inbox->post(train_of(Inbox::kMaxBytes - 1)));
  CHECK_FALSE(inbox->post(train_of(2)));
  CHECK(inbox->post(train_of(1)));
  CHECK_FALSE(inbox->post(train_of(1)));
  CHECK(inbox->post({.kind = News::Kind::kWanted}));
  CHECK(inbox->dropped() == 2);
  CHECK(inbox->drain().size() == 3);
  CHECK(inbox->post(train_of(Inbox::kMaxBytes)));
  CHECK(inbox->dropped() == 2);
}

TEST_CASE("what is dropped because there are too many news takes no bytes with it") {
  const auto inbox = *Inbox::open();
  for (std::size_t i = 0; i < Inbox::kMaxNews; ++i)
    REQUIRE(inbox->post(train_of(1)));
  for (int i = 0; i < 100; ++i)
    CHECK_FALSE(inbox->post(train_of(Inbox::kMaxBytes / 2)));
  CHECK(inbox->dropped() == 100);
  CHECK(inbox->drain().size() == Inbox::kMaxNews);
  CHECK(inbox->post(train_of(Inbox::kMaxBytes)));
}

TEST_CASE("a train falls into datagrams of its segment, the last one shorter") {
  CHECK(sizes_in({.train = Bytes(10), .segment = 4}) == std::vector<std::size_t>{4, 4, 2});
  CHECK(sizes_in({.train = Bytes(8), .segment = 4}) == std::vector<std::size_t>{4, 4});
  CHECK(sizes_in({.train = Bytes(3), .segment = 4}) == std::vector<std::size_t>{3});
  CHECK(sizes_in({.train = Bytes(3), .segment = 0}) == std::vector<std::size_t>{3});
  CHECK(sizes_in({.train = {}, .segment = 4}).empty());
}

}  // namespace
}  // namespace sinew::node
