#include "portmap/mapper.h"

#include <algorithm>
#include <utility>

namespace sinew::portmap {

namespace {

Duration held(std::uint32_t lifetime) {
  return std::clamp(Duration(std::chrono::seconds(lifetime)), Duration(kMinLifetime),
                    Duration(kMaxLifetime));
}

IpAddress any_of_family(const IpAddress& address) {
  return address.is_v4() ? IpAddress::any_v4() : IpAddress::any_v6();
}

}  // namespace

std::string_view name_of(Protocol protocol) {
  switch (protocol) {
    case Protocol::kPcp: return "PCP";
    case Protocol::kNatPmp: return "NAT-PMP";
  }
  return "unknown";
}

std::string_view name_of(Reason reason) {
  switch (reason) {
    case Reason::kNoAnswer: return "the gateway speaks neither PCP nor NAT-PMP";
    case Reason::kRefused: return "the gateway refuses";
    case Reason::kGatewayIsPrivate: return "the gateway is behind another NAT";
    case Reason::kUnusableAddress: return "the gateway has no usable outside address";
    case Reason::kExpired: return "the gateway no longer answers";
    case Reason::kGatewayRestarted: return "the gateway has restarted";
  }
  return "unknown";
}

std::optional<Reason> objection(const IpAddress& external) {
  if (external.is_private()) return Reason::kGatewayIsPrivate;
  if (external.is_unspecified() || external.is_loopback() || external.is_link_local() ||
      external.is_multicast())
    return Reason::kUnusableAddress;
  return std::nullopt;
}

void Mapper::set_target(const Target& target, MonoTime now) {
  if (target_ == target && state_ != State::kReleasing && state_ != State::kIdle) return;
  if (external_) lose(Reason::kExpired);
  target_ = target;
  transmits_.clear();
  epoch_.reset();
  rng_.fill(nonce_);
  begin(now);
}

void Mapper::release(MonoTime now) {
  if (!target_ || state_ == State::kIdle || state_ == State::kReleasing) return;
  transmits_.clear();
  // A mapping whose confirmation is still on its way is one too.
  const bool may_be_mapped = state_ == State::kAskingPcp || state_ == State::kAskingPort ||
                             state_ == State::kMapped || external_;
  external_.reset();
  if (may_be_mapped) return ask(State::kReleasing, now);
  state_ = State::kIdle;
  due_ = MonoTime::never();
  report({.kind = Event::Kind::kReleased});
}

bool Mapper::feed(ByteView datagram, const Endpoint& from, MonoTime now) {
  if (!target_ || from != Endpoint{target_->gateway, kGatewayPort}) {
    ++counters_.foreign;
    return false;
  }
  const bool is_asking_pcp =
      state_ == State::kAskingPcp || (state_ == State::kReleasing && protocol_ == Protocol::kPcp);
  if (is_asking_pcp) {
    if (const auto answer = pcp::parse_map_answer(datagram); answer && answer->nonce == nonce_)
      take_pcp(*answer, now);
    else if (state_ == State::kAskingPcp && !external_ && pcp::is_unsupported_version(datagram))
      give_up_question(now);
    else
      ++counters_.unasked;
  } else if (state_ == State::kAskingAddress) {
    if (const auto answer = natpmp::parse_address_answer(datagram))
      take_address(*answer, now);
    else
      ++counters_.unasked;
  } else if (state_ == State::kAskingPort || state_ == State::kReleasing) {
    if (const auto answer = natpmp::parse_map_answer(datagram))
      take_port(*answer, now);
    else
      ++counters_.unasked;
  } else {
    ++counters_.unasked;
  }
  return true;
}

void Mapper::expire(MonoTime now) {
  if (now < due_) return;
  switch (state_) {
    case State::kIdle: due_ = MonoTime::never(); return;
    case State::kMapped:
      return ask(protocol_ == Protocol::kPcp ? State::kAskingPcp : State::kAskingAddress, now);
    case State::kResting: return begin(now);
    default: break;
  }
  if (external_ && now >= expires_) {
    lose(Reason::kExpired);
    return begin(now);
  }
  if (tries_ < kTries) return transmit(now);
  give_up_question(now);
}

MonoTime Mapper::deadline() const {
  return external_ && state_ != State::kMapped ? std::min(due_, expires_) : due_;
}

std::optional<Transmit> Mapper::next_transmit() {
  if (transmits_.empty()) return std::nullopt;
  Transmit first = std::move(transmits_.front());
  transmits_.pop_front();
  return first;
}

std::optional<Event> Mapper::next_event() {
  if (events_.empty()) return std::nullopt;
  const Event first = events_.front();
  events_.pop_front();
  return first;
}

void Mapper::begin(MonoTime now) {
  refusal_.reset();
  protocol_ = Protocol::kPcp;
  ask(State::kAskingPcp, now);
}

void Mapper::ask(State state, MonoTime now) {
  state_ = state;
  tries_ = 0;
  pause_ = kFirstPause;
  transmit(now);
}

void Mapper::transmit(MonoTime now) {
  ++tries_;
  due_ = now + pause_;
  pause_ *= 2;
  const std::uint32_t lifetime = state_ == State::kReleasing ? 0 : kWantedLifetime;
  if (protocol_ == Protocol::kPcp) {
    const Endpoint any{any_of_family(target_->own), target_->port};
    send(pcp::encode_map_request({.nonce = nonce_,
                                  .own = target_->own,
                                  .internal_port = target_->port,
                                  .wanted = external_.value_or(any),
                                  .lifetime = lifetime}));
  } else if (state_ == State::kAskingAddress) {
    send(natpmp::encode_address_request());
  } else {
    const std::uint16_t wanted = external_ ? external_->port : target_->port;
    send(natpmp::encode_map_request(target_->port, lifetime == 0 ? std::uint16_t{0} : wanted,
                                    lifetime));
  }
}

// Nobody answered, or in a version that is not ours.
void Mapper::give_up_question(MonoTime now) {
  if (state_ == State::kReleasing) {
    state_ = State::kIdle;
    due_ = MonoTime::never();
    return report({.kind = Event::Kind::kReleased, .protocol = protocol_});
  }
  if (external_) {
    // Half of what is left, so that a gateway that comes back in time finds its mapping renewed.
    state_ = State::kMapped;
    due_ = std::min(expires_, now + std::max((expires_ - now) / 2, Duration(kMinLifetime / 4)));
    if (due_ >= expires_)
      state_ = protocol_ == Protocol::kPcp ? State::kAskingPcp : State::kAskingAddress;
    return;
  }
  const bool may_ask_otherwise = state_ == State::kAskingPcp && target_->gateway.is_v4();
  if (!may_ask_otherwise) return fail(refusal_.value_or(Reason::kNoAnswer), now);
  protocol_ = Protocol::kNatPmp;
  ask(State::kAskingAddress, now);
}

void Mapper::take_pcp(const pcp::MapAnswer& answer, MonoTime now) {
  if (answer.internal_port != target_->port) {
    ++counters_.unasked;
    return;
  }
  if (state_ == State::kReleasing) return give_up_question(now);
  if (!take_epoch(answer.epoch, now)) return;
  if (answer.result == pcp::kSuccess) return take_external(answer.external, answer.lifetime, now);
  refusal_ = Reason::kRefused;
  if (external_) {
    lose(Reason::kRefused);
    return fail(Reason::kRefused, now);
  }
  give_up_question(now);
}

void Mapper::take_address(const natpmp::AddressAnswer& answer, MonoTime now) {
  if (!take_epoch(answer.epoch, now)) return;
  if (answer.result != natpmp::kSuccess) {
    if (external_) lose(Reason::kRefused);
    return fail(answer.result == natpmp::kUnsupportedVersion ? refusal_.value_or(Reason::kNoAnswer)
                                                             : Reason::kRefused,
                now);
  }
  if (const auto reason = objection(answer.external)) {
    if (external_) lose(*reason);
    return fail(*reason, now);
  }
  natpmp_address_ = answer.external;
  ask(State::kAskingPort, now);
}

void Mapper::take_port(const natpmp::MapAnswer& answer, MonoTime now) {
  // A refusal may leave the port out.
  const bool is_ours = answer.internal_port == target_->port ||
                       (answer.result != natpmp::kSuccess && answer.internal_port == 0);
  if (!is_ours) {
    ++counters_.unasked;
    return;
  }
  if (state_ == State::kReleasing) return give_up_question(now);
  if (!take_epoch(answer.epoch, now)) return;
  if (answer.result == natpmp::kSuccess)
    return take_external({natpmp_address_, answer.external_port}, answer.lifetime, now);
  if (external_) lose(Reason::kRefused);
  fail(Reason::kRefused, now);
}

// RFC 6887 section 8.5, which is a bit stricter than RFC 6886: a gateway's clock may run an eighth
// slower or faster than ours, and be a second off.
bool Mapper::take_epoch(std::uint32_t epoch, MonoTime now) {
  const std::optional<Epoch> before = std::exchange(epoch_, Epoch{epoch, now});
  if (!before || !external_) return true;
  const auto ours = duration_cast<std::chrono::seconds>(now - before->at).count();
  const std::int64_t theirs = std::int64_t{epoch} - before->seconds;
  const bool is_plausible =
      theirs >= -1 && ours + 2 >= theirs - theirs / 16 && theirs + 2 >= ours - ours / 16;
  if (is_plausible) return true;
  lose(Reason::kGatewayRestarted);
  begin(now);
  return false;
}

void Mapper::take_external(const Endpoint& external, std::uint32_t lifetime, MonoTime now) {
  auto reason = objection(external.address);
  if (external.port == 0 || lifetime == 0) reason = Reason::kUnusableAddress;
  if (reason) {
    if (external_) lose(*reason);
    return fail(*reason, now);
  }
  const Duration life = held(lifetime);
  state_ = State::kMapped;
  expires_ = now + life;
  due_ = now + life / 2;
  if (std::exchange(external_, external) == external) return;
  report({.kind = Event::Kind::kMapped, .external = external, .protocol = protocol_});
}

void Mapper::fail(Reason reason, MonoTime now) {
  state_ = State::kResting;
  due_ = now + kRetryPause;
  report({.kind = Event::Kind::kUnavailable, .protocol = protocol_, .reason = reason});
}

void Mapper::lose(Reason reason) {
  report({.kind = Event::Kind::kLost,
          .external = *external_,
          .protocol = protocol_,
          .reason = reason});
  external_.reset();
}

void Mapper::send(ByteView bytes) {
  transmits_.push_back({{target_->gateway, kGatewayPort}, Bytes(bytes.begin(), bytes.end())});
}

void Mapper::report(const Event& event) {
  if (events_.size() == kMaxWaitingEvents) events_.pop_front();
  events_.push_back(event);
}

}  // namespace sinew::portmap
