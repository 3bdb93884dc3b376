#include "base/text.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <limits>
#include <string>

#include "base/rng.h"
#include "support/flat_json.h"

using namespace sinew;

namespace {

std::string json_escaped(std::string_view text) {
  std::string out;
  append_json_escaped(out, text);
  return out;
}

// What a JSON reader makes of the escaped text.
std::string through_json(std::string_view text) {
  const auto object = test::FlatJson::parse("{\"v\":\"" + json_escaped(text) + "\"}");
  REQUIRE(object);
  return object->at("v");
}

std::string random_text(Rng& rng) {
  std::string text(rng.below(20), '\0');
  for (char& c : text)
    c = static_cast<char>(rng.below(256));
  return text;
}

// The textbook recursion, for words of a few letters.
std::size_t naive_distance(std::string_view from, std::string_view to) {
  if (from.empty() || to.empty()) return from.size() + to.size();
  const bool is_same = from.back() == to.back();
  const auto shorter = [](std::string_view word, std::size_t by) {
    return word.substr(0, word.size() - by);
  };
  std::size_t best =
      std::min({naive_distance(shorter(from, 1), to) + 1, naive_distance(from, shorter(to, 1)) + 1,
                naive_distance(shorter(from, 1), shorter(to, 1)) + !is_same});
  if (from.size() > 1 && to.size() > 1 && from.back() == to[to.size() - 2] &&
      from[from.size() - 2] == to.back()) {
    best = std::min(best, naive_distance(shorter(from, 2), shorter(to, 2)) + 1);
  }
  return best;
}

}  // namespace

TEST_CASE("harmless text is shown as it is") {
  CHECK(escape_for_terminal("robot-7 \"left\" arm") == "robot-7 \"left\" arm");
  CHECK(escape_for_terminal("Zürich 東京 🤖") == "Zürich 東京 🤖");
}

TEST_CASE("control characters become visible escapes") {
  CHECK(escape_for_terminal("a\nb\rc\td") == "a\\nb\\rc\\td");
  CHECK(escape_for_terminal("\x1b[2J") == "\\x1b[2J");
  CHECK(escape_for_terminal(std::string_view("\0", 1)) == "\\x00");
  CHECK(escape_for_terminal("\x7f") == "\\x7f");
  CHECK(escape_for_terminal("\xc2\x9b") == "\\x9b");  // C1: one character that starts a sequence
}

TEST_CASE("a backslash becomes two, so that no text imitates an escape") {
  CHECK(escape_for_terminal("\\x1b") == "\\\\x1b");
}

TEST_CASE("bytes that are not UTF-8 are shown one by one") {
  CHECK(escape_for_terminal("\xff") == "\\xff");
  CHECK(escape_for_terminal("\xc3") == "\\xc3");           // cut short
  CHECK(escape_for_terminal("\xc0\xaf") == "\\xc0\\xaf");  // overlong
  CHECK(escape_for_terminal("\xe0\x80\x9b") == "\\xe0\\x80\\x9b");
  CHECK(escape_for_terminal("\xed\xa0\x80") == "\\xed\\xa0\\x80");  // surrogate
  CHECK(escape_for_terminal("\xf4\x90\x80\x80") == "\\xf4\\x90\\x80\\x80");
  CHECK(escape_for_terminal("\xf8\x88\x80\x80\x80") == "\\xf8\\x88\\x80\\x80\\x80");
  CHECK(escape_for_terminal("\x9b") == "\\x9b");
  CHECK(escape_for_terminal("\xe2\x82x") == "\\xe2\\x82x");
}

TEST_CASE("characters that reorder or hide text are named") {
  CHECK(escape_for_terminal("\u202etxt.exe") == "\\u{202e}txt.exe");
  CHECK(escape_for_terminal("a\u200bb") == "a\\u{200b}b");
  CHECK(escape_for_terminal("\u2028") == "\\u{2028}");
  CHECK(escape_for_terminal("\ufeff") == "\\u{feff}");
  CHECK(escape_for_terminal("\u2067") == "\\u{2067}");
  CHECK(escape_for_terminal("\U000e0041") == "\\u{e0041}");
}

