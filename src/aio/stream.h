// A two-way flow of bytes: a TCP or local connection, TLS over one, a channel inside another
// protocol, or a pair in memory for tests. Whoever speaks a protocol over it knows only this.
//
// At most one task reads and one writes at a time. `out` and `bytes` stay valid until the operation
// has ended, and so does the Stream.
#pragma once

#include "aio/task.h"
#include "base/bytes.h"
#include "base/result.h"

namespace sinew::aio {

class Stream {
 public:
  virtual ~Stream() = default;

  // Waits for at least one byte. 0 means that the other side has ended its half; `out` is not
  // empty.
  virtual Task<Result<std::size_t>> read_some(ByteSpan out) = 0;

  // Writes all; waits for as long as the other side does not read.
  virtual Task<Result<>> write(ByteView bytes) = 0;

  // Ends our half: the other side reads 0 behind what was written. Reading goes on.
  virtual Task<Result<>> shutdown_write() = 0;

  // Ends both halves without further talk. Operations under way, and all later ones, fail with
  // kUnavailable "closed".
  virtual void close() = 0;
};

// Fills `out`; kUnavailable when the other side ends its half before.
Task<Result<>> read_exactly(Stream& stream, ByteSpan out);

// The error of an operation on a closed Stream.
Error closed();

}  // namespace sinew::aio
