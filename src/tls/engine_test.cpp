#include "tls/engine.h"

#include <doctest/doctest.h>

#include "tls/testing.h"

namespace sinew::tls {
namespace {

constexpr std::string_view kHello = "hello";

struct Ends {
  Engine client;
  Engine server;
  Bytes client_got;
  Bytes server_got;
};

Ends make_ends(const Trust& trust, const std::string& name = "relay.example",
               const CertificateAndKey& server = identity()) {
  const Context client_context = Context::client(trust).value();
  const Context server_context = Context::server(server).value();
  return {.client = Engine::client(client_context, name).value(),
          .server = Engine::server(server_context).value(),
          .client_got = {},
          .server_got = {}};
}

// In pieces of `step` bytes.
Result<> carry(Engine& from, Engine& to, Bytes& got, std::size_t step = 1 << 20) {
  const Bytes output = from.take_output();
  for (ByteView rest = output; !rest.empty();) {
    const ByteView piece = rest.first(std::min(step, rest.size()));
    rest = rest.subspan(piece.size());
    TRY(to.feed(piece, got));
  }
  return {};
}

Result<> exchange(Ends& ends, std::size_t step = 1 << 20) {
  while (!ends.client.output().empty() || !ends.server.output().empty()) {
    TRY(carry(ends.client, ends.server, ends.server_got, step));
    TRY(carry(ends.server, ends.client, ends.client_got, step));
  }
  return {};
}

Ends make_established() {
  Ends ends = make_ends(Trust::pinned(pin()));
  REQUIRE(exchange(ends));
  REQUIRE(ends.client.is_established());
  REQUIRE(ends.server.is_established());
  return ends;
}

Bytes pattern(std::size_t size) {
  Bytes bytes(size);
  for (std::size_t i = 0; i < size; ++i)
    bytes[i] = static_cast<std::uint8_t>(i * 31 + i / 251);
  return bytes;
}

Error error_of(const Result<>& result) {
  REQUIRE_FALSE(result);
  return result.error();
}

TEST_CASE("bytes flow both ways whatever pieces the wire makes of them") {
  for (const std::size_t step : {1UL, 7UL, 1000UL, 1UL << 20}) {
    CAPTURE(step);
    Ends ends = make_ends(Trust::pinned(pin()));
    REQUIRE(exchange(ends, step));
    CHECK(ends.client.is_established());
    CHECK(ends.server.is_established());
    CHECK(ends.client.version() == "TLSv1.3");
    const Bytes there = pattern(50'000);
    CHECK(ends.client.write(there));
    CHECK(ends.server.write(as_bytes(kHello)));
    REQUIRE(exchange(ends, step));
    CHECK((ends.server_got == there));
    CHECK(as_text(ends.client_got) == kHello);
  }
}

TEST_CASE("nothing that was written crosses in the clear") {
  Ends ends = make_established();
  CHECK(ends.client.write(as_bytes("the secret of the tunnel")));
  CHECK_FALSE(as_text(ends.client.output()).contains("secret"));
}

TEST_CASE("what comes with the last bytes of the handshake is opened in the same call") {
  Ends ends = make_ends(Trust::anyone());
  REQUIRE(carry(ends.client, ends.server, ends.server_got));
  REQUIRE(carry(ends.server, ends.client, ends.client_got));
  REQUIRE(ends.client.is_established());
  CHECK(ends.client.write(as_bytes(kHello)));
  CHECK_FALSE(ends.server.is_established());
  REQUIRE(carry(ends.client, ends.server, ends.server_got));
  CHECK(ends.server.is_established());
  CHECK(as_text(ends.server_got) == kHello);
}

TEST_CASE("the client sees the certificate, the server none") {
  Ends ends = make_ends(Trust::anyone());
  CHECK_FALSE(ends.client.peer_fingerprint());
  REQUIRE(exchange(ends));
  CHECK(ends.client.peer_fingerprint().value() == pin());
  CHECK_FALSE(ends.server.peer_fingerprint());
}

TEST_CASE("a certificate that is not the pinned one is refused, and the server is told") {
  Fingerprint wrong = pin();
  wrong[31] ^= 1;
  Ends ends = make_ends(Trust::pinned(wrong));
  const Error refused = error_of(exchange(ends));
  CHECK(refused.kind == ErrorKind::kDenied);
  CHECK(refused.message == "tls: the server's certificate is not the pinned one");
  CHECK_FALSE(ends.client.is_established());
  const Error told = error_of(carry(ends.client, ends.server, ends.server_got));
  CHECK(told.kind == ErrorKind::kInvalid);
  CHECK(told.message.contains("alert"));
}

TEST_CASE("a pinned certificate needs neither a name nor dates") {
  const CertificateAndKey expired = expired_identity();
  const Fingerprint expired_pin = fingerprint(expired.certificate).value();
  for (const char* name : {"", "other.example", "10.0.0.1"}) {
    Ends ends = make_ends(Trust::pinned(expired_pin), name, expired);
    CHECK(exchange(ends));
    CHECK(ends.server.is_established());
  }
}

TEST_CASE("a certificate from a known authority is accepted for its names only") {
  const Trust trust = Trust::authorities(identity().certificate);
  for (const char* name : {"relay.example", "10.1.2.3"}) {
    Ends ends = make_ends(trust, name);
    CHECK(exchange(ends));
    CHECK(ends.server.is_established());
  }
  for (const char* name : {"other.example", "10.1.2.4", "example"}) {
    Ends ends = make_ends(trust, name);
    const Error refused = error_of(exchange(ends));
    CHECK(refused.kind == ErrorKind::kDenied);
    CHECK(refused.message.contains("mismatch"));
  }
}

TEST_CASE("a certificate from a known authority is refused behind its end") {
  const CertificateAndKey expired = expired_identity();
  Ends ends = make_ends(Trust::authorities(expired.certificate), "relay.example", expired);
  const Error refused = error_of(exchange(ends));
  CHECK(refused.kind == ErrorKind::kDenied);
  CHECK(refused.message == "tls: the server's certificate: certificate has expired");
}

TEST_CASE("a self-signed certificate is nothing to public authorities") {
  Ends ends = make_ends(Trust::public_authorities());
  CHECK(error_of(exchange(ends)).kind == ErrorKind::kDenied);
  CHECK_FALSE(ends.client.is_established());
}

TEST_CASE("who trusts authorities has to say whom he wants to reach") {
  for (const std::string& name :
       {std::string(), std::string("good\0evil", 9), std::string(254, 'a')}) {
    const Context context = Context::client(Trust::authorities(identity().certificate)).value();
    const Result<Engine> engine = Engine::client(context, name);
    REQUIRE_FALSE(engine);
    CHECK(engine.error().kind == ErrorKind::kInvalid);
  }
}

TEST_CASE("an end that was announced is told apart from a connection cut off") {
  Ends ends = make_established();
  CHECK(ends.client.write(as_bytes(kHello)));
  REQUIRE(exchange(ends));
  SUBCASE("announced") {
    ends.client.end();
    ends.client.end();
    REQUIRE(exchange(ends));
    CHECK(ends.server.has_ended());
    CHECK(ends.server.feed_end());
    // Half closed: the other direction goes on.
    CHECK(ends.server.write(as_bytes(kHello)));
    REQUIRE(exchange(ends));
    CHECK(as_text(ends.client_got) == kHello);
    CHECK_FALSE(ends.client.has_ended());
  }
  SUBCASE("cut off") {
    const Error cut = error_of(ends.server.feed_end());
    CHECK(cut.kind == ErrorKind::kUnavailable);
    CHECK(cut.message == "tls: the connection was cut off");
    CHECK(error_of(ends.server.feed({}, ends.server_got)) == cut);
    CHECK(error_of(ends.server.write(as_bytes(kHello))) == cut);
  }
  CHECK(as_text(ends.server_got) == kHello);
}

TEST_CASE("nothing counts behind the announced end") {
  Ends ends = make_established();
  ends.client.end();
  REQUIRE(exchange(ends));
  CHECK(ends.server.feed(as_bytes("anything"), ends.server_got));
  CHECK(ends.server_got.empty());
}

TEST_CASE("a connection that ends during the handshake is an error") {
  Ends ends = make_ends(Trust::anyone());
  CHECK(error_of(ends.client.feed_end()).kind == ErrorKind::kUnavailable);
  CHECK(error_of(ends.server.feed_end()).kind == ErrorKind::kUnavailable);
}

TEST_CASE("a record that was touched is refused, and nothing behind it is read") {
  const std::size_t size = [] {
    Ends ends = make_established();
    REQUIRE(ends.client.write(as_bytes(kHello)));
    return ends.client.output().size();
  }();
  for (std::size_t i = 0; i < size; ++i) {
    CAPTURE(i);
    Ends ends = make_established();
    REQUIRE(ends.client.write(as_bytes(kHello)));
    Bytes record = ends.client.take_output();
    record[i] ^= 0x80;
    REQUIRE(ends.client.write(pattern(20'000)));  // enough for any length the record may now have
    const Bytes next = ends.client.take_output();
    static_cast<void>(ends.server.feed(record, ends.server_got));
    CHECK_FALSE(ends.server.feed(next, ends.server_got));
    CHECK(ends.server_got.empty());
  }
}

TEST_CASE("a server refuses whoever speaks no TLS") {
  for (const std::string_view talk :
       {"GET / HTTP/1.1\r\n\r\n", "\x01\x02\x03\x04\x05\x06\x07\x08", "SSH-2.0-OpenSSH_9.2\r\n"}) {
    Ends ends = make_ends(Trust::anyone());
    CHECK(error_of(ends.server.feed(as_bytes(talk), ends.server_got)).kind == ErrorKind::kInvalid);
  }
}

TEST_CASE("TLS 1.1 is refused in both roles, 1.2 is not") {
  const Context server_context = Context::server(identity()).value();
  const Context client_context = Context::client(Trust::pinned(pin())).value();
  for (const int version : {TLS1_1_VERSION, TLS1_2_VERSION, TLS1_3_VERSION}) {
    CAPTURE(version);
    const bool is_refused = version == TLS1_1_VERSION;
    Bytes got;
    BarePeer client(BarePeer::Role::kClient, version);
    Engine server = Engine::server(server_context).value();
    const Result<> server_done = client.shake_hands(server, got);
    CHECK(server_done.has_value() == !is_refused);
    CHECK(server.is_established() == !is_refused);

    BarePeer bare_server(BarePeer::Role::kServer, version);
    Engine engine = Engine::client(client_context, "").value();
    bare_server.feed(engine.take_output());
    const Result<> client_done = bare_server.shake_hands(engine, got);
    CHECK(client_done.has_value() == !is_refused);
    CHECK(engine.is_established() == !is_refused);
  }
}

TEST_CASE("a cipher that does not authenticate as it encrypts is refused") {
  const Context context = Context::server(identity()).value();
  Bytes got;
  for (const bool is_good : {true, false}) {
    BarePeer client(BarePeer::Role::kClient, TLS1_2_VERSION,
                    is_good ? "ECDHE-ECDSA-AES128-GCM-SHA256" : "ECDHE-ECDSA-AES128-SHA");
    Engine server = Engine::server(context).value();
    CHECK(client.shake_hands(server, got).has_value() == is_good);
    CHECK(server.is_established() == is_good);
  }
}

TEST_CASE("a client that wants to negotiate again is refused") {
  const Context context = Context::server(identity()).value();
  Bytes got;
  BarePeer client(BarePeer::Role::kClient, TLS1_2_VERSION);
  Engine server = Engine::server(context).value();
  REQUIRE(client.shake_hands(server, got));
  REQUIRE(server.is_established());
  REQUIRE(SSL_renegotiate(client.ssl()) == 1);
  static_cast<void>(client.shake_hands(server, got));
  CHECK(SSL_total_renegotiations(client.ssl()) == 1);
  CHECK(SSL_is_init_finished(client.ssl()) == 0);
}

TEST_CASE("no session can be taken up again") {
  const Context context = Context::server(identity()).value();
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    Bytes got;
    BarePeer client(BarePeer::Role::kClient, version);
    Engine server = Engine::server(context).value();
    REQUIRE(client.shake_hands(server, got));
    REQUIRE(server.write(as_bytes(kHello)));
    client.feed(server.take_output());
    CHECK(client.read() == kHello);
    const SSL_SESSION* session = SSL_get_session(client.ssl());
    CHECK_FALSE(SSL_SESSION_has_ticket(session));
    unsigned id_size = 0;
    SSL_SESSION_get_id(session, &id_size);
    if (version == TLS1_2_VERSION) CHECK(id_size == 0);
  }
}

// Asks for an answer to a change of keys, `times` times; the first error of the server.
Result<> ask_for_keys(BarePeer& client, Engine& server, Bytes& got, int times) {
  for (int i = 0; i < times; ++i) {
    REQUIRE(SSL_key_update(client.ssl(), SSL_KEY_UPDATE_REQUESTED) == 1);
    REQUIRE(SSL_do_handshake(client.ssl()) == 1);
    TRY(server.feed(client.take_output(), got));
  }
  return {};
}

TEST_CASE("keys change when the other side asks, but it cannot make us store answers") {
  const Context context = Context::server(identity()).value();
  Bytes got;
  BarePeer client(BarePeer::Role::kClient, TLS1_3_VERSION);
  Engine server = Engine::server(context).value();
  REQUIRE(client.shake_hands(server, got));
  SUBCASE("it takes the answers") {
    for (int i = 0; i < 60; ++i) {
      REQUIRE(ask_for_keys(client, server, got, 50));
      REQUIRE(server.write(as_bytes(kHello)));
      client.feed(server.take_output());
      REQUIRE(client.read() == kHello);
    }
  }
  SUBCASE("it does not") {
    const Error refused = error_of(ask_for_keys(client, server, got, 3500));
    CHECK(refused.kind == ErrorKind::kOverloaded);
    CHECK(server.output().size() < Engine::kMaxAnswerBytes + 1000);
  }
}

TEST_CASE("the server's best protocol that the client speaks is agreed on") {
  const auto agreed = [](const Protocols& client, const Protocols& server) {
    const Context client_context = Context::client(Trust::anyone(), client).value();
    const Context server_context = Context::server(identity(), server).value();
    Ends ends{.client = Engine::client(client_context, "").value(),
              .server = Engine::server(server_context).value(),
              .client_got = {},
              .server_got = {}};
    REQUIRE(exchange(ends));
    CHECK(ends.client.protocol() == ends.server.protocol());
    return std::string(ends.client.protocol());
  };
  CHECK(agreed({"a", "b", "http/1.1"}, {"http/1.1", "b"}) == "http/1.1");
  CHECK(agreed({"a"}, {"b"}).empty());
  CHECK(agreed({}, {"b"}).empty());
  CHECK(agreed({"a"}, {}).empty());
  CHECK_FALSE(Context::client(Trust::anyone(), {std::string(256, 'a')}));
  CHECK_FALSE(Context::client(Trust::anyone(), {""}));
}

TEST_CASE("output is sent in any pieces") {
  Ends ends = make_established();
  const Bytes there = pattern(300'000);
  REQUIRE(ends.client.write(there));
  std::size_t step = 1;
  while (!ends.client.output().empty()) {
    const std::size_t size = std::min(step, ends.client.output().size());
    REQUIRE(ends.server.feed(ends.client.output().first(size), ends.server_got));
    ends.client.consume_output(size);
    step = step % 70'000 * 3 + 1;
  }
  CHECK((ends.server_got == there));
}

TEST_CASE("connections outlive the context they were made with") {
  Ends ends = make_ends(Trust::pinned(pin()));  // whose contexts are gone by now
  CHECK(exchange(ends));
  CHECK(ends.server.is_established());
}

TEST_CASE("an identity whose parts do not belong together is refused") {
  const std::vector<std::string> names = {"other"};
  const CertificateAndKey other = make_self_signed(names).value();
  const auto refused = [](std::string_view certificate, std::string_view key) {
    const Result<Context> context =
        Context::server({.certificate = std::string(certificate), .key = SecretBytes(key)});
    return !context && context.error().kind == ErrorKind::kInvalid;
  };
  const std::string_view key = identity().key.expose_text();
  CHECK_FALSE(refused(identity().certificate, key));
  CHECK(refused(other.certificate, key));
  CHECK(refused("", key));
  CHECK(refused(identity().certificate, ""));
  CHECK(refused(key, identity().certificate));
  CHECK_FALSE(Context::client(Trust::authorities("nothing")));
}

}  // namespace
}  // namespace sinew::tls
