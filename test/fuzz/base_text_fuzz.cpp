// Escaping: nothing a terminal obeys comes out, JSON stays JSON, and valid text survives it.
#include <algorithm>
#include <string>

#include "base/log.h"
#include "base/text.h"
#include "base/verify.h"
#include "support/flat_json.h"

using namespace sinew;

namespace {

bool holds_control(std::string_view text) {
  const auto is_c0 = [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; };
  return std::any_of(text.begin(), text.end(), is_c0);
}

// The C1 controls are U+0080 to U+009F: c2 80 to c2 9f in UTF-8.
bool holds_c1_control(std::string_view text) {
  for (std::size_t i = 0; i + 1 < text.size(); ++i) {
    if (text[i] == '\xc2' && static_cast<unsigned char>(text[i + 1]) < 0xa0) return true;
  }
  return false;
}

void check_harmless(std::string_view shown) {
  VERIFY(!holds_control(shown));
  VERIFY(!holds_c1_control(shown));
}

void check_json(std::string_view text) {
  std::string json = "{\"v\":\"";
  append_json_escaped(json, text);
  json += "\"}";
  check_harmless(json);
  const auto object = test::FlatJson::parse(json);
  VERIFY(object);
  const bool is_utf8 = object->at("v").find("\ufffd") == std::string::npos;
  if (is_utf8) VERIFY(object->at("v") == text);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text = as_text({data, size});
  check_harmless(escape_for_terminal(text));
  check_json(text);
  std::string line = format_as_text({WallTime(), LogLevel::kInfo, "fuzz", "x", {{"v", text}}});
  VERIFY(line.ends_with('\n'));
  line.pop_back();
  check_harmless(line);
  return 0;
}
