// The log of a node that runs in the background: one JSON object a line, in STATE_DIR/log.json. At
// kMaxLogBytes the file becomes log.json.1 and a new one begins, so that a log never takes more
// than twice that. What stands in it may have come from strangers.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/log.h"
#include "base/result.h"
#include "os/fd.h"
#include "os/log_sink.h"
#include "os/mutex.h"

namespace sinew::app {

inline constexpr std::size_t kMaxLogBytes = 8 << 20;

// Writes it. Where no new file can be begun the old one goes on. Any thread.
class LogFile final : public LogSink {
 public:
  // `limit` is another one in tests.
  static Result<std::unique_ptr<LogFile>> open(const std::string& path,
                                               std::size_t limit = kMaxLogBytes);

  void write(const LogRecord& record) override;

 private:
  LogFile(std::string path, std::size_t limit) : path_(std::move(path)), limit_(limit) {}
  Result<> begin() SINEW_REQUIRES(mutex_);
  bool is_full() const SINEW_REQUIRES(mutex_);

  const std::string path_;
  const std::size_t limit_;
  os::Mutex mutex_;
  os::Fd size_of_ SINEW_GUARDED_BY(mutex_);  // the same open file, to ask how long it is
  std::unique_ptr<os::FdLogSink> sink_ SINEW_GUARDED_BY(mutex_);
};

// Reads it, from its last lines on. One thread.
class LogReader {
 public:
  static constexpr std::size_t kMaxLineBytes = 64 << 10;  // of a longer one, its beginning

  // kNotFound when there is no log.
  static Result<LogReader> open(std::string path);

  // The last whole lines, oldest first, at most `count`, also out of the file before. Once, at the
  // beginning.
  Result<std::vector<std::string>> last_lines(std::size_t count);
  // The whole lines that were written since, across the change to a new file. None is no error.
  Result<std::vector<std::string>> new_lines();

 private:
  LogReader(std::string path, os::Fd file) : path_(std::move(path)), file_(std::move(file)) {}
  Result<> read_to_end(std::vector<std::string>& lines);
  bool is_replaced() const;

  std::string path_;
  os::Fd file_;
  std::string rest_;  // a line whose end has not been written yet
};

// "2026-01-02 03:04:05.678 WARN  node: relay lost relay=de1": a line of the log for people,
// harmless on a terminal whatever it holds, without a line feed. What is no line of a log is shown
// as it is, escaped.
std::string log_line_for_people(std::string_view line);

// The same line for programs: JSON that controls no terminal. What is none becomes {"text": …}.
std::string log_line_for_programs(std::string_view line);

}  // namespace sinew::app
