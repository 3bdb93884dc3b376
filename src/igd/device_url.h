// Where a UPnP device says it is to be found. Pure.
#pragma once

#include <optional>
#include <string_view>

#include "base/ip.h"

namespace sinew::igd {

// The address in "http://192.168.1.1:5000/desc.xml"; nothing for names, for anything but plain
// http, for user information in front of the address, and for an address spelt in any but its one
// way.
std::optional<IpAddress> address_of_url(std::string_view url);

}  // namespace sinew::igd
