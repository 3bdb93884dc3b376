// Module stun: what a machine looks like from outside (RFC 8489), and how the NAT in front of it
// behaves (RFC 5780). This header is the wire format of Binding, the one method we speak.
//
//     type 2 | length of what follows the header 2 | cookie 21 12 a4 42 | transaction 12
//     then attributes: type 2 | length 2 | value | 0 to 3 bytes up to a multiple of 4
//
// parse() is the one gate: it looks at nothing behind the bytes it is given, keeps lengths in
// std::size_t, and refuses a message whose attributes do not fill it exactly, that has more of them
// than kMaxAttributes, or whose FINGERPRINT is wrong or not the last. An attribute that we know
// counts where it first stands. Integers are big endian. Nothing here is authenticated: whoever
// sees a request can answer it, and whoever does not has to guess 96 random bits. Pure values.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "base/bytes.h"
#include "base/ip.h"
#include "base/result.h"

namespace sinew::stun {

inline constexpr std::uint32_t kCookie = 0x2112'a442;
inline constexpr std::size_t kHeaderSize = 20;
inline constexpr std::size_t kMaxAttributes = 32;

// Every request of ours has this size: a whole answer over IPv6 (header, three addresses, a
// fingerprint) is not longer, so a server never sends more than it was sent.
inline constexpr std::size_t kRequestSize = kHeaderSize + 3 * 24 + 8;
// The answer to a request without any room, with a mapped IPv4 or IPv6 address and nothing else.
inline constexpr std::size_t kSmallestAnswerSizeV4 = kHeaderSize + 12;
inline constexpr std::size_t kSmallestAnswerSizeV6 = kHeaderSize + 24;
inline constexpr std::size_t kMaxAnswerSize = kRequestSize;

inline constexpr std::uint16_t kUnknownAttribute = 420;

// Random, and all that proves that an answer is one.
using TransactionId = std::array<std::uint8_t, 12>;

enum class Class : std::uint8_t { kRequest = 0, kIndication = 1, kSuccess = 2, kError = 3 };

// Whether a datagram of the shared port is one of STUN's: by its first two bits and the cookie. No
// promise that parse() takes it.
bool is_stun(ByteView datagram);

// wire: variable
struct Message {
  Class kind = Class::kRequest;
  TransactionId transaction{};
  std::optional<Endpoint> mapped;  // XOR-MAPPED-ADDRESS, else MAPPED-ADDRESS
  std::optional<Endpoint> response_origin;
  std::optional<Endpoint> other_address;
  bool changes_address = false;  // CHANGE-REQUEST
  bool changes_port = false;
  bool has_fingerprint = false;
  std::optional<std::uint16_t> error_code;
  // The first attribute that we would have to understand and do not.
  std::optional<std::uint16_t> unknown_attribute;

  friend bool operator==(const Message&, const Message&) = default;
};

// A Binding message. Anything else is kInvalid, or kUnsupported for another method.
Result<Message> parse(ByteView datagram);

struct RequestOptions {
  bool changes_address = false;
  bool changes_port = false;
};

// Filled up with a comprehension-optional attribute (SOFTWARE), because a server that does not know
// PADDING (RFC 5780) would have to refuse it.
std::array<std::uint8_t, kRequestSize> encode_request(const TransactionId& transaction,
                                                      const RequestOptions& options = {});

struct Answer {
  Endpoint mapped;
  std::optional<Endpoint> response_origin = {};
  std::optional<Endpoint> other_address = {};
  bool has_fingerprint = false;
};

// Writes what fits into `room` in the order of the fields; nothing when not even the mapped address
// does.
ByteView encode_answer(const TransactionId& transaction, const Answer& answer, ByteSpan room);

// A refusal for want of an attribute that we know; nothing when it does not fit.
ByteView encode_unknown_attribute(const TransactionId& transaction, std::uint16_t attribute,
                                  ByteSpan room);

inline constexpr std::uint16_t kChangeRequestAttribute = 0x0003;

}  // namespace sinew::stun
