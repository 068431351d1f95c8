// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "keystonemail/base/ip_address.hpp"

#include <doctest/doctest.h>

using namespace keystonemail;

TEST_CASE("ip address: an IPv4-mapped address is the IPv4 address it stands for") {
  const auto mapped = IpAddress::parse("::ffff:127.0.0.1");
  REQUIRE(mapped);
  CHECK(mapped->family() == IpAddress::Family::v4);
  CHECK(mapped->is_loopback());
  CHECK(mapped == IpAddress::parse("127.0.0.1"));
}

TEST_CASE("ip address: text goes in and comes out in canonical form") {
  CHECK(IpAddress::parse("2001:DB8:0:0:0:0:0:1")->to_string() == "2001:db8::1");
  CHECK(IpAddress::parse("192.0.2.1")->literal() == "[192.0.2.1]");
  CHECK(IpAddress::parse("2001:db8::1")->literal() == "[IPv6:2001:db8::1]");
}

TEST_CASE("ip address: what is not an address is refused") {
  for (const char* text : {"", "1.2.3", "1.2.3.4.5", "256.1.1.1", "::1%lo", "[::1]", "1.2.3.4 "}) {
    CAPTURE(text);
    CHECK(!IpAddress::parse(text));
  }
  CHECK(!IpAddress::parse(std::string_view("1.2.3.4\0", 8)));
}

TEST_CASE("ip network: contains exactly the addresses with its prefix") {
  const auto network = IpNetwork::parse("10.1.128.7/17");
  REQUIRE(network);
  CHECK(network->to_string() == "10.1.128.0/17");
  CHECK(network->contains(*IpAddress::parse("10.1.255.255")));
  CHECK(!network->contains(*IpAddress::parse("10.1.127.255")));
  CHECK(IpNetwork::parse("::/0")->contains(*IpAddress::parse("fe80::1")));
  CHECK(!IpNetwork::parse("::/0")->contains(*IpAddress::parse("10.0.0.1")));
  CHECK(!IpNetwork::parse("10.0.0.0/33"));
}

TEST_CASE("endpoint: IPv6 needs brackets before the port") {
  CHECK(Endpoint::parse("[::1]:25")->to_string() == "[::1]:25");
  CHECK(Endpoint::parse("127.0.0.1:0")->port == 0);
  CHECK(!Endpoint::parse("::1:25"));
  CHECK(!Endpoint::parse("127.0.0.1:65536"));
}
