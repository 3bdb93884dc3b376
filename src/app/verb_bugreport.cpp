#include <fmt/format.h>

#include "app/log_file.h"
#include "app/node_client.h"
#include "app/redact.h"
#include "app/verbs.h"
#include "netlink/rtnetlink.h"
#include "node/state_folder.h"
#include "os/file.h"
#include "os/machine.h"

namespace sinew::app {
namespace {

constexpr std::size_t kLogLines = 300;
constexpr std::size_t kMaxInterfaces = 200;

std::string shown(const Value& value) {
  return render({.value = value}, Format::kWide, false);
}

std::string error_line(const Error& error) {
  return shown(Value("not to be had: " + error.message));
}

// ---------------------------------------------------------------------------------- this machine

std::string describe_version(const Invocation& invocation) {
  const Verb verb = version_verb();
  const Outcome outcome = verb.run(Invocation(invocation.verbs(), verb));
  return outcome ? shown(outcome->value) : error_line(outcome.error().error);
}

// Without what identifies it: the ids of the machine and of its boot.
std::string describe_host() {
  const os::Machine machine = os::describe_machine();
  return shown(Value::record({{"kernel", machine.kernel},
                              {"architecture", machine.architecture},
                              {"system", machine.os_name},
                              {"container", machine.container},
                              {"cpus", machine.cpus},
                              {"memory_mib", machine.memory_bytes >> 20}}));
}

Value addresses_of(const netlink::Link& link, const std::vector<netlink::Address>& addresses) {
  Value::List list;
  for (const netlink::Address& each : addresses) {
    if (each.interface == link.index)
      list.emplace_back(fmt::format("{}/{}", each.address.to_string(), each.prefix_length));
  }
  return list;
}

Result<Value> list_interfaces() {
  netlink::Rtnetlink kernel = TRY(netlink::Rtnetlink::open());
  const std::vector<netlink::Address> addresses = TRY(kernel.addresses());
  Value::List rows;
  for (const netlink::Link& link : TRY(kernel.links())) {
    if (rows.size() == kMaxInterfaces) break;
    rows.push_back(Value::record({{"interface", link.name},
                                  {"mtu", link.mtu},
                                  {"up", link.is_up},
                                  {"connected", link.is_connected},
                                  {"addresses", addresses_of(link, addresses)}}));
  }
  return Value(std::move(rows));
}

Result<Value> list_default_routes() {
  netlink::Rtnetlink kernel = TRY(netlink::Rtnetlink::open());
  Value::List rows;
  for (const netlink::Route& route : TRY(kernel.routes())) {
    if (route.destination.length() != 0 || rows.size() == kMaxInterfaces) continue;
    rows.push_back(
        Value::record({{"to", route.destination.to_string()},
                       {"gateway", route.gateway ? Value(route.gateway->to_string()) : Value()},
                       {"interface_number", route.interface},
                       {"table", route.table},
                       {"metric", route.metric}}));
  }
  return Value(std::move(rows));
}

std::string describe(const Result<Value>& value) {
  return value ? shown(*value) : error_line(value.error());
}

// ---------------------------------------------------------------------------------------- the node

// As JSON, which keeps all of it and stays readable.
std::string ask(const std::string& folder, std::string_view what) {
  auto client = NodeClient::connect(folder);
  if (!client) return error_line(client.error());
  const auto answer = client->ask(json::Value::object({{"ask", what}}));
  if (!answer) return error_line(answer.error());
  const Value value = to_value(*answer);
  return what == "doctor" ? shown(value) : value.to_json() + '\n';
}

std::string describe_configuration(const std::string& folder) {
  constexpr std::size_t kMaxFile = 1 << 20;
  const auto text = os::read_file(folder + "/config.json", kMaxFile);
  if (!text) return error_line(text.error());
  const auto configuration = node::parse_configuration(*text);
  if (!configuration) return error_line(configuration.error());
  return to_value(node::to_json(*configuration)).to_json() + '\n';
}

std::string last_log_lines(const std::string& folder) {
  auto reader = LogReader::open(folder + "/log.json");
  if (!reader) return error_line(reader.error());
  const auto lines = reader->last_lines(kLogLines);
  if (!lines) return error_line(lines.error());
  std::string out;
  for (const std::string& line : *lines)
    out += log_line_for_people(line) + '\n';
  return out;
}

// Also the secret that somebody put where it does not belong, such as a name.
std::string without_secrets(std::string text, const std::string& folder) {
  constexpr std::size_t kMaxSecretFile = 4096;
  if (auto secret = os::read_file(folder + "/secret", kMaxSecretFile)) {
    text = without_secret(text, *secret);
    wipe({reinterpret_cast<std::uint8_t*>(secret->data()), secret->size()});
  }
  return without_keys(text);
}

std::string write_report(const Invocation& invocation) {
  const std::string folder = state_folder_of(invocation);
  std::string out = "Sinew bug report. Keys and secrets are left out.\n";
  const auto add = [&](std::string_view title, const std::string& text) {
    out += fmt::format("\n== {} ==\n{}", title, text.empty() ? "nothing\n" : text);
  };
  add("version", describe_version(invocation));
  add("machine", describe_host());
  add("interfaces", describe(list_interfaces()));
  add("default routes", describe(list_default_routes()));
  add("configuration", describe_configuration(folder));
  add("status", ask(folder, "status"));
  add("nucleus", ask(folder, "nucleus status"));
  add("peers", ask(folder, "peers"));
  add("doctor", ask(folder, "doctor"));
  invocation.console().note("asking servers how this machine looks from outside ...");
  add("netcheck", ask(folder, "netcheck"));
  add("log", last_log_lines(folder));
  out = without_secrets(std::move(out), folder);
  return invocation.has("redact") ? AddressRedactor().redact(out) : out;
}

Outcome run(const Invocation& invocation) {
  const std::string report = write_report(invocation);
  const bool has_file = !invocation.arguments().empty();
  if (!has_file) {
    const Value value = Value::record({{"report", report}});
    // Every section was made harmless.
    return Answer{.value = value, .text = report};
  }
  const std::string& path = invocation.arguments()[0];
  if (auto written = os::write_file(path, report, 0600); !written)
    return Failure{.error = std::move(written).error().while_doing("write the report"),
                   .next_step = "Name a file in a folder that you may write to."};
  return Answer{.value = Value::record(
                    {{"written", path}, {"next", "read it before you give it to anybody"}})};
}

}  // namespace

Verb bugreport_verb() {
  return {
      .name = "bugreport",
      .summary = "Put what helps to find a fault into one text",
      .description =
          "The version, this machine's kernel and interfaces, the configuration, what status, "
          "peers, doctor and netcheck say, and the end of the log. Keys and secrets are never in "
          "it. Names of machines are; addresses are unless --redact replaces them, each by the "
          "same stand-in everywhere. It is not sent anywhere.",
      .arguments = {{.name = "FILE",
                     .summary = "Where to write it; standard output when not given",
                     .is_optional = true}},
      .options = {{.name = "redact", .summary = "Replace addresses"}, state_folder_option()},
      .examples = {{"sinew bugreport report.txt", "Write it, then read it"},
                   {"sinew bugreport --redact", "For a public place"}},
      .run = run,
  };
}

}  // namespace sinew::app
