#include "node/control.h"

#include <unistd.h>

#include <utility>

#include "json/parse.h"

namespace sinew::node {

aio::Task<Result<>> Answering::step(json::Value value) {
  return send(json::Value::object({{"step", std::move(value)}}));
}

aio::Task<Result<>> Answering::finish(Result<json::Value> result) {
  if (result) return send(json::Value::object({{"result", *std::move(result)}}));
  const Error& error = result.error();
  return send(json::Value::object({{"error", json::Value::object({{"kind", name_of(error.kind)},
                                                                  {"message", error.message}})}}));
}

aio::Task<Result<>> Answering::send(json::Value line) {
  const std::string text = json::write(line) + "\n";
  const Result<> written = co_await stream_.write(as_bytes(text));
  co_return written;
}

Result<std::unique_ptr<ControlServer>> ControlServer::open(aio::Runtime& runtime,
                                                           const std::string& path,
                                                           Answerer answerer) {
  aio::Listener listener = TRY(aio::Listener::listen_unix(runtime, path, 0600));
  return std::unique_ptr<ControlServer>(
      new ControlServer(runtime, std::move(listener), path, std::move(answerer)));
}

ControlServer::ControlServer(aio::Runtime& runtime, aio::Listener listener, std::string path,
                             Answerer answerer)
    : runtime_(runtime),
      listener_(std::move(listener)),
      path_(std::move(path)),
      answerer_(std::move(answerer)) {}

ControlServer::~ControlServer() {
  ::unlink(path_.c_str());
}

aio::Task<> ControlServer::serve() {
  aio::TaskGroup connections(runtime_);
  co_await accept_all(connections);
  co_await connections.stop();
}

aio::Task<> ControlServer::accept_all(aio::TaskGroup& connections) {
  while (true) {
    Result<aio::Accepted> accepted = co_await listener_.accept();
    if (!accepted) co_return;
    const bool is_ours =
        accepted->process && (accepted->process->uid == 0 || accepted->process->uid == ::geteuid());
    if (!is_ours || connections.size() >= kMaxConnections) continue;
    connections.start("control connection", talk(std::move(accepted->stream)));
  }
}

aio::Task<> ControlServer::talk(std::unique_ptr<aio::Stream> stream) {
  std::string received;
  std::array<std::uint8_t, 4096> room;
  while (received.size() <= kMaxLineBytes) {
    if (const std::size_t end = received.find('\n'); end != std::string::npos) {
      const std::string line = received.substr(0, end);
      received.erase(0, end + 1);
      const Result<> answered = co_await answer_line(*stream, line);
      if (!answered) co_return;
      continue;
    }
    const Result<std::size_t> size = co_await stream->read_some(room);
    if (!size || *size == 0) co_return;
    received.append(as_text(ByteView(room).first(*size)));
  }
  Answering answering(*stream);
  const Error too_long{ErrorKind::kOverloaded,
                       "the question is longer than " + std::to_string(kMaxLineBytes) + " bytes"};
  const Result<> told = co_await answering.finish(too_long);
  // Who does not read why is rid of the connection all the same.
  if (!told) co_return;
}

aio::Task<Result<>> ControlServer::answer_line(aio::Stream& stream, std::string_view line) {
  Answering answering(stream);
  const Result<json::Value> request = json::parse(line);
  if (!request) {
    const Result<> sent = co_await answering.finish(request.error());
    co_return sent;
  }
  Result<json::Value> result = co_await answerer_(*request, answering);
  const Result<> sent = co_await answering.finish(std::move(result));
  co_return sent;
}

}  // namespace sinew::node
