// What `sinew start` leaves running: a node, a nucleus, or both in one process, and the socket by
// which verbs talk to it. The composition root: here, and nowhere else, the services meet.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "base/log.h"
#include "base/result.h"
#include "base/secret.h"
#include "node/settings.h"
#include "node/state_folder.h"

namespace sinew::app {

struct ServicePlan {
  node::Configuration configuration;
  SecretBytes secret;
  const node::StateFolder* folder;  // held by the caller's lock
};

// How the start goes on, for who waits for it.
class StartWatcher {
 public:
  virtual void step(std::string_view text) = 0;
  // Connected: whatever comes later is not told.
  virtual void ready() = 0;
  // How long to wait for a connection; then the service ends with why there is none. Zero: for
  // ever.
  virtual Duration patience() const = 0;

 protected:
  ~StartWatcher() = default;
};

// Runs until SIGTERM, SIGINT or `sinew stop`; then leaves the network and undoes what it did to the
// machine. SIGHUP does nothing. An error says what could not be started.
Result<> run_service(ServicePlan plan, StartWatcher& watcher, const Log& log);

}  // namespace sinew::app
