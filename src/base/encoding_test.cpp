#include "base/encoding.h"

#include <doctest/doctest.h>

#include "base/rng.h"

using namespace sinew;

namespace {

Bytes random_bytes(Rng& rng, std::size_t size) {
  Bytes bytes(size);
  rng.fill(bytes);
  return bytes;
}

}  // namespace

TEST_CASE("hex is written in lower case and read in either") {
  CHECK(to_hex(Bytes{0x00, 0x1f, 0xab, 0xff}) == "001fabff");
  CHECK(from_hex("001fabff") == Bytes{0x00, 0x1f, 0xab, 0xff});
  CHECK(from_hex("001FABFF") == Bytes{0x00, 0x1f, 0xab, 0xff});
  CHECK(from_hex("") == Bytes{});
}

TEST_CASE("hex that is not pairs of digits is refused") {
  for (const std::string_view text : {"0", "001", "0g", "g0", " 00", "00 ", "0x00", "-1", "+1",
                                      "00\n1", "/0", ":0", "@0", "`0", "G0"}) {
    CAPTURE(text);
    CHECK_FALSE(from_hex(text));
  }
  CHECK_FALSE(from_hex(std::string_view("0\0", 2)));
}

TEST_CASE("base64 agrees with the vectors of RFC 4648 section 10") {
  const std::pair<std::string_view, std::string_view> vectors[] = {{"", ""},
                                                                   {"f", "Zg=="},
                                                                   {"fo", "Zm8="},
                                                                   {"foo", "Zm9v"},
                                                                   {"foob", "Zm9vYg=="},
                                                                   {"fooba", "Zm9vYmE="},
                                                                   {"foobar", "Zm9vYmFy"}};
  for (const auto& [plain, encoded] : vectors) {
    CHECK(to_base64(as_bytes(plain)) == encoded);
    const auto decoded = from_base64(encoded);
    REQUIRE(decoded);
    CHECK(as_text(*decoded) == plain);
  }
}

TEST_CASE("base64 in any other spelling is refused") {
  for (const std::string_view text :
       {"Z",     "Zg",     "Zg=",      "Zg===",    "=",        "==",     "===",
        "====",  "Z===",   "Zg==Zg==", "Zm8=Zm8=", "Zm=8",     "=Zm8",   "Zm9v ",
        " Zm9v", "Zm9v\n", "Zm\n9v",   "Zm-_",     "Zm9v====", "Zm9\xc3"}) {
    CAPTURE(text);
    CHECK_FALSE(from_base64(text));
  }
}

TEST_CASE("base64 with bits set behind the last byte is refused") {
  CHECK(from_base64("Zg=="));
  for (const std::string_view text : {"Zh==", "Zo==", "Zv=="}) {
    CAPTURE(text);
    CHECK_FALSE(from_base64(text));
  }
  CHECK(from_base64("Zm8="));
  for (const std::string_view text : {"Zm9=", "Zm+=", "Zm/="}) {
    CAPTURE(text);
    CHECK_FALSE(from_base64(text));
  }
}

TEST_CASE("bytes of every length survive both encodings") {
  SeededRng rng(1);
  for (std::size_t size = 0; size < 200; ++size) {
    const Bytes bytes = random_bytes(rng, size);
    CHECK(from_hex(to_hex(bytes)) == bytes);
    CHECK(from_base64(to_base64(bytes)) == bytes);
    CHECK(to_base64(bytes).size() == (size + 2) / 3 * 4);
  }
}
