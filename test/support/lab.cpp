#include "support/lab.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <utility>

#include "os/clock.h"
#include "os/poll.h"
#include "os/socket.h"
#include "support/cleanup.h"

namespace sinew::lab {
namespace {

constexpr std::size_t kMaxNameSize = 15;  // of an interface
constexpr Duration kMaxRemovalTime = 30s;

const std::string& checked_name(const std::string& name) {
  constexpr std::string_view kAllowed = "abcdefghijklmnopqrstuvwxyz0123456789_";
  if (name.empty() || name.size() > kMaxNameSize ||
      name.find_first_not_of(kAllowed) != std::string::npos) {
    throw LabError("\"" + name + "\" cannot name an interface: 1 to 15 of a-z, 0-9 and _");
  }
  return name;
}

bool is_v6(std::string_view address) {
  return address.contains(':');
}

std::string new_lab_name() {
  remove_abandoned_labs();
  return must(claim_lab_name());
}

os::Child start_guardian(const std::string& lab) {
  os::ChildOptions options;
  options.argv = {SINEW_LAB_GUARDIAN, lab};
  options.in = os::Stdio::pipe();
  return must(os::Child::spawn(options));
}

}  // namespace

Node::Node(const std::string& lab, const std::string& name)
    : name_(checked_name(name)),
      folder_(folder_of(lab)),
      netns_(must(NetNamespace::create(lab + "-" + name))) {}

Node& Node::join(Network& network, const Addresses& addresses) {
  ip(fmt::format("link add dev {} mtu {} type veth peer name {} mtu {} netns {}\n", network.name(),
                 network.mtu(), name_, network.mtu(), network.node().netns().name()));
  network.node().ip(fmt::format("link set dev {} master switch up\n", name_));
  configure(network, addresses);
  return *this;
}

Node& Node::join(Network& network, const Addresses& addresses, const Impairment& both_ways,
                 std::uint64_t seed) {
  wires_[network.name()] =
      must(Wire::open({netns_, network.name()}, {network.node().netns(), name_}, both_ways, seed));
  // A burst waits for the wire's thread instead of being lost uncounted.
  constexpr int kQueueLength = 100'000;
  const auto attributes = fmt::format("mtu {} txqueuelen {}", network.mtu(), kQueueLength);
  ip(fmt::format("link set dev {} {}\n", network.name(), attributes));
  network.node().ip(fmt::format("link set dev {} {} master switch up\n", name_, attributes));
  configure(network, addresses);
  return *this;
}

void Node::configure(const Network& network, const Addresses& addresses) {
  std::string commands = fmt::format("link set dev {} up\n", network.name());
  for (const std::string& address : addresses) {
    commands += fmt::format("address add {} dev {}{}\n", address, network.name(),
                            is_v6(address) ? " nodad" : "");
  }
  ip(commands);
  addresses_[network.name()] = addresses;
}

Wire& Node::wire(const Network& network) {
  const auto found = wires_.find(network.name());
  if (found == wires_.end()) {
    throw LabError(name_ + " has joined " + network.name() + " by a perfect cable");
  }
  return *found->second;
}

Node& Node::unplug(Network& network) {
  network.node().ip(fmt::format("link set dev {} down\n", name_));
  return *this;
}

Node& Node::plug_in(Network& network) {
  network.node().ip(fmt::format("link set dev {} up\n", name_));
  return *this;
}

Node& Node::route(std::string_view destination, std::string_view gateway) {
  return ip(fmt::format("route add {} via {}\n", destination, gateway));
}

Node& Node::forward() {
  return sysctl("net.ipv4.ip_forward", "1").sysctl("net.ipv6.conf.all.forwarding", "1");
}

Node& Node::nat(const Network& outside, const NatOptions& options) {
  const Addresses& addresses = addresses_[outside.name()];
  const auto found = std::ranges::find_if_not(addresses, is_v6);
  if (found == addresses.end()) {
    throw LabError(name_ + " has no IPv4 address in " + outside.name());
  }
  const IpAddress address = must(IpAddress::parse(found->substr(0, found->find('/'))));
  nft(nat_ruleset(options, outside.name(), address));
  // They exist only now: the rules have brought connection tracking into the namespace.
  const std::string timeout = std::to_string(options.mapping_timeout.count());
  sysctl("net.netfilter.nf_conntrack_udp_timeout", timeout);
  sysctl("net.netfilter.nf_conntrack_udp_timeout_stream", timeout);
  return forward();
}

Node& Node::sysctl(const std::string& name, const std::string& value) {
  inside([&] { must(write_sysctl(name, value)); });
  return *this;
}

Node& Node::ip(const std::string& commands) {
  must(os::run_checked(command({"ip", "-batch", "-"}), commands));
  return *this;
}

Node& Node::nft(const std::string& ruleset) {
  must(os::run_checked(command({"nft", "-f", "-"}), ruleset));
  return *this;
}

os::RunOutcome Node::run(std::vector<std::string> argv, os::RunLimits limits) {
  return must(os::run(command(std::move(argv)), {}, limits));
}

Process Node::start(std::vector<std::string> argv) {
  std::string log_path = fmt::format("{}/{}-{}.log", folder_, name_, ++started_count_);
  return Process::start(std::move(argv), netns_.fd().get(), std::move(log_path));
}

bool Node::can_ping(const std::string& address) {
  return run({"ping", "-n", "-q", "-i", "0.2", "-c", "1", "-w", "2", address}).status.succeeded();
}

os::Fd Node::udp_socket(const Endpoint& local) {
  return inside([&] { return must(os::bind_udp(local)); });
}

os::Fd Node::tcp_listener(const Endpoint& local) {
  return inside([&] { return must(os::listen_tcp(local)); });
}

Result<os::Fd> Node::tcp_connect(const Endpoint& remote, Duration limit) {
  os::Fd socket = TRY(inside([&] { return os::start_connect_tcp(remote); }));
  pollfd ready{.fd = socket.get(), .events = POLLOUT, .revents = 0};
  if (!TRY(os::poll_until({&ready, 1}, os::SystemClock().now() + limit))) {
    return Error{ErrorKind::kTimeout, "connect to " + remote.to_string()};
  }
  TRY(os::finish_connect(socket, remote));
  return socket;
}

os::ChildOptions Node::command(std::vector<std::string> argv) const {
  os::ChildOptions options;
  options.argv = std::move(argv);
  options.network_namespace = netns_.fd().get();
  return options;
}

Network::Network(const std::string& lab, const std::string& name, int mtu)
    : node_(lab, name), mtu_(mtu) {
  node_.ip(
      fmt::format("link add dev switch mtu {} type bridge mcast_snooping 0 forward_delay 0\n"
                  "link set dev switch up\n",
                  mtu));
}

Guardian::Guardian(const std::string& lab) : child_(start_guardian(lab)) {}

Guardian::~Guardian() {
  child_.in().close();
  const auto status = child_.wait(kMaxRemovalTime);
  if (!status || !status->succeeded()) std::fputs("the laboratory could not be removed\n", stderr);
}

Lab::Lab() : name_(new_lab_name()), guardian_(name_) {}

Node& Lab::node(const std::string& name) {
  return *nodes_.emplace_back(std::make_unique<Node>(name_, name));
}

Network& Lab::network(const std::string& name, int mtu) {
  return *networks_.emplace_back(std::make_unique<Network>(name_, name, mtu));
}

std::string Lab::folder() const {
  return folder_of(name_);
}

}  // namespace sinew::lab
