#include "app/node_client.h"

#include <poll.h>

#include <array>
#include <utility>
#include <variant>

#include "json/cursor.h"
#include "json/parse.h"
#include "node/state_folder.h"
#include "os/error.h"
#include "os/unix_socket.h"

namespace sinew::app {
namespace {

constexpr std::size_t kMaxAnswer = 64 << 20;  // 10,000 peers with their histories

ErrorKind kind_named(std::string_view name) {
  for (int i = 0; i <= static_cast<int>(ErrorKind::kInternal); ++i) {
    const auto kind = static_cast<ErrorKind>(i);
    if (sinew::name_of(kind) == name) return kind;
  }
  return ErrorKind::kInternal;
}

Result<Error> read_error(const json::Cursor& error) {
  return Error{kind_named(TRY(TRY(error.at("kind")).string())),
               std::string(TRY(TRY(error.at("message")).string()))};
}

void wait_for(const os::Fd& socket, short events) {
  pollfd ready{.fd = socket.get(), .events = events, .revents = 0};
  os::retry_interrupted([&] { return ::poll(&ready, 1, -1); });
}

}  // namespace

Result<NodeClient> NodeClient::connect(const std::string& state_folder) {
  auto socket = os::connect_unix(state_folder + "/control.sock");
  if (socket) return NodeClient(*std::move(socket));
  const ErrorKind kind = socket.error().kind;
  if (kind == ErrorKind::kNotFound || kind == ErrorKind::kUnavailable) {
    return Error{ErrorKind::kUnavailable,
                 "no node is running with the state folder " + state_folder};
  }
  return std::move(socket).error().while_doing("talk to the node");
}

Result<json::Value> NodeClient::ask(const json::Value& request,
                                    const std::function<bool(const json::Value&)>& show) {
  const std::string line = json::write(request) + "\n";
  TRY(os::write_all(socket_, as_bytes(line)));
  while (true) {
    const json::Value answer = TRY(
        json::parse(TRY(read_line()), {.bytes = kMaxAnswer, .depth = 32, .values = 10'000'000}));
    const json::Cursor root(answer);
    if (const json::Value* const result = answer.find("result")) return *result;
    if (const auto error = TRY(root.find("error"))) return TRY(read_error(*error));
    const auto step = TRY(root.find("step"));
    if (!step)
      return Error{ErrorKind::kInternal, "the node's answer is none that this program knows"};
    if (show && !show(step->value())) return json::Value();
  }
}

Result<std::string> NodeClient::read_line() {
  while (true) {
    if (const std::size_t end = received_.find('\n'); end != std::string::npos) {
      std::string line = received_.substr(0, end);
      received_.erase(0, end + 1);
      return line;
    }
    if (received_.size() > kMaxAnswer)
      return Error{ErrorKind::kOverloaded, "the node's answer has no end"};
    std::array<std::uint8_t, 16 << 10> room;
    const auto size = TRY(os::read_some(socket_, room));
    if (!size) {
      wait_for(socket_, POLLIN);
      continue;
    }
    if (*size == 0)
      return Error{ErrorKind::kUnavailable,
                   "the node has hung up: it has ended, or is asked by too many"};
    received_.append(as_text(ByteView(room).first(*size)));
  }
}

std::string state_folder_of(const Invocation& invocation) {
  if (const auto given = invocation.value("state-dir")) return std::string(*given);
  return node::default_state_folder();
}

Option state_folder_option() {
  return {.name = "state-dir",
          .value = "DIR",
          .summary = "The node's folder, when it is not the usual one"};
}

Failure explain_node_error(Error error) {
  if (error.kind == ErrorKind::kUnavailable)
    return {.error = std::move(error),
            .next_step = "Start one with 'sinew start'; 'sinew help start' shows how."};
  if (error.kind == ErrorKind::kDenied)
    return {.error = std::move(error),
            .next_step = "Ask as the user the node runs as, or as root."};
  if (error.kind == ErrorKind::kUnsupported)
    return {.error = std::move(error),
            .next_step =
                "'sinew nucleus nodes' lists the machines; 'sinew start --mode dual' makes this "
                "one a member too."};
  return {.error = std::move(error)};
}

Value to_value(const json::Value& value) {
  struct Visitor {
    Value operator()(std::monostate) const { return {}; }
    Value operator()(bool held) const { return held; }
    Value operator()(std::int64_t held) const { return held; }
    Value operator()(std::uint64_t held) const { return held; }
    Value operator()(double held) const { return held; }
    Value operator()(const std::string& held) const { return held; }
    Value operator()(const json::Value::Array& held) const {
      Value::List list;
      for (const json::Value& each : held)
        list.push_back(to_value(each));
      return list;
    }
    Value operator()(const json::Value::Object& held) const {
      Value::Record record;
      for (const json::Value::Member& each : held)
        record.push_back({each.name, to_value(each.value)});
      return record;
    }
  };
  return std::visit(Visitor(), value.held());
}

}  // namespace sinew::app
