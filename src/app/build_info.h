// Which build this is. The values are written by CMake (tools/cmake/build_info.cmake).
#pragma once

#include <string_view>

namespace sinew::app {

struct BuildInfo {
  std::string_view version;
  std::string_view commit;    // "unknown" outside a git checkout; ends in "+" after local changes
  std::string_view compiler;  // "clang 19.1.7"
  std::string_view type;      // "Release", "Debug address"
};

BuildInfo build_info();

}  // namespace sinew::app
