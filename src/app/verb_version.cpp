#include "app/build_info.h"
#include "app/verbs.h"
#include "crypto/aead.h"

namespace sinew::app {
namespace {

Outcome run(const Invocation&) {
  const BuildInfo build = build_info();
  return Answer{
      .value = Value::record({{"name", "sinew"},
                              {"version", build.version},
                              {"commit", build.commit},
                              {"compiler", build.compiler},
                              {"build", build.type},
                              {"crypto", crypto::name_of(crypto::AeadCipher::best_kernel())}})};
}

}  // namespace

Verb version_verb() {
  return {
      .name = "version",
      .summary = "Show which build this is",
      .description =
          "Names the version, the commit it was built from, how it was built, and the vector unit "
          "that seals packets on this machine. Put this into every report of a problem.",
      .examples = {{"sinew version", "For people"},
                   {"sinew version -o json", "For scripts, for instance with jq -r .version"}},
      .run = run,
  };
}

}  // namespace sinew::app
