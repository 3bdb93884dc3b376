// Counts the packets that a node receives and that match a condition of nft. One thread.
#pragma once

#include <cstdint>
#include <string>

#include "support/lab.h"

namespace sinew::lab {

class PacketCount {
 public:
  // `condition` such as "ip ecn ce"; `hook` is where in the node: prerouting, forward, …
  PacketCount(Node& node, const std::string& name, const std::string& condition,
              const std::string& hook = "prerouting")
      : node_(node), name_(name) {
    node.nft("table inet " + name +
             " {\n  counter c { }\n  chain incoming {\n    type filter hook " + hook +
             " priority -300\n    " + condition + " counter name c\n  }\n}\n");
  }

  std::uint64_t value() {
    const std::string text = node_.run({"nft", "list", "counter", "inet", name_, "c"}).out;
    const std::size_t at = text.find("packets ");
    if (at == std::string::npos) throw LabError("no counter " + name_ + " in: " + text);
    return std::stoull(text.substr(at + std::string("packets ").size()));
  }

 private:
  Node& node_;
  std::string name_;
};

}  // namespace sinew::lab
