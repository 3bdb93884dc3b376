// Tests that a machine cannot run say so. The test runner counts lines that begin with "[skip]", so
// that a run that proved less than it could is seen.
#pragma once

#include <doctest/doctest.h>
#include <unistd.h>

#include <cstdio>
#include <string>

namespace sinew::test {

inline void skip(const std::string& reason) {
  std::printf("[skip] %s: %s\n", doctest::getContextOptions()->currentTest->m_name, reason.c_str());
  std::fflush(stdout);
}

// Whether the test may do what only root can; says that it is skipped when not.
inline bool is_root(const std::string& what) {
  if (::geteuid() == 0) return true;
  skip(what + " needs root");
  return false;
}

}  // namespace sinew::test
