#include "relay/http.h"

#include <doctest/doctest.h>

#include <string>

#include "base/encoding.h"

using namespace sinew;
using namespace sinew::relay;

namespace {

std::string request_of(std::string_view first_line, std::string_view headers = "") {
  return std::string(first_line) + "\r\nHost: relay.example\r\n" + std::string(headers) + "\r\n";
}

Result<std::optional<ParsedRequest>> parse(std::string_view text) {
  return parse_request(as_bytes(text));
}

Wish wish_of(std::string_view first_line, std::string_view headers = "") {
  const auto parsed = parse(request_of(first_line, headers));
  REQUIRE(parsed);
  REQUIRE(*parsed);
  return (*parsed)->request.wish;
}

bool is_refused(std::string_view text) {
  return !parse(text).has_value();
}

Request request_for(Wish wish) {
  Request request;
  request.wish = wish;
  return request;
}

constexpr std::string_view kUpgrade = "Connection: keep-alive, Upgrade\r\nUpgrade: DERP\r\n";

}  // namespace

TEST_CASE("http: each path has its wish") {
  CHECK(wish_of("GET /derp HTTP/1.1", kUpgrade) == Wish::kRelay);
  CHECK(wish_of("GET /derp HTTP/1.1", "connection: upgrade\r\nupgrade: derp\r\n") == Wish::kRelay);
  CHECK(wish_of("GET /signal HTTP/1.1", "Connection: Upgrade\r\nUpgrade: sinew-signal\r\n") ==
        Wish::kSignal);
  CHECK(wish_of("GET /derp/probe HTTP/1.1") == Wish::kProbe);
  CHECK(wish_of("HEAD /derp/latency-check?x=1 HTTP/1.1") == Wish::kProbe);
  CHECK(wish_of("GET /generate_204 HTTP/1.1") == Wish::kNoContent);
  CHECK(wish_of("GET / HTTP/1.1") == Wish::kFrontPage);
  CHECK(wish_of("GET /derp/ HTTP/1.1", kUpgrade) == Wish::kNotFound);
  CHECK(wish_of("POST /derp HTTP/1.1", kUpgrade) == Wish::kWrongMethod);
}

TEST_CASE("http: without the right upgrade nothing is upgraded") {
  CHECK(wish_of("GET /derp HTTP/1.1") == Wish::kUpgradeRequired);
  CHECK(wish_of("GET /derp HTTP/1.1", "Upgrade: DERP\r\n") == Wish::kUpgradeRequired);
  CHECK(wish_of("GET /derp HTTP/1.1", "Connection: Upgrade\r\nUpgrade: websocket\r\n") ==
        Wish::kUpgradeRequired);
  CHECK(wish_of("GET /signal HTTP/1.1", kUpgrade) == Wish::kUpgradeRequired);
  CHECK(wish_of("HEAD /derp HTTP/1.1", kUpgrade) == Wish::kUpgradeRequired);
}

TEST_CASE("http: what is behind the head belongs to what was asked for") {
  const std::string head = request_of("GET /derp HTTP/1.1", kUpgrade);
  const auto parsed = parse(head + "\x02more");
  REQUIRE(parsed);
  REQUIRE(*parsed);
  CHECK((*parsed)->size == head.size());
}

TEST_CASE("http: a head is waited for until its last byte") {
  const std::string head = request_of("GET /derp HTTP/1.1", kUpgrade);
  for (std::size_t size = 0; size < head.size(); ++size) {
    const auto parsed = parse(head.substr(0, size));
    REQUIRE(parsed);
    REQUIRE_FALSE(*parsed);
  }
}

TEST_CASE("http: L36 a head that never ends is given up at its limit") {
  std::string head = "GET / HTTP/1.1\r\nX: ";
  head.resize(kMaxHeadBytes - 1, 'a');
  CHECK_FALSE(is_refused(head));
  CHECK(is_refused(head + "a"));
}

