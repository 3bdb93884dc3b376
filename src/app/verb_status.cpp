#include <fmt/format.h>
#include <poll.h>

#include <string>

#include "app/node_client.h"
#include "app/verbs.h"

namespace sinew::app {
namespace {

constexpr int kWatchMs = 1000;

Value field(const Value& record, std::string_view name) {
  const Value* const found = record.find(name);
  return found == nullptr ? Value() : *found;
}

// The few lines that people want first.
Value summarize(const Value& status) {
  const Value peers = field(status, "peers");
  const std::string count =
      fmt::format("{} known, {} online, {} direct, {} relayed", field(peers, "known").to_line(),
                  field(peers, "online").to_line(), field(peers, "direct").to_line(),
                  field(peers, "relayed").to_line());
  Value::List nuclei;
  for (const Value& nucleus : *field(status, "nuclei").as_list()) {
    nuclei.push_back(fmt::format("{} {}{}", field(nucleus, "name").to_line(),
                                 field(nucleus, "state").to_line(),
                                 field(nucleus, "transport") == Value("tcp") ? " (over TCP)" : ""));
  }
  Value::List relays;
  for (const Value& relay : *field(status, "relays").as_list()) {
    const bool is_up = field(relay, "is_connected") == Value(true);
    relays.push_back(fmt::format("{} {}", field(relay, "name").to_line(),
                                 is_up ? "connected" : "not connected"));
  }
  return Value::record({{"state", field(status, "state")},
                        {"name", field(status, "name")},
                        {"cluster", field(status, "cluster")},
                        {"address", field(status, "address")},
                        {"address_v6", field(status, "address_v6")},
                        {"nat", field(status, "nat")},
                        {"nuclei", nuclei},
                        {"relays", relays},
                        {"peers", count}});
}

Result<Answer> ask(const Invocation& invocation) {
  NodeClient client = TRY(NodeClient::connect(state_folder_of(invocation)));
  const Value status = to_value(TRY(client.ask(json::Value::object({{"ask", "status"}}))));
  const bool is_for_people =
      invocation.format() == Format::kTable && field(status, "nuclei").as_list() != nullptr;
  return Answer{.value = is_for_people ? summarize(status) : status};
}

Outcome watch(const Invocation& invocation) {
  Console& console = invocation.console();
  while (true) {
    const Answer answer = TRY(ask(invocation));
    const std::string clear = console.is_terminal() ? "\x1b[H\x1b[2J" : "";
    const auto written =
        console.write(clear + render(answer, invocation.format(), console.is_terminal()));
    if (!written) return Answer{.value = {}, .is_written = true};
    ::poll(nullptr, 0, kWatchMs);
  }
}

// For service managers and probes: the exit code is the answer.
Outcome check(const Invocation& invocation, std::string_view what) {
  auto answer = ask(invocation);
  if (!answer) return explain_node_error(std::move(answer).error());
  // A nucleus alone has nothing to connect to.
  const Value state = field(answer->value, "state");
  if (what == "ready" && state != Value("connected") && state != Value("serving")) {
    return Failure{.error = {ErrorKind::kUnavailable, "the node is not connected"},
                   .next_step = "'sinew doctor' looks for the reason."};
  }
  return Answer{.value = Value::record({{std::string(what), true}})};
}

Outcome run(const Invocation& invocation) {
  if (const auto what = invocation.value("check")) return check(invocation, *what);
  if (invocation.has("watch")) return watch(invocation);
  auto answer = ask(invocation);
  if (!answer) return explain_node_error(std::move(answer).error());
  return *std::move(answer);
}

}  // namespace

Verb status_verb() {
  return {
      .name = "status",
      .summary = "Show how this machine is connected",
      .description = "Asks the node on this machine. -o wide and -o json show all of it.",
      .options = {{.name = "watch", .letter = 'w', .summary = "Again every second, until Ctrl-C"},
                  {.name = "check",
                   .value = "WHAT",
                   .summary = "Only the exit code: 0 when the node is live, or ready",
                   .choices = {"live", "ready"}},
                  state_folder_option()},
      .examples = {{"sinew status", "Is it connected, and as whom?"},
                   {"sinew status --check ready", "For scripts and service managers"},
                   {"sinew status -o json", "Everything"}},
      .run = run,
  };
}

}  // namespace sinew::app
