#include "stun/survey.h"

#include <algorithm>
#include <utility>

namespace sinew::stun {

namespace {

bool is_changed(auto purpose) {
  using Purpose = decltype(purpose);
  return purpose == Purpose::kChangePort || purpose == Purpose::kChangeBoth;
}

// Where somebody who makes up our outside endpoint must not have us send to.
bool may_be_outside(const Endpoint& mapped) {
  const IpAddress& address = mapped.address;
  return mapped.port != 0 && !address.is_unspecified() && !address.is_loopback() &&
         !address.is_link_local() && !address.is_multicast();
}

const std::optional<Endpoint>& endpoint_of(const Server& server, bool v6) {
  return v6 ? server.v6 : server.v4;
}

}  // namespace

void Survey::set_servers(std::vector<Server> servers) {
  if (servers.size() > kMaxServers) servers.resize(kMaxServers);
  servers_ = std::move(servers);
}

void Survey::begin(Mode mode, std::span<const Endpoint> own, MonoTime now) {
  mode_ = mode;
  own_.assign(own.begin(), own.end());
  asked_servers_ = servers_;
  running_ = true;
  has_heard_ = false;
  began_ = now;
  questions_.clear();
  transmits_.clear();
  report_.reset();
  v4_ = {};
  v6_ = {};
  std::erase_if(contacted_, [&](const auto& each) { return now - each.second > kFilterMemory; });
  for (const bool v6 : {false, true}) {
    if (mode == Mode::kLight) ask_next_server(v6, now);
    for (std::size_t i = 0; mode == Mode::kFull && i < asked_servers_.size(); ++i)
      if (const auto& to = endpoint_of(asked_servers_[i], v6)) ask(Purpose::kPlain, i, *to, now);
  }
  proceed(now);
}

bool Survey::feed(ByteView datagram, const Endpoint& from, MonoTime now) {
  if (!running_ || !is_stun(datagram)) return false;
  const Result<Message> message = parse(datagram);
  if (!message) return false;
  for (Question& question : questions_) {
    const auto asked = std::ranges::find(question.tries, message->transaction, &Try::transaction);
    if (asked == question.tries.end()) continue;
    if (question.state == State::kAsking) take(question, *asked, *message, from, now);
    proceed(now);
    return true;
  }
  return false;
}

void Survey::expire(MonoTime now) {
  if (!running_) return;
  const bool is_over = now >= began_ + kMaxTime;
  const std::size_t count = questions_.size();  // what is added below is not yet due
  for (std::size_t i = 0; i < count; ++i) {
    if (questions_[i].state != State::kAsking) continue;
    if (questions_[i].next > now) {
      if (is_over) questions_[i].state = State::kUnclear;
    } else if (questions_[i].tries.size() < kTries && !is_over) {
      transmit(questions_[i], now);
    } else {
      questions_[i].state = State::kSilent;
      const bool v6 = questions_[i].to.address.is_v6();
      if (mode_ == Mode::kLight && !is_over) ask_next_server(v6, now);
    }
  }
  if (is_over)
    finish();
  else
    proceed(now);
}

MonoTime Survey::deadline() const {
  if (!running_) return MonoTime::never();
  MonoTime due = began_ + kMaxTime;
  for (const Question& question : questions_)
    if (question.state == State::kAsking) due = std::min(due, question.next);
  return due;
}

std::optional<Transmit> Survey::next_transmit() {
  if (transmits_.empty()) return std::nullopt;
  Transmit first = std::move(transmits_.front());
  transmits_.pop_front();
  return first;
}

std::optional<Report> Survey::next_event() {
  return std::exchange(report_, std::nullopt);
}

void Survey::ask(Purpose purpose, std::size_t server, const Endpoint& to, MonoTime now) {
  Question& question = questions_.emplace_back();
  question.purpose = purpose;
  question.server = server;
  question.to = to;
  transmit(question, now);
}

void Survey::transmit(Question& question, MonoTime now) {
  Try& asked = question.tries.emplace_back(Try{.sent = now});
  rng_.fill(asked.transaction);
  question.next = now + kFirstPause * (1U << (question.tries.size() - 1));
  const auto request = encode_request(asked.transaction,
                                      {.changes_address = question.purpose == Purpose::kChangeBoth,
                                       .changes_port = is_changed(question.purpose)});
  transmits_.push_back({question.to, Bytes(request.begin(), request.end())});
  if (question.purpose != Purpose::kHairpin) contacted_[question.to] = now;
}

// The fastest of the last time first, then those without a figure as they were given.
void Survey::ask_next_server(bool v6, MonoTime now) {
  std::optional<std::size_t> best;
  Duration best_time = Duration::max();
  for (std::size_t i = 0; i < asked_servers_.size(); ++i) {
    const auto& to = endpoint_of(asked_servers_[i], v6);
    if (!to || std::ranges::find(questions_, *to, &Question::to) != questions_.end()) continue;
    Duration time = Duration::max();
    for (const Latency& each : last_ ? last_->latencies : std::vector<Latency>{})
      if (each.server == asked_servers_[i].id && each.over_v6 == v6) time = each.round_trip;
    if (best && time >= best_time) continue;
    best = i;
    best_time = time;
  }
  if (best) ask(Purpose::kPlain, *best, *endpoint_of(asked_servers_[*best], v6), now);
}

void Survey::take(Question& question, const Try& asked, const Message& message,
                  const Endpoint& from, MonoTime now) {
  if (question.purpose == Purpose::kHairpin) {
    if (message.kind == Class::kRequest) question.state = State::kAnswered;
    return;
  }
  if (message.kind != Class::kSuccess && message.kind != Class::kError) return;
  if (from != question.to && (!is_changed(question.purpose) || message.kind == Class::kError))
    return;
  has_heard_ = true;
  question.round_trip = now - asked.sent;
  if (message.kind == Class::kError)
    question.state = State::kUnclear;
  else if (is_changed(question.purpose))
    take_changed(question, from);
  else
    take_mapped(static_cast<std::size_t>(&question - questions_.data()), message);
}

void Survey::take_mapped(std::size_t index, const Message& message) {
  Question& question = questions_[index];
  const bool v6 = question.to.address.is_v6();
  if (!message.mapped || message.mapped->address.is_v6() != v6) {
    question.state = State::kUnclear;
    return;
  }
  question.state = State::kAnswered;
  question.mapped = message.mapped;
  question.other = message.other_address;
  if (question.purpose != Purpose::kPlain) return;
  if (!family(v6).first) family(v6).first = index;
  if (!family(v6).tester && second_port_of(question)) family(v6).tester = index;
}

// An answer from where we asked shows a server that does not do what it was asked for.
void Survey::take_changed(Question& question, const Endpoint& from) const {
  const bool same_address = from.address == question.to.address;
  const bool wants_same_address = question.purpose == Purpose::kChangePort;
  if (from.port == question.to.port || same_address != wants_same_address) {
    question.state = State::kUnclear;
    return;
  }
  question.state = State::kAnswered;
  question.is_proof = std::ranges::none_of(contacted_, [&](const auto& each) {
    return wants_same_address ? each.first == from : each.first.address == from.address;
  });
}

void Survey::proceed(MonoTime now) {
  if (mode_ == Mode::kFull) {
    proceed_family(false, now);
    proceed_family(true, now);
  }
  if (std::ranges::none_of(
          questions_, [](const Question& question) { return question.state == State::kAsking; }))
    finish();
}

void Survey::proceed_family(bool v6, MonoTime now) {
  Family& known = family(v6);
  if (!known.first) return;
  if (!std::exchange(known.has_seen_first, true)) take_first(v6, now);
  if (!known.tester) return;
  if (!std::exchange(known.has_tested_filter, true)) test_filter(v6, now);
  if (known.has_asked_second_port || !wants_second_port(v6)) return;
  known.has_asked_second_port = true;
  const Question& plain = questions_[*known.tester];
  const std::size_t server = plain.server;
  ask(Purpose::kSecondPort, server, *second_port_of(plain), now);
}

void Survey::take_first(bool v6, MonoTime now) {
  const Question& first = questions_[*family(v6).first];
  const Endpoint mapped = *first.mapped;
  // Behind another NAT than the last time, nothing is open that was opened then.
  if (last_ && (v6 ? last_->v6 : last_->v4) != mapped)
    std::erase_if(contacted_, [&](const auto& each) {
      return each.second < began_ && each.first.address.is_v6() == v6;
    });
  const std::size_t server = first.server;
  if (!is_own(mapped) && may_be_outside(mapped)) ask(Purpose::kHairpin, server, mapped, now);
}

void Survey::test_filter(bool v6, MonoTime now) {
  const Question& plain = questions_[*family(v6).tester];
  const std::size_t server = plain.server;
  const Endpoint to = plain.to;
  if (contacted_.contains(*second_port_of(plain))) return;
  // A server that is bound to every address does not know the one it is asked at.
  const bool has_other_address =
      plain.other && !plain.other->address.is_unspecified() && plain.other->address != to.address;
  ask(Purpose::kChangePort, server, to, now);
  if (has_other_address) ask(Purpose::kChangeBoth, server, to, now);
}

// Once the filter has been tested, if the plain answers do not say already that nothing about the
// server matters.
bool Survey::wants_second_port(bool v6) const {
  const std::optional<Endpoint> mapped = mapped_of(v6);
  if (is_asking(v6, true) || (mapped && is_own(*mapped))) return false;
  const Behaviour so_far = mapping_of(v6);
  if (so_far == Behaviour::kUnknown) return !is_asking(v6, false);
  return so_far != Behaviour::kEndpointIndependent;
}

std::optional<Endpoint> Survey::second_port_of(const Question& plain) const {
  std::uint16_t port = asked_servers_[plain.server].other_port;
  if (port == 0 && plain.other) port = plain.other->port;
  if (port == 0 || port == plain.to.port) return std::nullopt;
  return Endpoint{plain.to.address, port};
}

bool Survey::is_asking(bool v6, bool only_filter) const {
  return std::ranges::any_of(questions_, [&](const Question& question) {
    return question.state == State::kAsking && question.to.address.is_v6() == v6 &&
           (only_filter ? is_changed(question.purpose) : question.purpose == Purpose::kPlain);
  });
}

const Survey::Question* Survey::find(Purpose purpose, bool v6) const {
  const auto found = std::ranges::find_if(questions_, [&](const Question& question) {
    return question.purpose == purpose && question.to.address.is_v6() == v6;
  });
  return found == questions_.end() ? nullptr : &*found;
}

bool Survey::is_own(const Endpoint& mapped) const {
  return std::ranges::find(own_, mapped) != own_.end();
}

std::optional<Endpoint> Survey::mapped_of(bool v6) const {
  if (!family(v6).first) return std::nullopt;
  return questions_[*family(v6).first].mapped;
}

// From all pairs of endpoints that told us ours: at the same address, and at two.
Behaviour Survey::mapping_of(bool v6) const {
  std::vector<Observation> seen;
  for (const Question& each : questions_)
    if (each.mapped && each.to.address.is_v6() == v6) seen.push_back({each.to, *each.mapped});
  if (seen.empty()) return Behaviour::kUnknown;
  if (is_own(seen.front().mapped)) return Behaviour::kNone;
  bool has_port_pair = false;
  bool port_matters = false;
  bool address_matters = false;
  for (std::size_t i = 0; i < seen.size(); ++i) {
    for (std::size_t j = 0; j < i; ++j) {
      const bool is_port_pair = seen[i].asked.address == seen[j].asked.address;
      const bool differs = seen[i].mapped != seen[j].mapped;
      has_port_pair |= is_port_pair;
      (is_port_pair ? port_matters : address_matters) |= differs;
    }
  }
  if (port_matters) return Behaviour::kAddressAndPortDependent;
  if (address_matters)
    return has_port_pair ? Behaviour::kAddressDependent : Behaviour::kAddressAndPortDependent;
  return seen.size() > 1 ? Behaviour::kEndpointIndependent : Behaviour::kUnknown;
}

Behaviour Survey::filtering_of(bool v6) const {
  const std::optional<Endpoint> mapped = mapped_of(v6);
  if (!mapped) return Behaviour::kUnknown;
  const Question* both = find(Purpose::kChangeBoth, v6);
  const Question* port = find(Purpose::kChangePort, v6);
  if (both != nullptr && both->state == State::kAnswered && both->is_proof)
    return is_own(*mapped) ? Behaviour::kNone : Behaviour::kEndpointIndependent;
  if (port != nullptr && port->state == State::kAnswered && port->is_proof)
    return Behaviour::kAddressDependent;
  if (port != nullptr && port->state == State::kSilent) return Behaviour::kAddressAndPortDependent;
  const bool is_same = last_ && (v6 ? last_->v6 : last_->v4) == mapped;
  return is_same ? last_->filtering : Behaviour::kUnknown;
}

std::optional<bool> Survey::hairpins() const {
  for (const bool v6 : {false, true}) {
    const Question* question = find(Purpose::kHairpin, v6);
    if (question == nullptr || question->state == State::kUnclear) continue;
    return question->state == State::kAnswered;
  }
  return std::nullopt;
}

void Survey::finish() {
  running_ = false;
  transmits_.clear();
  report_ = mode_ == Mode::kFull ? full_report() : light_report();
  last_ = report_;
}

Report Survey::full_report() const {
  Report report;
  report.is_full = true;
  report.has_udp = has_heard_;
  report.v4 = mapped_of(false);
  report.v6 = mapped_of(true);
  const bool v6 = !report.v4.has_value();
  report.mapping = mapping_of(v6);
  report.filtering = filtering_of(v6);
  report.hairpins = hairpins();
  for (const Question& each : questions_) {
    if (!each.mapped) continue;
    report.observations.push_back({each.to, *each.mapped});
    if (each.purpose == Purpose::kPlain)
      report.latencies.push_back(
          {asked_servers_[each.server].id, each.to.address.is_v6(), each.round_trip});
  }
  return report;
}

Report Survey::light_report() const {
  Report report = last_.value_or(Report{});
  report.is_full = false;
  report.has_udp = has_heard_;
  report.v4 = mapped_of(false);
  report.v6 = mapped_of(true);
  report.observations.clear();
  for (const Question& each : questions_) {
    if (!each.mapped) continue;
    report.observations.push_back({each.to, *each.mapped});
    const Latency latency{asked_servers_[each.server].id, each.to.address.is_v6(), each.round_trip};
    const auto known = std::ranges::find_if(report.latencies, [&](const Latency& old) {
      return old.server == latency.server && old.over_v6 == latency.over_v6;
    });
    if (known == report.latencies.end())
      report.latencies.push_back(latency);
    else
      *known = latency;
  }
  return report;
}

}  // namespace sinew::stun
