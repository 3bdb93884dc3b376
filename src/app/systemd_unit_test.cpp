#include "app/systemd_unit.h"

#include <doctest/doctest.h>

namespace sinew::app {
namespace {

std::string unit(std::string program, std::string folder) {
  const auto text =
      systemd_unit({.program = std::move(program), .state_folder = std::move(folder)});
  REQUIRE(text);
  return *text;
}

TEST_CASE("the unit runs the program in the foreground, with its folder, and is marked as ours") {
  const std::string text = unit("/usr/bin/sinew", "/var/lib/sinew");
  CHECK(text.starts_with(kUnitMark));
  CHECK(text.contains(
      "\nExecStart=\"/usr/bin/sinew\" start --foreground --state-dir \"/var/lib/sinew\"\n"));
  CHECK(text.contains("\nReadWritePaths=\"/var/lib/sinew\"\n"));
  CHECK(text.contains("\nProtectHome=yes\n"));
  CHECK(text.contains("\nPrivateTmp=yes\n"));
  CHECK(text.contains("\nNoNewPrivileges=yes\n"));
}

TEST_CASE("no path can say more than a path") {
  const std::string text = unit("/opt/a b/sinew", "/srv/$HOME%h\"\\x");
  CHECK(
      text.contains("ExecStart=\"/opt/a b/sinew\" start --foreground --state-dir "
                    "\"/srv/$$HOME%%h\\\"\\\\x\"\n"));
  CHECK(text.contains("ReadWritePaths=\"/srv/$HOME%%h\\\"\\\\x\"\n"));
  CHECK(text.contains("(/srv/$HOME%%h\"\\x)\n"));
  for (const char* path : {"relative", "", "/a\nExecStart=/bin/sh", "/a\x7f", "/a\r"}) {
    CHECK_FALSE(systemd_unit({.program = path, .state_folder = "/a"}));
    CHECK_FALSE(systemd_unit({.program = "/a", .state_folder = path}));
  }
}

TEST_CASE("a folder is not hidden from the node that needs it") {
  CHECK(unit("/usr/bin/sinew", std::string("/home/") + "robot/sinew")
            .contains("\nProtectHome=read-only\n"));
  CHECK(unit(std::string("/root/") + "sinew", "/var/lib/sinew")
            .contains("\nProtectHome=read-only\n"));
  CHECK(unit("/usr/bin/sinew", "/tmp/sinew").contains("\nPrivateTmp=no\n"));
}

TEST_CASE("the name of a unit is one that systemd takes and that leads nowhere else") {
  for (const char* good : {"sinew", "sinew-lab", "a.b_c", "7"})
    CHECK(is_unit_name(good));
  for (const std::string& bad : {std::string(), std::string("../x"), std::string("a/b"),
                                 std::string(".x"), std::string("-x"), std::string("a b"),
                                 std::string("a@b"), std::string("\n"), std::string(65, 'a')})
    CHECK_FALSE(is_unit_name(bad));
  CHECK(is_unit_name(std::string(64, 'a')));
}

}  // namespace
}  // namespace sinew::app
