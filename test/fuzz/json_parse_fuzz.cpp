// JSON from strangers: limits hold, and what was accepted means the same when it is written and
// parsed again.
#include <algorithm>

#include "base/bytes.h"
#include "base/verify.h"
#include "json/parse.h"

using namespace sinew;

namespace {

constexpr json::Limits kLimits{.bytes = 1 << 16, .depth = 8, .values = 1000};

std::size_t depth_of(const json::Value& value) {
  std::size_t below = 0;
  if (const auto* array = value.as_array()) {
    for (const json::Value& item : *array)
      below = std::max(below, depth_of(item));
    return below + 1;
  }
  if (const auto* object = value.as_object()) {
    for (const json::Value::Member& member : *object)
      below = std::max(below, depth_of(member.value));
    return below + 1;
  }
  return 0;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const Result<json::Value> value = json::parse(as_text({data, size}), kLimits);
  if (!value) {
    VERIFY(!value.error().message.empty());
    return 0;
  }
  VERIFY(depth_of(*value) <= kLimits.depth);
  const std::string text = json::write(*value);
  const Result<json::Value> again = json::parse(text, {.bytes = text.size()});
  VERIFY(again.has_value());
  VERIFY(json::write(*again) == text);
  VERIFY(json::parse(json::write(*again, json::Layout::kIndented)).value() == *again);
  return 0;
}
