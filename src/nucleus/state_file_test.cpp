#include "nucleus/state_file.h"

#include <doctest/doctest.h>
#include <sys/stat.h>

#include "os/clock.h"
#include "os/file.h"
#include "support/runtime.h"
#include "support/temp_dir.h"

using namespace sinew;
using namespace sinew::nucleus;

namespace {

struct Place {
  test::TempDir directory;
  test::RecordingSink sink;
  os::SystemClock clock;
  Log log{sink, clock, LogLevel::kDebug, "test"};
  StateFile state = StateFile::open(directory / "nucleus", log).value();

  std::string file(const std::string& name) { return directory / "nucleus/" + name; }
  void damage(const std::string& name) {
    std::string text = os::read_file(file(name), 1 << 20).value();
    text[text.size() / 2] = static_cast<char>(text[text.size() / 2] ^ 1);
    REQUIRE(os::write_file(file(name), text, 0600));
  }
};

signal::Snapshot snapshot_of(const std::string& name) {
  signal::Snapshot snapshot;
  snapshot.clusters[name] = {};
  return snapshot;
}

}  // namespace

TEST_CASE("nucleus state file: a damaged one gives way to the one before, and that to none") {
  Place place;
  CHECK(place.state.load() == signal::Snapshot{});
  CHECK(place.sink.lines.empty());
  REQUIRE(place.state.save(snapshot_of("first")));
  REQUIRE(place.state.save(snapshot_of("second")));
  CHECK(place.state.load() == snapshot_of("second"));
  CHECK(place.sink.lines.empty());
  place.damage("nucleus.state");
  CHECK(place.state.load() == snapshot_of("first"));
  CHECK(os::read_file(place.file("nucleus.state.damaged"), 1000));
  place.damage("nucleus.state.bak");
  CHECK(place.state.load() == signal::Snapshot{});
  CHECK(place.sink.lines.size() == 3);
}

TEST_CASE("nucleus key: is made once, is the same later, and is nobody else's to read") {
  Place place;
  SeededRng rng(1);
  const auto key = place.state.load_or_make_key(rng).value().public_key();
  CHECK(place.state.load_or_make_key(rng).value().public_key() == key);
  struct stat status{};
  REQUIRE(::stat(place.file("nucleus.key").c_str(), &status) == 0);
  CHECK((status.st_mode & 0777) == 0600);
  REQUIRE(os::write_file(place.file("nucleus.key"), "no key\n", 0600));
  CHECK_FALSE(place.state.load_or_make_key(rng));
}
