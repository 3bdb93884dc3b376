#include "os/log_sink.h"

#include <unistd.h>

#include <cstdlib>
#include <exception>
#include <string>

#include "base/verify.h"

namespace sinew::os {
namespace {

std::string_view colour_of(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug: return "\x1b[2m";
    case LogLevel::kInfo: return "";
    case LogLevel::kWarning: return "\x1b[33m";
    case LogLevel::kError: return "\x1b[31m";
  }
  VERIFY_NOT_REACHED();
}

std::string format_with_colour(const LogRecord& record) {
  constexpr std::string_view kPlain = "\x1b[0m";
  std::string line = format_as_text(record);
  const std::string_view colour = colour_of(record.level);
  if (colour.empty()) return line;
  line.insert(0, colour);
  line.insert(line.size() - 1, kPlain);
  return line;
}

std::string format_line(const LogRecord& record, LogFormat format) {
  switch (format) {
    case LogFormat::kText: return format_as_text(record);
    case LogFormat::kColouredText: return format_with_colour(record);
    case LogFormat::kJson: return format_as_json(record);
  }
  VERIFY_NOT_REACHED();
}

// How much of it could be written.
std::size_t write_line(const Fd& fd, std::string_view line) {
  std::size_t written = 0;
  while (written < line.size()) {
    const auto size = write_some(fd, as_bytes(line.substr(written)));
    if (!size || !size->has_value()) break;
    written += **size;
  }
  return written;
}

}  // namespace

LogFormat log_format_for(const Fd& fd) {
  if (::isatty(fd.get()) == 0) return LogFormat::kJson;
  const char* no_color = ::getenv("NO_COLOR");
  const bool is_plain = no_color != nullptr && *no_color != '\0';
  return is_plain ? LogFormat::kText : LogFormat::kColouredText;
}

void FdLogSink::write(const LogRecord& record) {
  bool is_written = false;
  try {
    std::string line = format_line(record, format_);
    const MutexLock lock(mutex_);
    if (is_cut_off_) line.insert(0, 1, '\n');
    const std::size_t size = write_line(fd_, line);
    is_written = size == line.size();
    if (size > 0) is_cut_off_ = !is_written;
  } catch (const std::exception&) {
    // Out of memory for the text. Logging is called from places that are not prepared for that.
  }
  if (is_written) return;
  const MutexLock lock(mutex_);
  ++lost_lines_;
}

std::uint64_t FdLogSink::lost_lines() const {
  const MutexLock lock(mutex_);
  return lost_lines_;
}

}  // namespace sinew::os
