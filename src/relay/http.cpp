#include "relay/http.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <utility>
#include <vector>

#include "base/encoding.h"
#include "relay/frames.h"

namespace sinew::relay {
namespace {

constexpr std::string_view kEnd = "\r\n\r\n";

bool is_letter_or_digit(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}
bool is_token_character(char c) {
  return is_letter_or_digit(c) || std::string_view("!#$%&'*+-.^_`|~").contains(c);
}
bool is_token(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, is_token_character);
}
bool is_printable(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return (c >= ' ' && c <= '~') || c == '\t'; });
}

char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}
bool equals_any_case(std::string_view left, std::string_view right) {
  return std::ranges::equal(left, right, {}, lower, lower);
}

std::string_view trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t'))
    text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t'))
    text.remove_suffix(1);
  return text;
}

// Up to `separator`, which is dropped; `text` moves behind it.
std::string_view cut(std::string_view& text, std::string_view separator) {
  const std::size_t at = std::min(text.find(separator), text.size());
  const std::string_view head = text.substr(0, at);
  text.remove_prefix(std::min(at + separator.size(), text.size()));
  return head;
}

bool lists(std::string_view list, std::string_view word) {
  while (!list.empty()) {
    if (equals_any_case(trim(cut(list, ",")), word)) return true;
  }
  return false;
}

Error bad(std::string_view what) {
  return {ErrorKind::kInvalid, "HTTP head: " + std::string(what)};
}

struct Head {
  std::string_view first_line;
  std::vector<std::pair<std::string_view, std::string_view>> headers;
  std::size_t size = 0;

  // The only value of that name; none when it is not there.
  Result<std::optional<std::string_view>> single(std::string_view name) const {
    std::optional<std::string_view> found;
    for (const auto& [each, value] : headers) {
      if (!equals_any_case(each, name)) continue;
      if (found) return bad("a header is there twice");
      found = value;
    }
    return found;
  }
};

Result<std::pair<std::string_view, std::string_view>> parse_header(std::string_view line) {
  const std::size_t colon = line.find(':');
  if (colon == std::string_view::npos) return bad("a header without a colon");
  const std::string_view name = line.substr(0, colon);
  const std::string_view value = line.substr(colon + 1);
  if (!is_token(name)) return bad("the name of a header is no token");
  if (!is_printable(value)) return bad("the value of a header is not printable");
  return std::pair(name, trim(value));
}

Result<std::optional<Head>> parse_head(ByteView bytes) {
  const std::string_view text = as_text(bytes.first(std::min(bytes.size(), kMaxHeadBytes)));
  const std::size_t end = text.find(kEnd);
  if (end == std::string_view::npos) {
    if (bytes.size() < kMaxHeadBytes) return std::optional<Head>();
    return Error{ErrorKind::kOverloaded, "HTTP head: too long"};
  }
  Head head{.first_line = {}, .headers = {}, .size = end + kEnd.size()};
  std::string_view lines = text.substr(0, end);
  head.first_line = cut(lines, "\r\n");
  if (!is_printable(head.first_line)) return bad("the first line is not printable");
  while (!lines.empty()) {
    if (head.headers.size() == kMaxHeaders) return bad("too many headers");
    head.headers.push_back(TRY(parse_header(cut(lines, "\r\n"))));
  }
  return std::optional(std::move(head));
}

Wish wish_of(std::string_view method, std::string_view path, std::string_view upgrade) {
  if (method != "GET" && method != "HEAD") return Wish::kWrongMethod;
  const bool is_get = method == "GET";
  if (path == "/derp")
    return is_get && equals_any_case(upgrade, "DERP") ? Wish::kRelay : Wish::kUpgradeRequired;
  if (path == "/signal") {
    return is_get && equals_any_case(upgrade, "sinew-signal") ? Wish::kSignal
                                                              : Wish::kUpgradeRequired;
  }
  if (path == "/derp/probe" || path == "/derp/latency-check") return Wish::kProbe;
  if (path == "/generate_204") return Wish::kNoContent;
  return path == "/" || path == "/robots.txt" ? Wish::kFrontPage : Wish::kNotFound;
}

bool is_challenge(std::string_view text) {
  return !text.empty() && text.size() <= kMaxChallengeBytes &&
         std::ranges::all_of(text, [](char c) {
           return is_letter_or_digit(c) || std::string_view(".-_:").contains(c);
         });
}

// A body would be taken for what follows the head, by us or by a proxy in front.
Result<> refuse_body(const Head& head) {
  if (TRY(head.single("Transfer-Encoding"))) return bad("a body");
  const auto length = TRY(head.single("Content-Length"));
  if (length && *length != "0") return bad("a body");
  return {};
}

std::string closing_answer(std::string_view status, std::string_view headers, std::string_view body,
                           bool is_head) {
  return fmt::format("HTTP/1.1 {}\r\nConnection: close\r\n{}Content-Length: {}\r\n\r\n{}", status,
                     headers, body.size(), is_head ? std::string_view() : body);
}

bool is_host(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) {
    return is_letter_or_digit(c) || std::string_view(".-_:[]").contains(c);
  });
}

}  // namespace

