#include "app/node_client.h"
#include "app/verbs.h"
#include "node/state_folder.h"

namespace sinew::app {
namespace {

// For a node that is not running: the next start takes it.
Result<json::Value> change_file(const std::string& path, const std::string& what,
                                const std::string& value) {
  const node::StateFolder folder = TRY(node::StateFolder::open(path));
  auto saved = TRY(folder.load_configuration());
  if (!saved) return Error{ErrorKind::kNotFound, "no node was ever started with " + path};
  if (what == "reset") {
    saved->settings = {};
  } else if (what != "show") {
    TRY(node::change(saved->settings, what, value));
  }
  TRY(folder.save_configuration(*saved));
  return node::to_json(saved->settings);
}

Result<json::Value> change(const std::string& path, const std::string& what,
                           const std::string& value) {
  auto client = NodeClient::connect(path);
  if (!client && client.error().kind == ErrorKind::kUnavailable)
    return change_file(path, what, value);
  if (!client) return std::move(client).error();
  if (what == "show") return client->ask(json::Value::object({{"ask", "config"}}));
  return client->ask(json::Value::object({{"ask", "config"}, {"what", what}, {"value", value}}));
}

Outcome run(const Invocation& invocation) {
  const std::string what = invocation.arguments()[0];
  const bool has_value = invocation.arguments().size() > 1;
  const bool needs_value = what != "show" && what != "reset";
  if (has_value != needs_value) {
    return Failure{.error = {ErrorKind::kInvalid,
                             needs_value ? what + " needs a value" : what + " takes no value"},
                   .next_step = "'sinew help config' shows what each takes."};
  }
  auto settings = change(state_folder_of(invocation), what,
                         has_value ? invocation.arguments()[1] : std::string());
  if (!settings && settings.error().message.contains("config.json")) {
    return Failure{.error = std::move(settings).error(),
                   .next_step = "Put the file back from a backup; or remove it, and start anew."};
  }
  if (!settings && settings.error().kind == ErrorKind::kNotFound) {
    return Failure{.error = std::move(settings).error(),
                   .next_step = "Start one with 'sinew start'; or name its folder: --state-dir."};
  }
  if (!settings && settings.error().kind == ErrorKind::kInvalid) {
    return Failure{.error = std::move(settings).error(),
                   .next_step = "'sinew help config' shows what each takes."};
  }
  if (!settings) return explain_node_error(std::move(settings).error());
  return Answer{.value = to_value(*settings)};
}

}  // namespace

Verb config_verb() {
  return {
      .name = "config",
      .summary = "Show or change the settings of the node",
      .description =
          "Takes effect at once in a running node, and is kept for the next start. "
          "relay takes on, off or HOST:PORT#CERTIFICATE of a relay to use in place of the nucleus' "
          "own "
          "('sinew relay' says what its certificate is; without one a public authority has to have "
          "signed it; all machines have to name the same relay, or the nucleus does before it "
          "starts); "
          "portmap and encrypt take on or off; ipv6 takes on, off, prefer or no-prefer. "
          "With encrypt off, what is said to the nucleus is authenticated but readable on the way.",
      .arguments = {{.name = "SETTING",
                     .summary = "What to show or change",
                     .choices = {"show", "relay", "portmap", "ipv6", "encrypt", "reset"}},
                    {.name = "VALUE", .summary = "What it is to be", .is_optional = true}},
      .options = {state_folder_option()},
      .examples = {{"sinew config show", "All settings"},
                   {"sinew config relay off", "Directly or not at all"},
                   {"sinew config ipv6 no-prefer", "Choose by latency alone"}},
      .run = run,
  };
}

}  // namespace sinew::app
