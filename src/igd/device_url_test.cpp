#include "igd/device_url.h"

#include <doctest/doctest.h>

using namespace sinew;
using namespace sinew::igd;

TEST_CASE("the address of a device is read from its URL") {
  const IpAddress router = IpAddress::v4(192, 168, 1, 1);
  CHECK(address_of_url("http://192.168.1.1:5000/rootDesc.xml") == router);
  CHECK(address_of_url("http://192.168.1.1/") == router);
  CHECK(address_of_url("http://192.168.1.1") == router);
  CHECK(address_of_url("http://192.168.1.1?x=@10.0.0.1") == router);
  CHECK(address_of_url("http://[fe80::1]:80/x") == IpAddress::parse("fe80::1").value());
}

TEST_CASE("L33 a URL that could mean another machine than it seems has no address") {
  for (const std::string_view url :
       {"", "http://", "https://192.168.1.1/", "HTTP://192.168.1.1/", "http://router/",
        "http://192.168.1.1@10.0.0.1/", "http://192.168.1.1:80@10.0.0.1/",
        "http://192.168.1.1.evil/", "http://0300.168.1.1/", "http://3232235777/",
        "http://192.168.1.1:/", "http://192.168.1.1:99999/", "http:// 192.168.1.1/",
        "http://[fe80::1/", "http://[fe80::1]x/", "http://[192.168.1.1]/", "http://fe80::1/",
        "file:///etc/passwd", "//192.168.1.1/"})
    CHECK_FALSE(address_of_url(url));
}
