// Several nuclei as one: a Client each, one map. Nuclei know nothing of each other; a node
// registers with all of them, under one address. The first of the list that registers it decides
// which; the others are asked for that one and no other. A peer is in the map when one nucleus says
// so; about a peer that several know, one that answers is believed before one that is silent, then
// one that says "online", then the one that spoke of the peer last: it takes a minute to be sure
// that a nucleus is silent. While one nucleus answers, the network stands.
//
// The same five verbs as a Client; a Transmit names its nucleus by its place in the list, because a
// stream belongs to one. Pure; one thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <vector>

#include "signal/client.h"

namespace sinew::signal {

class Group {
 public:
  static constexpr std::size_t kMaxNuclei = 8;

  struct Event {
    std::size_t nucleus;  // that it came from; of a MapChangedEvent of the merged map: any
    Client::Event event;
  };
  struct Sending {
    std::size_t nucleus;
    Transmit transmit;
  };

  // 1 to kMaxNuclei. `config` counts for all but nucleus_key, which is pinned for a single one.
  Group(Rng& rng, const Client::Config& config, std::size_t nuclei);

  std::size_t size() const { return clients_.size(); }
  const Client& client(std::size_t nucleus) const { return clients_[nucleus]; }

  void set_servers(std::size_t nucleus, std::vector<Endpoint> servers, MonoTime now);
  void set_stream(std::size_t nucleus, std::uint64_t stream, MonoTime now);
  void set_local(const Client::Local& local, MonoTime now);
  void network_changed(MonoTime now);
  void punch(const NodeKey& target, const std::vector<netmap::Candidate>& candidates, MonoTime now);
  void leave(MonoTime now);

  // A datagram over UDP, or of the stream of whichever nucleus.
  bool feed(ByteView datagram, const Route& from, MonoTime now);
  void expire(MonoTime now);
  MonoTime deadline() const;
  std::optional<Sending> next_transmit();
  // RegisteredEvent: once for the first, and when the address changes. MapChangedEvent: of the
  // merged map. LostEvent: the last nucleus is gone; BackEvent: one is there again. LeftEvent: all
  // know. The others as they come.
  std::optional<Event> next_event();

  // The best of all.
  Client::State state() const;
  const netmap::NetMap& map() const { return map_; }
  std::optional<Endpoint> observed() const;

 private:
  void collect(MonoTime now);
  void take(std::size_t nucleus, Client::Event event, MonoTime now);
  void adopt_address(std::size_t nucleus, const Client::RegisteredEvent& event, MonoTime now);
  void merge(std::size_t nucleus, const Client::MapChangedEvent& change);
  void merge_all(std::size_t nucleus);
  void merge_peer(const NodeKey& key, Client::MapChangedEvent& merged);
  bool is_any_registered() const;

  std::vector<Client> clients_;
  bool replaces_;
  netmap::NetMap map_;
  std::map<NodeKey, std::size_t> newest_;  // which nucleus spoke of a peer last
  std::optional<std::size_t> leader_;      // whose address counts
  std::vector<bool> is_registered_;
  std::vector<bool> has_left_;
  bool is_lost_ = false;
  std::deque<Event> events_;
};

}  // namespace sinew::signal
