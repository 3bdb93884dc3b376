// Everything of the relay's protocol that strangers write: frames cut anywhere come apart as they
// do whole and keep no more than they may; heads and answers of HTTP, infos and datagrams parse or
// do not.
#include <vector>

#include "base/verify.h"
#include "relay/frames.h"
#include "relay/http.h"
#include "relay/login.h"
#include "relay/udp.h"

using namespace sinew;
using namespace sinew::relay;

namespace {

struct Reading {
  std::vector<Bytes> frames;
  bool is_fine = true;
  friend bool operator==(const Reading&, const Reading&) = default;
};

Reading read(ByteView bytes, std::size_t piece) {
  FrameReader reader;
  Reading reading;
  while (!bytes.empty() && reading.is_fine) {
    const ByteView part = bytes.first(std::min(piece, bytes.size()));
    reading.is_fine = reader.feed(part, [&](const Frame& frame) {
      Bytes seen(frame.payload.begin(), frame.payload.end());
      seen.push_back(static_cast<std::uint8_t>(frame.type));
      reading.frames.push_back(std::move(seen));
      return true;
    });
    VERIFY(reader.buffered() <= kFrameHeaderSize + kKeySize + kMaxPacketBytes);
    bytes = bytes.subspan(part.size());
  }
  return reading;
}

void check_request(ByteView bytes) {
  const auto parsed = parse_request(bytes);
  if (!parsed || !*parsed) return;
  VERIFY((*parsed)->size <= bytes.size());
  const std::string answer = answer_to((*parsed)->request, {});
  VERIFY(!answer.contains('\0'));
  // The same head, without what is behind it, means the same.
  VERIFY(parse_request(bytes.first((*parsed)->size)).value().has_value());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const ByteView bytes(data + 1, size - 1);
  const Reading whole = read(bytes, bytes.size() + 1);
  VERIFY(read(bytes, 1 + data[0] % 16) == whole);
  check_request(bytes);
  static_cast<void>(parse_answer(bytes));
  if (const auto info = parse_client_info(as_text(bytes)))
    VERIFY(parse_client_info(to_json(*info)));
  if (const auto info = parse_server_info(as_text(bytes)))
    VERIFY(parse_server_info(to_json(*info)));
  static_cast<void>(parse_udp_data(bytes));
  return 0;
}
