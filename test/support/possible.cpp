// Apart from lab.cpp, so that a program that is no test can build a laboratory.
#include <unistd.h>

#include <algorithm>
#include <array>

#include "support/lab.h"
#include "support/skip.h"

namespace sinew::lab {
namespace {

bool has_program(const std::string& name) {
  return std::ranges::any_of(
      std::array{"/usr/bin/", "/usr/sbin/", "/bin/", "/sbin/"},
      [&](const char* folder) { return ::access((folder + name).c_str(), X_OK) == 0; });
}

}  // namespace

bool is_possible(const std::vector<std::string>& programs) {
  if (!test::is_root("a network laboratory")) return false;
  if (::access("/dev/net/tun", R_OK | W_OK) != 0) {
    test::skip("no /dev/net/tun");
    return false;
  }
  std::vector<std::string> needed{"ip", "nft", "ping"};
  needed.insert(needed.end(), programs.begin(), programs.end());
  for (const std::string& program : needed) {
    if (has_program(program)) continue;
    test::skip("program " + program + " is not installed");
    return false;
  }
  return true;
}

}  // namespace sinew::lab
