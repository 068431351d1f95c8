// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "keystonemail/service/policies/helo_rules.hpp"

#include "fixture.hpp"

using namespace keystonemail;
using namespace keystonemail::test;
using namespace keystonemail::policies;

namespace {

std::string said(HeloOptions options, const std::string& name, const std::string& address = "203.0.113.9", bool trusted = false) {
  Scene scene;
  scene.policies.push_back(std::make_shared<HeloRules>(std::move(options)));
  return words(Peer(scene, address, "smtp", trusted).helo(name));
}

}  // namespace

TEST_CASE("helo: nobody else has our name or address") {
  for (const char* name : {"mail.example.test", "MAIL.example.TEST", "mail.example.test.", "[192.0.2.25]"}) {
    CAPTURE(name);
    CHECK(said({}, name) == "550 5.7.1 That is our name, not yours");
    CHECK(said({.refuse_own_name = false}, name) == "proceed");
    CHECK(said({}, name, "203.0.113.9", true) == "proceed");
    CHECK(said({.exempt = {*IpNetwork::parse("203.0.113.0/24")}}, name) == "proceed");
  }
  CHECK(said({}, "[192.0.2.26]") == "proceed");
}

TEST_CASE("helo: syntax and qualification are asked for where that is wanted") {
  for (const char* name : {"-bad-", "under_score..test", "a b", "[not an address]"}) {
    CAPTURE(name);
    CHECK(said({}, name) == "proceed");
    CHECK(said({.require_syntax = true}, name).starts_with("550 5.5.2"));
  }
  CHECK(said({.require_syntax = true}, "localhost") == "proceed");
  CHECK(said({.require_syntax = true, .require_qualified = true}, "localhost").starts_with("550 5.5.2"));
  for (const char* name : {"mx.elsewhere.test", "[203.0.113.9]", "[IPv6:2001:db8::1]"}) CHECK(said({.require_syntax = true, .require_qualified = true}, name) == "proceed");
}
