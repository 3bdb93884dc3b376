// A command line of any words: it ends in a known way, never says anything a terminal would obey,
// and answers an error in JSON when it was asked in JSON. A line feed in the input starts the next
// word.
#include <string>
#include <string_view>
#include <vector>

#include "app/options.h"
#include "app/program.h"
#include "base/bytes.h"
#include "base/verify.h"

using namespace sinew;
using namespace sinew::app;

namespace {

std::vector<std::string_view> words_of(std::string_view text) {
  std::vector<std::string_view> words;
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    words.push_back(text.substr(0, end));
    text = end == std::string_view::npos ? "" : text.substr(end + 1);
  }
  return words;
}

// Line feeds separate lines; nothing else of the kind has a place in what we write without colours.
bool is_harmless(std::string_view written) {
  for (const char c : written) {
    const auto byte = static_cast<unsigned char>(c);
    if ((byte < 0x20 && c != '\n') || byte == 0x7f) return false;
  }
  return true;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const VerbTable verbs = VerbTable::of_program();
  const std::vector<std::string_view> words = words_of(as_text({data, size}));
  const Finished finished = run_program(verbs, words, {});

  const bool is_known = finished.code == ExitCode::kOk || finished.code == ExitCode::kUsage ||
                        finished.code == ExitCode::kNotFound;
  VERIFY(is_known);
  VERIFY(finished.errors.empty() == (finished.code == ExitCode::kOk));
  VERIFY(is_harmless(finished.errors));
  const bool is_json_error = finished.code != ExitCode::kOk && asks_for_json(words);
  if (is_json_error) VERIFY(finished.errors.starts_with('{'));
  return 0;
}
