// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "keystonemail/service/access/connection_limits.hpp"

#include <doctest/doctest.h>

using namespace keystonemail;
using namespace keystonemail::access;
using namespace std::chrono_literals;

namespace {
const IpAddress peer = *IpAddress::parse("192.0.2.1");
const IpAddress other = *IpAddress::parse("192.0.2.2");
}  // namespace

TEST_CASE("connection limits: an address gets its places and no more, and gets them back") {
  ConnectionLimits limits({.per_address_max = 2});
  auto first = limits.admit(peer, Instant{});
  auto second = limits.admit(peer, Instant{});
  REQUIRE((first && second));
  CHECK(!limits.admit(peer, Instant{}));
  CHECK(limits.admit(other, Instant{}));
  *first = ConnectionLimits::Lease();
  CHECK(limits.admit(peer, Instant{}));
}

TEST_CASE("connection limits: a /64 counts as one peer") {
  ConnectionLimits limits({.per_address_max = 1});
  const auto held = limits.admit(*IpAddress::parse("2001:db8::1"), Instant{});
  REQUIRE(held);
  CHECK(!limits.admit(*IpAddress::parse("2001:db8::ffff:2"), Instant{}));
  CHECK(limits.admit(*IpAddress::parse("2001:db8:0:1::1"), Instant{}));
}

TEST_CASE("connection limits: connecting too often is refused for the rest of the minute") {
  ConnectionLimits limits({.per_address_and_minute_max = 3});
  for (int i = 0; i < 3; ++i) CHECK(limits.admit(peer, Instant{} + 1s));
  CHECK(!limits.admit(peer, Instant{} + 30s));
  CHECK(limits.admit(peer, Instant{} + 62s));
}

TEST_CASE("connection limits: trusted networks know only the total") {
  ConnectionLimits limits({.total_max = 2, .per_address_max = 1, .per_account_max = 1, .trusted = {*IpNetwork::parse("127.0.0.0/8")}});
  const IpAddress local = *IpAddress::parse("127.0.0.1");
  const auto a = limits.admit(local, Instant{}), b = limits.admit(local, Instant{});
  CHECK((a && b));
  CHECK(!limits.admit(local, Instant{}));
  const auto x = limits.admit_login("a@b", local), y = limits.admit_login("a@b", local);
  CHECK((x && y));
}

TEST_CASE("connection limits: an account's sessions are counted") {
  ConnectionLimits limits({.per_account_max = 1});
  auto held = limits.admit_login("a@example.test", peer);
  REQUIRE(held);
  CHECK(!limits.admit_login("a@example.test", other));
  CHECK(limits.admit_login("b@example.test", peer));
  *held = ConnectionLimits::Lease();
  CHECK(limits.admit_login("a@example.test", other));
}

TEST_CASE("connection limits: a flood of addresses does not grow memory without end") {
  ConnectionLimits limits({.remembered_addresses_max = 100});
  const auto held = limits.admit(peer, Instant{});
  for (unsigned i = 0; i < 10'000; ++i) {
    const auto octets = std::array<std::uint8_t, 4>{10, static_cast<std::uint8_t>(i >> 8), static_cast<std::uint8_t>(i), 1};
    CHECK(limits.admit(IpAddress::v4(octets), Instant{}));
  }
  CHECK(limits.connections() == 1);
}

TEST_CASE("connection limits: other ceilings hold for connections to come, and those there give their places back") {
  ConnectionLimits limits({.per_address_max = 2});
  auto first = limits.admit(peer, Instant{});
  auto second = limits.admit(peer, Instant{});
  REQUIRE((first && second));
  CHECK_FALSE(limits.admit(peer, Instant{}));
  limits.set_options({.per_address_max = 3});
  CHECK(limits.admit(peer, Instant{}));
  limits.set_options({.per_address_max = 1, .trusted = {{peer, 32}}});
  CHECK(limits.is_trusted(peer));
  auto trusted = limits.admit(peer, Instant{});
  CHECK(trusted);
  CHECK(limits.connections() == 3);
  first = fail(ErrorKind::cancelled);
  second = fail(ErrorKind::cancelled);
  limits.set_options({.per_address_max = 1});
  CHECK(limits.connections() == 1);
  CHECK(limits.admit(peer, Instant{}));
}
