// A member of a mesh in a laboratory: `sinew start` in the foreground of a node, with a state
// folder of its own, asked with the verbs that people use. Verbs speak to the node through its
// state folder, so that they need not run inside its namespace.
//
//     MeshNode nucleus(lab, server, {.mode = "nucleus"});
//     MeshNode alice(lab, alice_node, {.nuclei = {"192.0.2.10"}});
//     MeshNode bob(lab, bob_node, {.nuclei = {"192.0.2.10"}});
//     alice.wait_for_peer("bob");
//     CHECK(alice.can_ping("bob"));
//     CHECK(text_of(alice.peer("bob"), "route").starts_with("direct"));
//
// Names in the network are those of the lab's nodes unless told otherwise. One thread.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "json/value.h"
#include "support/lab.h"

namespace sinew::lab {

class MeshNode {
 public:
  static constexpr const char* kSecret = "a secret that all members know";
  static constexpr Duration kPatience = 20s;

  struct Options {
    std::string mode = "edge";
    std::vector<std::string> nuclei = {};
    std::string name = {};  // in the network; the node's by default
    std::string cluster = "lab";
    std::string secret = kSecret;
    std::vector<std::string> arguments = {};  // of `sinew start` besides
    bool is_awaited = true;                   // until it says that it is connected
  };

  MeshNode(Lab& lab, Node& node, const Options& options);
  MeshNode(const MeshNode&) = delete;
  MeshNode& operator=(const MeshNode&) = delete;
  // Asks the program to end; that it does not end well fails the test.
  ~MeshNode();

  Node& node() { return *node_; }
  const std::string& name() const { return name_; }
  const std::string& state_folder() const { return state_folder_; }
  Process& program() { return *program_; }
  bool is_running() { return program_ && program_->is_running(); }

  // `sinew start` with the state folder alone: as last time.
  void start();
  void wait_until_ready();
  // With SIGTERM; it leaves the network.
  void stop();
  // With SIGKILL; it has no time to.
  void kill();

  // `sinew <words> --state-dir ...`, and the same with -o json, read; what fails is a LabError.
  os::RunOutcome run(std::vector<std::string> words);
  json::Value ask(std::vector<std::string> words);
  // `sinew <words>` that goes on while the test does other things.
  Process start_verb(std::vector<std::string> words);
  // A question as the verbs put it, without a verb around it: for what no verb offers.
  json::Value ask_directly(const json::Value& question);

  json::Value status() { return ask({"status"}); }
  // Null when there is none of that name.
  json::Value peer(std::string_view name);
  std::string address();
  // Whether an answer comes within kPatience.
  bool can_ping(const std::string& peer);

  // Asks again and again. What does not come is a LabError.
  void wait_for(const std::string& what, const std::function<bool()>& condition,
                Duration limit = kPatience);
  // Until the map has the peer, online; or has it no more.
  void wait_for_peer(std::string_view name);
  void wait_for_loss_of(std::string_view name);
  void wait_for_route(std::string_view peer, std::string_view beginning,
                      Duration limit = kPatience);

  // When the log says that packets to this peer went another way first, and first such a way: from
  // the moment somebody wanted to talk. Nothing while they have not.
  std::optional<Duration> time_to_route(std::string_view peer, std::string_view beginning) const;

 private:
  std::vector<std::string> command(std::vector<std::string> words) const;

  Node* node_;
  std::string name_;
  std::string state_folder_;
  std::optional<Process> program_;
};

// A member of a JSON object as text; "" when it is null or not there.
std::string text_of(const json::Value& object, std::string_view member);

}  // namespace sinew::lab
