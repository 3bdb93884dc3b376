#include <poll.h>

#include "app/node_client.h"
#include "app/verbs.h"
#include "node/state_folder.h"

namespace sinew::app {
namespace {

constexpr int kPollMs = 20;
constexpr int kPatienceMs = 10'000;

// The lock is free when the process has ended, and with it everything it held.
Result<> wait_for_end(const node::StateFolder& folder) {
  for (int waited = 0; waited < kPatienceMs; waited += kPollMs) {
    if (folder.lock()) return {};
    ::poll(nullptr, 0, kPollMs);
  }
  return Error{ErrorKind::kTimeout, "the node has not ended yet"};
}

Outcome run(const Invocation& invocation) {
  const std::string path = state_folder_of(invocation);
  auto client = NodeClient::connect(path);
  if (!client && client.error().kind == ErrorKind::kUnavailable)
    return Answer{.value = Value::record({{"stopped", false}, {"reason", "no node was running"}})};
  if (!client) return explain_node_error(std::move(client).error());
  auto stopping = client->ask(json::Value::object({{"ask", "stop"}}));
  if (!stopping) return explain_node_error(std::move(stopping).error());
  const node::StateFolder folder = TRY(node::StateFolder::open(path));
  TRY(wait_for_end(folder));
  return Answer{.value = Value::record({{"stopped", true}})};
}

}  // namespace

Verb stop_verb() {
  return {
      .name = "stop",
      .summary = "Leave the network",
      .description =
          "Ends the node on this machine: it says goodbye to the others, gives back what it asked "
          "the router for, and removes its network interface. Returns when all of that is done.",
      .options = {state_folder_option()},
      .examples = {{"sinew stop", "Leave"}},
      .run = run,
  };
}

}  // namespace sinew::app
