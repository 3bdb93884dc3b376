#include "aio/stream.h"

namespace sinew::aio {

Task<Result<>> read_exactly(Stream& stream, ByteSpan out) {
  while (!out.empty()) {
    const Result<std::size_t> size = co_await stream.read_some(out);
    if (!size) co_return size.error();
    if (*size == 0) co_return Error{ErrorKind::kUnavailable, "read: the other side ended early"};
    out = out.subspan(*size);
  }
  co_return Result<>();
}

Error closed() {
  return {ErrorKind::kUnavailable, "closed"};
}

}  // namespace sinew::aio
