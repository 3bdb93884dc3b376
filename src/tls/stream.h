// TLS over any Stream, as a Stream.
//
// A read returns 0 only when the other side has said that it ends there; a connection that was cut
// off is the error kUnavailable, so that nobody takes half a message for a whole one. Reading never
// writes: answers that the protocol owes travel with the next write. shutdown_write() says the end;
// close() cuts the connection below without further talk.
//
// The handshake has no time limit of its own: see aio::with_timeout. One thread, that of the stream
// below.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "aio/stream.h"
#include "aio/task.h"
#include "base/bytes.h"
#include "tls/context.h"
#include "tls/engine.h"

namespace sinew::tls {

class Stream final : public aio::Stream {
 public:
  // Over a connection whose handshake is done; `plaintext` came with its last bytes.
  Stream(std::unique_ptr<aio::Stream> below, Engine engine, Bytes plaintext);

  aio::Task<Result<std::size_t>> read_some(ByteSpan out) override;
  aio::Task<Result<>> write(ByteView bytes) override;
  aio::Task<Result<>> shutdown_write() override;
  void close() override;

  // Who is at the other end and what is spoken.
  const Engine& engine() const { return engine_; }

 private:
  void open(ByteView wire);
  std::size_t take_plaintext(ByteSpan out);

  std::unique_ptr<aio::Stream> below_;
  Engine engine_;
  Bytes wire_;       // room for what comes from below
  Bytes plaintext_;  // opened and not yet read, from `read_` on
  std::size_t read_ = 0;
  std::optional<Error> failure_;
  bool has_said_end_ = false;
  bool is_closed_ = false;
};

// Both return when the handshake is done. The Context lives until then.
aio::Task<Result<std::unique_ptr<Stream>>> connect(const Context& context,
                                                   std::unique_ptr<aio::Stream> below,
                                                   std::string server_name);
// `already_read` are bytes of the connection that somebody has looked at.
aio::Task<Result<std::unique_ptr<Stream>>> accept(const Context& context,
                                                  std::unique_ptr<aio::Stream> below,
                                                  Bytes already_read = {});

}  // namespace sinew::tls
