// The thread of the control plane: runs one task and everything that task starts.
//
//     Runtime runtime(log);
//     runtime.run(serve(runtime, config));
//
// stop() may be called from any thread; all else belongs to the thread that calls run().
#pragma once

#include <boost/asio/any_io_executor.hpp>

#include <memory>

#include "aio/task.h"
#include "base/log.h"
#include "os/clock.h"

namespace sinew::aio {

class Runtime {
 public:
  explicit Runtime(Log log);
  Runtime(const Runtime&) = delete;
  Runtime& operator=(const Runtime&) = delete;
  // Every TaskGroup, Stream and Event made with this Runtime is gone by then.
  ~Runtime();

  // Returns when `main` has ended, by itself or after stop(). May be called again.
  void run(Task<> main);
  // Cancels main. Without one, the next run() is cancelled before it begins.
  void stop();

  const Clock& clock() const { return clock_; }
  const Log& log() const { return log_; }
  boost::asio::any_io_executor executor();

 private:
  struct Loop;

  os::SystemClock clock_;
  Log log_;
  std::unique_ptr<Loop> loop_;
};

}  // namespace sinew::aio
