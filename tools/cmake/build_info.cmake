# Which build this is: run with `cmake -P` at every build, because a commit does not touch any source; writes OUTPUT
# only when it changes. Takes SOURCE_DIR, OUTPUT, VERSION, BUILD_TYPE, and COMMIT when a package is built without git.
if(NOT COMMIT)
  execute_process(COMMAND git -C "${SOURCE_DIR}" describe --always --abbrev=12 --exclude=* --dirty=+
    OUTPUT_VARIABLE COMMIT OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
endif()
if(NOT COMMIT)
  set(COMMIT unknown)
endif()
file(CONFIGURE OUTPUT "${OUTPUT}" @ONLY CONTENT [[
#include "app/build_info.h"

namespace sinew::app {

BuildInfo build_info() {
  return {.version = "@VERSION@",
          .commit = "@COMMIT@",
          .compiler = "clang " __clang_version__,
          .type = "@BUILD_TYPE@"};
}

}  // namespace sinew::app
]])
