// coturn as a judge of NATs that shares no line with us: its server with two addresses and two
// ports, and its RFC 5780 client. Needs the programs turnserver and turnutils_natdiscovery.
#pragma once

#include <optional>
#include <string>

#include "support/lab.h"

namespace sinew::lab {

// A STUN server on ports 3478 and 3479 of both addresses of `node`, ready when this returns.
Process start_stun_server(Lab& lab, Node& node, const std::string& first_address,
                          const std::string& second_address);

// How a NAT chooses the outside port, or whom it lets in (RFC 4787).
enum class NatBehaviour { kEndpointIndependent, kAddressDependent, kAddressAndPortDependent };

struct NatVerdict {
  // Nothing when the client came to no conclusion, as behind a NAT that drops UDP.
  std::optional<NatBehaviour> mapping;
  std::optional<NatBehaviour> filtering;
  std::string transcript;
};

// Asks `server` from behind the NAT. Takes some seconds when the NAT filters, because the judge
// then waits for what must not come; several may run at once.
Process start_nat_judge(Node& client, const std::string& client_address, const std::string& server);
NatVerdict verdict_of(Process& judge);

}  // namespace sinew::lab
