// A network of `sinew start`: a nucleus and its members, and what goes wrong among them.
//
//   nucleus 20.0.0.10 ---+                 +--- 20.0.0.1 home 192.168.1.1 --- lan --- inside .2
//                        +--- internet ----+      lets no UDP through
//   alice   20.0.0.11 ---+                 |
//                                          +--- 20.0.0.12 bob
#include <doctest/doctest.h>

#include <memory>
#include <string>

#include "support/lab.h"
#include "support/mesh_node.h"

using namespace sinew;
using namespace sinew::lab;

namespace {

const std::vector<std::string> kNuclei = {"20.0.0.10"};
constexpr Duration kLongerThanPatienceOfStart = 50s;

struct Net {
  Lab lab;
  Network& internet = lab.network("internet");
  Node& server = lab.node("nucleus").join(internet, {"20.0.0.10/24"});
  Node& alice_node = lab.node("alice").join(internet, {"20.0.0.11/24"});
  Node& bob_node = lab.node("bob").join(internet, {"20.0.0.12/24"});
  std::unique_ptr<MeshNode> nucleus = member(server, {.mode = "nucleus"});

  std::unique_ptr<MeshNode> member(Node& node, const MeshNode::Options& options) {
    return std::make_unique<MeshNode>(lab, node, options);
  }
  std::unique_ptr<MeshNode> edge(Node& node) { return member(node, {.nuclei = kNuclei}); }

  // `sinew start` as a person types it, to its end.
  os::RunOutcome start(Node& node, const std::string& secret,
                       const std::vector<std::string>& arguments) {
    std::vector<std::string> words = {"env",         "SINEW_SECRET=" + secret,
                                      SINEW_PROGRAM, "start",
                                      "-n",          "lab",
                                      "--nucleus",   kNuclei[0],
                                      "--state-dir", folder_of_start()};
    words.insert(words.end(), arguments.begin(), arguments.end());
    return node.run(std::move(words), {.time = kLongerThanPatienceOfStart});
  }
  std::string folder_of_start() const { return lab.folder() + "/state-by-hand"; }
};

bool has_interface(Node& node, const std::string& name) {
  return node.run({"ip", "link", "show", "dev", name}).status.succeeded();
}

}  // namespace

TEST_CASE("the first ping after start is answered, and soon nothing is in between") {
  if (!is_possible()) return;
  Net net;
  const auto alice = net.edge(net.alice_node);
  const auto bob = net.edge(net.bob_node);
  bob->wait_for_peer("alice");
  const json::Value pinged = bob->ask({"ping", "alice", "-c", "2"});
  INFO("log of bob:\n"
       << bob->program().output() << "log of alice:\n"
       << alice->program().output());
  CHECK(text_of(pinged, "sent") == "2");
  CHECK(text_of(pinged, "answered") == "2");
  bob->wait_for_route("alice", "direct 20.0.0.11:");
  alice->wait_for_route("bob", "direct 20.0.0.12:");
  CHECK(text_of(bob->peer("alice"), "why_not_direct") == "");
  // The kernel of alice answers as well, and not through any other interface.
  CHECK(net.bob_node.can_ping(alice->address()));
  CHECK(bob->can_ping(alice->address()));
}

TEST_CASE("every member knows the others by name and address, and who leaves is gone") {
  if (!is_possible()) return;
  Net net;
  const auto alice = net.edge(net.alice_node);
  const auto bob = net.edge(net.bob_node);
  alice->wait_for_peer("bob");
  bob->wait_for_peer("alice");
  CHECK(text_of(alice->peer("bob"), "address") == bob->address());
  CHECK(text_of(bob->peer("alice"), "address") == alice->address());
  CHECK(alice->address() != bob->address());
  CHECK(text_of(alice->status(), "state") == "connected");

  const std::string address_of_bob = bob->address();
  bob->stop();
  CHECK_FALSE(has_interface(net.bob_node, "sinew0"));
  alice->wait_for_loss_of("bob");
  CHECK_FALSE(net.alice_node.can_ping(address_of_bob));
}

TEST_CASE("a wrong secret is told, and leaves nothing behind") {
  if (!is_possible()) return;
  Net net;
  const os::RunOutcome outcome =
      net.start(net.alice_node, "a secret that nobody else knows", {"--name", "alice"});
  CHECK(outcome.status.code == 1);
  CHECK(outcome.err.contains("nucleus 20.0.0.10:51820 does not answer"));
  CHECK(outcome.err.contains("cluster name and secret"));
  CHECK_FALSE(has_interface(net.alice_node, "sinew0"));
  CHECK(net.alice_node.run({SINEW_PROGRAM, "status", "--state-dir", net.folder_of_start()})
            .status.code == 3);
  // The right one works from the same folder.
  const os::RunOutcome again = net.start(net.alice_node, MeshNode::kSecret, {"--name", "alice"});
  CHECK(again.status.succeeded());
  CHECK(net.alice_node.run({SINEW_PROGRAM, "stop", "--state-dir", net.folder_of_start()})
            .status.succeeded());
  CHECK_FALSE(has_interface(net.alice_node, "sinew0"));
}