Result<std::optional<ParsedRequest>> parse_request(ByteView bytes) {
  const std::optional<Head> head = TRY(parse_head(bytes));
  if (!head) return std::optional<ParsedRequest>();
  std::string_view line = head->first_line;
  const std::string_view method = cut(line, " ");
  const std::string_view target = cut(line, " ");
  if (line != "HTTP/1.1" || !is_token(method) || !target.starts_with('/'))
    return bad("not a request of HTTP/1.1");
  if (!TRY(head->single("Host"))) return bad("no Host");
  TRY(refuse_body(*head));
  const bool wants_upgrade = lists(TRY(head->single("Connection")).value_or(""), "upgrade");
  const std::string_view upgrade = TRY(head->single("Upgrade")).value_or("");
  const std::string_view challenge = TRY(head->single("X-Tailscale-Challenge")).value_or("");
  const std::string_view path = target.substr(0, target.find('?'));
  return std::optional(ParsedRequest{
      .request = {.wish = wish_of(method, path, wants_upgrade ? upgrade : ""),
                  .is_head = method == "HEAD",
                  .wants_fast_start = TRY(head->single("Derp-Fast-Start")).value_or("") == "1",
                  .challenge = std::string(is_challenge(challenge) ? challenge : ""),
                  .ideal_node = std::string(TRY(head->single("Ideal-Node")).value_or(""))},
      .size = head->size});
}

std::string answer_to(const Request& request, const crypto::X25519PublicKey& server_key) {
  constexpr std::string_view kAnybody = "Access-Control-Allow-Origin: *\r\n";
  const auto closing = [&](std::string_view status, std::string_view headers,
                           std::string_view body) {
    return closing_answer(status, headers, body, request.is_head);
  };
  switch (request.wish) {
    case Wish::kRelay:
      if (request.wants_fast_start) return {};
      return fmt::format(
          "HTTP/1.1 101 Switching Protocols\r\nUpgrade: DERP\r\nConnection: Upgrade\r\n"
          "Derp-Version: {}\r\nDerp-Public-Key: {}\r\n\r\n",
          kVersion, to_hex(server_key.bytes()));
    case Wish::kSignal:
      return "HTTP/1.1 101 Switching Protocols\r\nUpgrade: sinew-signal\r\n"
             "Connection: Upgrade\r\n\r\n";
    case Wish::kProbe: return closing("200 OK", kAnybody, "");
    case Wish::kNoContent: {
      std::string headers;
      if (!request.challenge.empty())
        headers = fmt::format("X-Tailscale-Response: response {}\r\n", request.challenge);
      // This status has no body, hence no length of one.
      return fmt::format("HTTP/1.1 204 No Content\r\nConnection: close\r\n{}\r\n", headers);
    }
    case Wish::kFrontPage: return closing("200 OK", "Content-Type: text/plain\r\n", "a relay\n");
    case Wish::kUpgradeRequired:
      return closing("426 Upgrade Required", "Upgrade: DERP\r\n", "Upgrade required.\n");
    case Wish::kWrongMethod:
      return closing("405 Method Not Allowed", "Allow: GET, HEAD\r\n", "Not allowed.\n");
    case Wish::kNotFound: break;
  }
  return closing("404 Not Found", "", "Not found.\n");
}

std::string answer_to_bad_request() {
  return closing_answer("400 Bad Request", "", "", false);
}

std::string answer_to_overload() {
  return closing_answer("503 Service Unavailable", "", "", false);
}

std::string upgrade_request(std::string_view host, bool wants_fast_start) {
  return fmt::format(
      "GET /derp HTTP/1.1\r\nHost: {}\r\nConnection: Upgrade\r\nUpgrade: DERP\r\n{}\r\n",
      is_host(host) ? host : "relay", wants_fast_start ? "Derp-Fast-Start: 1\r\n" : "");
}

Result<std::optional<ParsedAnswer>> parse_answer(ByteView bytes) {
  const std::optional<Head> head = TRY(parse_head(bytes));
  if (!head) return std::optional<ParsedAnswer>();
  std::string_view line = head->first_line;
  const std::string_view version = cut(line, " ");
  const std::string_view number = cut(line, " ");
  ParsedAnswer answer;
  answer.size = head->size;
  const auto [end, failure] =
      std::from_chars(number.data(), number.data() + number.size(), answer.status);
  const bool is_status = failure == std::errc() && end == number.data() + number.size() &&
                         number.size() == 3 && number.front() != '-';
  if (!version.starts_with("HTTP/1.") || !is_status) return bad("not an answer");
  answer.is_upgraded =
      answer.status == 101 && equals_any_case(TRY(head->single("Upgrade")).value_or(""), "DERP");
  if (const auto text = TRY(head->single("Derp-Public-Key"))) {
    const std::optional<Bytes> key = from_hex(*text);
    if (!key || key->size() != kKeySize) return bad("not a public key");
    answer.server_key = NodeKey(ByteReader(*key).array<kKeySize>());
  }
  return std::optional(answer);
}

}  // namespace sinew::relay
