// Errors are values. A function that can fail for a reason its caller must handle returns
// Result<T>; TRY hands an error on to the caller. Exceptions are for the libraries behind L2,
// VERIFY (verify.h) is for our own bugs.
#pragma once

#include <expected>
#include <string>
#include <string_view>
#include <utility>

namespace sinew {

// What the caller can do about a failure. One table per surface (exit code, HTTP status, MCP error)
// maps it.
enum class ErrorKind {
  kInvalid,      // the input is wrong: change it
  kDenied,       // not allowed: other credentials, or never
  kNotFound,     // the named thing does not exist
  kConflict,     // the thing exists already, or changed in between: look again
  kOverloaded,   // a bound was reached: later, slower
  kTimeout,      // no answer in time: the outcome is unknown
  kUnavailable,  // the other side or a resource is away: try again
  kUnsupported,  // this build, kernel or peer cannot do it
  kInternal,     // our bug, or a machine that breaks its contract
};

std::string_view name_of(ErrorKind kind);

// `message` says "what failed: why", without a closing dot and without secrets.
struct [[nodiscard]] Error {
  ErrorKind kind = ErrorKind::kInternal;
  std::string message;

  // Adds what was being done, once, where a layer is crossed: "read config: no such file".
  Error while_doing(std::string_view what) && {
    message.insert(0, std::string(what) + ": ");
    return std::move(*this);
  }

  friend bool operator==(const Error&, const Error&) = default;
};

// std::expected with two additions: ignoring one is a compile error, and an Error converts by
// itself.
template <typename T = void>
class [[nodiscard]] Result : public std::expected<T, Error> {
 public:
  using std::expected<T, Error>::expected;
  Result(Error error) : std::expected<T, Error>(std::unexpected(std::move(error))) {}
};

template <typename T>
constexpr T release_value(Result<T>&& result) {
  if constexpr (!std::is_void_v<T>) return *std::move(result);
}

}  // namespace sinew

// TRY(expression): the value of a Result, or return its error from this function. A statement
// expression, which clang and gcc share, because nothing else in the language can return from the
// middle of an expression. Never put a co_await inside; in a coroutine, await first and test the
// local.
#define TRY(...) SINEW_TRY_NAMED(__COUNTER__, __VA_ARGS__)
#define SINEW_TRY_NAMED(number, ...) SINEW_TRY_EXPANDED(number, __VA_ARGS__)
#define SINEW_TRY_EXPANDED(number, ...) SINEW_TRY(try_result_##number, __VA_ARGS__)
#define SINEW_TRY(result, ...)                                 \
  ({                                                           \
    auto result = (__VA_ARGS__);                               \
    if (!result.has_value()) return std::move(result).error(); \
    ::sinew::release_value(std::move(result));                 \
  })
