// STUN messages: what is parsed lies inside of the bytes given, what a responder answers is never
// longer than it may be and can be read again, and a survey survives whatever claims to be an
// answer.
#include <algorithm>

#include "base/rng.h"
#include "base/verify.h"
#include "stun/message.h"
#include "stun/responder.h"
#include "stun/survey.h"

using namespace sinew;
using namespace sinew::stun;

namespace {

const Endpoint kClient{IpAddress::v4(203, 0, 113, 7), 4000};
const Endpoint kServer{IpAddress::v4(198, 51, 100, 1), 3478};

void check_responder(ByteView datagram) {
  SeededRng rng(1);
  Responder responder(rng, 4);
  const Responder::Addresses mine{.asked = kServer, .other_port = 3479};
  const auto reply = responder.respond(datagram, kClient, mine, MonoTime(1h));
  if (!reply) return;
  VERIFY(reply->size <= std::max(datagram.size(), kSmallestAnswerSizeV4));
  const Message answer = parse(reply->bytes()).value();
  VERIFY(answer.transaction == parse(datagram).value().transaction);
  VERIFY((answer.kind == Class::kSuccess) == (answer.mapped == kClient));
}

// The input is an answer to each question of a survey, but for the transaction, which it cannot
// know.
void check_survey(Bytes datagram) {
  SeededRng rng(1);
  Survey survey(rng);
  survey.set_servers({{.id = 1, .v4 = kServer}});
  MonoTime now(1h);
  survey.begin(Survey::Mode::kFull, {}, now);
  std::size_t count = 0;
  while (survey.is_running()) {
    while (const auto transmit = survey.next_transmit()) {
      ++count;
      std::copy_n(transmit->bytes.begin() + 8, 12, datagram.begin() + 8);
      survey.feed(datagram, transmit->to, now);
    }
    VERIFY(survey.deadline() >= now);
    if (survey.is_running()) survey.expire(now = survey.deadline());
  }
  VERIFY(survey.next_event().has_value());
  VERIFY(count <= 5 * kTries);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const ByteView datagram(data, size);
  const Result<Message> message = parse(datagram);
  if (message) {
    VERIFY(is_stun(datagram));
    VERIFY(!message->error_code || (*message->error_code >= 300 && *message->error_code < 700));
  }
  check_responder(datagram);
  if (message && !message->has_fingerprint) check_survey(Bytes(data, data + size));
  return 0;
}
