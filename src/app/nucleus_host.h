// A nucleus as it runs in this program: the signal service, and on the same port a relay and STUN.
// Joins nucleus::Server and relayd::Server, which do not know each other. One thread, that of the
// Runtime; the relay has its own.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>

#include "aio/runtime.h"
#include "base/log.h"
#include "base/rng.h"
#include "base/secret.h"
#include "json/value.h"
#include "node/settings.h"
#include "node/state_folder.h"

namespace sinew::app {

class NucleusHost {
 public:
  static Result<std::unique_ptr<NucleusHost>> open(aio::Runtime& runtime, Rng& rng,
                                                   const node::Configuration& configuration,
                                                   const SecretBytes& secret,
                                                   const node::StateFolder& folder, const Log& log);
  ~NucleusHost();

  void start();
  aio::Task<> stop();
  std::uint16_t port() const;

  // "nucleus status", "nucleus nodes", "nucleus forget".
  Result<json::Value> answer(std::string_view what, const json::Value& request);

 private:
  struct Parts;
  explicit NucleusHost(std::unique_ptr<Parts> parts);

  std::unique_ptr<Parts> parts_;
};

}  // namespace sinew::app
