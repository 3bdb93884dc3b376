#include <fmt/format.h>

#include "app/node_client.h"
#include "app/verbs.h"
#include "base/ip.h"

namespace sinew::app {
namespace {

constexpr std::uint32_t kMostPings = 10'000;

std::string line_of(const Value& step) {
  const Value* const time = step.find("round_trip_ms");
  const std::string name = step.find("name")->to_line();
  const std::string route = step.find("route")->to_line();
  if (*time == Value()) return fmt::format("no answer from {} by {}\n", name, route);
  return fmt::format("answer from {} ({}) in {} ms by {}\n", name, step.find("address")->to_line(),
                     time->to_line(), route);
}

Result<std::uint32_t> count_of(const Invocation& invocation) {
  const auto given = invocation.value("count");
  if (!given) return std::uint32_t{0};
  const auto count = parse_decimal(*given, kMostPings);
  if (!count || *count == 0)
    return Error{ErrorKind::kInvalid,
                 "not a number of pings from 1 to 10000: " + std::string(*given)};
  return *count;
}

Outcome run(const Invocation& invocation) {
  const std::uint32_t count = TRY(count_of(invocation));
  auto client = NodeClient::connect(state_folder_of(invocation));
  if (!client) return explain_node_error(std::move(client).error());
  Value::List steps;
  const bool is_json = invocation.format() == Format::kJson;
  auto result =
      client->ask(json::Value::object({{"ask", "ping"},
                                       {"peer", invocation.arguments()[0]},
                                       {"count", count == 0 && is_json ? 1 : count},
                                       {"interval_ms", 1000}}),
                  [&](const json::Value& json_step) {
                    const Value step = to_value(json_step);
                    steps.push_back(step);
                    return is_json || invocation.console().write(line_of(step)).has_value();
                  });
  if (!result && result.error().kind == ErrorKind::kNotFound) {
    return Failure{.error = std::move(result).error(), .next_step = "'sinew peers' lists them."};
  }
  if (!result) return explain_node_error(std::move(result).error());
  const Value total = to_value(*result);
  const Value* const answered = total.find("answered");
  if (answered != nullptr && *answered == Value(0)) {
    return Failure{.error = {ErrorKind::kTimeout, "no answer"},
                   .next_step = "'sinew peers -o wide' says how the machine should be reached."};
  }
  if (is_json) {
    Value::Record record = *total.as_record();
    record.push_back({"pings", std::move(steps)});
    return Answer{.value = Value(std::move(record))};
  }
  return Answer{.value = total};
}

}  // namespace

Verb ping_verb() {
  return {
      .name = "ping",
      .summary = "Ask a machine for an answer, and say by which way it came",
      .description =
          "Sends echo requests through the tunnel, one a second, and shows for each how long the "
          "answer took and whether packets travel directly or through a relay at that moment.",
      .arguments = {{.name = "PEER", .summary = "A name, an address in the network, or a key"}},
      .options = {{.name = "count",
                   .letter = 'c',
                   .value = "N",
                   .summary = "End after so many; by default at Ctrl-C"},
                  state_folder_option()},
      .examples = {{"sinew ping robot-7", "Is it there, and how is it reached?"},
                   {"sinew ping -c 3 10.147.0.9 -o json", "For scripts"}},
      .run = run,
  };
}

}  // namespace sinew::app
