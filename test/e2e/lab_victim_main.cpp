// lab_victim: builds a laboratory with processes inside, prints "NAME ready" and waits to be
// killed.
#include <unistd.h>

#include <cstdio>

#include "support/lab.h"

using namespace sinew;
using namespace sinew::lab;

int main() {
  Lab lab;
  Network& network = lab.network("network");
  Node& node = lab.node("node").join(network, {"10.0.0.1/24"}, {.delay = 1ms});
  const Process in_a_group_of_ours = node.start({"sleep", "1000"});
  Process escaped = node.start({"setsid", "--fork", "sleep", "1000"});
  escaped.wait();
  std::printf("%s ready\n", lab.name().c_str());
  std::fflush(stdout);
  while (true)
    ::pause();
}
