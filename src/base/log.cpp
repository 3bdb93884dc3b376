#include "base/log.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "base/verify.h"

namespace sinew {
namespace {

// 2026-01-02T03:04:05.678Z
std::string iso_time(WallTime time) {
  using namespace std::chrono;
  const auto ms = floor<milliseconds>(time.since_epoch());
  const auto day = floor<days>(ms);
  const year_month_day date{sys_days(day)};
  const hh_mm_ss clock{ms - day};
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z", static_cast<int>(date.year()),
                     static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                     clock.hours().count(), clock.minutes().count(), clock.seconds().count(),
                     clock.subseconds().count());
}

std::string_view short_name_of(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug: return "DEBUG";
    case LogLevel::kInfo: return "INFO ";
    case LogLevel::kWarning: return "WARN ";
    case LogLevel::kError: return "ERROR";
  }
  VERIFY_NOT_REACHED();
}

bool needs_quotes(std::string_view text) {
  const auto is_plain = [](char c) {
    return c > ' ' && c != '"' && c != '=' && c != '\\' && c != 0x7f;
  };
  return text.empty() || !std::all_of(text.begin(), text.end(), is_plain);
}

// A quote inside would end the value early for whoever reads the line.
std::string in_quotes(std::string_view text) {
  std::string out = "\"";
  out.reserve(text.size() + 2);
  for (const char c : text) {
    if (c == '"') out += '\\';
    out += c;
  }
  return out + '"';
}

}  // namespace

std::string_view name_of(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug: return "debug";
    case LogLevel::kInfo: return "info";
    case LogLevel::kWarning: return "warning";
    case LogLevel::kError: return "error";
  }
  VERIFY_NOT_REACHED();
}

LogField::LogField(std::string_view key, Duration value)
    : key_(key), value_(std::chrono::duration<double>(value).count()) {}

void LogField::append_text(std::string& out) const {
  out += key_;
  out += '=';
  const auto append = [&out]<typename T>(const T& value) {
    if constexpr (std::same_as<T, std::string>) {
      const std::string shown = escape_for_terminal(value);
      out += needs_quotes(value) ? in_quotes(shown) : shown;
    } else {
      out += fmt::format("{}", value);
    }
  };
  std::visit(append, value_);
}

void LogField::append_json(std::string& out) const {
  append_json_string(out, key_);
  out += ':';
  const auto append = [&out]<typename T>(const T& value) {
    if constexpr (std::same_as<T, std::string>) {
      append_json_string(out, value);
    } else if constexpr (std::same_as<T, bool>) {
      out += value ? "true" : "false";
    } else {
      append_json_number(out, value);
    }
  };
  std::visit(append, value_);
}

std::string format_as_text(const LogRecord& record) {
  constexpr std::size_t kTimeOfDay = 11;  // behind "2026-01-02T"
  std::string line = iso_time(record.time).substr(kTimeOfDay);
  line.pop_back();
  line += fmt::format(" {} {}: {}", short_name_of(record.level), record.component,
                      escape_for_terminal(record.message));
  for (const LogField& field : record.fields) {
    line += ' ';
    field.append_text(line);
  }
  line += '\n';
  return line;
}

std::string format_as_json(const LogRecord& record) {
  std::string line = R"({"time":")" + iso_time(record.time) + R"(","level":")";
  line += name_of(record.level);
  line += R"(","component":)";
  append_json_string(line, record.component);
  line += R"(,"message":)";
  append_json_string(line, record.message);
  for (const LogField& field : record.fields) {
    line += ',';
    field.append_json(line);
  }
  line += "}\n";
  return line;
}

}  // namespace sinew
