// The laboratory itself: networks, programs in them, and what it says when something fails.
#include "support/lab.h"

#include <doctest/doctest.h>

#include <csignal>
#include <filesystem>

#include "support/udp_probe.h"

using namespace sinew;
using namespace sinew::lab;

//   alice 192.168.1.2 --- lan --- .1 router 198.51.100.1 --- internet --- 198.51.100.10 server
//         fd01::2                 ::1       2001:db8::1                   2001:db8::10
TEST_CASE("hosts talk across a router in both families as soon as they are built") {
  if (!is_possible()) return;
  Lab lab;
  Network& internet = lab.network("internet");
  Network& lan = lab.network("lan");
  Node& server = lab.node("server")
                     .join(internet, {"198.51.100.10/24", "2001:db8::10/64"})
                     .default_route("198.51.100.1")
                     .default_route("2001:db8::1");
  lab.node("router")
      .join(internet, {"198.51.100.1/24", "2001:db8::1/64"})
      .join(lan, {"192.168.1.1/24", "fd01::1/64"})
      .forward();
  Node& alice = lab.node("alice")
                    .join(lan, {"192.168.1.2/24", "fd01::2/64"})
                    .default_route("192.168.1.1")
                    .default_route("fd01::1");

  for (const auto& [near, far] : {std::pair{"192.168.1.2:5000", "198.51.100.10:7"},
                                  std::pair{"[fd01::2]:5000", "[2001:db8::10]:7"}}) {
    UdpProbe client(alice, near);
    UdpProbe echo(server, far);
    client.send(echo.local(), "hello");
    const auto request = echo.receive();
    REQUIRE(request);
    CHECK(request->text == "hello");
    CHECK(request->from == client.local());
    echo.send(request->from, "world");
    const auto answer = client.receive();
    REQUIRE(answer);
    CHECK(answer->from == echo.local());
  }
  CHECK(alice.can_ping("198.51.100.10"));
  CHECK(alice.can_ping("2001:db8::10"));
  CHECK_FALSE(alice.can_ping("198.51.100.11"));
}

//   alice 10.0.1.2 --- wide, MTU 1500 --- router --- narrow, MTU 1280 --- 10.0.2.2 bob
TEST_CASE("network has an MTU that a router reports") {
  if (!is_possible()) return;
  Lab lab;
  Network& wide = lab.network("wide");
  Network& narrow = lab.network("narrow", 1280);
  lab.node("router").join(wide, {"10.0.1.1/24"}).join(narrow, {"10.0.2.1/24"}).forward();
  lab.node("bob").join(narrow, {"10.0.2.2/24"}).default_route("10.0.2.1");
  Node& alice = lab.node("alice").join(wide, {"10.0.1.2/24"}).default_route("10.0.1.1");

  const auto ping = [&](const char* payload_size) {
    return alice.run(
        {"ping", "-n", "-M", "do", "-c", "1", "-W", "5", "-s", payload_size, "10.0.2.2"});
  };
  CHECK(ping("1252").status.succeeded());
  const os::RunOutcome refused = ping("1253");
  CHECK_FALSE(refused.status.succeeded());
  CHECK(refused.out.contains("mtu = 1280"));
}

TEST_CASE("laboratories live side by side with the same names and addresses") {
  if (!is_possible()) return;
  Lab first;
  Lab second;
  for (Lab* lab : {&first, &second}) {
    Network& net = lab->network("net");
    Node& alice = lab->node("alice").join(net, {"10.0.0.1/24"});
    lab->node(lab == &first ? "bob" : "carol").join(net, {"10.0.0.2/24"});
    CHECK(alice.can_ping("10.0.0.2"));
  }
  CHECK(first.name() != second.name());
}

TEST_CASE("function inside a node leaves the thread where it was") {
  if (!is_possible()) return;
  Lab lab;
  Node& node = lab.node("node");
  const auto current = [] { return std::filesystem::read_symlink("/proc/thread-self/ns/net"); };
  const auto outside = current();
  CHECK(node.inside(current) != outside);
  CHECK(current() == outside);
  CHECK_THROWS_AS(node.inside([] { throw LabError("inside"); }), LabError);
  CHECK(current() == outside);
}

TEST_CASE("program runs in its node and its outcome is data") {
  if (!is_possible({"sh"})) return;
  Lab lab;
  Node& node = lab.node("node").sysctl("net.ipv4.ip_forward", "1");
  CHECK(node.run({"cat", "/proc/sys/net/ipv4/ip_forward"}).out == "1\n");
  const os::RunOutcome failed = node.run({"sh", "-c", "echo no >&2; exit 3"});
  CHECK(failed.status.code == 3);
  CHECK(failed.err == "no\n");
  CHECK_THROWS_AS(node.run({"sleep", "1000"}, {.time = 50ms}), LabError);
  CHECK_THROWS_AS(node.run({"no-such-program"}), LabError);
}

TEST_CASE("background program is followed by its output and ended by its id") {
  if (!is_possible({"sh"})) return;
  Lab lab;
  Node& node = lab.node("node");
  Process program =
      node.start({"sh", "-c", "trap 'echo bye; exit 4' TERM; echo ready; sleep 1000 & wait"});
  program.wait_for_output("ready");
  CHECK(program.stop().code == 4);
  CHECK(program.output() == "ready\nbye\n");

  Process loop = node.start({"sh", "-c", "echo up >&2; exec sleep 1000"});
  loop.wait_for_output("up");
  CHECK(loop.is_running());
  CHECK_THROWS_WITH_AS(loop.wait_for_output("down", 50ms), doctest::Contains("up"), LabError);
  CHECK(loop.stop().signal == SIGTERM);
  CHECK_FALSE(loop.is_running());
  CHECK_THROWS_WITH_AS(loop.wait_for_output("down"), doctest::Contains("ended before"), LabError);
}

TEST_CASE("mistake in a topology says what is wrong") {
  if (!is_possible()) return;
  Lab lab;
  Network& net = lab.network("net");
  Node& node = lab.node("node").join(net, {"fd00::1/64"});
  CHECK_THROWS_WITH_AS(node.ip("address add nonsense dev net\n"), doctest::Contains("nonsense"),
                       LabError);
  CHECK_THROWS_WITH_AS(node.nat(net), doctest::Contains("no IPv4 address"), LabError);
  CHECK_THROWS_WITH_AS(node.nft("add nonsense\n"), doctest::Contains("syntax error"), LabError);
  CHECK_THROWS_WITH_AS(lab.node("a-name-that-is-too-long"), doctest::Contains("cannot name"),
                       LabError);
  CHECK_THROWS_AS(lab.node("node"), LabError);
}

TEST_CASE("without root a test says that it is skipped") {
  if (!is_possible()) return;
  constexpr uid_t kNobody = 65534;
  // Where the umask is strict, what was built belongs to its builder alone.
  using std::filesystem::perms;
  std::filesystem::permissions("/proc/self/exe", perms::others_read | perms::others_exec,
                               std::filesystem::perm_options::add);
  os::ChildOptions options;
  options.argv = {"/proc/self/exe", "--test-case=hosts talk*"};
  options.credentials = os::Credentials{.uid = kNobody, .gid = kNobody, .groups = {}};
  const os::RunOutcome outcome = must(os::run(options));
  CHECK(outcome.status.succeeded());
  CHECK(outcome.out.contains("[skip] hosts talk"));
}
