#include "app/build_info.h"
#include "app/verbs.h"

namespace sinew::app {
namespace {

Outcome run(const Invocation&) {
  const BuildInfo build = build_info();
  return Answer{.value = Value::record({{"name", "sinew"},
                                        {"version", build.version},
                                        {"commit", build.commit},
                                        {"compiler", build.compiler},
                                        {"build", build.type}})};
}

}  // namespace

Verb version_verb() {
  return {
      .name = "version",
      .summary = "Show which build this is",
      .description =
          "Names the version, the commit it was built from and how it was built. Put "
          "this into every report of a problem.",
      .examples = {{"sinew version", "For people"},
                   {"sinew version -o json", "For scripts, for instance with jq -r .version"}},
      .run = run,
  };
}

}  // namespace sinew::app
