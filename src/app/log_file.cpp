#include "app/log_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <utility>

#include "base/text.h"
#include "json/parse.h"
#include "os/error.h"

namespace sinew::app {
namespace {

constexpr std::size_t kReadSize = 64 << 10;
constexpr json::Limits kLineLimits = {
    .bytes = LogReader::kMaxLineBytes, .depth = 8, .values = 1000};

std::string before(const std::string& path) {
  return path + ".1";
}

struct stat facts_of(const os::Fd& file) {
  struct stat facts{};
  if (::fstat(file.get(), &facts) != 0) facts = {};
  return facts;
}

// A file that nobody writes any more, or its end when it is longer than a log is.
Result<std::string> read_end(const std::string& path) {
  const os::Fd file = TRY(os::open_file(path.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK));
  const auto size = static_cast<std::size_t>(facts_of(file).st_size);
  if (size > kMaxLogBytes) ::lseek(file.get(), -static_cast<off_t>(kMaxLogBytes), SEEK_END);
  std::string text;
  std::array<std::uint8_t, kReadSize> room;
  while (text.size() <= kMaxLogBytes) {
    const auto some = TRY(os::read_some(file, room));
    if (!some || *some == 0) break;
    text.append(as_text(ByteView(room).first(*some)));
  }
  return text;
}

// Moves the whole lines of `text` behind `lines`; what is left has no end yet.
void split_off_lines(std::string& text, std::vector<std::string>& lines) {
  std::size_t begin = 0;
  for (std::size_t end = text.find('\n'); end != std::string::npos; end = text.find('\n', begin)) {
    lines.push_back(text.substr(begin, std::min(end - begin, LogReader::kMaxLineBytes)));
    begin = end + 1;
  }
  text.erase(0, begin);
  if (text.size() > LogReader::kMaxLineBytes) text.resize(LogReader::kMaxLineBytes);
}

void keep_last(std::vector<std::string>& lines, std::size_t count) {
  if (lines.size() > count)
    lines.erase(lines.begin(), lines.end() - static_cast<std::ptrdiff_t>(count));
}

const std::string* text_of(const json::Value& record, std::string_view name) {
  const json::Value* const found = record.find(name);
  return found == nullptr ? nullptr : found->as_string();
}

std::string in_text(const json::Value& value) {
  const std::string* const text = value.as_string();
  if (text == nullptr) return escape_for_terminal(json::write(value));
  const bool needs_quotes = text->empty() || text->find_first_of(" =\"") != std::string::npos;
  if (!needs_quotes) return escape_for_terminal(*text);
  std::string quoted;
  append_json_string(quoted, *text);
  return quoted;
}

std::string_view short_name_of(std::string_view level) {
  if (level == "debug") return "DEBUG";
  if (level == "info") return "INFO ";
  if (level == "warning") return "WARN ";
  if (level == "error") return "ERROR";
  return "?    ";
}

}  // namespace

// ---------------------------------------------------------------------------------------- writing

Result<std::unique_ptr<LogFile>> LogFile::open(const std::string& path, std::size_t limit) {
  std::unique_ptr<LogFile> log(new LogFile(path, limit));
  const os::MutexLock lock(log->mutex_);
  TRY(log->begin());
  return log;
}

void LogFile::write(const LogRecord& record) {
  const os::MutexLock lock(mutex_);
  // A disk that is full or read-only keeps the file that there is.
  if (is_full()) static_cast<void>(begin());
  sink_->write(record);
}

bool LogFile::is_full() const {
  return static_cast<std::size_t>(facts_of(size_of_).st_size) >= limit_;
}

Result<> LogFile::begin() {
  constexpr int kFlags = O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW;
  os::Fd file = TRY(os::open_file(path_.c_str(), kFlags, 0600));
  if (static_cast<std::size_t>(facts_of(file).st_size) >= limit_ &&
      ::rename(path_.c_str(), before(path_).c_str()) == 0) {
    file = TRY(os::open_file(path_.c_str(), kFlags, 0600));
  }
  os::Fd same = TRY(file.duplicate());
  size_of_ = std::move(same);
  sink_ = std::make_unique<os::FdLogSink>(std::move(file), os::LogFormat::kJson);
  return {};
}

// ---------------------------------------------------------------------------------------- reading

Result<LogReader> LogReader::open(std::string path) {
  os::Fd file = TRY(os::open_file(path.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK));
  return LogReader(std::move(path), std::move(file));
}

Result<std::vector<std::string>> LogReader::last_lines(std::size_t count) {
  std::vector<std::string> lines;
  TRY(read_to_end(lines));
  if (lines.size() < count) {
    if (auto text = read_end(before(path_))) {
      std::vector<std::string> older;
      split_off_lines(*text, older);
      older.insert(older.end(), lines.begin(), lines.end());
      lines = std::move(older);
    }
  }
  keep_last(lines, count);
  return lines;
}

Result<std::vector<std::string>> LogReader::new_lines() {
  std::vector<std::string> lines;
  TRY(read_to_end(lines));
  if (!is_replaced()) return lines;
  auto next = os::open_file(path_.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  // Between the rename and the new file there is none.
  if (!next && next.error().kind == ErrorKind::kNotFound) return lines;
  if (!next) return std::move(next).error();
  // What came between the reading and the look at the name.
  TRY(read_to_end(lines));
  file_ = *std::move(next);
  rest_.clear();
  TRY(read_to_end(lines));
  return lines;
}

Result<> LogReader::read_to_end(std::vector<std::string>& lines) {
  std::array<std::uint8_t, kReadSize> room;
  while (true) {
    const auto some = TRY(os::read_some(file_, room));
    if (!some || *some == 0) return {};
    rest_.append(as_text(ByteView(room).first(*some)));
    split_off_lines(rest_, lines);
  }
}

bool LogReader::is_replaced() const {
  struct stat named{};
  if (::lstat(path_.c_str(), &named) != 0) return true;
  const struct stat open = facts_of(file_);
  return named.st_dev != open.st_dev || named.st_ino != open.st_ino;
}

// ------------------------------------------------------------------------------------------ lines

std::string log_line_for_people(std::string_view line) {
  const auto record = json::parse(line, kLineLimits);
  const json::Value::Object* const members = record ? record->as_object() : nullptr;
  const std::string* const time = record ? text_of(*record, "time") : nullptr;
  const std::string* const level = record ? text_of(*record, "level") : nullptr;
  const std::string* const component = record ? text_of(*record, "component") : nullptr;
  const std::string* const message = record ? text_of(*record, "message") : nullptr;
  if (members == nullptr || time == nullptr || level == nullptr || component == nullptr ||
      message == nullptr) {
    return escape_for_terminal(line);
  }
  // "2026-01-02T03:04:05.678Z"
  std::string when = escape_for_terminal(*time);
  if (const std::size_t t = when.find('T'); t != std::string::npos) when[t] = ' ';
  if (when.ends_with('Z')) when.pop_back();
  std::string out = when + ' ';
  out += short_name_of(*level);
  out += ' ' + escape_for_terminal(*component) + ": " + escape_for_terminal(*message);
  for (const json::Value::Member& member : *members) {
    if (member.name == "time" || member.name == "level" || member.name == "component" ||
        member.name == "message") {
      continue;
    }
    out += ' ' + escape_for_terminal(member.name) + '=' + in_text(member.value);
  }
  return out;
}

std::string log_line_for_programs(std::string_view line) {
  if (const auto record = json::parse(line, kLineLimits)) return json::write(*record);
  return json::write(json::Value::object({{"text", line}}));
}

}  // namespace sinew::app
