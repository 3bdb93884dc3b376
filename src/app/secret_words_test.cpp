#include "app/secret_words.h"

#include <doctest/doctest.h>

#include <string>

namespace sinew::app {
namespace {

struct CommandLine {
  explicit CommandLine(std::vector<std::string> given) : texts(std::move(given)) {
    for (std::string& text : texts)
      argv.push_back(text.data());
  }
  std::vector<std::string> texts;
  std::vector<char*> argv;
};

TEST_CASE("a secret on the command line is kept and its place overwritten") {
  CommandLine line(
      {"sinew", "start", "--secret", "correct horse", "--secret=battery", "-n", "lab"});
  const SecretWords words(line.argv);
  CHECK(words.words() == std::vector<std::string_view>{"sinew", "start", "--secret",
                                                       "correct horse", "--secret=battery", "-n",
                                                       "lab"});
  CHECK(line.texts[3] == std::string(13, 'x'));
  CHECK(line.texts[4] == "--secret=xxxxxxx");
  CHECK(line.texts[6] == "lab");
}

TEST_CASE("the word that means standard input, and words that only look alike, stay") {
  CommandLine line({"sinew", "start", "--secret", "-", "--secret-file", "f", "--secret"});
  const SecretWords words(line.argv);
  CHECK(line.texts[3] == "-");
  CHECK(line.texts[5] == "f");
  CHECK(words.words().size() == 7);
}

}  // namespace
}  // namespace sinew::app
