// The packet path as a node wants it (node/packet_path.h), made of a dataplane::Tunnel with a
// thread of its own. The node's calls come on its thread; what the tunnel tells its Companion comes
// on the tunnel's threads and goes into the node's Inbox.
#pragma once

#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "base/log.h"
#include "base/rng.h"
#include "dataplane/tunnel.h"
#include "node/inbox.h"
#include "node/packet_path.h"

namespace sinew::app {

class MeshTunnel final : public node::PacketPath, private dataplane::Companion {
 public:
  struct Options {
    std::string interface;
    std::uint16_t port = 0;  // 0: any
  };

  // The interface is up when this returns. `rng`, `clock` and `inbox` outlive it.
  static Result<std::unique_ptr<MeshTunnel>> open(const Options& options, const wg::PrivateKey& key,
                                                  node::Inbox& inbox, Rng& rng, const Clock& clock,
                                                  const Log& log);
  // The interface is gone.
  ~MeshTunnel();

  Result<> set_peer(const netmap::NodeKey& key, const std::vector<IpPrefix>& addresses,
                    node::DetourNumber detour) override;
  void remove_peer(const netmap::NodeKey& key) override;
  void send_directly(const netmap::NodeKey& key, const Endpoint& to) override;
  void send_over(const netmap::NodeKey& key, node::DetourNumber detour) override;
  void inject(node::DetourNumber detour, ByteView packet) override;
  Result<> send(const Endpoint& to, ByteView datagram) override;
  std::uint16_t port() const override;
  std::uint32_t interface_number() const override;
  void network_changed() override;
  std::vector<node::PeerTraffic> traffic() const override;
  Result<> set_addresses(const netmap::Self& self) override;

 private:
  MeshTunnel(node::Inbox& inbox, const Log& log) : inbox_(inbox), log_(log) {}

  void take_stray(ByteView train, std::size_t segment_size, const wg::Path& from) override;
  bool take_detour(std::uint32_t number, ByteView train, std::size_t segment_size) override;
  void peer_wanted(const wg::PublicKey& peer) override;
  void peer_heard(const wg::PublicKey& peer, const wg::Path& from) override;

  void run();
  void change(const dataplane::PeerChange& change);

  node::Inbox& inbox_;
  Log log_;
  std::unique_ptr<dataplane::Tunnel> tunnel_;
  netmap::Self self_;
  std::thread thread_;
};

}  // namespace sinew::app
