#include "base/log.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/rng.h"
#include "support/flat_json.h"

using namespace sinew;

namespace {

constexpr WallTime kTime(1'767'323'045'678ms);  // 2026-01-02T03:04:05.678Z

std::string text_line(std::initializer_list<LogField> fields) {
  return format_as_text({kTime, LogLevel::kWarning, "node", "relay lost", fields});
}

std::string json_line(std::initializer_list<LogField> fields) {
  return format_as_json({kTime, LogLevel::kWarning, "node", "relay lost", fields});
}

bool is_one_printable_line(std::string_view line) {
  if (!line.ends_with('\n')) return false;
  line.remove_suffix(1);
  return std::none_of(line.begin(), line.end(),
                      [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; });
}

// The fields behind the message, as a careful reader of the text form splits them: a value is
// quoted or holds no space; inside quotes a backslash takes the next character with it.
std::optional<std::map<std::string, std::string>> split_fields(std::string_view line) {
  constexpr std::string_view kHead = "03:04:05.678 WARN  node: relay lost";
  if (!line.starts_with(kHead) || !line.ends_with('\n')) return std::nullopt;
  line = line.substr(kHead.size(), line.size() - kHead.size() - 1);
  std::map<std::string, std::string> fields;
  while (!line.empty()) {
    const std::size_t equals = line.find('=');
    if (line[0] != ' ' || equals == std::string_view::npos) return std::nullopt;
    const std::string key(line.substr(1, equals - 1));
    line.remove_prefix(equals + 1);
    std::size_t end = std::min(line.find(' '), line.size());
    if (line.starts_with('"')) {
      for (end = 1; end < line.size() && line[end] != '"'; ++end) {
        if (line[end] == '\\') ++end;
      }
      if (end++ >= line.size()) return std::nullopt;
    }
    if (!fields.emplace(key, line.substr(0, end)).second) return std::nullopt;
    line.remove_prefix(end);
  }
  return fields;
}

class CollectingSink final : public LogSink {
 public:
  void write(const LogRecord& record) override { lines.push_back(format_as_text(record)); }
  std::vector<std::string> lines;
};

const std::string_view kHostile[] = {
    "x\n03:04:05.678 ERROR node: forged",
    "x\r\n",
    "\x1b[2J\x1b]0;owned\x07",
    "\xc2\x9b"
    "2J",
    "\" level=error user=\"root",
    "\\",
    "\\\" user=root",
    "a b=c",
    "user=root",
    "\u202egnp.exe",
    "\xff\xfe",
    "\"},{\"level\":\"error\"",
    "</script>",
    "",
    " ",
    std::string_view("nul\0byte", 8),
};

}  // namespace

TEST_CASE("a line of text has time, level, component, message and fields") {
  CHECK(text_line({{"relay", "de1"}, {"reason", "timed out"}, {"rtt_ms", 12}}) ==
        "03:04:05.678 WARN  node: relay lost relay=de1 reason=\"timed out\" rtt_ms=12\n");
}

TEST_CASE("a line of JSON has the same with the full date") {
  CHECK(json_line({{"relay", "de1"}, {"tries", 3}, {"is_home", true}}) ==
        R"({"time":"2026-01-02T03:04:05.678Z","level":"warning","component":"node",)"
        R"("message":"relay lost","relay":"de1","tries":3,"is_home":true})"
        "\n");
}

TEST_CASE("a machine whose date is before 1970 still logs") {
  CHECK(format_as_json({WallTime(-1ms), LogLevel::kInfo, "node", "x", {}})
            .starts_with(R"({"time":"1969-12-31T23:59:59.999Z")"));
}

TEST_CASE("values of every type are written") {
  const std::string line = text_line({{"i", -1},
                                      {"u", UINT64_MAX},
                                      {"b", false},
                                      {"d", 0.5},
                                      {"t", 1500ms},
                                      {"ip", IpAddress::v4(10, 0, 0, 1)},
                                      {"net", IpPrefix()},
                                      {"to", Endpoint{IpAddress::any_v6(), 80}},
                                      {"s", std::string("x")}});
  CHECK(
      line.ends_with(" i=-1 u=18446744073709551615 b=false d=0.5 t=1.5 ip=10.0.0.1 "
                     "net=0.0.0.0/0 to=[::]:80 s=x\n"));
}

TEST_CASE("a number JSON cannot hold becomes null") {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  std::string line = json_line({{"a", kInfinity}, {"b", kInfinity * 0}});
  line.pop_back();
  const auto object = test::FlatJson::parse(line);
  REQUIRE(object);
  CHECK(object->at("a") == "null");
  CHECK(object->at("b") == "null");
}

TEST_CASE("T-LOGINJ/L87: hostile values stay inside one field of one line of text") {
  for (const std::string_view value : kHostile) {
    CAPTURE(value);
    const std::string line = text_line({{"user", value}, {"peer", "p1"}});
    CHECK(is_one_printable_line(line));
    const auto fields = split_fields(line);
    REQUIRE(fields);
    CHECK(fields->size() == 2);
    CHECK(fields->contains("user"));
    CHECK(fields->at("peer") == "p1");
  }
}

TEST_CASE("T-LOGINJ/L87: hostile values come back unchanged from a line of JSON") {
  for (const std::string_view value : kHostile) {
    CAPTURE(value);
    std::string line = json_line({{"user", value}});
    CHECK(is_one_printable_line(line));
    line.pop_back();
    const auto object = test::FlatJson::parse(line);
    REQUIRE(object);
    CHECK(object->size() == 5);
    CHECK(object->at("level") == "warning");
    if (value != "\xff\xfe") CHECK(object->at("user") == value);
  }
}

TEST_CASE("T-LOGINJ/L87: random bytes never break a line in two or open a new field") {
  SeededRng rng(87);
  constexpr std::string_view kSpice = "\"\\=\n\r\x1b a";
  for (int round = 0; round < 20'000; ++round) {
    std::string value(rng.below(12), '\0');
    for (char& c : value) {
      c = rng.below(2) == 0 ? kSpice[rng.below(kSpice.size())] : static_cast<char>(rng.below(256));
    }
    const std::string line = text_line({{"user", value}, {"peer", "p1"}});
    REQUIRE(is_one_printable_line(line));
    const auto fields = split_fields(line);
    REQUIRE(fields);
    REQUIRE(fields->size() == 2);
    std::string json = json_line({{"user", value}});
    REQUIRE(is_one_printable_line(json));
    json.pop_back();
    REQUIRE(test::FlatJson::parse(json));
  }
}

TEST_CASE("a value of a million quotes costs no more than its length") {
  constexpr std::size_t kQuotes = 1'000'000;  // many seconds, if each moved the rest
  CHECK(text_line({{"user", std::string(kQuotes, '"')}}).size() > 2 * kQuotes);
}

TEST_CASE("a log writes its threshold and above, under its component's name") {
  CollectingSink sink;
  const ManualClock clock(MonoTime(), kTime);
  const Log log(sink, clock, LogLevel::kInfo, "node");
  log.debug("hidden");
  log.info("shown");
  log.named("dns").error("failed", {{"name", "x"}});
  CHECK_FALSE(log.writes(LogLevel::kDebug));
  CHECK(sink.lines == std::vector<std::string>{"03:04:05.678 INFO  node: shown\n",
                                               "03:04:05.678 ERROR dns: failed name=x\n"});
}
