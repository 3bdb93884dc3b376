// What can be said without an interface. The others need a network: test/e2e/tun_test.cpp.
#include "tun/tun.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "support/refused_call.h"
#include "support/skip.h"

using namespace sinew;
using namespace sinew::tun;

TEST_CASE("a name that no interface can have is refused before anything is opened") {
  for (const std::string_view name :
       {"", ".", "..", "a/b", "a b", "a:b", "tab\t", "sixteen-bytes-xx", "%", "%s", "a%d%d", "a%%d",
        "\x1b[2J", "n\xc3\xa4mlich"}) {
    const auto tun = Tun::open(name);
    REQUIRE_FALSE(tun.has_value());
    CHECK(tun.error().kind == ErrorKind::kInvalid);
    CHECK(tun.error().message.find('\x1b') == std::string::npos);
  }
}

TEST_CASE("a kernel without TUN says what to do about it") {
  test::with_refused_call(SYS_openat, ENOENT, [] {
    const auto tun = Tun::open("sinew%d");
    REQUIRE_FALSE(tun.has_value());
    CHECK(tun.error().kind == ErrorKind::kNotFound);
    CHECK(tun.error().message ==
          "open /dev/net/tun: this kernel has none; load it with `modprobe tun`, or give the "
          "container --device /dev/net/tun");
  });
  test::with_refused_call(SYS_openat, EPERM, [] {
    const auto tun = Tun::open("sinew%d");
    REQUIRE_FALSE(tun.has_value());
    CHECK(tun.error().kind == ErrorKind::kDenied);
    CHECK(tun.error().message.find("--device /dev/net/tun") != std::string::npos);
  });
}

TEST_CASE("a missing capability and a taken name are told apart") {
  if (::access("/dev/net/tun", R_OK | W_OK) != 0) {
    test::skip("no /dev/net/tun");
    return;
  }
  const auto refused = [](int error) {
    std::optional<Error> out;
    test::with_refused_call(SYS_ioctl, error, [&] { out = Tun::open("sinew%d").error(); });
    return *out;
  };
  CHECK(refused(EPERM).kind == ErrorKind::kDenied);
  CHECK(refused(EPERM).message.find("CAP_NET_ADMIN") != std::string::npos);
  CHECK(refused(EBUSY).kind == ErrorKind::kConflict);
  CHECK(refused(EBUSY).message.find("already") != std::string::npos);
}
