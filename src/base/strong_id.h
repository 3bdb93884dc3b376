// A number that only compares with its own kind: a PeerId is never a SessionIndex by accident.
//
//     using PeerId = StrongId<struct PeerIdTag, std::uint32_t>;
#pragma once

#include <compare>
#include <concepts>
#include <cstddef>
#include <functional>

namespace sinew {

template <typename Tag, std::unsigned_integral Number>
class StrongId {
 public:
  constexpr StrongId() = default;
  constexpr explicit StrongId(Number value) : value_(value) {}

  constexpr Number value() const { return value_; }

  friend constexpr auto operator<=>(StrongId, StrongId) = default;

 private:
  Number value_ = 0;
};

}  // namespace sinew

template <typename Tag, typename Number>
struct std::hash<sinew::StrongId<Tag, Number>> {
  std::size_t operator()(sinew::StrongId<Tag, Number> id) const noexcept {
    return std::hash<Number>{}(id.value());
  }
};
