#include "stun/responder.h"

#include <algorithm>

namespace sinew::stun {

namespace {

constexpr TokenBucket::Limits kRate{.interval = Duration(1s) / kAnswersPerSecond,
                                    .burst = kAnswerBurst};

// What one customer is given: an IPv4 address, or the /64 of an IPv6 one. The upper half of no
// global IPv6 address is as small as an IPv4 address.
std::uint64_t source_number(const IpAddress& address) {
  const std::uint8_t* bytes = address.bytes().data();
  return address.is_v4() ? load_be<std::uint32_t>(bytes) : load_be<std::uint64_t>(bytes);
}

std::size_t smallest_answer_size(const IpAddress& mapped) {
  return mapped.is_v4() ? kSmallestAnswerSizeV4 : kSmallestAnswerSizeV6;
}

// Where the answer leaves from, in the family it was asked over.
Endpoint origin_of(const Responder::Addresses& mine, const Responder::Reply& reply) {
  return {reply.from_other_address ? *mine.other_address : mine.asked.address,
          reply.from_other_port ? mine.other_port : mine.asked.port};
}

std::optional<Endpoint> other_of(const Responder::Addresses& mine) {
  if (mine.other_port == 0) return std::nullopt;
  return Endpoint{mine.other_address.value_or(mine.asked.address), mine.other_port};
}

// The attribute that keeps us from doing what is asked.
std::optional<std::uint16_t> hindrance(const Message& request, const Responder::Addresses& mine) {
  if (request.unknown_attribute) return request.unknown_attribute;
  const bool has_all = (!request.changes_port || mine.other_port != 0) &&
                       (!request.changes_address || mine.other_address.has_value());
  if (!has_all) return kChangeRequestAttribute;
  return std::nullopt;
}

}  // namespace

Responder::Responder(Rng& rng, std::size_t max_sources) : rates_(max_sources) {
  for (std::uint64_t& part : hash_key_)
    part = rng.number<std::uint64_t>();
}

std::optional<Responder::Reply> Responder::respond(ByteView datagram, const Endpoint& from,
                                                   const Addresses& mine, MonoTime now) {
  const Result<Message> request = parse(datagram);
  if (!request || request->kind != Class::kRequest) {
    ++counters_.dropped;
    return std::nullopt;
  }
  if (!take_from_rate(from.address, now)) {
    ++counters_.over_rate;
    return std::nullopt;
  }

  Reply reply;
  if (const auto attribute = hindrance(*request, mine)) {
    const std::size_t room = std::min(datagram.size(), reply.buffer.size());
    reply.size = encode_unknown_attribute(request->transaction, *attribute,
                                          ByteSpan(reply.buffer).first(room))
                     .size();
    ++(reply.size > 0 ? counters_.refused : counters_.dropped);
    if (reply.size == 0) return std::nullopt;
    return reply;
  }
  reply.from_other_port = request->changes_port;
  reply.from_other_address = request->changes_address;
  const std::size_t room =
      std::clamp(datagram.size(), smallest_answer_size(from.address), reply.buffer.size());
  const Answer answer{.mapped = from,
                      .response_origin = origin_of(mine, reply),
                      .other_address = other_of(mine),
                      .has_fingerprint = request->has_fingerprint};
  reply.size =
      encode_answer(request->transaction, answer, ByteSpan(reply.buffer).first(room)).size();
  ++counters_.answered;
  return reply;
}

// The upper half of a product of 128 bits with a secret odd factor and offset: strongly universal,
// and of 64 bits, so that it stands for the source itself.
bool Responder::take_from_rate(const IpAddress& source, MonoTime now) {
  using Wide = unsigned __int128;
  const Wide factor = Wide{hash_key_[0]} << 64 | hash_key_[1] | 1U;
  const Wide offset = Wide{hash_key_[2]} << 64 | hash_key_[3];
  const auto key = static_cast<std::uint64_t>((factor * source_number(source) + offset) >> 64);
  TokenBucket* bucket = rates_.find(key);
  if (bucket == nullptr) bucket = &rates_.insert(key, TokenBucket(kRate, now));
  return bucket->take(now);
}

}  // namespace sinew::stun
