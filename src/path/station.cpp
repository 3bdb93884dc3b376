#include "path/station.h"

#include <limits>
#include <utility>

namespace sinew::path {

Station::Station(Rng& rng, const crypto::X25519PrivateKey& disco, const netmap::NodeKey& self,
                 Settings initial_settings)
    : settings(std::move(initial_settings)),
      rng_(rng),
      disco_(disco.clone()),
      disco_public_{disco.public_key()},
      self_(self) {}

bool Station::has_relay(netmap::RelayId relay) const {
  return settings.is_relay_allowed && relays.contains(relay);
}

void Station::ping(const Correspondent& to, const Direct& direct, bool is_full, MonoTime now) {
  disco::Ping ping{.sender = self_};
  rng_.fill(ping.transaction);
  if (is_full) ping.size = settings.full_size;
  sent_.insert(ping.transaction, {.peer = to.key, .to = direct, .at = now, .is_full = is_full});
  ++counters.pings_sent;
  send(to, direct, ping);
}

void Station::answer(const Correspondent& to, const disco::Ping& ping, const Direct& from) {
  ++counters.pongs_sent;
  send(to, from, disco::Pong{.transaction = ping.transaction, .observed = from.endpoint});
}

void Station::call(const Correspondent& to, bool is_answer, bool has_open_sockets) {
  ++counters.calls_sent;
  send(to, Relayed{to.key},
       disco::CallMe{.sender = self_,
                     .connectivity = connectivity,
                     .is_answer = is_answer,
                     .has_open_sockets = has_open_sockets,
                     .candidates = local});
}

std::optional<SentPing> Station::take_sent(const disco::TransactionId& id) {
  const SentPing* found = sent_.peek(id);
  if (found == nullptr) return {};
  const SentPing sent = *found;
  sent_.erase(id);
  return sent;
}

std::optional<SocketNumber> Station::lease_sockets(std::size_t count) {
  if (is_leased_) return {};
  constexpr std::size_t kHighest = std::numeric_limits<std::uint16_t>::max();
  // A kept socket in the way moves the range behind it; with all of the numbers to choose from and
  // few kept ones, one turn is enough.
  for (std::size_t tries = 0; tries <= kept_.size() + 1; ++tries) {
    if (next_socket_ + count > kHighest) next_socket_ = 1;
    const auto taken = kept_.lower_bound(SocketNumber(next_socket_));
    if (taken == kept_.end() || taken->value() >= next_socket_ + count) {
      is_leased_ = true;
      const SocketNumber first(next_socket_);
      next_socket_ = static_cast<std::uint16_t>(next_socket_ + count);
      emit(SocketsWanted{.first = first, .count = count});
      return first;
    }
    next_socket_ = static_cast<std::uint16_t>(taken->value() + 1);
  }
  return {};
}

void Station::release_sockets(SocketNumber first, std::size_t count) {
  if (count == 0) return;
  kept_.erase(first);
  // Nothing leaves through a socket after the word to close it.
  std::erase_if(transmits_, [&](const Transmit& transmit) {
    const Direct* direct = std::get_if<Direct>(&transmit.to);
    return direct != nullptr && direct->socket >= first &&
           static_cast<std::size_t>(direct->socket.value() - first.value()) < count;
  });
  emit(SocketsReleased{.first = first, .count = count});
}

std::optional<Transmit> Station::next_transmit() {
  if (transmits_.empty()) return {};
  Transmit next = std::move(transmits_.front());
  transmits_.pop_front();
  return next;
}

std::optional<Event> Station::next_event() {
  if (events_.empty()) return {};
  Event next = std::move(events_.front());
  events_.pop_front();
  return next;
}

void Station::send(const Correspondent& to, Way way, const disco::Message& message) {
  Bytes bytes = disco::seal(message, *to.box, disco_public_, rng_);
  counters.bytes_sent += bytes.size();
  transmits_.push_back({.to = std::move(way), .bytes = std::move(bytes)});
}

}  // namespace sinew::path
