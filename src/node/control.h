// How verbs talk to a running node: a local socket, one JSON object a line. A question is
// {"ask": NAME, …}; the answers to it are any number of {"step": …} and then one {"result": …} or
// {"error": {"kind", "message", "next_step"}}. One connection may ask several questions, one after
// the other. docs/protocol/control-socket.md.
//
// The socket's file has mode 0600, and the kernel says who connected: root, or the user the node
// runs as; others are turned away without an answer. One thread. Bounds: kMaxConnections,
// kMaxLineBytes; a client that does not read makes its own answer wait and nothing else.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "aio/listener.h"
#include "aio/runtime.h"
#include "aio/stream.h"
#include "aio/task_group.h"
#include "json/cursor.h"
#include "json/value.h"

namespace sinew::node {

// Where an answer goes.
class Answering {
 public:
  explicit Answering(aio::Stream& stream) : stream_(stream) {}

  // What is known so far. An error when nobody listens any more.
  aio::Task<Result<>> step(json::Value value);
  aio::Task<Result<>> finish(Result<json::Value> result);

 private:
  aio::Task<Result<>> send(json::Value line);

  aio::Stream& stream_;
};

class ControlServer {
 public:
  static constexpr std::size_t kMaxConnections = 32;
  static constexpr std::size_t kMaxLineBytes = 64 << 10;

  // Answers one question. The request lives until it has ended.
  using Answerer =
      std::function<aio::Task<Result<json::Value>>(const json::Value& request, Answering& to)>;

  static Result<std::unique_ptr<ControlServer>> open(aio::Runtime& runtime, const std::string& path,
                                                     Answerer answerer);
  // Removes the file.
  ~ControlServer();

  // Until cancelled.
  aio::Task<> serve();

 private:
  ControlServer(aio::Runtime& runtime, aio::Listener listener, std::string path, Answerer answerer);
  aio::Task<> accept_all(aio::TaskGroup& connections);
  aio::Task<> talk(std::unique_ptr<aio::Stream> stream);
  aio::Task<Result<>> answer_line(aio::Stream& stream, std::string_view line);

  aio::Runtime& runtime_;
  aio::Listener listener_;
  std::string path_;
  Answerer answerer_;
};

}  // namespace sinew::node
