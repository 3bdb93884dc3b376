#include "app/node_client.h"

#include <doctest/doctest.h>
#include <sys/socket.h>

#include <thread>

#include "json/parse.h"
#include "os/error.h"
#include "os/thread.h"
#include "os/unix_socket.h"
#include "support/temp_dir.h"

namespace sinew::app {
namespace {

// Answers whatever it is asked with the same bytes, and hangs up.
class FakeNode {
 public:
  explicit FakeNode(std::string answer)
      : answer_(std::move(answer)), listener_(*os::listen_unix(folder_ / "control.sock", 0600)) {
    thread_ = *os::start_thread([this] { serve(); });
  }
  ~FakeNode() {
    ::shutdown(listener_.get(), SHUT_RDWR);
    thread_.join();
  }

  const std::string& folder() const { return folder_.path(); }
  // After the conversation.
  std::string question() {
    ::shutdown(listener_.get(), SHUT_RDWR);
    thread_.join();
    thread_ = std::thread([] {});
    return question_;
  }

 private:
  void serve() {
    const os::Fd connection(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (!connection.is_open()) return;
    std::array<std::uint8_t, 4096> room;
    while (!question_.ends_with('\n')) {
      const auto some = os::read_some(connection, room);
      if (!some || !*some || **some == 0) return;
      question_.append(as_text(ByteView(room).first(**some)));
    }
    static_cast<void>(os::write_all(connection, as_bytes(answer_)));
  }

  test::TempDir folder_;
  std::string answer_;
  std::string question_;
  os::Fd listener_;
  std::thread thread_;
};

Result<json::Value> ask(const FakeNode& node,
                        const std::function<bool(const json::Value&)>& show = {}) {
  auto client = NodeClient::connect(node.folder());
  REQUIRE(client);
  return client->ask(json::Value::object({{"ask", "status"}}), show);
}

TEST_CASE("a question is a line, and its result is the answer") {
  FakeNode node("{\"result\":{\"state\":\"connected\"}}\n");
  const auto answer = ask(node);
  REQUIRE(answer);
  CHECK(*answer == json::Value::object({{"state", "connected"}}));
  const FakeNode quiet("{\"result\":null}\n");
  CHECK(ask(quiet)->is_null());
  CHECK(node.question() == "{\"ask\":\"status\"}\n");
}

TEST_CASE("steps are shown before the result, in order") {
  FakeNode node("{\"step\":1}\n{\"step\":2}\n{\"result\":3}\n");
  std::vector<json::Value> steps;
  const auto answer = ask(node, [&](const json::Value& step) {
    steps.push_back(step);
    return true;
  });
  REQUIRE(answer);
  CHECK(*answer == json::Value(3));
  CHECK(steps == std::vector<json::Value>{1, 2});
}

TEST_CASE("who has seen enough ends the conversation without an error") {
  FakeNode node("{\"step\":1}\n{\"step\":2}\n{\"result\":3}\n");
  int seen = 0;
  const auto answer = ask(node, [&](const json::Value&) { return ++seen < 1; });
  REQUIRE(answer);
  CHECK(answer->is_null());
  CHECK(seen == 1);
}

TEST_CASE("an error keeps its kind, and one of an unknown kind is an error too") {
  FakeNode node("{\"error\":{\"kind\":\"not_found\",\"message\":\"no peer\"}}\n");
  const auto known = ask(node);
  REQUIRE_FALSE(known);
  CHECK(known.error() == Error{ErrorKind::kNotFound, "no peer"});
  FakeNode newer("{\"error\":{\"kind\":\"from the future\",\"message\":\"x\"}}\n");
  const auto unknown = ask(newer);
  REQUIRE_FALSE(unknown);
  CHECK(unknown.error().kind == ErrorKind::kInternal);
}

TEST_CASE("every kind of error comes through its name") {
  for (int i = 0; i <= static_cast<int>(ErrorKind::kInternal); ++i) {
    const auto kind = static_cast<ErrorKind>(i);
    FakeNode node("{\"error\":{\"kind\":\"" + std::string(name_of(kind)) +
                  "\",\"message\":\"x\"}}\n");
    const auto answer = ask(node);
    REQUIRE_FALSE(answer);
    CHECK(answer.error().kind == kind);
  }
}

TEST_CASE("a node that ends in the middle, and one that talks nonsense, are errors") {
  for (const char* answer : {"", "{\"result\":", "{\"step\":1}\n", "junk\n", "[]\n", "{}\n",
                             "{\"error\":7}\n", "{\"error\":{\"kind\":\"invalid\"}}\n"}) {
    CAPTURE(answer);
    const FakeNode node(answer);
    CHECK_FALSE(ask(node));
  }
}

TEST_CASE("where no node runs that is said, with its folder, and what to do") {
  test::TempDir folder;
  const auto none = NodeClient::connect(folder.path());
  REQUIRE_FALSE(none);
  CHECK(none.error().kind == ErrorKind::kUnavailable);
  CHECK(none.error().message.contains(folder.path()));
  CHECK(explain_node_error(none.error()).next_step.contains("sinew start"));
  // A socket whose node was killed.
  {
    const auto killed = os::listen_unix(folder / "control.sock", 0600);
  }
  const auto killed = NodeClient::connect(folder.path());
  REQUIRE_FALSE(killed);
  CHECK(killed.error().kind == ErrorKind::kUnavailable);
}

TEST_CASE("an answer keeps every kind of value and the order of its fields") {
  const auto json = json::parse(
      R"({"b":null,"a":[true,-1,18446744073709551615,0.5,"\u001b"],"c":{"d":{}},"e":[]})");
  REQUIRE(json);
  const Value value = to_value(*json);
  CHECK(value ==
        Value::record({{"b", Value()},
                       {"a", Value(Value::List{true, std::int64_t{-1},
                                               std::uint64_t{18446744073709551615U}, 0.5, "\x1b"})},
                       {"c", Value::record({{"d", Value(Value::Record())}})},
                       {"e", Value(Value::List())}}));
}

}  // namespace
}  // namespace sinew::app