TEST_CASE("characters that show nothing are named, wherever Unicode keeps them") {
  // Each edge of the table, and one beside it that shows something.
  CHECK(escape_for_terminal("\u034f\u115f\u1160\u17b4\u17b5\u180b\u180f") ==
        "\\u{34f}\\u{115f}\\u{1160}\\u{17b4}\\u{17b5}\\u{180b}\\u{180f}");
  CHECK(escape_for_terminal("\u3164\ufe00\ufe0f\uffa0") == "\\u{3164}\\u{fe00}\\u{fe0f}\\u{ffa0}");
  CHECK(escape_for_terminal("\U0001bca0\U0001d173\U000e0100\U000e0fff") ==
        "\\u{1bca0}\\u{1d173}\\u{e0100}\\u{e0fff}");
  const std::string_view shown = "\u034e\u1161\u17b3\u17b6\u180a\u3163\u3165\ufe10\uffa1\U0001bca4";
  CHECK(escape_for_terminal(shown) == shown);
}

TEST_CASE("random bytes never reach a terminal as controls") {
  SeededRng rng(1);
  for (int round = 0; round < 20'000; ++round) {
    const std::string shown = escape_for_terminal(random_text(rng));
    CHECK(std::none_of(shown.begin(), shown.end(),
                       [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }));
    CHECK(shown.find("\xc2\x9b") == std::string::npos);
  }
}

TEST_CASE("JSON escapes quotes, backslashes and controls") {
  CHECK(json_escaped("a\"b\\c") == "a\\\"b\\\\c");
  CHECK(json_escaped("\n\x1b\x7f") == "\\u000a\\u001b\\u007f");
  CHECK(json_escaped("\u2028\u202e") == "\\u2028\\u202e");
  CHECK(json_escaped("\U000e0041") == "\\udb40\\udc41");
  CHECK(json_escaped("Zürich 🤖") == "Zürich 🤖");
  CHECK(json_escaped("\xff\xc3") == "\\ufffd\\ufffd");
}

TEST_CASE("a JSON reader gets back what was escaped") {
  for (const std::string_view text :
       {std::string_view(""), std::string_view("a\"}\r\n,{\\"), std::string_view("\0\x1f", 2),
        std::string_view("Zürich 東京 🤖 \u202e \u0085 \U000e0041 \U000e0fff")}) {
    CHECK(through_json(text) == text);
  }
  CHECK(through_json("\xff") == "\ufffd");
}

TEST_CASE("random bytes always escape to a JSON string") {
  SeededRng rng(2);
  for (int round = 0; round < 20'000; ++round)
    static_cast<void>(through_json(random_text(rng)));
}

TEST_CASE("edit distance counts the least edits") {
  CHECK(edit_distance("", "") == 0);
  CHECK(edit_distance("", "abc") == 3);
  CHECK(edit_distance("status", "status") == 0);
  CHECK(edit_distance("status", "statsu") == 1);
  CHECK(edit_distance("stauts", "status") == 1);
  CHECK(edit_distance("kitten", "sitting") == 3);
  CHECK(edit_distance("ping", "pin") == 1);
}

TEST_CASE("edit distance agrees with the textbook recursion") {
  SeededRng rng(3);
  const auto word = [&rng] {
    std::string letters(rng.below(6), 'a');
    for (char& c : letters)
      c = static_cast<char>('a' + rng.below(3));
    return letters;
  };
  for (int round = 0; round < 500; ++round) {
    const std::string from = word();
    const std::string to = word();
    CAPTURE(from);
    CAPTURE(to);
    CHECK(edit_distance(from, to) == naive_distance(from, to));
  }
}

TEST_CASE("JSON numbers keep every digit, and infinity is null") {
  std::string out;
  append_json_number(out, std::numeric_limits<std::int64_t>::min());
  out += ' ';
  append_json_number(out, std::numeric_limits<std::uint64_t>::max());
  out += ' ';
  append_json_number(out, 0.1);
  out += ' ';
  append_json_number(out, -std::numeric_limits<double>::infinity());
  out += ' ';
  append_json_string(out, "a\"b");
  CHECK(out == "-9223372036854775808 18446744073709551615 0.1 null \"a\\\"b\"");
}
