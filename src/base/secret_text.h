// Text that grows and may hold secrets, such as a request with keys in it. What it held is wiped
// when it grows into other memory, shrinks or dies; a std::string leaves copies behind. Pure; one
// thread.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <memory>
#include <string_view>
#include <utility>

#include "base/bytes.h"
#include "base/secret.h"

namespace sinew {

class SecretText {
 public:
  SecretText() = default;
  explicit SecretText(std::string_view text) { append(text); }
  SecretText(const SecretText&) = delete;
  SecretText& operator=(const SecretText&) = delete;
  SecretText(SecretText&& other) noexcept
      : bytes_(std::move(other.bytes_)),
        size_(std::exchange(other.size_, 0)),
        room_(std::exchange(other.room_, 0)) {}
  SecretText& operator=(SecretText&& other) noexcept {
    clear();
    bytes_ = std::move(other.bytes_);
    size_ = std::exchange(other.size_, 0);
    room_ = std::exchange(other.room_, 0);
    return *this;
  }
  ~SecretText() { clear(); }

  bool is_empty() const { return size_ == 0; }
  std::size_t size() const { return size_; }
  std::string_view expose() const { return {reinterpret_cast<const char*>(bytes_.get()), size_}; }

  void append(std::string_view text) {
    if (text.empty()) return;
    if (text.size() > room_ - size_) grow(size_ + text.size());
    std::memcpy(bytes_.get() + size_, text.data(), text.size());
    size_ += text.size();
  }
  // The first `count` characters, of which there are that many.
  void remove_prefix(std::size_t count) {
    const std::size_t rest = size_ - count;
    if (rest > 0) std::memmove(bytes_.get(), bytes_.get() + count, rest);
    wipe({bytes_.get() + rest, count});
    size_ = rest;
  }
  void clear() {
    wipe({bytes_.get(), size_});
    size_ = 0;
  }

 private:
  static constexpr std::size_t kFirstRoom = 256;

  void grow(std::size_t needed) {
    const std::size_t room = std::max({kFirstRoom, 2 * room_, needed});
    auto larger = std::make_unique_for_overwrite<std::uint8_t[]>(room);
    if (size_ > 0) std::memcpy(larger.get(), bytes_.get(), size_);
    wipe({bytes_.get(), size_});
    bytes_ = std::move(larger);
    room_ = room;
  }

  std::unique_ptr<std::uint8_t[]> bytes_;
  std::size_t size_ = 0;
  std::size_t room_ = 0;
};

}  // namespace sinew
