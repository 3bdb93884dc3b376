// A small table of verbs for the tests of this module.
#pragma once

#include "app/verbs.h"

namespace sinew::app {

// peer list, peer set NAME [--tag TAG]... [--force], and the hidden probe.
inline VerbTable peer_verbs() {
  const auto run = [](const Invocation& invocation) -> Outcome {
    return Answer{.value = Value::record({{"ran", invocation.verb().name}})};
  };
  return VerbTable({
      {.name = "peer list",
       .summary = "List peers",
       .description = "",
       .examples = {{"sinew peer list", "All"}},
       .run = run},
      {.name = "peer set",
       .summary = "Change a peer",
       .description = "",
       .arguments = {{.name = "NAME", .summary = "Which"},
                     {.name = "MODE",
                      .summary = "How it is reached",
                      .choices = {"direct", "relayed"},
                      .is_optional = true}},
       .options = {{.name = "tag",
                    .letter = 't',
                    .value = "TAG",
                    .summary = "A tag",
                    .is_repeatable = true},
                   {.name = "force", .letter = 'f', .summary = "Even when it is away"},
                   {.name = "port", .letter = 'p', .value = "PORT", .summary = "Its port"}},
       .examples = {{"sinew peer set edge1 -t lab", "Tag it"}},
       .run = run},
      {.name = "probe",
       .summary = "For machines",
       .description = "",
       .examples = {{"sinew probe", "Probe"}},
       .is_hidden = true,
       .run = [](const Invocation&) -> Outcome {
         return Error{ErrorKind::kUnavailable, "probe: no node"};
       }},
  });
}

}  // namespace sinew::app
