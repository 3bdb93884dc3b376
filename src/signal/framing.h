// Datagrams in a stream of bytes: each behind its length, two bytes, big endian. Bytes come in as
// they like; what is kept is less than one datagram. A length of 0, or more than a datagram may
// have, is the end of it: the stream makes no sense any more. Pure; one thread.
#pragma once

#include <cstddef>
#include <optional>

#include "base/bytes.h"
#include "signal/messages.h"

namespace sinew::signal {

inline constexpr std::size_t kLengthSize = 2;

inline Bytes frame(ByteView datagram) {
  Bytes framed(kLengthSize + datagram.size());
  ByteWriter out(framed);
  out.be(static_cast<std::uint16_t>(datagram.size()));
  out.bytes(datagram);
  return framed;
}

class Deframer {
 public:
  void feed(ByteView bytes) { kept_.insert(kept_.end(), bytes.begin(), bytes.end()); }

  bool is_broken() const { return is_broken_; }

  // The next whole datagram.
  std::optional<Bytes> next() {
    if (is_broken_ || kept_.size() - begin_ < kLengthSize) return wait();
    const std::size_t size = load_be<std::uint16_t>(kept_.data() + begin_);
    if (size == 0 || size > kMaxDatagramSize) {
      is_broken_ = true;
      return wait();
    }
    if (kept_.size() - begin_ < kLengthSize + size) return wait();
    const ByteView datagram = ByteView(kept_).subspan(begin_ + kLengthSize, size);
    begin_ += kLengthSize + size;
    return Bytes(datagram.begin(), datagram.end());
  }

 private:
  std::optional<Bytes> wait() {
    kept_.erase(kept_.begin(), kept_.begin() + static_cast<std::ptrdiff_t>(begin_));
    begin_ = 0;
    return std::nullopt;
  }

  Bytes kept_;
  std::size_t begin_ = 0;
  bool is_broken_ = false;
};

}  // namespace sinew::signal
