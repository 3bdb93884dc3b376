#include "app/node_client.h"
#include "app/verbs.h"

namespace sinew::app {
namespace {

Outcome ask(const Invocation& invocation, std::string_view what) {
  auto client = NodeClient::connect(state_folder_of(invocation));
  if (!client) return explain_node_error(std::move(client).error());
  auto answer = client->ask(json::Value::object({{"ask", what}}));
  if (!answer) return explain_node_error(std::move(answer).error());
  return Answer{.value = to_value(*answer)};
}

Outcome check_network(const Invocation& invocation) {
  invocation.console().note("asking servers how this machine looks from outside ...");
  return ask(invocation, "netcheck");
}

Outcome examine(const Invocation& invocation) {
  Outcome outcome = ask(invocation, "doctor");
  if (!outcome) return outcome;
  outcome->columns = {{.field = "id", .title = "CHECK"},
                      {.field = "severity", .title = "RESULT"},
                      {.field = "evidence", .title = "EVIDENCE"},
                      {.field = "advice", .title = "WHAT TO DO"}};
  return outcome;
}

}  // namespace

Verb netcheck_verb() {
  return {
      .name = "netcheck",
      .summary = "Find out how this machine is connected",
      .description =
          "Whether UDP passes, how the machine looks from outside, what kind of NAT is in between "
          "(by the mapping and filtering behaviour of RFC 4787), whether the router keeps a port "
          "open on request, and how far the servers are.",
      .options = {state_folder_option()},
      .examples = {{"sinew netcheck", "Before asking why something is slow"}},
      .run = check_network,
  };
}

Verb doctor_verb() {
  return {
      .name = "doctor",
      .summary = "Look for what is wrong, and say what to do",
      .description =
          "Checks the node on this machine: each line is a check, its result, what was "
          "seen, and what helps.",
      .options = {state_folder_option()},
      .examples = {{"sinew doctor", "When something does not work"}},
      .run = examine,
  };
}

}  // namespace sinew::app
