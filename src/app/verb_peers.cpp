#include <fmt/format.h>

#include "app/node_client.h"
#include "app/verbs.h"

namespace sinew::app {
namespace {

std::string bytes_text(double bytes) {
  static constexpr std::array<std::string_view, 5> kUnits = {"B", "KiB", "MiB", "GiB", "TiB"};
  std::size_t unit = 0;
  while (bytes >= 1024 && unit + 1 < kUnits.size()) {
    bytes /= 1024;
    ++unit;
  }
  return unit == 0 ? fmt::format("{:.0f} B", bytes) : fmt::format("{:.1f} {}", bytes, kUnits[unit]);
}

double number_of(const Value* value) {
  if (value == nullptr) return 0;
  if (const auto* number = std::get_if<std::int64_t>(&value->held()))
    return static_cast<double>(*number);
  if (const auto* number = std::get_if<std::uint64_t>(&value->held()))
    return static_cast<double>(*number);
  const auto* number = std::get_if<double>(&value->held());
  return number == nullptr ? 0 : *number;
}

// The last changes of the way, newest first: "2m ago relay (direct path silent)".
std::string history_text(const Value& peer) {
  const Value* const history = peer.find("history");
  if (history == nullptr || history->as_list() == nullptr) return "-";
  constexpr std::size_t kShown = 3;
  std::string text;
  const Value::List& entries = *history->as_list();
  for (std::size_t i = 0; i < std::min(kShown, entries.size()); ++i) {
    const Value& entry = entries[entries.size() - 1 - i];
    text += fmt::format("{}{} s ago {} ({})", text.empty() ? "" : "; ",
                        entry.find("seconds_ago")->to_line(), entry.find("route")->to_line(),
                        entry.find("because")->to_line());
  }
  return text.empty() ? "-" : text;
}

// Fields that read well in a table, in the place of those for programs.
Value for_people(const Value& peer) {
  Value::Record record = *peer.as_record();
  const auto add = [&](std::string name, Value value) {
    record.push_back({std::move(name), std::move(value)});
  };
  add("traffic", fmt::format("{} / {}", bytes_text(number_of(peer.find("rx_bytes"))),
                             bytes_text(number_of(peer.find("tx_bytes")))));
  add("loss", fmt::format("{:.1f} %", number_of(peer.find("loss_permille")) / 10));
  add("history_text", history_text(peer));
  return Value(std::move(record));
}

Outcome run(const Invocation& invocation) {
  auto client = NodeClient::connect(state_folder_of(invocation));
  if (!client) return explain_node_error(std::move(client).error());
  auto peers = client->ask(json::Value::object({{"ask", "peers"}}));
  if (!peers) return explain_node_error(std::move(peers).error());
  const Value value = to_value(*peers);
  if (invocation.format() == Format::kJson) return Answer{.value = value};
  Value::List rows;
  for (const Value& peer : *value.as_list())
    rows.push_back(for_people(peer));
  return Answer{.value = std::move(rows),
                .columns = {{.field = "name", .title = "NAME"},
                            {.field = "address", .title = "ADDRESS"},
                            {.field = "state", .title = "STATE"},
                            {.field = "route", .title = "ROUTE"},
                            {.field = "round_trip_ms", .title = "RTT MS"},
                            {.field = "loss", .title = "LOSS", .is_wide = true},
                            {.field = "traffic", .title = "IN / OUT"},
                            {.field = "nat", .title = "NAT", .is_wide = true},
                            {.field = "why_not_direct", .title = "WHY NOT DIRECT", .is_wide = true},
                            {.field = "history_text", .title = "HISTORY", .is_wide = true}}};
}

}  // namespace

Verb peers_verb() {
  return {
      .name = "peers",
      .summary = "List the other machines and the ways to them",
      .description =
          "One line for each machine of the network. With -o wide also why a machine is not "
          "reached directly, and the last changes of the way to it.",
      .options = {state_folder_option()},
      .examples = {{"sinew peers", "Who is there"},
                   {"sinew peers -o wide", "Why is one of them relayed?"}},
      .run = run,
  };
}

}  // namespace sinew::app
