// Two connected Streams in memory, with the failures of real ones on request. It is part of aio and
// not of the tests, because protocols that carry streams inside themselves (SSH, the control link)
// hand one end to a service as if it were a socket.
//
// Each direction holds a bounded number of bytes; a write waits for room as it does for a TCP
// window. Bytes written before a close or shutdown arrive; those in flight at a reset do not.
#pragma once

#include <memory>

#include "aio/event.h"
#include "aio/runtime.h"
#include "aio/stream.h"
#include "aio/turns.h"

namespace sinew::aio {

class MemoryStream final : public Stream {
 public:
  struct Pair;
  // `capacity` bytes in each direction, at least 1.
  static Pair create_pair(Runtime& runtime, std::size_t capacity);

  ~MemoryStream() override;

  Task<Result<std::size_t>> read_some(ByteSpan out) override;
  Task<Result<>> write(ByteView bytes) override;
  Task<Result<>> shutdown_write() override;
  void close() override;

  // From now on a read returns at most this many bytes.
  void limit_reads(std::size_t size) { read_limit_ = size; }
  // Both ends fail with this error from now on; what is in flight is lost. A reset connection is
  // {kUnavailable, "connection reset by peer"}.
  void fail(const Error& error);

 private:
  struct Direction;
  MemoryStream(std::shared_ptr<Direction> incoming, std::shared_ptr<Direction> outgoing);

  // Shared by the two ends, which die in any order. Each is the other's opposite.
  std::shared_ptr<Direction> incoming_;
  std::shared_ptr<Direction> outgoing_;
  std::size_t read_limit_;
  Turns reads_;
  Turns writes_;
  bool is_closed_ = false;
};

struct MemoryStream::Pair {
  std::unique_ptr<MemoryStream> left;
  std::unique_ptr<MemoryStream> right;
};

}  // namespace sinew::aio
