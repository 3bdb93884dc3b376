// A verb's conversation with the node that runs on this machine (docs/protocol/control-socket.md).
// Blocks; one thread.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "app/verb.h"
#include "base/result.h"
#include "json/value.h"
#include "os/fd.h"

namespace sinew::app {

class NodeClient {
 public:
  // kUnavailable when no node runs with this state folder.
  static Result<NodeClient> connect(const std::string& state_folder);

  // `show` gets every step before the result; false ends the conversation, without an error.
  Result<json::Value> ask(const json::Value& request,
                          const std::function<bool(const json::Value&)>& show = {});

 private:
  explicit NodeClient(os::Fd socket) : socket_(std::move(socket)) {}
  Result<std::string> read_line();

  os::Fd socket_;
  std::string received_;
};

// --state-dir, or the usual place.
std::string state_folder_of(const Invocation& invocation);
// The option, for verbs that talk to a node.
Option state_folder_option();
// What to do when there is no node, or no permission.
Failure explain_node_error(Error error);

// An answer of a node as what verbs answer.
Value to_value(const json::Value& value);

}  // namespace sinew::app
