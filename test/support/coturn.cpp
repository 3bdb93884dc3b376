#include "support/coturn.h"

#include <array>
#include <utility>

namespace sinew::lab {
namespace {

// "NAT with Address Dependent Filtering!"
std::optional<NatBehaviour> conclusion_in(const std::string& transcript, const std::string& about) {
  constexpr std::array kPhrases{
      std::pair{"Endpoint Independent ", NatBehaviour::kEndpointIndependent},
      std::pair{"Address Dependent ", NatBehaviour::kAddressDependent},
      std::pair{"Address and Port Dependent ", NatBehaviour::kAddressAndPortDependent},
  };
  for (const auto& [phrase, behaviour] : kPhrases) {
    if (transcript.contains("NAT with " + (phrase + about))) return behaviour;
  }
  return std::nullopt;
}

}  // namespace

Process start_stun_server(Lab& lab, Node& node, const std::string& first_address,
                          const std::string& second_address) {
  const std::string files = lab.folder() + "/turnserver";
  // -n: no configuration file; everything it writes lies in the laboratory's folder.
  Process server = node.start({"turnserver", "-n", "--no-auth", "--no-cli", "--no-tls", "--no-dtls",
                               "--stun-only", "--listening-ip", first_address, "--listening-ip",
                               second_address, "--pidfile", files + ".pid", "--userdb",
                               files + ".db", "--log-file", "stdout", "--realm", "lab"});
  server.wait_for_output("Total General servers");
  return server;
}

Process start_nat_judge(Node& client, const std::string& client_address,
                        const std::string& server) {
  return client.start({"turnutils_natdiscovery", "-m", "-f", "-L", client_address, server});
}

NatVerdict verdict_of(Process& judge) {
  judge.wait(60s);
  std::string transcript = judge.output();
  return {.mapping = conclusion_in(transcript, "Mapping"),
          .filtering = conclusion_in(transcript, "Filtering"),
          .transcript = std::move(transcript)};
}

}  // namespace sinew::lab
