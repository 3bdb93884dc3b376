#include "path/punch.h"

#include <algorithm>

#include "base/verify.h"

namespace sinew::path {

bool Holes::open(Station& station, const Endpoint& target, MonoTime now) {
  VERIFY(!is_open());
  first_ = station.lease_sockets(kPunchSockets);
  if (!first_) return false;
  target_ = target;
  sent_ = 0;
  next_at_ = now;
  closes_at_ = now + kHolesStayOpen;
  return true;
}

bool Holes::go_on(Station& station, const Correspondent& to, MonoTime now) {
  if (!is_open() || sent_ == kPunchSockets || now < next_at_) return false;
  for (std::size_t i = 0; i < kHolesPerStep && sent_ < kPunchSockets; ++i, ++sent_) {
    const SocketNumber socket(static_cast<std::uint16_t>(first_->value() + sent_));
    station.ping(to, {.endpoint = target_, .socket = socket}, false, now);
  }
  next_at_ = now + kHoleStep;
  return sent_ == kPunchSockets;
}

bool Holes::owns(SocketNumber socket) const {
  return is_open() && socket >= *first_ &&
         static_cast<std::size_t>(socket.value() - first_->value()) < kPunchSockets;
}

void Holes::close(Station& station, std::optional<SocketNumber> kept) {
  if (!is_open()) return;
  if (kept && owns(*kept)) {
    const std::size_t before = kept->value() - std::size_t{first_->value()};
    station.release_sockets(*first_, before);
    const SocketNumber next(static_cast<std::uint16_t>(kept->value() + 1));
    station.release_sockets(next, kPunchSockets - before - 1);
    station.keep_socket(*kept);
  } else {
    station.release_sockets(*first_, kPunchSockets);
  }
  station.end_lease();
  first_.reset();
}

MonoTime Holes::deadline() const {
  if (!is_open()) return MonoTime::never();
  return sent_ == kPunchSockets ? closes_at_ : std::min(next_at_, closes_at_);
}

bool Guesses::start(Station& station, const std::vector<Endpoint>& seen, MonoTime now) {
  if (is_running_ || station.is_guessing || seen.empty()) return false;
  is_running_ = station.is_guessing = true;
  address_ = seen.front().address;
  tried_.clear();
  foretold_.clear();
  for (unsigned step = kForetold; step > 0; --step) {
    for (const Endpoint& endpoint : seen) {
      const unsigned port = endpoint.port + step;
      if (endpoint.address == address_ && port <= 0xffff) {
        foretold_.push_back(static_cast<std::uint16_t>(port));
      }
    }
  }
  next_at_ = now;
  return true;
}

void Guesses::go_on(Station& station, const Correspondent& to, MonoTime now) {
  if (!is_running_ || now < next_at_) return;
  for (std::size_t i = 0; i < kGuessesPerStep; ++i) {
    const auto port = next_port(station.rng());
    if (!port) return stop(station);
    station.ping(to, {.endpoint = {address_, *port}, .socket = kMainSocket}, false, now);
  }
  next_at_ = now + kGuessStep;
}

void Guesses::stop(Station& station) {
  if (!is_running_) return;
  is_running_ = station.is_guessing = false;
}

std::optional<std::uint16_t> Guesses::next_port(Rng& rng) {
  if (tried_.size() >= kGuesses) return {};
  while (!foretold_.empty()) {
    const std::uint16_t port = foretold_.back();
    foretold_.pop_back();
    if (tried_.insert(port).second) return port;
  }
  constexpr std::uint64_t kLowest = 1024;  // NATs keep below clear of the reserved ports
  for (;;) {
    const auto port = static_cast<std::uint16_t>(kLowest + rng.below(0x10000 - kLowest));
    if (tried_.insert(port).second) return port;
  }
}

}  // namespace sinew::path
