#include "stun/message.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <memory>
#include <string>

#include "base/encoding.h"

using namespace sinew;
using namespace sinew::stun;

namespace {

Endpoint endpoint(std::string_view text) {
  return Endpoint::parse(text).value();
}
Bytes from_text(std::string_view hex) {
  return from_hex(hex).value();
}

// The transaction of the vectors of RFC 5769.
const TransactionId kVectorTransaction = {0xb7, 0xe7, 0xa7, 0x01, 0xbc, 0x34,
                                          0xd6, 0x86, 0xfa, 0x87, 0xdf, 0xae};

constexpr std::string_view kVectorRequest =
    "000100582112a442b7e7a701bc34d686fa87dfae80220010"
    "5354554e207465737420636c69656e74"
    "002400046e0001ff80290008932ff9b151263b36"
    "000600096576746a3a68367659202020"
    "000800149aeaa70cbfd8cb56781ef2b5b2d3f249c1b571a2"
    "80280004e57a3bcf";
constexpr std::string_view kVectorAnswerV4 =
    "0101003c2112a442b7e7a701bc34d686fa87dfae8022000b7465737420766563746f7220"
    "002000080001a147e112a643"
    "000800142b91f599fd9e90c38c7489f92af9ba53f06be7d7"
    "80280004c07d4c96";
constexpr std::string_view kVectorAnswerV6 =
    "010100482112a442b7e7a701bc34d686fa87dfae8022000b7465737420766563746f7220"
    "002000140002a1470113a9faa5d3f179bc25f4b5bed2b9d9"
    "00080014a382954e4be67bf11784c97c8292c275bfe3ed41"
    "80280004c8fb0b4c";

// A message of one attribute and a right length.
Bytes with_attributes(std::string_view attributes_hex) {
  const Bytes attributes = from_text(attributes_hex);
  Bytes out = from_text("010100002112a442000000000000000000000000");
  out.insert(out.end(), attributes.begin(), attributes.end());
  store_be(out.data() + 2, static_cast<std::uint16_t>(attributes.size()));
  return out;
}

bool is_parsed(ByteView bytes) {
  // Exactly as large as the message, so that a read behind it is one that the sanitizer sees.
  const auto exact = std::make_unique<std::uint8_t[]>(bytes.size());
  std::ranges::copy(bytes, exact.get());
  return parse({exact.get(), bytes.size()}).has_value();
}

}  // namespace

TEST_CASE("the answers of RFC 5769 give their addresses") {
  const Message v4 = parse(from_text(kVectorAnswerV4)).value();
  CHECK(v4.kind == Class::kSuccess);
  CHECK(v4.transaction == kVectorTransaction);
  CHECK(v4.mapped == endpoint("192.0.2.1:32853"));
  CHECK(v4.has_fingerprint);
  const Message v6 = parse(from_text(kVectorAnswerV6)).value();
  CHECK(v6.mapped == endpoint("[2001:db8:1234:5678:11:2233:4455:6677]:32853"));
}

TEST_CASE("the request of RFC 5769 is one, with an attribute that we do not know") {
  const Message request = parse(from_text(kVectorRequest)).value();
  CHECK(request.kind == Class::kRequest);
  CHECK(request.has_fingerprint);
  CHECK(request.unknown_attribute == 0x0024);  // PRIORITY, of ICE
}

TEST_CASE("a message with one bit changed does not pass its fingerprint") {
  const Bytes good = from_text(kVectorAnswerV4);
  REQUIRE(is_parsed(good));
  for (std::size_t bit = 0; bit < good.size() * 8; ++bit) {
    Bytes bad = good;
    bad[bit / 8] ^= static_cast<std::uint8_t>(1U << (bit % 8));
    // What hides the fingerprint leaves a message that has none.
    const Result<Message> message = parse(bad);
    CHECK_FALSE((message && message->has_fingerprint));
  }
}

TEST_CASE("requests say what they ask and have one size") {
  for (const bool address : {false, true}) {
    for (const bool port : {false, true}) {
      const auto bytes =
          encode_request(kVectorTransaction, {.changes_address = address, .changes_port = port});
      CHECK(is_stun(bytes));
      const Message request = parse(bytes).value();
      CHECK(request.kind == Class::kRequest);
      CHECK(request.transaction == kVectorTransaction);
      CHECK(request.changes_address == address);
      CHECK(request.changes_port == port);
      CHECK(request.has_fingerprint);
      CHECK_FALSE(request.unknown_attribute);
    }
  }
}

TEST_CASE("answers are read as they were written, in both families") {
  for (const std::string_view text : {"203.0.113.7:1", "[2001:db8::7]:65535"}) {
    const Answer answer{.mapped = endpoint(text),
                        .response_origin = endpoint("198.51.100.1:3478"),
                        .other_address = endpoint("[2001:db8::1]:3479"),
                        .has_fingerprint = true};
    std::array<std::uint8_t, kMaxAnswerSize> room;
    const Message read = parse(encode_answer(kVectorTransaction, answer, room)).value();
    CHECK(read.kind == Class::kSuccess);
    CHECK(read.mapped == answer.mapped);
    CHECK(read.response_origin == answer.response_origin);
    CHECK(read.other_address == answer.other_address);
    CHECK(read.has_fingerprint);
  }
}

