// What is said before the first frame: one HTTP/1.1 request, and its answer. Only what a relay
// needs of it is understood: a head without a body, at most kMaxHeadBytes. Strict where parsers
// differ, because a proxy in front may read it otherwise: lines end in CR LF, names are tokens, no
// line is folded, no header is there twice that decides anything, and a request that announces a
// body is refused. Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"
#include "crypto/x25519.h"

namespace sinew::relay {

inline constexpr std::size_t kMaxHeadBytes = 8 << 10;
inline constexpr std::size_t kMaxHeaders = 64;
inline constexpr std::size_t kMaxChallengeBytes = 64;

// What a request asks for.
enum class Wish : std::uint8_t {
  kRelay,            // GET /derp, Upgrade: DERP
  kSignal,           // GET /signal, Upgrade: sinew-signal
  kProbe,            // /derp/probe, /derp/latency-check: how long is the way
  kNoContent,        // /generate_204: is there a captive portal in between
  kFrontPage,        // /, /robots.txt
  kUpgradeRequired,  // of /derp or /signal, without the right Upgrade
  kNotFound,
  kWrongMethod,
};

struct Request {
  Wish wish = Wish::kNotFound;
  bool is_head = false;           // HEAD: the answer has no body
  bool wants_fast_start = false;  // frames at once, without an HTTP answer
  std::string challenge;          // of /generate_204; harmless characters only
  std::string ideal_node;         // which relay the client would have preferred, not safe to print
};

struct ParsedRequest {
  Request request;
  std::size_t size = 0;  // of the head; what is behind it belongs to what was asked for
};

// Nothing while the head is not complete; kInvalid or kOverloaded when it never will be one.
Result<std::optional<ParsedRequest>> parse_request(ByteView bytes);

// The answer to `request`; empty when frames are the answer. A relay or signal answer switches
// protocols, all others end the connection.
std::string answer_to(const Request& request, const crypto::X25519PublicKey& server_key);
std::string answer_to_bad_request();
std::string answer_to_overload();

// The other side of it.
std::string upgrade_request(std::string_view host, bool wants_fast_start);

struct ParsedAnswer {
  unsigned status = 0;
  bool is_upgraded = false;  // 101, to DERP
  std::optional<crypto::X25519PublicKey> server_key;
  std::size_t size = 0;
};
Result<std::optional<ParsedAnswer>> parse_answer(ByteView bytes);

}  // namespace sinew::relay
