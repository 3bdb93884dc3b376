// Answers what verbs ask of a running node (node/control.h): status, peers, ping, netcheck, doctor
// and config. One thread.
#pragma once

#include <string>

#include "aio/task.h"
#include "json/value.h"
#include "node/control.h"
#include "node/mesh.h"
#include "node/state_folder.h"

namespace sinew::node {

class Operator {
 public:
  static constexpr std::uint32_t kMostPings = 10'000;
  static constexpr Duration kPingPatience = 3s;
  // For a peer that is about to join: who starts two machines asks for the second at once.
  static constexpr Duration kJoinPatience = 2s;

  // All outlive it.
  Operator(aio::Runtime& runtime, Mesh& mesh, Configuration& configuration,
           const StateFolder& folder)
      : runtime_(runtime), mesh_(mesh), configuration_(configuration), folder_(folder) {}

  // kNotFound for a question it does not know.
  aio::Task<Result<json::Value>> answer(const json::Value& request, Answering& to);

 private:
  aio::Task<Result<json::Value>> ping(const json::Value& request, Answering& to);
  aio::Task<const Peers::Entry*> find_soon(std::string word);
  aio::Task<Result<json::Value>> netcheck();
  Result<json::Value> config(const json::Value& request);
  json::Value doctor() const;
  json::Value check_nucleus(std::size_t index) const;
  json::Value check_relay() const;
  void check_addresses(json::Value::Array& found) const;

  aio::Runtime& runtime_;
  Mesh& mesh_;
  Configuration& configuration_;
  const StateFolder& folder_;
};

}  // namespace sinew::node
