// One gateway that speaks UPnP, as libminiupnpc sees it. Every call blocks, for seconds when nobody
// answers. One thread; igd.h says what an attacker can do.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "base/ip.h"
#include "base/result.h"

namespace sinew::igd {

class Gateway {
 public:
  // Searches the network of `own` for a device at exactly the address `gateway`.
  static Result<Gateway> find(const IpAddress& gateway, const IpAddress& own);
  Gateway(Gateway&&) noexcept;
  Gateway& operator=(Gateway&&) noexcept;
  ~Gateway();

  // One that others can reach us at.
  Result<IpAddress> external_address() const;
  // kConflict: somebody else has the port.
  Result<> add_mapping(const IpAddress& own, std::uint16_t port, std::uint16_t external_port) const;
  Result<> remove_mapping(std::uint16_t external_port) const;

 private:
  struct Device;
  explicit Gateway(std::unique_ptr<Device> device);

  std::unique_ptr<Device> device_;
};

}  // namespace sinew::igd
