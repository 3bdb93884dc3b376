#include "os/daemon.h"

#include <doctest/doctest.h>
#include <unistd.h>

#include <functional>
#include <string>
#include <vector>

namespace sinew::os {
namespace {

struct Seen {
  Result<> end;
  std::vector<std::string> steps;
};

// What the foreground sees of a process in the background that does this and no more.
Seen watch(const std::function<void(Daemon&)>& in_background) {
  Seen seen;
  auto side = detach([&](std::string_view step) { seen.steps.emplace_back(step); });
  if (side && side->has_value()) {
    in_background(**side);
    ::_exit(0);
  }
  if (!side) seen.end = std::move(side).error();
  return seen;
}

TEST_CASE("the steps of the background come to the foreground in order, and ready ends it") {
  const Seen seen = watch([](Daemon& daemon) {
    daemon.progress("one");
    daemon.progress("");
    daemon.progress("three");
    daemon.ready();
  });
  CHECK(seen.end);
  CHECK(seen.steps == std::vector<std::string>{"one", "", "three"});
}

TEST_CASE("an error of the background is the foreground's, with its kind and all its text") {
  for (const ErrorKind kind : {ErrorKind::kInvalid, ErrorKind::kTimeout, ErrorKind::kInternal}) {
    const Seen seen = watch([&](Daemon& daemon) {
      daemon.progress("trying");
      daemon.failed({kind, "the nucleus\ndoes not answer"});
    });
    REQUIRE_FALSE(seen.end);
    CHECK(seen.end.error() == Error{kind, "the nucleus\ndoes not answer"});
    CHECK(seen.steps == std::vector<std::string>{"trying"});
  }
}

TEST_CASE("when the foreground knows of the error, the background holds nothing any more") {
  const Pipe pipe = *open_pipe();
  const Seen seen = watch([&](Daemon& daemon) {
    daemon.failed({ErrorKind::kInvalid, "no"});
    static_cast<void>(write_all(pipe.write_end, as_bytes("last deed")));
  });
  REQUIRE_FALSE(seen.end);
  REQUIRE(set_non_blocking(pipe.read_end));
  std::array<std::uint8_t, 100> room;
  const auto size = read_some(pipe.read_end, room);
  REQUIRE(size);
  REQUIRE(*size);
  CHECK(as_text(ByteView(room).first(**size)) == "last deed");
}

TEST_CASE("a report of the longest size comes whole, a longer one is cut, and the next is read") {
  const std::string longest(Daemon::kMaxReport, 'a');
  const Seen seen = watch([&](Daemon& daemon) {
    daemon.progress(longest);
    daemon.progress(longest + "b");
    daemon.progress("next");
    daemon.failed({ErrorKind::kInvalid, longest + "c"});
  });
  CHECK(seen.steps == std::vector<std::string>{longest, longest, "next"});
  REQUIRE_FALSE(seen.end);
  CHECK(seen.end.error().message == longest);
}

TEST_CASE("a background that ends without a word is an error, also after some steps") {
  CHECK_FALSE(watch([](Daemon&) {}).end);
  const Seen seen = watch([](Daemon& daemon) { daemon.progress("one"); });
  REQUIRE_FALSE(seen.end);
  CHECK(seen.end.error().kind == ErrorKind::kInternal);
  CHECK(seen.steps == std::vector<std::string>{"one"});
}

TEST_CASE("what the background reports when nobody waits any more harms nobody") {
  const Seen seen = watch([](Daemon& daemon) {
    daemon.ready();
    daemon.progress("too late");
    daemon.failed({ErrorKind::kInternal, "too late"});
  });
  CHECK(seen.end);
  CHECK(seen.steps.empty());
}

TEST_CASE("the background is a session of its own, in the root folder") {
  const Seen seen = watch([](Daemon& daemon) {
    std::array<char, 100> room{};
    daemon.progress(::getcwd(room.data(), room.size()));
    daemon.progress(::getsid(0) == ::getpid() ? "leader" : "member");
    daemon.ready();
  });
  CHECK(seen.steps == std::vector<std::string>{"/", "leader"});
}

}  // namespace
}  // namespace sinew::os
