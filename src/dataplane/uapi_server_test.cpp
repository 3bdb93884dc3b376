#include "dataplane/uapi_server.h"

#include <doctest/doctest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <vector>

#include "os/clock.h"
#include "os/unix_socket.h"
#include "support/temp_dir.h"

namespace sinew::dataplane {
namespace {

constexpr std::uint64_t kFirstToken = 100;

struct Bench {
  test::TempDir folder;
  os::Poller poller = os::Poller::create().value();
  std::vector<std::string> requests;
  std::string answer = "errno=0\n\n";
  UapiServer server = UapiServer::open(folder.path() + "/wireguard", "wg0", poller, kFirstToken,
                                       [this](std::string_view request) {
                                         requests.emplace_back(request);
                                         return SecretText(answer);
                                       })
                          .value();

  os::Fd connect() {
    os::Fd client = os::connect_unix(folder.path() + "/wireguard/wg0.sock").value();
    REQUIRE(os::set_non_blocking(client));
    return client;
  }
  // Serves until nothing happens any more.
  void serve() {
    std::array<os::Poller::Event, os::Poller::kMaxEvents> room;
    while (true) {
      const auto events = poller.wait(room, MonoTime()).value();
      if (events.empty()) return;
      for (const os::Poller::Event& event : events) {
        REQUIRE(server.owns(event.token));
        server.handle(event);
      }
    }
  }
};

// What comes until nothing more does; "<end>" when the server closed.
std::string read_all(Bench& bench, const os::Fd& client) {
  std::string text;
  std::array<std::uint8_t, 4096> room;
  bool has_served = false;
  while (true) {
    const auto size = os::read_some(client, room).value();
    if (size == 0U) return text + "<end>";
    if (!size && has_served) return text;
    if (!size) bench.serve();
    has_served = !size;
    if (size) text += as_text(ByteView(room).first(*size));
  }
}

void write(const os::Fd& client, std::string_view text) {
  REQUIRE(os::write_some(client, as_bytes(text)).value() == text.size());
}

}  // namespace

TEST_CASE("a request is answered when its empty line has come, whatever the pieces") {
  Bench bench;
  const os::Fd client = bench.connect();
  for (const std::string_view piece : {"set=1\nlisten", "_port=1\n", "\nget=1\n", "\n"}) {
    write(client, piece);
    bench.serve();
  }
  CHECK(bench.requests == std::vector<std::string>{"set=1\nlisten_port=1\n\n", "get=1\n\n"});
  CHECK(read_all(bench, client) == "errno=0\n\nerrno=0\n\n");
}

TEST_CASE("an answer larger than the socket arrives whole") {
  Bench bench;
  bench.answer = std::string(5 << 20, 'x') + "\n\n";
  const os::Fd client = bench.connect();
  write(client, "get=1\n\n");
  bench.serve();
  CHECK(read_all(bench, client) == bench.answer);
}

TEST_CASE("one connection too many is closed, and there is room again when one ends") {
  Bench bench;
  std::vector<os::Fd> clients;
  for (std::size_t i = 0; i < UapiServer::kMaxConnections; ++i)
    clients.push_back(bench.connect());
  bench.serve();
  const os::Fd refused = bench.connect();
  CHECK(read_all(bench, refused).ends_with("<end>"));
  clients.pop_back();
  bench.serve();
  const os::Fd accepted = bench.connect();
  write(accepted, "get=1\n\n");
  bench.serve();
  CHECK(read_all(bench, accepted) == "errno=0\n\n");
}

TEST_CASE("the socket belongs to its owner alone and vanishes with the server") {
  test::TempDir folder;
  os::Poller poller = os::Poller::create().value();
  const std::string path = folder.path() + "/wireguard";
  struct stat info{};
  {
    const auto server = UapiServer::open(path, "wg0", poller, kFirstToken, nullptr);
    REQUIRE(server);
    REQUIRE(::stat((path + "/wg0.sock").c_str(), &info) == 0);
    CHECK((info.st_mode & 07777) == 0600);
    REQUIRE(::stat(path.c_str(), &info) == 0);
    CHECK((info.st_mode & 07777) == 0700);
    os::Poller other = os::Poller::create().value();
    const auto second = UapiServer::open(path, "wg0", other, kFirstToken, nullptr);
    REQUIRE_FALSE(second);
    CHECK(second.error().kind == ErrorKind::kConflict);
  }
  CHECK(::stat((path + "/wg0.sock").c_str(), &info) != 0);
}

TEST_CASE("a folder that others may write to is refused") {
  test::TempDir folder;
  os::Poller poller = os::Poller::create().value();
  const std::string path = folder.path() + "/wireguard";
  const auto open = [&] { return UapiServer::open(path, "wg0", poller, kFirstToken, nullptr); };
  REQUIRE(::mkdir(path.c_str(), 0700) == 0);
  CHECK(open());
  for (const mode_t mode : {0777U, 0770U, 0702U}) {
    REQUIRE(::chmod(path.c_str(), mode) == 0);
    const auto refused = open();
    REQUIRE_FALSE(refused);
    CHECK(refused.error().kind == ErrorKind::kDenied);
  }
  REQUIRE(::rmdir(path.c_str()) == 0);
  REQUIRE(::symlink(folder.path().c_str(), path.c_str()) == 0);
  CHECK_FALSE(open());
}

TEST_CASE("a socket file that is taken away is noticed, and one in its place is left alone") {
  std::optional<Bench> bench(std::in_place);
  const std::string path = bench->folder.path() + "/wireguard/wg0.sock";
  bench->serve();
  CHECK_FALSE(bench->server.is_removed());
  REQUIRE(::unlink(path.c_str()) == 0);
  bench->serve();
  CHECK(bench->server.is_removed());

  const os::Fd other = os::listen_unix(path, 0600).value();
  {
    const UapiServer gone = std::move(bench->server);
  }
  CHECK(::access(path.c_str(), F_OK) == 0);
}

}  // namespace sinew::dataplane
