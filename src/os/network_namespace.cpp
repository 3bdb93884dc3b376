#include "os/network_namespace.h"

#include <sched.h>

#include "os/error.h"
#include "os/thread.h"

namespace sinew::os {

Result<> in_network_namespace(const Fd& network_namespace, const std::function<Result<>()>& body) {
  Result<> outcome;
  std::thread thread = TRY(start_thread([&] {
    if (::setns(network_namespace.get(), CLONE_NEWNET) != 0) {
      outcome = system_error("enter a network namespace");
    } else {
      outcome = body();
    }
  }));
  thread.join();
  return outcome;
}

}  // namespace sinew::os
