// One end of a TLS connection without any input or output: bytes of the wire go in, plaintext comes
// out, and the other way round. tls/stream.h puts it over an aio::Stream; a loop with sockets of
// its own calls it directly:
//
//     Engine engine = TRY(Engine::server(context));
//     … received:  TRY(engine.feed(bytes, plaintext));      // also carries the handshake on
//     … wants out: if (engine.is_established()) TRY(engine.write(message));
//     … after all: engine.consume_output(send(engine.output()));
//     … at the end of the stream: TRY(engine.feed_end());
//
// feed() takes everything at once and keeps at most one record that is not complete (16 KiB), so
// plaintext is never more than what was fed, and an idle connection keeps no buffers. Who does not
// want more plaintext does not read from the wire. Output is not bounded by what write() is given:
// the caller looks at output() first.
//
// An error is final: all later calls return it. output() then still holds the alert that tells the
// other side why, and is worth one attempt to send. Errors are kDenied when the other side's
// certificate is not the one wanted, kUnavailable when the connection was cut off, kOverloaded when
// the other side makes us answer without end, and kInvalid for everything else it does wrong.
//
// One thread at a time.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"
#include "tls/context.h"

namespace sinew::tls {

class Engine {
 public:
  // What the other side may make us answer, in key updates, while nothing of it is sent.
  static constexpr std::size_t kMaxAnswerBytes = 64 * 1024;

  // `server_name` is a DNS name or an address; it is what the certificate has to be for, unless
  // Trust says otherwise, and may then be empty. The first flight is in output() at once.
  static Result<Engine> client(const Context& context, const std::string& server_name);
  static Result<Engine> server(const Context& context);

  Engine(Engine&&) noexcept;
  Engine& operator=(Engine&&) noexcept;
  ~Engine();

  // Appends what it opened to `plaintext`, also when it fails further on.
  Result<> feed(ByteView wire, Bytes& plaintext);
  // The stream below has ended. An error unless the other side has said before that it ends here:
  // otherwise somebody may have cut off what was still to come.
  Result<> feed_end();

  // The handshake is done and the other side is who it should be.
  bool is_established() const;
  // The other side has ended its half (close_notify).
  bool has_ended() const;

  // Seals; only once established, and not after end().
  Result<> write(ByteView plaintext);
  // Ends our half: the other side knows that nothing was cut off. Once established; the second call
  // does nothing.
  void end();

  // What has to go over the wire.
  ByteView output() const;
  void consume_output(std::size_t size);
  Bytes take_output();

  // "TLSv1.3".
  std::string_view version() const;
  // What is spoken inside; empty when it was not agreed on.
  std::string_view protocol() const;
  // The certificate that the other side has shown, once established; clients show none.
  std::optional<Fingerprint> peer_fingerprint() const;

 private:
  struct State;
  explicit Engine(std::unique_ptr<State> state);
  static Result<Engine> create(const Context& context);

  std::unique_ptr<State> state_;
};

}  // namespace sinew::tls