TEST_CASE("a whole answer over IPv6 fits into the size of our requests") {
  const Endpoint v6 = endpoint("[2001:db8::7]:1");
  const Answer answer{v6, v6, v6, true};
  std::array<std::uint8_t, 200> room;
  CHECK(encode_answer(kVectorTransaction, answer, room).size() == kRequestSize);
}

TEST_CASE(
    "an answer without room for everything leaves out the end, and nothing is better than half") {
  const Answer answer{.mapped = endpoint("203.0.113.7:1"),
                      .response_origin = endpoint("198.51.100.1:3478")};
  std::array<std::uint8_t, kMaxAnswerSize> room;
  for (std::size_t size = 0; size <= 60; ++size) {
    const ByteView written = encode_answer(kVectorTransaction, answer, ByteSpan(room).first(size));
    CHECK(written.size() == (size < kSmallestAnswerSizeV4 ? 0U : size < 44 ? 32U : 44U));
  }
}

TEST_CASE("MAPPED-ADDRESS counts where there is nothing better") {
  const std::string plain = "0001000800010050c0000201";
  CHECK(parse(with_attributes(plain)).value().mapped == endpoint("192.0.2.1:80"));
  const std::string both = plain + "0020000800012142e112a643";
  CHECK(parse(with_attributes(both)).value().mapped == endpoint("192.0.2.1:80"));
  const std::string other = plain + "0020000800012143e112a643";
  CHECK(parse(with_attributes(other)).value().mapped == endpoint("192.0.2.1:81"));
}

TEST_CASE("an error gives its code, and what is none is refused") {
  CHECK(parse(with_attributes("0009000400000414")).value().error_code == kUnknownAttribute);
  CHECK_FALSE(is_parsed(with_attributes("0009000400000214")));
  CHECK_FALSE(is_parsed(with_attributes("0009000400000464")));
  CHECK_FALSE(is_parsed(with_attributes("00090002000004140000")));
}

TEST_CASE("L28 an address that is cut, too long or of no family is refused before it is read") {
  for (const std::string_view attribute :
       {"00200000", "0020000400010050", "00200007000121420102030400",
        "002000090001214201020304aa000000", "0020000800022142e112a643", "0020000800032142e112a643",
        "0020001400012142e112a643000000000000000000000000", "002000ff00012142e112a643"})
    CHECK_FALSE(is_parsed(with_attributes(attribute)));
}

TEST_CASE("L28 every cut of a message is refused, and none is read behind its end") {
  const Bytes good = from_text(kVectorAnswerV6);
  for (std::size_t size = 0; size < good.size(); ++size) {
    Bytes cut(good.begin(), good.begin() + static_cast<std::ptrdiff_t>(size));
    CHECK_FALSE(is_parsed(cut));
    if (size < kHeaderSize) continue;
    store_be(cut.data() + 2, static_cast<std::uint16_t>(size - kHeaderSize));
    static_cast<void>(is_parsed(cut));  // some end between attributes
  }
}

TEST_CASE("L29 lengths at the upper end of sixteen bits do not wrap") {
  for (const std::string_view length : {"fffc", "fffd", "fffe", "ffff"})
    CHECK_FALSE(is_parsed(with_attributes("8022" + std::string(length) + "00000000")));
  Bytes long_one = with_attributes("80220000");
  store_be(long_one.data() + 2, std::uint16_t{0xfffc});
  CHECK_FALSE(is_parsed(long_one));
  // 65536 bytes behind the header look like none in sixteen bits.
  Bytes wrapped(kHeaderSize + 0x1'0000);
  std::ranges::copy(with_attributes(""), wrapped.begin());
  CHECK_FALSE(is_parsed(wrapped));
  // And they are one attribute that fills them.
  store_be(wrapped.data() + kHeaderSize, std::uint16_t{0x8022});
  store_be(wrapped.data() + kHeaderSize + 2, std::uint16_t{0xfffc});
  CHECK_FALSE(is_parsed(wrapped));
}

TEST_CASE("attributes are counted") {
  std::string attributes;
  for (std::size_t i = 0; i < kMaxAttributes; ++i)
    attributes += "80220000";
  CHECK(is_parsed(with_attributes(attributes)));
  CHECK_FALSE(is_parsed(with_attributes(attributes + "80220000")));
}

TEST_CASE("other methods and other protocols of the port are not taken for Binding") {
  Bytes allocate = with_attributes("");
  allocate[1] = 0x03;
  CHECK(parse(allocate).error().kind == ErrorKind::kUnsupported);
  for (const int first : {0xd1, 0xc1, 0xe1, 0x40})
    CHECK_FALSE(is_stun(Bytes(64, static_cast<std::uint8_t>(first))));
  Bytes wireguard(148);
  wireguard[0] = 1;
  CHECK_FALSE(is_stun(wireguard));
}
