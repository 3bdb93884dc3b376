#include "app/systemd_unit.h"

#include <fmt/format.h>

#include <algorithm>

namespace sinew::app {
namespace {

// A word of a unit file (systemd.syntax(7)): '%' begins a specifier everywhere.
std::string quoted(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    if (c == '%') out += '%';
    out += c;
  }
  return out + '"';
}

// A word of a command, where '$' begins a variable as well.
std::string quoted_in_command(std::string_view text) {
  std::string out = quoted(text);
  for (std::size_t at = out.find('$'); at != std::string::npos; at = out.find('$', at + 2))
    out.insert(at, 1, '$');
  return out;
}

Result<> check_path(std::string_view path) {
  const bool has_control = std::ranges::any_of(
      path, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; });
  if (path.starts_with('/') && !has_control) return {};
  return Error{ErrorKind::kInvalid, "no unit can hold this path: " + std::string(path)};
}

bool is_under(const UnitPlan& plan, std::initializer_list<std::string_view> folders) {
  return std::ranges::any_of(folders, [&](std::string_view folder) {
    return plan.program.starts_with(folder) || plan.state_folder.starts_with(folder);
  });
}

constexpr std::string_view kUnit = R"([Unit]
Description=Sinew node ({0})
Documentation=man:sinew(1)
After=network.target nss-lookup.target
Wants=network.target
StartLimitIntervalSec=0

[Service]
Type=exec
ExecStart={1} start --foreground --state-dir {2}
Restart=on-failure
RestartSec=2
RestartPreventExitStatus=2
TimeoutStopSec=15

CapabilityBoundingSet=CAP_NET_ADMIN CAP_NET_RAW CAP_NET_BIND_SERVICE
NoNewPrivileges=yes
DevicePolicy=closed
DeviceAllow=/dev/net/tun rw
ProtectSystem=strict
ReadWritePaths={3}
ProtectHome={4}
PrivateTmp={5}
ProtectProc=invisible
ProtectClock=yes
ProtectHostname=yes
ProtectControlGroups=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
MemoryDenyWriteExecute=yes
RemoveIPC=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallErrorNumber=EPERM
UMask=0077

[Install]
WantedBy=multi-user.target
)";

}  // namespace

Result<std::string> systemd_unit(const UnitPlan& plan) {
  TRY(check_path(plan.program));
  TRY(check_path(plan.state_folder));
  std::string shown;
  for (const char c : plan.state_folder)
    shown += c == '%' ? "%%" : std::string(1, c);
  // What hides a folder would hide ours in it.
  const bool needs_home = is_under(plan, {"/home/", "/root/", "/run/user/"});
  const bool needs_tmp = is_under(plan, {"/tmp/", "/var/tmp/"});
  return std::string(kUnitMark) +
         fmt::format(kUnit, shown, quoted_in_command(plan.program),
                     quoted_in_command(plan.state_folder), quoted(plan.state_folder),
                     needs_home ? "read-only" : "yes", needs_tmp ? "no" : "yes");
}

bool is_unit_name(std::string_view name) {
  const auto is_letter = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
  };
  return !name.empty() && name.size() <= kMaxUnitName && is_letter(name.front()) &&
         std::ranges::all_of(
             name, [&](char c) { return is_letter(c) || c == '-' || c == '_' || c == '.'; });
}

}  // namespace sinew::app
