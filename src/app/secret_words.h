// Secrets on the command line: everybody on the machine can read it for as long as the program
// runs. Who gives one there all the same gets what was asked for, and a warning from the verb; the
// word itself is overwritten before anything else happens. One thread, at the start of main().
#pragma once

#include <deque>
#include <span>
#include <string_view>
#include <vector>

#include "base/secret.h"

namespace sinew::app {

class SecretWords {
 public:
  // Moves the value of every "--secret VALUE" and "--secret=VALUE" out of `argv`, where its place
  // is filled with 'x'. "-" stays: it means standard input.
  explicit SecretWords(std::span<char*> argv);

  // All words, as they were given.
  const std::vector<std::string_view>& words() const { return words_; }

 private:
  std::string_view keep(std::span<char> word, std::size_t secret_at);

  std::deque<SecretBytes> kept_;  // a deque, because words_ points into them
  std::vector<std::string_view> words_;
};

}  // namespace sinew::app
