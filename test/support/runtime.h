// A Runtime for tests of everything that awaits: fails a test that hangs, and keeps what was
// logged.
#pragma once

#include <doctest/doctest.h>

#include <string>
#include <utility>
#include <vector>

#include "aio/runtime.h"
#include "aio/time.h"
#include "base/log.h"
#include "os/clock.h"

namespace sinew::test {

// Lines as text. One thread.
class RecordingSink final : public LogSink {
 public:
  void write(const LogRecord& record) override { lines.push_back(format_as_text(record)); }

  std::vector<std::string> lines;
};

class TestRuntime {
 public:
  // Runs the task to its end, which a sound test reaches in far less than the limit.
  void run(aio::Task<> task) { runtime.run(check_end(std::move(task))); }

  RecordingSink sink;
  os::SystemClock clock;
  aio::Runtime runtime{Log(sink, clock, LogLevel::kDebug, "test")};

 private:
  static aio::Task<> check_end(aio::Task<> task) {
    constexpr Duration kLimit = 20s;
    const aio::LimitedRun end = co_await aio::run_limited(std::move(task), kLimit);
    CHECK(end == aio::LimitedRun::kEnded);
  }
};

}  // namespace sinew::test
