#include "tls/stream.h"

#include <algorithm>

#include "base/verify.h"

namespace sinew::tls {
namespace {

constexpr std::size_t kReadBytes = 16 * 1024 + 512;  // a record of the largest kind
constexpr std::size_t kSealBytes = 64 * 1024;        // of plaintext, sealed at once

// What the engine has for the other side, such as the reason why it is refused.
aio::Task<Result<>> send_output(aio::Stream& below, Engine& engine) {
  const Bytes output = engine.take_output();
  if (output.empty()) co_return Result<>();
  const Result<> written = co_await below.write(output);
  co_return written;
}

// `fed` is what became of the bytes that were there already.
aio::Task<Result<>> shake_hands(aio::Stream& below, Engine& engine, Result<> fed,
                                Bytes& plaintext) {
  Bytes wire(kReadBytes);
  while (true) {
    const Result<> sent = co_await send_output(below, engine);
    if (!fed) co_return fed;  // what was sent is the reason
    if (!sent) co_return sent;
    if (engine.is_established()) co_return Result<>();
    const Result<std::size_t> size = co_await below.read_some(wire);
    if (!size) co_return size.error();
    fed = *size == 0 ? engine.feed_end() : engine.feed(ByteView(wire).first(*size), plaintext);
  }
}

}  // namespace

aio::Task<Result<std::unique_ptr<Stream>>> connect(const Context& context,
                                                   std::unique_ptr<aio::Stream> below,
                                                   std::string server_name) {
  Result<Engine> engine = Engine::client(context, server_name);
  if (!engine) co_return engine.error();
  Bytes plaintext;
  const Result<> done = co_await shake_hands(*below, *engine, Result<>(), plaintext);
  if (!done) co_return done.error();
  co_return std::make_unique<Stream>(std::move(below), *std::move(engine), std::move(plaintext));
}

aio::Task<Result<std::unique_ptr<Stream>>> accept(const Context& context,
                                                  std::unique_ptr<aio::Stream> below,
                                                  Bytes already_read) {
  Result<Engine> engine = Engine::server(context);
  if (!engine) co_return engine.error();
  Bytes plaintext;
  const Result<> fed = engine->feed(already_read, plaintext);
  const Result<> done = co_await shake_hands(*below, *engine, fed, plaintext);
  if (!done) co_return done.error();
  co_return std::make_unique<Stream>(std::move(below), *std::move(engine), std::move(plaintext));
}

Stream::Stream(std::unique_ptr<aio::Stream> below, Engine engine, Bytes plaintext)
    : below_(std::move(below)),
      engine_(std::move(engine)),
      wire_(kReadBytes),
      plaintext_(std::move(plaintext)) {
  VERIFY(engine_.is_established());
}

aio::Task<Result<std::size_t>> Stream::read_some(ByteSpan out) {
  while (true) {
    if (is_closed_) co_return aio::closed();
    const ByteView rest = ByteView(plaintext_).subspan(read_);
    if (!rest.empty()) {
      const bool is_stopped = co_await aio::is_cancelled();
      if (is_stopped) co_return aio::cancelled();
      co_return take_plaintext(out);
    }
    if (failure_) co_return *failure_;
    if (engine_.has_ended()) co_return std::size_t{0};
    const Result<std::size_t> size = co_await below_->read_some(wire_);
    if (!size) co_return size.error();
    open(ByteView(wire_).first(*size));
  }
}

// No bytes: the stream below has ended.
void Stream::open(ByteView wire) {
  const Result<> fed = wire.empty() ? engine_.feed_end() : engine_.feed(wire, plaintext_);
  if (!fed) failure_ = fed.error();  // once what came before it is read
}

std::size_t Stream::take_plaintext(ByteSpan out) {
  const std::size_t size = std::min(out.size(), plaintext_.size() - read_);
  std::copy_n(plaintext_.begin() + static_cast<std::ptrdiff_t>(read_), size, out.begin());
  read_ += size;
  if (read_ == plaintext_.size()) {
    plaintext_.clear();
    read_ = 0;
  }
  return size;
}

aio::Task<Result<>> Stream::write(ByteView bytes) {
  while (!bytes.empty()) {
    if (is_closed_ || has_said_end_) co_return aio::closed();
    const ByteView piece = bytes.first(std::min(bytes.size(), kSealBytes));
    bytes = bytes.subspan(piece.size());
    const Result<> sealed = engine_.write(piece);
    if (!sealed) co_return sealed;
    const Result<> sent = co_await send_output(*below_, engine_);
    if (!sent) co_return sent;
  }
  co_return Result<>();
}

aio::Task<Result<>> Stream::shutdown_write() {
  if (is_closed_) co_return aio::closed();
  has_said_end_ = true;
  engine_.end();
  const Result<> sent = co_await send_output(*below_, engine_);
  if (!sent) co_return sent;
  const Result<> ended = co_await below_->shutdown_write();
  co_return ended;
}

void Stream::close() {
  is_closed_ = true;
  below_->close();
}

}  // namespace sinew::tls
