#include "node/control.h"

#include <doctest/doctest.h>
#include <sys/stat.h>

#include "aio/socket_stream.h"
#include "json/parse.h"
#include "support/runtime.h"
#include "support/temp_dir.h"

namespace sinew::node {
namespace {

// {"ask": "echo"} is answered by itself; "steps" by three steps first; "fail" by an error; "wait"
// when somebody asks "go".
struct Setup {
  test::TempDir folder;
  test::TestRuntime test;
  std::string path = folder / "control.sock";
  aio::Event went{test.runtime};
  bool has_gone = false;
  std::size_t asked = 0;
  std::unique_ptr<ControlServer> server = *ControlServer::open(
      test.runtime, path,
      [this](const json::Value& request, Answering& to) { return answer(request, to); });

  aio::Task<Result<json::Value>> answer(const json::Value& request, Answering& to) {
    ++asked;
    const json::Value* const ask = request.find("ask");
    const std::string what = ask != nullptr && ask->as_string() ? *ask->as_string() : "";
    if (what == "fail") co_return Error{ErrorKind::kNotFound, "no \x1b[31msuch\n thing"};
    if (what == "go") {
      has_gone = true;
      went.notify();
    }
    if (what == "wait") {
      while (!has_gone) {
        const Result<> waited = co_await went.wait();
        if (!waited) co_return waited.error();
      }
    }
    for (int i = 0; what == "steps" && i < 3; ++i) {
      const Result<> told = co_await to.step(i);
      if (!told) co_return told.error();
    }
    co_return request;
  }

  // Serves while the client runs.
  void run(aio::Task<> client) { test.run(serve_for(std::move(client))); }
  aio::Task<> serve_for(aio::Task<> client) {
    aio::TaskGroup tasks(test.runtime);
    tasks.start("control", server->serve());
    co_await std::move(client);
    co_await tasks.stop();
  }

  aio::Task<std::unique_ptr<aio::Stream>> connect() {
    auto stream = co_await aio::connect_unix(test.runtime, path);
    REQUIRE(stream);
    co_return *std::move(stream);
  }
};

// Nothing when the server has hung up.
aio::Task<std::optional<std::string>> read_line(aio::Stream& stream) {
  std::string line;
  std::array<std::uint8_t, 1> byte;
  while (true) {
    const auto size = co_await stream.read_some(byte);
    if (!size || *size == 0) co_return std::nullopt;
    if (byte[0] == '\n') co_return line;
    line += static_cast<char>(byte[0]);
  }
}

aio::Task<std::optional<std::string>> ask(aio::Stream& stream, std::string line) {
  line += '\n';
  const Result<> written = co_await stream.write(as_bytes(line));
  if (!written) co_return std::nullopt;
  auto answer = co_await read_line(stream);
  co_return answer;
}

aio::Task<> ask_several(Setup& setup) {
  const auto stream = co_await setup.connect();
  const auto echo = co_await ask(*stream, R"({"ask":"echo","n":1})");
  CHECK(echo == R"({"result":{"ask":"echo","n":1}})");
  auto step = co_await ask(*stream, R"({"ask":"steps"})");
  for (int i = 0; i < 3; ++i) {
    CHECK(step == R"({"step":)" + std::to_string(i) + "}");
    step = co_await read_line(*stream);
  }
  CHECK(step == R"({"result":{"ask":"steps"}})");
  const auto error = co_await ask(*stream, R"({"ask":"fail"})");
  REQUIRE(error);
  const auto parsed = json::parse(*error);
  REQUIRE(parsed);
  CHECK(*parsed->find("error")->find("kind") == json::Value("not_found"));
  CHECK(*parsed->find("error")->find("message") == json::Value("no \x1b[31msuch\n thing"));
}

TEST_CASE("one connection asks several questions, and each answer is a line") {
  Setup setup;
  setup.run(ask_several(setup));
}

aio::Task<> ask_in_pieces(Setup& setup) {
  const auto stream = co_await setup.connect();
  const std::string two = "{\"ask\":\"a\"}\n{\"ask\":\"b\"}\n";
  for (const char c : two) {
    const std::string piece(1, c);
    const Result<> written = co_await stream->write(as_bytes(piece));
    REQUIRE(written);
    co_await aio::yield();
  }
  const auto first = co_await read_line(*stream);
  const auto second = co_await read_line(*stream);
  CHECK(first == R"({"result":{"ask":"a"}})");
  CHECK(second == R"({"result":{"ask":"b"}})");
}

TEST_CASE("where the bytes of questions are cut does not matter") {
  Setup setup;
  setup.run(ask_in_pieces(setup));
}

aio::Task<> send_junk(Setup& setup) {
  const auto stream = co_await setup.connect();
  for (const char* junk : {"", "{", "\xff\xfe", "[[[[", R"({"ask":1} {"ask":2})", "nul"}) {
    CAPTURE(junk);
    const auto answer = co_await ask(*stream, junk);
    REQUIRE(answer);
    CHECK(answer->starts_with(R"({"error":{"kind":"invalid")"));
  }
  CHECK(setup.asked == 0);
  std::string deep(1000, '[');
  const auto refused = co_await ask(*stream, std::move(deep));
  REQUIRE(refused);
  CHECK(refused->starts_with(R"({"error":)"));
  const auto echo = co_await ask(*stream, R"({"ask":"still here"})");
  CHECK(echo == R"({"result":{"ask":"still here"}})");
}

TEST_CASE("junk is answered with an error, and the next question is heard") {
  Setup setup;
  setup.run(send_junk(setup));
}

aio::Task<> send_endless_line(Setup& setup) {
  const auto endless = co_await setup.connect();
  const std::string megabyte(1 << 20, 'x');
  // The server reads no more than the limit, so all of it cannot be written.
  const Result<> written = co_await endless->write(as_bytes(megabyte));
  CHECK_FALSE(written);
  const auto other = co_await setup.connect();
  const auto echo = co_await ask(*other, R"({"ask":"echo"})");
  CHECK(echo == R"({"result":{"ask":"echo"}})");
  CHECK(setup.asked == 1);
}

TEST_CASE("a line without an end is cut off, and the others do not notice") {
  Setup setup;
  setup.run(send_endless_line(setup));
}

aio::Task<> send_long_lines(Setup& setup, std::size_t size, bool is_answered) {
  const auto stream = co_await setup.connect();
  std::string line = R"({"ask":")";
  line.resize(size - 2, 'x');
  line += "\"}";
  const auto answer = co_await ask(*stream, line);
  REQUIRE(answer);
  CHECK(answer->starts_with(R"({"result")") == is_answered);
  CHECK(answer->contains("overloaded") != is_answered);
}

TEST_CASE("a question of the longest size is answered, one far beyond it is told so") {
  Setup setup;
  setup.run(send_long_lines(setup, ControlServer::kMaxLineBytes - 1, true));
  Setup other;
  other.run(send_long_lines(other, ControlServer::kMaxLineBytes + 4096, false));
}

aio::Task<> stay_silent(Setup& setup) {
  const auto silent = co_await setup.connect();
  const std::string half = R"({"ask":"ec)";
  const Result<> written = co_await silent->write(as_bytes(half));
  REQUIRE(written);
  const auto waiting = co_await setup.connect();
  const std::string wait = "{\"ask\":\"wait\"}\n";
  const Result<> asked = co_await waiting->write(as_bytes(wait));
  REQUIRE(asked);
  const auto other = co_await setup.connect();
  const auto went = co_await ask(*other, R"({"ask":"go"})");
  CHECK(went == R"({"result":{"ask":"go"}})");
  const auto answer = co_await read_line(*waiting);
  CHECK(answer == R"({"result":{"ask":"wait"}})");
}

