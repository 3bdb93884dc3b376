#include "aio/task_group.h"

#include "aio/asio.h"
#include "base/verify.h"

namespace sinew::aio {

struct TaskGroup::Child {
  std::string_view name;
  Cancellation cancellation;
};

TaskGroup::TaskGroup(Runtime& runtime) : runtime_(runtime), ended_(runtime) {}

TaskGroup::~TaskGroup() {
  VERIFY(is_empty());
}

bool TaskGroup::start(std::string_view name, Task<> task) {
  if (is_stopped_) return false;
  const auto child = children_.emplace(children_.end());
  child->name = name;
  const auto ended = [this, child](std::exception_ptr thrown) { on_end(child, thrown); };
  asio::co_spawn(runtime_.executor(), run_quietly(std::move(task), child->cancellation),
                 asio::bind_cancellation_slot(child->cancellation.slot(), ended));
  return true;
}

void TaskGroup::cancel() {
  for (Child& child : children_)
    child.cancellation.request();
}

Task<> TaskGroup::wait_empty() {
  while (!is_empty()) {
    const Result<> waited = co_await ended_.wait();
    if (waited) continue;
    cancel();
    co_await ended_.wait_even_if_cancelled();
  }
}

Task<> TaskGroup::stop() {
  is_stopped_ = true;
  cancel();
  while (!is_empty())
    co_await ended_.wait_even_if_cancelled();
}

void TaskGroup::on_end(Children::iterator child, std::exception_ptr thrown) {
  const std::string_view name = child->name;
  children_.erase(child);
  ended_.notify();
  if (!thrown) return;
  try {
    std::rethrow_exception(thrown);
  } catch (const std::exception& error) {
    runtime_.log().error("bug: a task threw", {{"task", name}, {"what", error.what()}});
  } catch (...) {
    runtime_.log().error("bug: a task threw", {{"task", name}, {"what", "no std::exception"}});
  }
}

}  // namespace sinew::aio
