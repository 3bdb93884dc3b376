// The owner of running tasks: the only way to start one and the way to be rid of them.
//
//     TaskGroup connections(runtime);
//     connections.start("connection", serve(*std::move(stream)));
//     …
//     co_await connections.stop();  // nothing of it runs any more
//
// An exception that reaches the end of a task is a bug of ours or of a library: it is logged with
// the task's name and ends that task only. A group is destroyed empty; anything else is a bug,
// because its tasks refer to things that are about to be gone. One thread.
#pragma once

#include <cstddef>
#include <list>
#include <memory>
#include <string_view>

#include "aio/event.h"
#include "aio/runtime.h"
#include "aio/task.h"

namespace sinew::aio {

class TaskGroup {
 public:
  explicit TaskGroup(Runtime& runtime);
  TaskGroup(const TaskGroup&) = delete;
  TaskGroup& operator=(const TaskGroup&) = delete;
  ~TaskGroup();

  // The task runs from the next turn on. After stop() it is destroyed instead, and the answer is
  // false. `name` is a literal.
  bool start(std::string_view name, Task<> task);

  std::size_t size() const { return children_.size(); }
  bool is_empty() const { return children_.empty(); }

  // Cancels the tasks that are running now. More can be started.
  void cancel();
  // Returns when no task is running, including those started meanwhile. When the caller is
  // cancelled, so is the group, and this still waits for its end.
  Task<> wait_empty();
  // No further start; cancels, and returns when no task is running. Works in a cancelled task too.
  Task<> stop();

 private:
  struct Child;
  using Children = std::list<Child>;
  void on_end(Children::iterator child, std::exception_ptr thrown);

  Runtime& runtime_;
  Event ended_;
  Children children_;
  bool is_stopped_ = false;
};

}  // namespace sinew::aio
