// The laboratory itself: what it builds works, for both families.
#include "support/lab.h"

#include <doctest/doctest.h>

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
