#include "app/completion.h"

#include <doctest/doctest.h>

#include "app/testing.h"

namespace sinew::app {
namespace {

using Texts = std::vector<std::string>;

Texts offered(const std::vector<std::string_view>& words) {
  Texts out;
  for (const Candidate& candidate : complete(peer_verbs(), words))
    out.push_back(candidate.word);
  return out;
}

TEST_CASE("verbs are completed word by word") {
  CHECK(offered({""}) == Texts{"peer"});
  CHECK(offered({"p"}) == Texts{"peer"});
  CHECK(offered({"peer", "l"}) == Texts{"list"});
  CHECK(offered({"x"}).empty());
  CHECK(offered({"x", ""}).empty());
  CHECK(offered({}).empty());
}

TEST_CASE("options of the verb are completed where they may stand") {
  CHECK(offered({"peer", "set", "--fo"}) == Texts{"--force"});
  CHECK(offered({"peer", "list", "-"}) == Texts{"--output", "--help"});
  CHECK(offered({"peer", "set", "--", "-"}).empty());
}

TEST_CASE("values of an option are completed apart and attached") {
  CHECK(offered({"peer", "list", "-o", "j"}) == Texts{"json"});
  CHECK(offered({"peer", "list", "--output", ""}) == Texts{"table", "wide", "json"});
  CHECK(offered({"peer", "list", "--output=w"}) == Texts{"--output=wide"});
  CHECK(offered({"peer", "set", "--tag", ""}).empty());
}

TEST_CASE("arguments are completed at their place, however many options stand between") {
  CHECK(offered({"peer", "set", ""}).empty());
  CHECK(offered({"peer", "set", "edge1", ""}) == Texts{"direct", "relayed"});
  CHECK(offered({"peer", "set", "-t", "x", "-f", "edge1", "r"}) == Texts{"relayed"});
  CHECK(offered({"peer", "set", "edge1", "direct", ""}).empty());
}

TEST_CASE("there is a script for each shell and for no other") {
  CHECK(completion_script("bash").has_value());
  CHECK(completion_script("zsh").has_value());
  CHECK(completion_script("fish").has_value());
  CHECK(!completion_script("tcsh").has_value());
}

}  // namespace
}  // namespace sinew::app
