#include "app/redact.h"

#include <doctest/doctest.h>

namespace sinew::app {
namespace {

const std::string kKey = "HIgo9xNzJMWLKASShiTqIybxZ0U3wGLiUeJ1PKf8ykw=";

TEST_CASE("a key is left out wherever it stands") {
  CHECK(without_keys("peer=" + kKey + " is here") == "peer=(key) is here");
  CHECK(without_keys("\"" + kKey + "\"") == "\"(key)\"");
  CHECK(without_keys("(" + kKey + ")\n" + kKey) == "((key))\n(key)");
  CHECK(without_keys("derp/" + kKey) == "(key)");
  CHECK(without_keys(kKey.substr(0, 43)) == "(key)");
  CHECK(without_keys("x" + std::string(64, 'a') + "-") == "x" + std::string(64, 'a') + "-");
  CHECK(without_keys("x=" + std::string(64, 'a')) == "x=(key)");
}

TEST_CASE("what is no key stays") {
  for (const std::string& text :
       {std::string("/var/lib/sinew/log.json"), std::string("0123456789abcdef"), kKey.substr(0, 42),
        std::string("a=b=c"), std::string()})
    CHECK(without_keys(text) == text);
}

TEST_CASE("a secret is left out however often it stands there") {
  CHECK(without_secret("a hunter2 b hunter2", "hunter2") == "a (secret) b (secret)");
  CHECK(without_secret("aaaa", "aa") == "(secret)(secret)");
  CHECK(without_secret("(secret)", "secret") == "((secret))");
  CHECK(without_secret("nothing", "") == "nothing");
}

TEST_CASE("the same address has the same stand-in everywhere, and another one has another") {
  AddressRedactor redactor;
  CHECK(redactor.redact("192.0.2.1:51820 and 192.0.2.2, then 192.0.2.1.") ==
        "address-1:51820 and address-2, then address-1.");
  CHECK(redactor.redact("route [2001:db8::1]:7") == "route [address-3]:7");
  CHECK(redactor.redact("2001:db8:0:0::1/64") == "address-3/64");
  CHECK(redactor.redact("nucleus 192.0.2.2: no answer") == "nucleus address-2: no answer");
  CHECK(redactor.redact("fe80::1%eth0") == "address-4%eth0");
  CHECK(redactor.count() == 4);
}

TEST_CASE("what says nothing of anybody, and what is no address, stays") {
  AddressRedactor redactor;
  for (const char* text :
       {"127.0.0.1:53", "::1", "0.0.0.0:0", "[::]:51820", "6.1.0-18", "12:34:56.789", "a: b",
        "deadbeef", "1.2.3", "...", ":::", "face:", "1.2.3.4.5", "::"})
    CHECK(redactor.redact(text) == text);
  CHECK(redactor.count() == 0);
}

}  // namespace
}  // namespace sinew::app
