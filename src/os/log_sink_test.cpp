#include "os/log_sink.h"

#include <doctest/doctest.h>
#include <fcntl.h>

#include <array>
#include <thread>
#include <vector>

#include "os/signal_fd.h"

namespace sinew::os {
namespace {

// What a sink of this format writes for one warning.
std::string line_in(LogFormat format) {
  Pipe pipe = *open_pipe();
  FdLogSink sink(std::move(pipe.write_end), format);
  const ManualClock clock;
  Log(sink, clock, LogLevel::kDebug, "node").warning("relay lost", {{"relay", "de1"}});
  std::array<std::uint8_t, 1000> room;
  const auto size = read_some(pipe.read_end, room);
  return std::string(as_text(ByteView(room).first(**size)));
}

TEST_CASE("each format is one line") {
  CHECK(line_in(LogFormat::kText) == "22:13:20.000 WARN  node: relay lost relay=de1\n");
  CHECK(line_in(LogFormat::kColouredText) ==
        "\x1b[33m22:13:20.000 WARN  node: relay lost relay=de1\x1b[0m\n");
  CHECK(line_in(LogFormat::kJson) ==
        R"({"time":"2023-11-14T22:13:20.000Z","level":"warning","component":"node",)"
        R"("message":"relay lost","relay":"de1"})"
        "\n");
}

TEST_CASE("what is not a terminal gets JSON") {
  Pipe pipe = *open_pipe();
  CHECK(log_format_for(pipe.write_end) == LogFormat::kJson);
}

TEST_CASE("lines that cannot be written are counted and nothing else happens") {
  ignore_broken_pipes();
  Pipe pipe = *open_pipe();
  pipe.read_end.close();
  FdLogSink broken(std::move(pipe.write_end), LogFormat::kText);
  const ManualClock clock;
  Log(broken, clock, LogLevel::kDebug, "node").info("x");
  CHECK(broken.lost_lines() == 1);

  FdLogSink full(*open_file("/dev/full", O_WRONLY), LogFormat::kText);
  Log(full, clock, LogLevel::kDebug, "node").info("x");
  CHECK(full.lost_lines() == 1);
}

TEST_CASE("a line that was cut off does not spoil the next one") {
  Pipe pipe = *open_pipe();
  REQUIRE(set_non_blocking(pipe.write_end));
  FdLogSink sink(std::move(pipe.write_end), LogFormat::kText);
  const ManualClock clock;
  const Log log(sink, clock, LogLevel::kDebug, "t");
  log.info(std::string(1 << 20, 'x'));  // more than the pipe takes
  CHECK(sink.lost_lines() == 1);
  std::vector<std::uint8_t> room(1 << 20);
  const std::size_t cut = read_some(pipe.read_end, room).value().value();
  CHECK(room[cut - 1] == 'x');
  log.info("one");
  log.info("two");
  CHECK(sink.lost_lines() == 1);
  const std::size_t size = read_some(pipe.read_end, room).value().value();
  CHECK(as_text(ByteView(room).first(size)) ==
        "\n22:13:20.000 INFO  t: one\n22:13:20.000 INFO  t: two\n");
}

TEST_CASE("lines of several threads stay whole") {
  constexpr int kThreads = 4;
  constexpr int kEach = 200;
  Pipe pipe = *open_pipe();
  FdLogSink sink(std::move(pipe.write_end), LogFormat::kText);
  const ManualClock clock;
  const Log log(sink, clock, LogLevel::kDebug, "t");
  const std::string filler(100, 'x');
  std::vector<std::jthread> threads;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&] {
      for (int n = 0; n < kEach; ++n)
        log.info(filler);
    });
  }
  const std::string line = "22:13:20.000 INFO  t: " + filler + "\n";
  std::string text;
  std::array<std::uint8_t, 4096> room;
  while (text.size() < kThreads * kEach * line.size()) {
    const auto size = read_some(pipe.read_end, room);
    REQUIRE(size.value().value_or(0) > 0);
    text += as_text(ByteView(room).first(**size));
  }
  for (std::size_t at = 0; at < text.size(); at += line.size()) {
    REQUIRE(text.substr(at, line.size()) == line);
  }
}

}  // namespace
}  // namespace sinew::os
