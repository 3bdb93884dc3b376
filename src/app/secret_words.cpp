#include "app/secret_words.h"

#include <algorithm>
#include <cstring>

namespace sinew::app {
namespace {

constexpr std::string_view kOption = "--secret";

bool is_inline(std::string_view word) {
  return word.size() > kOption.size() && word.starts_with(kOption) && word[kOption.size()] == '=';
}

}  // namespace

SecretWords::SecretWords(std::span<char*> argv) {
  bool is_value = false;
  for (char* const start : argv) {
    const std::span<char> word(start, std::strlen(start));
    const std::string_view text(word.data(), word.size());
    if (is_value && text != "-") {
      words_.push_back(keep(word, 0));
    } else if (is_inline(text)) {
      words_.push_back(keep(word, kOption.size() + 1));
    } else {
      words_.push_back(text);
    }
    is_value = !is_value && text == kOption;
  }
}

std::string_view SecretWords::keep(std::span<char> word, std::size_t secret_at) {
  kept_.emplace_back(std::string_view(word.data(), word.size()));
  std::ranges::fill(word.subspan(secret_at), 'x');
  return kept_.back().expose_text();
}

}  // namespace sinew::app
