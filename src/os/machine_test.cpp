#include "os/machine.h"

#include <doctest/doctest.h>

#include "os/netif.h"
#include "os/run.h"

namespace sinew::os {
namespace {

std::string output_of(std::vector<std::string> argv) {
  ChildOptions options;
  options.argv = std::move(argv);
  std::string text = run_checked(options).value();
  text.resize(text.find('\n'));
  return text;
}

TEST_CASE("a machine is described as the system's own tools describe it") {
  const Machine machine = describe_machine();
  CHECK(machine.host_name == output_of({"uname", "-n"}));
  CHECK(machine.kernel == output_of({"uname", "-r"}));
  CHECK(machine.architecture == output_of({"uname", "-m"}));
  CHECK(std::to_string(machine.cpus) == output_of({"nproc"}));
  CHECK(machine.boot_id.size() == 36);
  CHECK(machine.memory_bytes > 64U << 20);
}

TEST_CASE("os-release values come without their quotes") {
  const std::string text = "NAME=Alpine\nPRETTY_NAME=\"Debian 12 (bookworm)\"\nID='x y'\nLAST=1";
  CHECK(os_release_value(text, "NAME") == "Alpine");
  CHECK(os_release_value(text, "PRETTY_NAME") == "Debian 12 (bookworm)");
  CHECK(os_release_value(text, "ID") == "x y");
  CHECK(os_release_value(text, "LAST") == "1");
  CHECK(os_release_value(text, "AST") == "");
  CHECK(os_release_value("", "NAME") == "");
}

TEST_CASE("the loopback interface has number one") {
  CHECK(interface_number("lo") == 1U);
  CHECK(!interface_number("no-such-if"));
  CHECK(!interface_number(""));
}

}  // namespace
}  // namespace sinew::os
