#include "aio/readiness.h"

#include <boost/asio/posix/stream_descriptor.hpp>

#include "aio/asio.h"
#include "aio/stream.h"
#include "os/error.h"

namespace sinew::aio {

using Descriptor = asio::posix::stream_descriptor;

struct Readiness::Watch {
  explicit Watch(const asio::any_io_executor& executor) : descriptor(executor) {}
  ~Watch() {
    if (descriptor.is_open()) descriptor.release();  // it is the caller's
  }

  Descriptor descriptor;
  bool is_interrupted = false;
};

Readiness::Readiness(std::unique_ptr<Watch> watch) : watch_(std::move(watch)) {}
Readiness::Readiness(Readiness&&) noexcept = default;
Readiness& Readiness::operator=(Readiness&&) noexcept = default;
Readiness::~Readiness() = default;

Result<Readiness> Readiness::watch(Runtime& runtime, const os::Fd& fd) {
  auto watch = std::make_unique<Watch>(runtime.executor());
  boost::system::error_code error;
  watch->descriptor.assign(fd.get(), error);
  if (error) return os::system_error("watch a descriptor", error.value());
  return Readiness(std::move(watch));
}

Task<Result<>> Readiness::wait(Kind kind) {
  auto state = co_await asio::this_coro::cancellation_state;
  if (holds_cancellation(state)) co_return cancelled();
  if (watch_->is_interrupted) co_return closed();
  const auto type = kind == Kind::kRead ? Descriptor::wait_read : Descriptor::wait_write;
  const auto [error] = co_await watch_->descriptor.async_wait(type, kAwait);
  if (holds_cancellation(state)) co_return cancelled();
  if (error == asio::error::operation_aborted) co_return closed();
  if (error) co_return os::system_error("wait for a descriptor", error.value());
  co_return Result<>();
}

Task<Result<>> Readiness::readable() {
  return wait(Kind::kRead);
}

Task<Result<>> Readiness::writable() {
  return wait(Kind::kWrite);
}

void Readiness::interrupt() {
  watch_->is_interrupted = true;
  watch_->descriptor.cancel();
}

}  // namespace sinew::aio
