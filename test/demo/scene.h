// The scene of the demo: a nucleus that all can reach, and four machines behind different routers.
//
//   laptop 192.168.1.2  --- home     address-restricted   198.51.100.1 ---+
//   robot  192.168.2.2  --- workshop port-restricted      198.51.100.2 ---+
//   drone  192.168.3.2  --- carrier  symmetric            198.51.100.3 ---+--- internet
//   press  192.168.4.2  --- factory  lets no UDP out      198.51.100.4 ---+
//                                          nucleus 198.51.100.10 ---------+
//
// Each machine is a network namespace, in which the released program runs as a user would start it.
// All of it is gone when the Scene is. One thread.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "json/value.h"
#include "os/signal_fd.h"
#include "support/lab.h"

namespace sinew::demo {

// Thrown when somebody wants the demo to end.
struct Stopped {};

struct Machine {
  lab::Node* node;
  std::string state_folder;
  std::string address = "-";  // in the private network
  std::string nat = "-";      // as the program sees it
};

class Scene {
 public:
  // In the folder that programs are shown in.
  static constexpr const char* kSecretFile = "secret";

  // Opened before any thread was started; outlives the Scene.
  explicit Scene(os::SignalFd& signals);

  Machine& nucleus() { return machines_.front(); }
  // Without the nucleus.
  std::vector<Machine*> members();
  Machine& member(std::string_view name);

  // Runs `sinew WORDS...` on the machine, shown as typed there and with what it answers as soon as
  // it does; its output. What does not succeed is a LabError.
  std::string show(Machine& machine, const std::vector<std::string>& words);
  // The same without showing it, answered in JSON; null when it does not succeed.
  json::Value ask(Machine& machine, const std::vector<std::string>& words);
  // What somebody types in another terminal to do the same.
  std::string command(const Machine& machine, const std::string& words) const;

  // Lets every member send to every other one, once a second.
  void start_traffic();
  // Sleeps, unless somebody wants an end.
  void pause(Duration duration);

 private:
  void add(const std::string& name, const std::string& router, const std::string& network,
           const lab::NatOptions& nat);
  std::vector<std::string> words_for(const Machine& machine,
                                     const std::vector<std::string>& words) const;

  os::SignalFd& signals_;
  lab::Lab lab_;
  lab::Network& internet_;
  std::vector<Machine> machines_;
  std::vector<lab::Process> traffic_;
};

}  // namespace sinew::demo
