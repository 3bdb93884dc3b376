// A UDP socket of the test inside a node, for asking what the network between does to datagrams.
// One thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/ip.h"
#include "support/lab.h"

namespace sinew::lab {

struct Datagram {
  Endpoint from;
  std::string text;
};

class UdpProbe {
 public:
  // Long enough for any answer that comes, however busy the machine; only what does not come costs
  // the time.
  static constexpr Duration kPatience = 5s;
  // For what must not come.
  static constexpr Duration kShortPatience = 300ms;

  UdpProbe(Node& node, std::string_view local);

  Endpoint local() const { return local_; }
  void send(const Endpoint& to, std::string_view text);
  // The next datagram, or nothing.
  std::optional<Datagram> receive(Duration patience = kPatience);

 private:
  Endpoint local_;
  os::Fd socket_;
};

}  // namespace sinew::lab
