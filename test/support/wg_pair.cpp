#include "support/wg_pair.h"

#include <doctest/doctest.h>

namespace sinew::lab {

bool are_tunnels_possible() {
  return is_possible({"wireguard-go", "wg", "iperf3", "ping"});
}

void transfer(WgEnd& client, WgEnd& server, const std::string& address,
              const std::vector<std::string>& options) {
  Process listener = server.node().start({"iperf3", "-s", "-1", "--forceflush"});
  listener.wait_for_output("Server listening");
  std::vector<std::string> command = {"iperf3", "-c", address};
  command.insert(command.end(), options.begin(), options.end());
  const os::RunOutcome outcome = client.node().run(command, {.time = 60s});
  INFO(outcome.out << outcome.err << server.program().output());
  CHECK(outcome.status.succeeded());
  CHECK(listener.wait().succeeded());
}

}  // namespace sinew::lab
