#include "aio/runtime.h"

#include "aio/asio.h"
#include "aio/task_group.h"
#include "base/verify.h"

namespace sinew::aio {

struct Runtime::Loop {
  // One thread runs it; others only post().
  asio::io_context context{1};
  TaskGroup* main = nullptr;  // while run() runs
};

Runtime::Runtime(Log log) : log_(log.named("aio")), loop_(std::make_unique<Loop>()) {}

Runtime::~Runtime() = default;

void Runtime::run(Task<> main) {
  TaskGroup group(*this);
  loop_->main = &group;
  group.start("main", std::move(main));
  loop_->context.restart();
  while (!group.is_empty())
    loop_->context.run_one();
  loop_->main = nullptr;
}

void Runtime::stop() {
  asio::post(loop_->context, [this] {
    if (loop_->main != nullptr) loop_->main->cancel();
  });
}

asio::any_io_executor Runtime::executor() {
  return loop_->context.get_executor();
}

}  // namespace sinew::aio
