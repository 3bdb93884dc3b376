#include "app/node_client.h"
#include "app/verbs.h"
#include "base/ip.h"

namespace sinew::app {
namespace {

Failure explain(Error error) {
  std::string next_step;
  switch (error.kind) {
    case ErrorKind::kUnsupported:
      next_step = "Ask on a machine that was started with --mode nucleus or --mode dual.";
      break;
    case ErrorKind::kNotFound: next_step = "'sinew nucleus nodes' lists them."; break;
    default: return explain_node_error(std::move(error));
  }
  return {.error = std::move(error), .next_step = std::move(next_step)};
}

Outcome ask(const Invocation& invocation, const json::Value& question,
            std::vector<Column> columns = {}) {
  auto client = NodeClient::connect(state_folder_of(invocation));
  if (!client) return explain_node_error(std::move(client).error());
  auto answer = client->ask(question);
  if (!answer) return explain(std::move(answer).error());
  return Answer{.value = to_value(*answer), .columns = std::move(columns)};
}

Outcome run_status(const Invocation& invocation) {
  return ask(invocation, json::Value::object({{"ask", "nucleus status"}}));
}

Outcome run_nodes(const Invocation& invocation) {
  return ask(invocation, json::Value::object({{"ask", "nucleus nodes"}}),
             {{.field = "name", .title = "NAME"},
              {.field = "address", .title = "ADDRESS"},
              {.field = "address_v6", .title = "ADDRESS V6", .is_wide = true},
              {.field = "state", .title = "STATE"},
              {.field = "from", .title = "FROM"},
              {.field = "transport", .title = "OVER"},
              {.field = "cluster", .title = "CLUSTER", .is_wide = true},
              {.field = "public_key", .title = "PUBLIC KEY", .is_wide = true}});
}

Outcome run_forget(const Invocation& invocation) {
  const std::string& word = invocation.arguments()[0];
  if (!IpAddress::parse(word)) {
    return Failure{.error = {ErrorKind::kInvalid, "not an address in the network: " + word},
                   .next_step = "'sinew nucleus nodes' shows the address of each machine."};
  }
  return ask(invocation, json::Value::object({{"ask", "nucleus forget"}, {"address", word}}));
}

}  // namespace

Verb nucleus_status_verb() {
  return {
      .name = "nucleus status",
      .summary = "Show what this nucleus serves",
      .description =
          "Its ports, its cluster with the range that addresses are given from and how many "
          "machines it knows, and its relay.",
      .options = {state_folder_option()},
      .examples = {{"sinew nucleus status", "How many are there?"}},
      .run = run_status,
  };
}

Verb nucleus_nodes_verb() {
  return {
      .name = "nucleus nodes",
      .summary = "List the machines that this nucleus knows",
      .description =
          "Those that are there and those that keep an address for when they come back, with "
          "where each one speaks from.",
      .options = {state_folder_option()},
      .examples = {{"sinew nucleus nodes", "Who is there"},
                   {"sinew nucleus nodes -o wide", "With their keys"}},
      .run = run_nodes,
  };
}

Verb nucleus_forget_verb() {
  return {
      .name = "nucleus forget",
      .summary = "Give an address back",
      .description =
          "An address belongs to the key that had it first, so that nobody takes another "
          "machine's. This gives it back: for a machine that is gone, or that has been "
          "set up again and has a new key. One that still runs with the cluster's secret joins "
          "again, as a new machine.",
      .arguments = {{.name = "ADDRESS", .summary = "In the network, such as 10.147.0.3"}},
      .options = {state_folder_option()},
      .examples = {{"sinew nucleus forget 10.147.0.3", "Its disk was replaced"}},
      .run = run_forget,
  };
}

}  // namespace sinew::app
