// Structured log lines: a message that never varies, and fields that do.
//
//     log.info("peer connected", {{"peer", name}, {"rtt_ms", 12}});
//
// Text for a terminal, one JSON object a line for everything else. Field values are data: control
// characters are escaped, so that no value can forge a line. Secret types do not convert to a
// field. A Log is a small value handed to whoever needs it; its sink outlives it and is safe to
// write from several threads.
#pragma once

#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <variant>

#include "base/clock.h"
#include "base/ip.h"
#include "base/secret.h"

namespace sinew {

enum class LogLevel { kDebug, kInfo, kWarning, kError };

std::string_view name_of(LogLevel level);

class LogField {
 public:
  LogField(std::string_view key, std::string_view value) : key_(key), value_(std::string(value)) {}
  LogField(std::string_view key, const char* value) : LogField(key, std::string_view(value)) {}
  LogField(std::string_view key, const std::string& value) : key_(key), value_(value) {}
  LogField(std::string_view key, bool value) : key_(key), value_(value) {}
  LogField(std::string_view key, std::signed_integral auto value)
      : key_(key), value_(static_cast<std::int64_t>(value)) {}
  LogField(std::string_view key, std::unsigned_integral auto value)
      : key_(key), value_(static_cast<std::uint64_t>(value)) {}
  LogField(std::string_view key, double value) : key_(key), value_(value) {}
  LogField(std::string_view key, Duration value);  // as seconds
  LogField(std::string_view key, const IpAddress& value) : key_(key), value_(value.to_string()) {}
  LogField(std::string_view key, const IpPrefix& value) : key_(key), value_(value.to_string()) {}
  LogField(std::string_view key, const Endpoint& value) : key_(key), value_(value.to_string()) {}
  template <std::size_t N>
  LogField(std::string_view key, const SecretArray<N>& value) = delete;
  LogField(std::string_view key, const SecretBytes& value) = delete;

  std::string_view key() const { return key_; }
  void append_text(std::string& out) const;
  void append_json(std::string& out) const;

 private:
  using Value = std::variant<std::string, bool, std::int64_t, std::uint64_t, double>;

  std::string_view key_;  // a literal at the place of the call
  Value value_;
};

struct LogRecord {
  WallTime time;
  LogLevel level;
  std::string_view component;
  std::string_view message;
  std::initializer_list<LogField> fields;
};

// "12:34:56.789 WARN  node: relay lost relay=de1 reason=\"timed out\"" and a line feed.
std::string format_as_text(const LogRecord& record);
// {"time":"2026-01-02T03:04:05.678Z","level":"warning","component":"node","message":"relay lost",…}
// and a line feed.
std::string format_as_json(const LogRecord& record);

class LogSink {
 public:
  virtual ~LogSink() = default;
  // Called from any thread.
  virtual void write(const LogRecord& record) = 0;
};

class Log {
 public:
  Log(LogSink& sink, const Clock& clock, LogLevel threshold, std::string_view component)
      : sink_(&sink), clock_(&clock), threshold_(threshold), component_(component) {}

  // The same log under another component's name.
  Log named(std::string_view component) const { return {*sink_, *clock_, threshold_, component}; }

  bool writes(LogLevel level) const { return level >= threshold_; }

  using Fields = std::initializer_list<LogField>;
  void debug(std::string_view message, Fields fields = {}) const {
    write(LogLevel::kDebug, message, fields);
  }
  void info(std::string_view message, Fields fields = {}) const {
    write(LogLevel::kInfo, message, fields);
  }
  void warning(std::string_view message, Fields fields = {}) const {
    write(LogLevel::kWarning, message, fields);
  }
  void error(std::string_view message, Fields fields = {}) const {
    write(LogLevel::kError, message, fields);
  }

 private:
  void write(LogLevel level, std::string_view message, Fields fields) const {
    if (!writes(level)) return;
    sink_->write({clock_->wall_now(), level, component_, message, fields});
  }

  LogSink* sink_;
  const Clock* clock_;
  LogLevel threshold_;
  std::string_view component_;  // a literal
};

}  // namespace sinew