TEST_CASE("http: what parsers read differently is refused") {
  CHECK(is_refused("GET / HTTP/1.1\r\n\r\n"));                        // no Host
  CHECK(is_refused("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"));  // two
  CHECK(is_refused("GET / HTTP/1.0\r\nHost: a\r\n\r\n"));
  CHECK(is_refused("GET / HTTP/2.0\r\nHost: a\r\n\r\n"));
  CHECK(is_refused("GET  / HTTP/1.1\r\nHost: a\r\n\r\n"));
  CHECK(is_refused("GET http://a/ HTTP/1.1\r\nHost: a\r\n\r\n"));
  CHECK(is_refused(request_of("GET / HTTP/1.1", "Content-Length: 1\r\n")));
  CHECK(is_refused(request_of("GET / HTTP/1.1", "Content-Length: 0\r\nContent-Length: 0\r\n")));
  CHECK(is_refused(request_of("GET / HTTP/1.1", "Transfer-Encoding: chunked\r\n")));
  CHECK(is_refused(request_of("GET / HTTP/1.1", "X : y\r\n")));  // blank in the name
  CHECK(is_refused(request_of("GET / HTTP/1.1", " folded\r\n")));
  CHECK(is_refused(request_of("GET / HTTP/1.1", "X: a\nY: b\r\n")));  // a bare line feed
  CHECK(is_refused(request_of("GET / HTTP/1.1", "nonsense\r\n")));
  CHECK_FALSE(is_refused(request_of("GET / HTTP/1.1", "Content-Length: 0\r\n")));
}

TEST_CASE("http: a request has at most so many headers") {
  std::string headers;
  for (std::size_t i = 0; i < kMaxHeaders - 1; ++i)
    headers += "X: y\r\n";
  CHECK_FALSE(is_refused(request_of("GET / HTTP/1.1", headers)));
  CHECK(is_refused(request_of("GET / HTTP/1.1", headers + "X: y\r\n")));
}

TEST_CASE("http: the relay's answer names version and key, and a fast start has none") {
  std::array<std::uint8_t, 32> bytes{};
  bytes[31] = 0xab;
  const crypto::X25519PublicKey key(bytes);
  const std::string answer = answer_to(request_for(Wish::kRelay), key);
  CHECK(answer ==
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: DERP\r\nConnection: Upgrade\r\n"
        "Derp-Version: 2\r\nDerp-Public-Key: " +
            to_hex(bytes) + "\r\n\r\n");
  Request fast = request_for(Wish::kRelay);
  fast.wants_fast_start = true;
  CHECK(answer_to(fast, key).empty());
  const auto parsed = parse_answer(as_bytes(answer));
  REQUIRE(parsed);
  REQUIRE(*parsed);
  CHECK((*parsed)->is_upgraded);
  CHECK((*parsed)->server_key == key);
  CHECK((*parsed)->size == answer.size());
}

TEST_CASE("http: a challenge comes back only when it is harmless") {
  const auto answer = [](std::string_view challenge) {
    const auto parsed = parse(request_of(
        "GET /generate_204 HTTP/1.1", "X-Tailscale-Challenge: " + std::string(challenge) + "\r\n"));
    return answer_to((*parsed)->request, {});
  };
  CHECK(answer("ts_a-1.b:c").contains("X-Tailscale-Response: response ts_a-1.b:c\r\n"));
  CHECK_FALSE(answer("a b").contains("response"));
  CHECK_FALSE(answer("a<b").contains("response"));
  CHECK(answer(std::string(64, 'a')).contains("response"));
  CHECK_FALSE(answer(std::string(65, 'a')).contains("response"));
}

TEST_CASE("http: probes may be asked by any web page, and HEAD has no body") {
  CHECK(answer_to(request_for(Wish::kProbe), {}).contains("Access-Control-Allow-Origin: *\r\n"));
  CHECK(answer_to(request_for(Wish::kNotFound), {}).ends_with("\r\n\r\nNot found.\n"));
  Request head = request_for(Wish::kNotFound);
  head.is_head = true;
  CHECK(answer_to(head, {}).ends_with("\r\n\r\n"));
}

TEST_CASE("http: our request is one that we understand, whatever the host's name") {
  for (const std::string_view host : {"relay.example:443", "[2001:db8::1]", "a\r\nX: y", ""}) {
    const auto parsed = parse(upgrade_request(host, true));
    REQUIRE(parsed);
    REQUIRE(*parsed);
    CHECK((*parsed)->request.wish == Wish::kRelay);
    CHECK((*parsed)->request.wants_fast_start);
  }
}

TEST_CASE("http: an answer that is none is refused") {
  const auto is_bad = [](std::string_view text) { return !parse_answer(as_bytes(text)); };
  CHECK(is_bad("SSH-2.0-x\r\n\r\n"));
  CHECK(is_bad("HTTP/1.1 10 x\r\n\r\n"));
  CHECK(is_bad("HTTP/1.1 -10 x\r\n\r\n"));
  CHECK(is_bad("HTTP/1.1 101 x\r\nUpgrade: DERP\r\nDerp-Public-Key: 12\r\n\r\n"));
  const auto other = parse_answer(as_bytes("HTTP/1.1 403 Forbidden\r\n\r\n"));
  REQUIRE(other);
  CHECK_FALSE((*other)->is_upgraded);
  CHECK((*other)->status == 403);
}
