#include "igd/gateway.h"

#include <miniupnpc/miniupnpc.h>
#include <miniupnpc/upnpcommands.h>
#include <miniupnpc/upnperrors.h>

#include <array>
#include <string_view>

#include "base/clock.h"
#include "igd/device_url.h"
#include "igd/igd.h"
#include "portmap/mapper.h"

namespace sinew::igd {

namespace {

constexpr int kPortConflict = 718;
constexpr int kOnlyPermanentLeases = 725;
constexpr const char* kDescription = "sinew";
constexpr const char* kProtocol = "UDP";
// As a router in the same network is.
constexpr unsigned char kTimeToLive = 2;

// Frees what a search found.
struct DeviceListDeleter {
  void operator()(UPNPDev* list) const { freeUPNPDevlist(list); }
};
using DeviceList = std::unique_ptr<UPNPDev, DeviceListDeleter>;

DeviceList search(const IpAddress& own) {
  constexpr std::array<const char*, 3> kKinds{"urn:schemas-upnp-org:device:InternetGatewayDevice:1",
                                              "urn:schemas-upnp-org:device:InternetGatewayDevice:2",
                                              nullptr};
  constexpr int kMilliseconds = kSearchTime / 1ms;
  int error = 0;
  return DeviceList(upnpDiscoverDevices(kKinds.data(), kMilliseconds, own.to_string().c_str(),
                                        nullptr, UPNP_LOCAL_PORT_ANY, own.is_v6() ? 1 : 0,
                                        kTimeToLive, &error, 1));
}

Error refusal(std::string_view what, int code) {
  const char* text = strupnperror(code);
  return {code == kPortConflict ? ErrorKind::kConflict : ErrorKind::kUnavailable,
          std::string(what) +
              " by UPnP: " + (text != nullptr ? text : "error " + std::to_string(code))};
}

}  // namespace

struct Gateway::Device {
  Device() = default;
  Device(const Device&) = delete;
  Device& operator=(const Device&) = delete;
  ~Device() { FreeUPNPUrls(&urls); }

  UPNPUrls urls{};
  IGDdatas data{};

  const char* control() const { return urls.controlURL; }
  const char* service() const { return data.first.servicetype; }
};

Gateway::Gateway(std::unique_ptr<Device> device) : device_(std::move(device)) {}
Gateway::Gateway(Gateway&&) noexcept = default;
Gateway& Gateway::operator=(Gateway&&) noexcept = default;
Gateway::~Gateway() = default;

Result<Gateway> Gateway::find(const IpAddress& gateway, const IpAddress& own) {
  const DeviceList list = search(own);
  for (const UPNPDev* each = list.get(); each != nullptr; each = each->pNext) {
    if (each->descURL == nullptr || address_of_url(each->descURL) != gateway) continue;
    auto device = std::make_unique<Device>();
    std::array<char, 64> our_address{};
    if (UPNP_GetIGDFromUrl(each->descURL, &device->urls, &device->data, our_address.data(),
                           static_cast<int>(our_address.size())) != 1)
      continue;
    // The description is the device's word again.
    if (device->control() == nullptr || address_of_url(device->control()) != gateway) continue;
    return Gateway(std::move(device));
  }
  return Error{ErrorKind::kNotFound, "no UPnP gateway at " + gateway.to_string()};
}

Result<IpAddress> Gateway::external_address() const {
  std::array<char, 64> text{};  // the library writes at most 16
  const int code = UPNP_GetExternalIPAddress(device_->control(), device_->service(), text.data());
  if (code != UPNPCOMMAND_SUCCESS) return refusal("ask for the outside address", code);
  const Result<IpAddress> address = IpAddress::parse(text.data());
  if (!address)
    return Error{ErrorKind::kUnavailable, "ask for the outside address by UPnP: none given"};
  if (const auto reason = portmap::objection(*address))
    return Error{ErrorKind::kUnavailable, std::string(portmap::name_of(*reason))};
  return *address;
}

Result<> Gateway::add_mapping(const IpAddress& own, std::uint16_t port,
                              std::uint16_t external_port) const {
  const std::string outside = std::to_string(external_port);
  const std::string inside = std::to_string(port);
  const auto add = [&](std::uint32_t lease) {
    return UPNP_AddPortMapping(device_->control(), device_->service(), outside.c_str(),
                               inside.c_str(), own.to_string().c_str(), kDescription, kProtocol,
                               nullptr, std::to_string(lease).c_str());
  };
  int code = add(kLease);
  if (code == kOnlyPermanentLeases) code = add(0);
  if (code != UPNPCOMMAND_SUCCESS) return refusal("open a port", code);
  return {};
}

Result<> Gateway::remove_mapping(std::uint16_t external_port) const {
  const int code =
      UPNP_DeletePortMapping(device_->control(), device_->service(),
                             std::to_string(external_port).c_str(), kProtocol, nullptr);
  if (code != UPNPCOMMAND_SUCCESS) return refusal("give a port back", code);
  return {};
}

}  // namespace sinew::igd