TEST_CASE("who says half a question, and who waits for an answer, hold up nobody") {
  Setup setup;
  setup.run(stay_silent(setup));
}

aio::Task<> connect_often(Setup& setup) {
  std::vector<std::unique_ptr<aio::Stream>> streams;
  std::size_t answered = 0;
  for (int i = 0; i < 100; ++i) {
    auto stream = co_await setup.connect();
    const auto echo = co_await ask(*stream, "{}");
    streams.push_back(std::move(stream));
    if (echo) ++answered;
  }
  CHECK(answered == ControlServer::kMaxConnections);
  streams.clear();
  // The ends of the old ones reach the server before a new one can find its place.
  std::optional<std::string> echo;
  while (!echo) {
    co_await aio::yield();
    const auto stream = co_await setup.connect();
    echo = co_await ask(*stream, "{}");
  }
  CHECK(echo == R"({"result":{}})");
}

TEST_CASE("of a hundred connections the bound is served, and their places come free again") {
  Setup setup;
  setup.run(connect_often(setup));
}

aio::Task<> leave_early(Setup& setup) {
  const auto leaving = co_await setup.connect();
  const std::string wait = "{\"ask\":\"wait\"}\n";
  const Result<> written = co_await leaving->write(as_bytes(wait));
  REQUIRE(written);
  while (setup.asked == 0)
    co_await aio::yield();
}

TEST_CASE("a server that ends while a question is being answered ends the question") {
  Setup setup;
  setup.run(leave_early(setup));
}

TEST_CASE("the socket is private, and gone with the server") {
  Setup setup;
  struct stat facts{};
  REQUIRE(::stat(setup.path.c_str(), &facts) == 0);
  CHECK((facts.st_mode & 07777) == 0600);
  setup.server.reset();
  CHECK(::stat(setup.path.c_str(), &facts) != 0);
}

TEST_CASE("a socket that a killed node left behind is replaced, one in use is not") {
  test::TempDir folder;
  test::TestRuntime test;
  const std::string path = folder / "control.sock";
  const auto nobody = [](const json::Value&, Answering&) -> aio::Task<Result<json::Value>> {
    co_return json::Value();
  };
  {
    const auto left_behind = os::listen_unix(path, 0600);
  }
  const auto server = ControlServer::open(test.runtime, path, nobody);
  CHECK(server);
  const auto second = ControlServer::open(test.runtime, path, nobody);
  REQUIRE_FALSE(second);
  CHECK(second.error().kind == ErrorKind::kConflict);
}

}  // namespace
}  // namespace sinew::node
