#include "app/log_file.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "os/file.h"
#include "support/temp_dir.h"

namespace sinew::app {
namespace {

using Lines = std::vector<std::string>;

void append(const std::string& path, std::string_view text) {
  const os::Fd file = *os::open_file(path.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
  REQUIRE(os::write_all(file, as_bytes(text)));
}

TEST_CASE("the last lines are those asked for, oldest first, without one that has no end yet") {
  test::TempDir folder;
  const std::string path = folder / "log.json";
  append(path, "1\n2\n3\nhalf");
  const auto last = [&](std::size_t count) { return *LogReader::open(path)->last_lines(count); };
  CHECK(last(2) == Lines{"2", "3"});
  CHECK(last(3) == Lines{"1", "2", "3"});
  CHECK(last(99) == Lines{"1", "2", "3"});
  CHECK(last(0).empty());
  append(path + ".1", "-1\n0\n");
  CHECK(last(3) == Lines{"1", "2", "3"});
  CHECK(last(4) == Lines{"0", "1", "2", "3"});
}

TEST_CASE("a log that is not there is kNotFound, and a link in its place is not followed") {
  test::TempDir folder;
  const auto missing = LogReader::open(folder / "log.json");
  REQUIRE_FALSE(missing);
  CHECK(missing.error().kind == ErrorKind::kNotFound);
  append(folder / "elsewhere", "secret\n");
  REQUIRE(::symlink((folder / "elsewhere").c_str(), (folder / "link").c_str()) == 0);
  CHECK_FALSE(LogReader::open(folder / "link"));
}

TEST_CASE("who follows sees every line once, also one that is written in two pieces") {
  test::TempDir folder;
  const std::string path = folder / "log.json";
  append(path, "1\n2");
  auto reader = *LogReader::open(path);
  CHECK(*reader.last_lines(10) == Lines{"1"});
  CHECK(reader.new_lines()->empty());
  append(path, "2\n3\n");
  CHECK(*reader.new_lines() == Lines{"22", "3"});
  CHECK(reader.new_lines()->empty());
}

TEST_CASE("who follows goes on in the new file, and has read the old one to its end") {
  test::TempDir folder;
  const std::string path = folder / "log.json";
  append(path, "1\n");
  auto reader = *LogReader::open(path);
  CHECK(*reader.last_lines(10) == Lines{"1"});
  append(path, "2\n");
  REQUIRE(::rename(path.c_str(), (path + ".1").c_str()) == 0);
  CHECK(*reader.new_lines() == Lines{"2"});
  append(path, "3\n");
  CHECK(*reader.new_lines() == Lines{"3"});
  append(path, "4\n");
  CHECK(*reader.new_lines() == Lines{"4"});
}

TEST_CASE("a line of a megabyte takes no more than its bound") {
  test::TempDir folder;
  const std::string path = folder / "log.json";
  append(path, std::string(1 << 20, 'x') + "\nshort\n");
  const auto lines = *LogReader::open(path)->last_lines(2);
  REQUIRE(lines.size() == 2);
  CHECK(lines[0].size() <= LogReader::kMaxLineBytes);
  CHECK(lines[1] == "short");
}

TEST_CASE("a log that is full becomes the one before, and no more than two are kept") {
  test::TempDir folder;
  const std::string path = folder / "log.json";
  const ManualClock clock;
  constexpr std::size_t kLimit = 1000;
  auto sink = *LogFile::open(path, kLimit);
  const Log log(*sink, clock, LogLevel::kInfo, "test");
  for (int i = 0; i < 100; ++i)
    log.info("line", {{"number", i}});
  CHECK(std::filesystem::file_size(path) < kLimit + 200);
  CHECK(std::filesystem::file_size(path + ".1") >= kLimit);
  CHECK(std::filesystem::file_size(path + ".1") < kLimit + 200);
  CHECK(std::distance(std::filesystem::directory_iterator(folder.path()), {}) == 2);
  const auto lines = *LogReader::open(path)->last_lines(2);
  REQUIRE(lines.size() == 2);
  CHECK(lines[1].contains("\"number\":99"));
  CHECK(lines[0].contains("\"number\":98"));
  struct stat facts{};
  REQUIRE(::stat(path.c_str(), &facts) == 0);
  CHECK((facts.st_mode & 07777) == 0600);
}

TEST_CASE("a line for people says when, how bad, who, what, and the rest") {
  CHECK(log_line_for_people(
            R"({"time":"2026-01-02T03:04:05.678Z","level":"warning","component":"node",)"
            R"("message":"relay lost","relay":"de1","tries":3,"why":"timed out","empty":""})") ==
        "2026-01-02 03:04:05.678 WARN  node: relay lost relay=de1 tries=3 why=\"timed out\" "
        "empty=\"\"");
}

TEST_CASE("what a stranger put into the log steers no terminal") {
  for (const std::string& line :
       {std::string("\x1b[2J not json"),
        std::string(
            R"({"time":"\u001b[2J","level":"\u001b","component":"\u009b","message":"\u202e"})"),
        std::string(
            R"({"time":"T","level":"info","component":"c","message":"m","\u001b]0;x":"\u001b"})"),
        std::string(
            R"({"time":"T","level":"info","component":"c","message":"m","x":"a \u001b\n b"})"),
        std::string(
            R"({"time":"T","level":"info","component":"c","message":"m","x":{"\u001b":"\u001b"}})"),
        std::string("{\"time\":7}\r\n"), std::string("\xff\xfe\x9b"), std::string()}) {
    CAPTURE(line);
    for (const std::string& shown : {log_line_for_people(line), log_line_for_programs(line)}) {
      for (const char c : shown) {
        const auto byte = static_cast<unsigned char>(c);
        CHECK((byte >= 0x20 && byte != 0x7f));
      }
      CHECK_FALSE(shown.contains("\u009b"));
      CHECK_FALSE(shown.contains("\u202e"));
    }
  }
}

TEST_CASE("a line for programs is JSON, whatever stood there") {
  CHECK(log_line_for_programs(R"({"a": 1})") == R"({"a":1})");
  CHECK(log_line_for_programs("a panic") == R"({"text":"a panic"})");
}

}  // namespace
}  // namespace sinew::app
