#include <poll.h>

#include "app/cleanup.h"
#include "app/node_client.h"
#include "app/verbs.h"
#include "node/state_folder.h"
#include "os/netif.h"

namespace sinew::app {
namespace {

constexpr int kPollMs = 20;
constexpr int kPatienceMs = 10'000;

// The lock is free when the process has ended, and with it everything it held.
Result<os::Fd> wait_for_end(const node::StateFolder& folder) {
  for (int waited = 0; waited < kPatienceMs; waited += kPollMs) {
    auto lock = folder.lock();
    if (lock || lock.error().kind != ErrorKind::kConflict) return lock;
    ::poll(nullptr, 0, kPollMs);
  }
  return Error{ErrorKind::kTimeout, "the node has not ended yet"};
}

Failure explain_timeout(Error error, const std::string& path) {
  if (error.kind != ErrorKind::kTimeout) return explain_node_error(std::move(error));
  return {.error = std::move(error),
          .next_step = "'fuser " + path +
                       "/lock' names its process; when that is killed, 'sinew stop "
                       "--cleanup' removes what it leaves."};
}

// False when none was running.
Result<bool> stop(const std::string& path) {
  auto client = NodeClient::connect(path);
  if (!client && client.error().kind == ErrorKind::kUnavailable) return false;
  if (!client) return std::move(client).error();
  TRY(client->ask(json::Value::object({{"ask", "stop"}})));
  return true;
}

// An interface of the node's name that is there although no node is.
std::string foreign_interface(const node::StateFolder& folder) {
  const auto saved = folder.load_configuration();
  if (!saved || !*saved || !os::interface_number((*saved)->interface)) return "";
  return (*saved)->interface;
}

Outcome clean_up(const node::StateFolder& folder, const os::Fd& lock, bool was_running) {
  const std::vector<std::string> removed = TRY(remove_leftovers(folder, lock));
  Value::List names(removed.begin(), removed.end());
  Value::Record record{{"stopped", was_running}, {"removed", Value(std::move(names))}};
  if (const std::string interface = foreign_interface(folder); !interface.empty()) {
    record.push_back({"interface", interface + " is another program's; 'ip link delete " +
                                       interface + "' removes it"});
  }
  return Answer{.value = Value(std::move(record))};
}

Outcome run(const Invocation& invocation) {
  const std::string path = state_folder_of(invocation);
  auto was_running = stop(path);
  if (!was_running) return explain_node_error(std::move(was_running).error());
  const bool is_cleaning = invocation.has("cleanup");
  if (!*was_running && !is_cleaning)
    return Answer{.value = Value::record({{"stopped", false}, {"reason", "no node was running"}})};
  const node::StateFolder folder = TRY(node::StateFolder::open(path));
  const auto lock = wait_for_end(folder);
  if (!lock) return explain_timeout(lock.error(), path);
  if (is_cleaning) return clean_up(folder, *lock, *was_running);
  return Answer{.value = Value::record({{"stopped", true}})};
}

}  // namespace

Verb stop_verb() {
  return {
      .name = "stop",
      .summary = "Leave the network",
      .description =
          "Ends the node on this machine: it says goodbye to the others, gives back what it asked "
          "the router for, and removes its network interface. Returns when all of that is done. "
          "A node that was killed could do none of it: the kernel removed its interface, the "
          "router forgets, and --cleanup removes its files. The next 'sinew start' does too.",
      .options = {{.name = "cleanup",
                   .summary = "Also remove what a node that was killed has left behind"},
                  state_folder_option()},
      .examples = {{"sinew stop", "Leave"},
                   {"sinew stop --cleanup", "After a crash, without starting again"}},
      .run = run,
  };
}

}  // namespace sinew::app
