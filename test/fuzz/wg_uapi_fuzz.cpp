// Requests of `wg`: what is accepted means the same when it is written down again, and what is
// refused is refused with a line number.
#include <string>

#include "base/encoding.h"
#include "base/verify.h"
#include "wg/uapi.h"

using namespace sinew;
using namespace sinew::wg;

namespace {

std::string flag(std::string_view name, bool value) {
  return value ? std::string(name) + "=true\n" : std::string();
}

std::string written(const uapi::PeerEdit& peer) {
  std::string text = "public_key=" + to_hex(peer.public_key.bytes()) + '\n';
  text += flag("remove", peer.is_removal) + flag("update_only", peer.is_update_only);
  if (peer.preshared_key) text += "preshared_key=" + to_hex(peer.preshared_key->expose()) + '\n';
  if (peer.endpoint) text += "endpoint=" + peer.endpoint->to_string() + '\n';
  if (peer.persistent_keepalive) {
    const auto seconds = duration_cast<std::chrono::seconds>(*peer.persistent_keepalive).count();
    text += "persistent_keepalive_interval=" + std::to_string(seconds) + '\n';
  }
  text += flag("replace_allowed_ips", peer.replaces_allowed_ips);
  for (const uapi::AllowedIpEdit& each : peer.allowed_ips)
    text +=
        std::string("allowed_ip=") + (each.is_removal ? "-" : "") + each.prefix.to_string() + '\n';
  return text;
}

std::string written(const uapi::DeviceEdit& edit) {
  std::string text = "set=1\n";
  if (edit.private_key) {
    const auto& key = *edit.private_key;
    text += "private_key=" + (key ? to_hex(key->expose()) : std::string(64, '0')) + '\n';
  }
  if (edit.listen_port) text += "listen_port=" + std::to_string(*edit.listen_port) + '\n';
  if (edit.fwmark) text += "fwmark=" + std::to_string(*edit.fwmark) + '\n';
  text += flag("replace_peers", edit.replaces_peers);
  for (const uapi::PeerEdit& peer : edit.peers)
    text += written(peer);
  return text + '\n';
}

void check(std::string_view request) {
  const auto edit = uapi::parse_set(request);
  if (!edit) {
    VERIFY(edit.error().message.starts_with("line "));
    VERIFY(uapi::errno_of(edit.error().kind) != uapi::Errno::kNone);
    return;
  }
  VERIFY(uapi::request_size(request) == request.size());
  VERIFY(uapi::operation_of(request).value() == uapi::Operation::kSet);
  const std::string text = written(*edit);
  const auto again = uapi::parse_set(text);
  VERIFY(again.has_value());
  VERIFY(written(*again) == text);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text = as_text({data, size});
  static_cast<void>(uapi::operation_of(text));
  check(text);
  check(text.substr(0, uapi::request_size(text).value_or(0)));
  check("set=1\n" + std::string(text) + "\n\n");
  return 0;
}
