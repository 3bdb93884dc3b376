// Log lines to a descriptor, in the form its reader wants.
#pragma once

#include <cstdint>

#include "base/log.h"
#include "os/fd.h"
#include "os/mutex.h"

namespace sinew::os {

enum class LogFormat { kText, kColouredText, kJson };

// Text for a terminal, coloured unless NO_COLOR asks for none; JSON for everything else.
LogFormat log_format_for(const Fd& fd);

// Each record is one write(2), so that lines of several threads and processes stay whole. A line
// that cannot be written is dropped and counted: a full disk or a closed pipe must not stop the
// program. What was written of it, if anything, stands on a line of its own. Any thread.
class FdLogSink final : public LogSink {
 public:
  FdLogSink(Fd fd, LogFormat format) : fd_(std::move(fd)), format_(format) {}

  void write(const LogRecord& record) override;

  std::uint64_t lost_lines() const;

 private:
  const Fd fd_;
  const LogFormat format_;
  mutable Mutex mutex_;  // a line that takes several writes after all is not torn by another thread
  std::uint64_t lost_lines_ SINEW_GUARDED_BY(mutex_) = 0;
  bool is_cut_off_ SINEW_GUARDED_BY(mutex_) = false;  // the last one stopped in the middle
};

}  // namespace sinew::os
