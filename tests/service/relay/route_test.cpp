// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "keystonemail/service/relay/route.hpp"

#include <doctest/doctest.h>

using namespace keystonemail;
using relay::Route;

TEST_CASE("relay route: text is a host and a port, and reads back") {
  for (const char* text : {"smtp.example.net:587", "[2001:db8::1]:25", "192.0.2.1:2525", "lmtp:store.example:24"}) {
    CAPTURE(text);
    const auto route = Route::parse(text);
    REQUIRE(route.has_value());
    CHECK(route->to_string() == text);
  }
  CHECK(Route::parse("smtp.example.net")->port == 25);
  CHECK(Route::parse("lmtp:127.0.0.1")->port == 24);
  CHECK(Route::parse("smtp.example.net:465")->tls == relay::RouteTls::implicit);
  for (const char* text : {"", ":25", "host:0", "host:65536", "host:x", "[::1", "[host]:25", "a b:25", "lmtp:"}) {
    CAPTURE(text);
    CHECK(!Route::parse(text));
  }
}

TEST_CASE("relay route: what differs in security or login is no connection for the other") {
  Route plain = *Route::parse("mail.example:587");
  CHECK(plain.connection() == "mail.example:587 tls=opportunistic");
  Route safe = plain;
  safe.tls = RouteTls::verified;
  CHECK(safe.connection() == "mail.example:587 tls=verified");
  Route other = safe;
  other.login = std::make_shared<RouteLogin>(RouteLogin{"anna", crypto::SecretString("secret")});
  CHECK(other.connection() == "mail.example:587 tls=verified as anna");
}

TEST_CASE("relay route: a domain's own route beats that of its parents, and theirs the usual one") {
  relay::RouteTable table;
  table.domains["example.com"] = *Route::parse("one:1");
  table.domains[".example.com"] = *Route::parse("below:2");
  CHECK(table.find("example.com").host == "one");
  CHECK(table.find("a.b.example.com").host == "below");
  CHECK(table.find("notexample.com").host.empty());
}
