#include "app/mesh_tunnel.h"

#include <utility>

#include "netlink/rtnetlink.h"
#include "os/thread.h"

namespace sinew::app {

Result<std::unique_ptr<MeshTunnel>> MeshTunnel::open(const Options& options,
                                                     const wg::PrivateKey& key, node::Inbox& inbox,
                                                     Rng& rng, const Clock& clock, const Log& log) {
  std::unique_ptr<MeshTunnel> mesh(new MeshTunnel(inbox, log));
  mesh->tunnel_ = TRY(dataplane::Tunnel::open({.interface = options.interface,
                                               .port = options.port,
                                               .handles_signals = false,
                                               .has_uapi = false,
                                               .companion = mesh.get()},
                                              rng, clock, log));
  mesh->tunnel_->set_private_key(key);
  TRY(mesh->tunnel_->start_link());
  MeshTunnel* const self = mesh.get();
  mesh->thread_ = TRY(os::start_thread([self] { self->run(); }));
  return mesh;
}

MeshTunnel::~MeshTunnel() {
  if (tunnel_) tunnel_->stop();
  if (thread_.joinable()) thread_.join();
  tunnel_.reset();
}

void MeshTunnel::run() {
  if (const auto ended = tunnel_->run(); !ended)
    log_.error("the packet path has ended", {{"reason", ended.error().message}});
  inbox_.post({.kind = node::News::Kind::kStopped});
}

// ---------------------------------------------------------------------------- what the node wants

Result<> MeshTunnel::set_peer(const netmap::NodeKey& key, const std::vector<IpPrefix>& addresses,
                              node::DetourNumber detour) {
  const dataplane::PeerChange change{.key = key,
                                     .endpoint = dataplane::detour_endpoint(detour.value()),
                                     .allowed_ips = addresses,
                                     .is_roaming = false};
  return tunnel_->configure_peers({&change, 1});
}

void MeshTunnel::remove_peer(const netmap::NodeKey& key) {
  change({.key = key, .is_removed = true});
}

void MeshTunnel::send_directly(const netmap::NodeKey& key, const Endpoint& to) {
  change({.key = key, .endpoint = to});
}

void MeshTunnel::send_over(const netmap::NodeKey& key, node::DetourNumber detour) {
  change({.key = key, .endpoint = dataplane::detour_endpoint(detour.value())});
}

void MeshTunnel::change(const dataplane::PeerChange& change) {
  if (const auto changed = tunnel_->configure_peers({&change, 1}); !changed)
    log_.warning("a peer stays as it was", {{"reason", changed.error().message}});
}

void MeshTunnel::inject(node::DetourNumber detour, ByteView packet) {
  // A full inlet has counted it.
  static_cast<void>(tunnel_->inject(detour.value(), packet, packet.size()));
}

Result<> MeshTunnel::send(const Endpoint& to, ByteView datagram) {
  return tunnel_->send_aside(to, to.address.is_v4() ? IpAddress::any_v4() : IpAddress::any_v6(),
                             datagram);
}

std::uint16_t MeshTunnel::port() const {
  return tunnel_->port();
}

std::uint32_t MeshTunnel::interface_number() const {
  return tunnel_->interface_index();
}

void MeshTunnel::network_changed() {
  if (const auto rebound = tunnel_->rebind(); !rebound)
    log_.warning("sockets", {{"reason", rebound.error().message}});
}

std::vector<node::PeerTraffic> MeshTunnel::traffic() const {
  std::vector<node::PeerTraffic> all;
  for (const wg::PeerInfo& info : tunnel_->peer_infos()) {
    all.push_back({.key = info.public_key,
                   .rx_bytes = info.rx_bytes,
                   .tx_bytes = info.tx_bytes,
                   .last_handshake = info.last_handshake});
  }
  return all;
}

Result<> MeshTunnel::set_addresses(const netmap::Self& self) {
  netlink::Rtnetlink kernel = TRY(netlink::Rtnetlink::open());
  const std::uint32_t interface = tunnel_->interface_index();
  if (self_.v4 && self_.v4 != self.v4)
    TRY(kernel.remove_address(interface, *self_.v4, self_.v4_length));
  if (self_.v6 && self_.v6 != self.v6)
    TRY(kernel.remove_address(interface, *self_.v6, self_.v6_length));
  self_ = self;
  if (self.v4) TRY(kernel.add_address(interface, *self.v4, self.v4_length));
  if (!self.v6) return {};
  // A machine that has IPv6 switched off is a member all the same.
  if (const auto added = kernel.add_address(interface, *self.v6, self.v6_length); !added)
    log_.info("no IPv6 inside the network", {{"reason", added.error().message}});
  return {};
}

// -------------------------------------------------------------------------- what the tunnel tells

void MeshTunnel::take_stray(ByteView train, std::size_t segment_size, const wg::Path& from) {
  inbox_.post({.kind = node::News::Kind::kDatagram,
               .from = from.remote,
               .train = Bytes(train.begin(), train.end()),
               .segment = segment_size});
}

bool MeshTunnel::take_detour(std::uint32_t number, ByteView train, std::size_t segment_size) {
  return inbox_.post({.kind = node::News::Kind::kDetour,
                      .detour = node::DetourNumber(number),
                      .train = Bytes(train.begin(), train.end()),
                      .segment = segment_size});
}

void MeshTunnel::peer_wanted(const wg::PublicKey& peer) {
  inbox_.post({.kind = node::News::Kind::kWanted, .peer = peer});
}

void MeshTunnel::peer_heard(const wg::PublicKey& peer, const wg::Path& from) {
  const auto detour = dataplane::detour_number(from.remote);
  inbox_.post({.kind = node::News::Kind::kHeard,
               .peer = peer,
               .from = from.remote,
               .detour = node::DetourNumber(detour.value_or(0))});
}

}  // namespace sinew::app