TEST_CASE("an address that another member has is refused") {
  if (!is_possible()) return;
  Net net;
  const auto alice = net.edge(net.alice_node);
  const os::RunOutcome outcome =
      net.start(net.bob_node, MeshNode::kSecret, {"--name", "bob", "--vip", alice->address()});
  CHECK(outcome.status.code == 1);
  CHECK(outcome.err.contains("the nucleus refuses us"));
  CHECK(outcome.err.contains(alice->address()));
  CHECK_FALSE(has_interface(net.bob_node, "sinew0"));
}

TEST_CASE("an address that was asked for is given") {
  if (!is_possible()) return;
  Net net;
  const auto alice =
      net.member(net.alice_node, {.nuclei = kNuclei, .arguments = {"--vip", "10.147.7.7"}});
  CHECK(alice->address() == "10.147.7.7");
}

TEST_CASE("a machine is in two networks at once, one of which a member founded") {
  if (!is_possible()) return;
  Net net;
  Node& carol_node = net.lab.node("carol").join(net.internet, {"20.0.0.13/24"});
  const auto carol = net.member(
      carol_node, {.mode = "dual", .cluster = "other", .arguments = {"--range", "10.200.0.0/16"}});
  const auto first = net.member(net.alice_node, {.nuclei = kNuclei, .name = "first"});
  const auto second = net.member(net.alice_node, {.nuclei = {"20.0.0.13"},
                                                  .name = "second",
                                                  .cluster = "other",
                                                  .arguments = {"--interface", "sinew1"}});
  const auto bob = net.edge(net.bob_node);
  CHECK(bob->can_ping("first"));
  CHECK(carol->can_ping("second"));
  CHECK(second->can_ping("carol"));
  CHECK(text_of(bob->peer("second"), "name") == "");
  first->stop();
  CHECK_FALSE(has_interface(net.alice_node, "sinew0"));
  CHECK(has_interface(net.alice_node, "sinew1"));
  CHECK(carol->can_ping("second"));
}

TEST_CASE("a nucleus that starts anew knows who has which address, and nothing is cut") {
  if (!is_possible()) return;
  Net net;
  const auto alice = net.edge(net.alice_node);
  const auto bob = net.edge(net.bob_node);
  alice->wait_for_peer("bob");
  REQUIRE(alice->can_ping("bob"));
  alice->wait_for_route("bob", "direct");
  bob->wait_for_route("alice", "direct");
  const std::string address = bob->address();

  net.nucleus->stop();
  CHECK(net.alice_node.can_ping(address));
  net.nucleus->start();
  CHECK(net.alice_node.can_ping(address));
  // Who is there has registered again, and who comes is told of them.
  bob->stop();
  bob->start();
  CHECK(bob->address() == address);
  bob->wait_for_peer("alice");
  alice->wait_for_peer("bob");
  CHECK(bob->can_ping("alice"));
}

TEST_CASE("a node that was killed starts again as it was") {
  if (!is_possible()) return;
  Net net;
  const auto alice = net.edge(net.alice_node);
  const auto bob = net.edge(net.bob_node);
  REQUIRE(alice->can_ping("bob"));
  const std::string address = bob->address();
  bob->kill();
  bob->start();
  CHECK(bob->address() == address);
  CHECK(bob->can_ping("alice"));
  CHECK(alice->can_ping("bob"));
  alice->wait_for_route("bob", "direct");
}

TEST_CASE("where UDP is blocked everything goes over TCP, and the reason is told") {
  if (!is_possible()) return;
  Net net;
  Network& lan = net.lab.network("lan");
  net.lab.node("home")
      .join(net.internet, {"20.0.0.1/24"})
      .join(lan, {"192.168.1.1/24"})
      .nat(net.internet, {.kind = NatKind::kUdpBlocked});
  Node& inside_node =
      net.lab.node("inside").join(lan, {"192.168.1.2/24"}).default_route("192.168.1.1");
  const auto alice = net.edge(net.alice_node);
  const auto inside = net.edge(inside_node);
  CHECK(inside->can_ping("alice"));
  CHECK(alice->can_ping("inside"));
  const json::Value status = inside->status();
  CHECK(text_of(status, "nat") == "UDP blocked");
  CHECK(text_of(status.find("nuclei")->as_array()->at(0), "transport") == "tcp");
  CHECK(text_of(inside->peer("alice"), "route").starts_with("relay"));
  CHECK(text_of(inside->peer("alice"), "why_not_direct") == "UDP is blocked at our end");
  CHECK(text_of(alice->peer("inside"), "why_not_direct") == "UDP is blocked at the peer's end");
}
