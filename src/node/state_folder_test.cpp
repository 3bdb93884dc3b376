#include "node/state_folder.h"

#include <doctest/doctest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "os/file.h"
#include "support/temp_dir.h"

namespace sinew::node {
namespace {

mode_t mode_of(const std::string& path) {
  struct stat facts{};
  REQUIRE(::stat(path.c_str(), &facts) == 0);
  return facts.st_mode & 07777;
}

struct Setup {
  test::TempDir temp;
  StateFolder folder = *StateFolder::open(temp / "state");
  SeededRng rng{1};
};

TEST_CASE("a folder is made for its owner alone, and made so when it was open to others") {
  test::TempDir temp;
  REQUIRE(StateFolder::open(temp / "a/b/state"));
  CHECK(mode_of(temp / "a/b/state") == 0700);
  REQUIRE(::mkdir((temp / "open").c_str(), 0755) == 0);
  REQUIRE(StateFolder::open(temp / "open"));
  CHECK(mode_of(temp / "open") == 0700);
}

TEST_CASE("a folder named from where we stand keeps its name when the program goes elsewhere") {
  const auto folder = StateFolder::open(".");
  REQUIRE(folder);
  CHECK(folder->path().starts_with('/'));
}

TEST_CASE("a folder whose socket could have no name is refused at once") {
  test::TempDir temp;
  const std::string base = temp / "";
  const std::size_t longest = 108 - sizeof "/control.sock";
  CHECK(StateFolder::open(base + std::string(longest - base.size(), 'x')));
  const auto longer = StateFolder::open(base + std::string(longest - base.size() + 1, 'y'));
  REQUIRE_FALSE(longer);
  CHECK(longer.error().kind == ErrorKind::kInvalid);
}

TEST_CASE("one node runs in a folder, and when it has ended another may") {
  Setup setup;
  {
    const auto held = setup.folder.lock();
    REQUIRE(held);
    const auto second = setup.folder.lock();
    REQUIRE_FALSE(second);
    CHECK(second.error().kind == ErrorKind::kConflict);
    CHECK(second.error().message.contains(setup.folder.path()));
  }
  CHECK(setup.folder.lock());
}

TEST_CASE("two folders are two nodes") {
  Setup setup;
  const auto other = StateFolder::open(setup.temp / "other");
  REQUIRE(other);
  const auto first = setup.folder.lock();
  CHECK(first);
  CHECK(other->lock());
}

TEST_CASE("a key is made once, private, and is the same at the next start") {
  Setup setup;
  const auto made = setup.folder.load_or_make_key("node.key", setup.rng);
  REQUIRE(made);
  CHECK(mode_of(setup.folder.file("node.key")) == 0600);
  const auto again = setup.folder.load_or_make_key("node.key", setup.rng);
  REQUIRE(again);
  CHECK(again->public_key() == made->public_key());
}

TEST_CASE("a damaged key is refused and left as it is, not replaced by a new one") {
  Setup setup;
  REQUIRE(setup.folder.load_or_make_key("node.key", setup.rng));
  const std::string path = setup.folder.file("node.key");
  const std::string whole = *os::read_file(path, 100);
  for (const std::string& damaged :
       {std::string(), std::string("\n"), whole.substr(0, 20), "x" + whole, whole + whole,
        std::string(45, '\0'), std::string(44, '!')}) {
    CAPTURE(damaged);
    REQUIRE(os::write_file(path, damaged, 0600));
    const auto key = setup.folder.load_or_make_key("node.key", setup.rng);
    REQUIRE_FALSE(key);
    CHECK(key.error().message.contains(path));
    CHECK(key.error().message.contains("backup"));
    CHECK(*os::read_file(path, 100) == damaged);
  }
  REQUIRE(os::write_file(path, std::string(5000, 'A'), 0600));
  CHECK_FALSE(setup.folder.load_or_make_key("node.key", setup.rng));
}

TEST_CASE("a secret comes back as it was, from a file that nobody else reads") {
  Setup setup;
  CHECK_FALSE(setup.folder.load_secret()->has_value());
  const auto secret = check_secret("correct horse battery\n");
  REQUIRE(secret);
  REQUIRE(setup.folder.save_secret(*secret));
  CHECK(mode_of(setup.folder.file("secret")) == 0600);
  const auto loaded = setup.folder.load_secret();
  REQUIRE(loaded);
  REQUIRE(loaded->has_value());
  CHECK((*loaded)->expose_text() == "correct horse battery");
}

TEST_CASE("a secret that was saved readable for others is private when it is saved again") {
  Setup setup;
  REQUIRE(os::write_file(setup.folder.file("secret"), "old", 0644));
  REQUIRE(setup.folder.save_secret(*check_secret("sixteen letters!")));
  CHECK(mode_of(setup.folder.file("secret")) == 0600);
}

TEST_CASE("a secret has sixteen characters, without the end of its line") {
  CHECK(check_secret("0123456789abcdef"));
  CHECK(check_secret("0123456789abcdef\r\n"));
  CHECK_FALSE(check_secret("0123456789abcde"));
  CHECK_FALSE(check_secret("0123456789abcde\n\n\n\n"));
  CHECK_FALSE(check_secret(""));
  const auto short_one = check_secret("hunter2");
  REQUIRE_FALSE(short_one);
  CHECK_FALSE(short_one.error().message.contains("hunter2"));
}

TEST_CASE("a configuration comes back, and a damaged one says which file it is in") {
  Setup setup;
  CHECK_FALSE(setup.folder.load_configuration()->has_value());
  Configuration configuration;
  configuration.cluster = "lab";
  configuration.name = "robot";
  REQUIRE(setup.folder.save_configuration(configuration));
  CHECK(mode_of(setup.folder.file("config.json")) == 0600);
  const auto loaded = setup.folder.load_configuration();
  REQUIRE(loaded);
  CHECK(**loaded == configuration);
  REQUIRE(os::write_file(setup.folder.file("config.json"), "{\"mode\":", 0600));
  const auto damaged = setup.folder.load_configuration();
  REQUIRE_FALSE(damaged);
  CHECK(damaged.error().message.contains(setup.folder.file("config.json")));
}

}  // namespace
}  // namespace sinew::node
