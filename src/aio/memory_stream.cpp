#include "aio/memory_stream.h"

#include <algorithm>
#include <limits>
#include <optional>

#include "base/verify.h"

namespace sinew::aio {

// The way of the bytes from one end to the other.
struct MemoryStream::Direction {
  Direction(Runtime& runtime, std::size_t limit) : capacity(limit), changed(runtime) {}

  const std::size_t capacity;
  Bytes bytes;
  bool has_ended = false;     // the writer writes no more
  bool is_abandoned = false;  // the reader reads no more
  std::optional<Error> failure;
  Event changed;
};

MemoryStream::MemoryStream(std::shared_ptr<Direction> incoming, std::shared_ptr<Direction> outgoing)
    : incoming_(std::move(incoming)),
      outgoing_(std::move(outgoing)),
      read_limit_(std::numeric_limits<std::size_t>::max()) {}

MemoryStream::Pair MemoryStream::create_pair(Runtime& runtime, std::size_t capacity) {
  VERIFY(capacity > 0);
  auto to_left = std::make_shared<Direction>(runtime, capacity);
  auto to_right = std::make_shared<Direction>(runtime, capacity);
  Pair pair;
  pair.left.reset(new MemoryStream(to_left, to_right));
  pair.right.reset(new MemoryStream(to_right, to_left));
  return pair;
}

MemoryStream::~MemoryStream() {
  close();
}

Task<Result<std::size_t>> MemoryStream::read_some(ByteSpan out) {
  Direction& way = *incoming_;
  if (reads_.is_over()) co_await yield();
  const bool is_stopped = co_await is_cancelled();
  if (is_stopped) co_return cancelled();
  while (true) {
    if (is_closed_) co_return closed();
    if (way.failure) co_return *way.failure;
    if (!way.bytes.empty()) break;
    if (way.has_ended) co_return std::size_t{0};
    const Result<> waited = co_await way.changed.wait();
    if (!waited) co_return waited.error();
  }
  const std::size_t size = std::min({out.size(), way.bytes.size(), read_limit_});
  const auto end = way.bytes.begin() + static_cast<std::ptrdiff_t>(size);
  std::copy(way.bytes.begin(), end, out.begin());
  way.bytes.erase(way.bytes.begin(), end);
  way.changed.notify();
  co_return size;
}

Task<Result<>> MemoryStream::write(ByteView bytes) {
  Direction& way = *outgoing_;
  if (writes_.is_over()) co_await yield();
  const bool is_stopped = co_await is_cancelled();
  if (is_stopped) co_return cancelled();
  while (!bytes.empty()) {
    if (is_closed_ || way.has_ended) co_return closed();
    if (way.failure) co_return *way.failure;
    if (way.is_abandoned) co_return Error{ErrorKind::kUnavailable, "write: broken pipe"};
    const std::size_t size = std::min(bytes.size(), way.capacity - way.bytes.size());
    if (size > 0) {
      way.bytes.insert(way.bytes.end(), bytes.begin(),
                       bytes.begin() + static_cast<std::ptrdiff_t>(size));
      bytes = bytes.subspan(size);
      way.changed.notify();
      continue;
    }
    const Result<> waited = co_await way.changed.wait();
    if (!waited) co_return waited.error();
  }
  co_return Result<>();
}

Task<Result<>> MemoryStream::shutdown_write() {
  if (is_closed_) co_return closed();
  outgoing_->has_ended = true;
  outgoing_->changed.notify();
  co_return Result<>();
}

void MemoryStream::close() {
  if (is_closed_) return;
  is_closed_ = true;
  outgoing_->has_ended = true;
  incoming_->is_abandoned = true;
  outgoing_->changed.notify();
  incoming_->changed.notify();
}

void MemoryStream::fail(const Error& error) {
  for (Direction* way : {incoming_.get(), outgoing_.get()}) {
    way->failure = error;
    way->bytes.clear();
    way->changed.notify();
  }
}

}  // namespace sinew::aio
