// Against the `openssl` program on loopback: what goes over the wire is TLS to others too.
#include <doctest/doctest.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <thread>

#include "aio/listener.h"
#include "aio/socket_stream.h"
#include "os/child.h"
#include "os/file.h"
#include "os/run.h"
#include "support/runtime.h"
#include "support/skip.h"
#include "support/temp_dir.h"
#include "tls/stream.h"
#include "tls/testing.h"

namespace sinew::tls {
namespace {

const Endpoint kAnyPort(IpAddress::v4(127, 0, 0, 1), 0);

os::ChildOptions openssl(std::vector<std::string> arguments) {
  os::ChildOptions options;
  options.argv = std::move(arguments);
  options.argv.insert(options.argv.begin(), "openssl");
  return options;
}

bool has_program() {
  if (os::run_checked(openssl({"version"}))) return true;
  test::skip("there is no program openssl");
  return false;
}

aio::Task<> echo_once(aio::Listener& listener, const Context& context, std::string& version) {
  Result<aio::Accepted> accepted = co_await listener.accept();
  REQUIRE(accepted);
  auto stream = co_await accept(context, std::move(accepted->stream));
  REQUIRE(stream);
  version = (*stream)->engine().version();
  std::array<std::uint8_t, 100> room;
  const Result<std::size_t> size = co_await (*stream)->read_some(room);
  REQUIRE(size);
  const Result<> wrote = co_await (*stream)->write(ByteView(room).first(*size));
  CHECK(wrote);
  const Result<> ended = co_await (*stream)->shutdown_write();
  CHECK(ended);
}

TEST_CASE("openssl s_client talks to our server") {
  if (!has_program()) return;
  for (const std::string version : {"1_2", "1_3"}) {
    test::TestRuntime test;
    const Context context = Context::server(identity()).value();
    aio::Listener listener = aio::Listener::listen_tcp(test.runtime, kAnyPort).value();
    const std::string target = listener.local()->to_string();
    const test::TempDir dir;
    const std::string authority = dir / "authority.pem";
    REQUIRE(os::write_file(authority, identity().certificate, 0600));
    Result<os::RunOutcome> client = Error{ErrorKind::kInternal, "not run"};
    std::jthread runner([&] {
      client = os::run(
          openssl({"s_client", "-connect", target, "-tls" + version, "-CAfile", authority,
                   "-verify_return_error", "-verify_hostname", "relay.example", "-ign_eof"}),
          "hello\n");
    });
    std::string agreed;
    test.run(echo_once(listener, context, agreed));
    runner.join();
    REQUIRE(client);
    CHECK(client->status.succeeded());
    CHECK(client->out.contains("Verify return code: 0 (ok)"));
    CHECK(client->out.contains("\nhello\n"));
    CHECK(agreed == (version == "1_2" ? "TLSv1.2" : "TLSv1.3"));
  }
}

// "ACCEPT 127.0.0.1:43211", once it listens.
Endpoint read_endpoint(const os::Fd& out) {
  std::string text;
  char byte = 0;
  while (!text.contains("ACCEPT ") || byte != '\n') {
    REQUIRE(::read(out.get(), &byte, 1) == 1);
    text += byte;
  }
  const std::size_t begin = text.find("ACCEPT ") + 7;
  return Endpoint::parse(text.substr(begin, text.size() - begin - 1)).value();
}

aio::Task<> ask(aio::Runtime& runtime, Endpoint server, std::string& answer) {
  auto below = co_await aio::connect_tcp(runtime, server);
  REQUIRE(below);
  const Context context = Context::client(Trust::pinned(pin())).value();
  auto stream = co_await connect(context, *std::move(below), "relay.example");
  REQUIRE(stream);
  const Result<> wrote = co_await (*stream)->write(as_bytes("hello\n"));
  CHECK(wrote);
  Bytes room(6);
  const Result<> read = co_await aio::read_exactly(**stream, room);
  CHECK(read);
  answer = as_text(room);
  const Result<> ended = co_await (*stream)->shutdown_write();
  CHECK(ended);
}

TEST_CASE("our client talks to openssl s_server") {
  if (!has_program()) return;
  const test::TempDir dir;
  REQUIRE(os::write_file(dir / "cert.pem", identity().certificate, 0600));
  REQUIRE(os::write_file(dir / "key.pem", identity().key.expose_text(), 0600));
  for (const std::string version : {"-tls1_2", "-tls1_3"}) {
    // It answers each line with the same line backwards.
    os::ChildOptions options =
        openssl({"s_server", "-accept", "127.0.0.1:0", "-cert", dir / "cert.pem", "-key",
                 dir / "key.pem", "-rev", "-naccept", "1", version});
    options.out = os::Stdio::pipe();
    options.err = os::Stdio::null();
    auto server = os::Child::spawn(options);
    REQUIRE(server);
    test::TestRuntime test;
    std::string answer;
    test.run(ask(test.runtime, read_endpoint(server->out()), answer));
    CHECK(answer == "olleh\n");
  }
}

}  // namespace
}  // namespace sinew::tls
