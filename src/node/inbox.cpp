#include "node/inbox.h"

#include <utility>

namespace sinew::node {

Result<std::unique_ptr<Inbox>> Inbox::open() {
  return std::unique_ptr<Inbox>(new Inbox(TRY(os::EventFd::create())));
}

bool Inbox::post(News news) {
  const std::size_t size = news.train.size();
  if (waiting_bytes_.fetch_add(size, std::memory_order_relaxed) + size <= kMaxBytes &&
      mailbox_.post(std::move(news))) {
    return true;
  }
  waiting_bytes_.fetch_sub(size, std::memory_order_relaxed);
  dropped_.fetch_add(1, std::memory_order_relaxed);
  return false;
}

std::span<News> Inbox::drain() {
  const std::span<News> drained = mailbox_.drain();
  std::size_t size = 0;
  for (const News& news : drained)
    size += news.train.size();
  waiting_bytes_.fetch_sub(size, std::memory_order_relaxed);
  return drained;
}

}  // namespace sinew::node
