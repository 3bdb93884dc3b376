#include "os/netif.h"

#include <net/if.h>

#include <string>

namespace sinew::os {

std::optional<std::uint32_t> interface_number(std::string_view name) {
  const unsigned number = ::if_nametoindex(std::string(name).c_str());
  if (number == 0) return std::nullopt;
  return number;
}

}  // namespace sinew::os
