#include "app/completion.h"
#include "base/verify.h"

namespace sinew::app {
namespace {

Outcome run(const Invocation& invocation) {
  const auto script = completion_script(invocation.arguments()[0]);
  VERIFY(script.has_value());  // SHELL is one of the choices
  return Answer{.value = Value::record({{"script", *script}}), .text = std::string(*script)};
}

}  // namespace

Verb completion_verb() {
  return {
      .name = "completion",
      .summary = "Write the script that makes a shell complete sinew's verbs and options",
      .description =
          "The script asks the program itself what fits, so it need not be renewed "
          "after an update.",
      .arguments = {{.name = "SHELL",
                     .summary = "Which shell it is for",
                     .choices = {"bash", "zsh", "fish"}}},
      .examples = {{"source <(sinew completion bash)", "This bash or zsh session"},
                   {"sinew completion bash > /etc/bash_completion.d/sinew", "Every bash session"},
                   {"sinew completion fish > ~/.config/fish/completions/sinew.fish",
                    "Every fish session"}},
      .run = run,
  };
}

}  // namespace sinew::app
