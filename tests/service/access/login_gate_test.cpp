// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "keystonemail/service/access/login_gate.hpp"

#include <doctest/doctest.h>

using namespace keystonemail;
using namespace keystonemail::access;
using namespace std::chrono_literals;

namespace {

const IpAddress attacker = *IpAddress::parse("198.51.100.7");
const IpAddress owner = *IpAddress::parse("192.0.2.1");
constexpr WallTime start{std::chrono::hours(24 * 365 * 50)};

void fail_times(LoginGate& gate, const IpAddress& from, int times, WallTime when = start) {
  for (int i = 0; i < times; ++i) gate.failed(from, "a@example.test", when);
}

}  // namespace

TEST_CASE("login gate: a few typing errors cost nothing, more cost time, many a ban") {
  LoginGate gate({});
  fail_times(gate, attacker, 3);
  CHECK(gate.before(attacker, "a@example.test", start).delay == 0ms);
  fail_times(gate, attacker, 2);
  CHECK(gate.before(attacker, "a@example.test", start).delay == 2000ms);
  CHECK(!gate.is_banned(attacker, start));
  fail_times(gate, attacker, 6);
  CHECK(gate.is_banned(attacker, start));
  CHECK(gate.before(attacker, "other@example.test", start).refused);
}

TEST_CASE("login gate: a ban ends, and the next one is twice as long") {
  LoginGate gate({});
  fail_times(gate, attacker, 11);
  CHECK(gate.is_banned(attacker, start + 59min));
  CHECK(!gate.is_banned(attacker, start + 61min));
  fail_times(gate, attacker, 11, start + 61min);
  CHECK(gate.is_banned(attacker, start + 61min + 119min));
  CHECK(!gate.is_banned(attacker, start + 61min + 121min));
}

TEST_CASE("login gate: failures elsewhere do not lock the owner out") {
  LoginGate gate({});
  gate.succeeded(owner, "a@example.test", start);
  for (unsigned i = 0; i < 200; ++i) {
    gate.failed(IpAddress::v4({203, static_cast<std::uint8_t>(i), 113, 1}), "a@example.test", start);
  }
  CHECK(!gate.before(owner, "a@example.test", start).refused);
  CHECK(!gate.before(owner, "a@example.test", start).guessable_refused);
  const auto elsewhere = gate.before(*IpAddress::parse("203.222.113.9"), "A@example.test", start);
  CHECK(elsewhere.guessable_refused);
  CHECK(!elsewhere.refused);
  CHECK(!gate.before(*IpAddress::parse("203.222.113.9"), "b@example.test", start).guessable_refused);
  CHECK(!gate.before(*IpAddress::parse("203.222.113.9"), "a@example.test", start + 25h).guessable_refused);
}

TEST_CASE("login gate: a wider network is banned only by many more failures") {
  LoginGate gate({});
  for (std::uint8_t host = 0; host < 30; ++host) gate.failed(IpAddress::v4({198, 51, 100, host}), "x", start);
  CHECK(!gate.is_banned(IpAddress::v4({198, 51, 100, 60}), start));
  gate.failed(IpAddress::v4({198, 51, 100, 31}), "x", start);
  CHECK(gate.is_banned(IpAddress::v4({198, 51, 100, 60}), start));
  CHECK(!gate.is_banned(IpAddress::v4({198, 51, 100, 130}), start));
}

TEST_CASE("login gate: trusted networks are never counted") {
  LoginGate gate({.trusted = {*IpNetwork::parse("127.0.0.0/8")}});
  fail_times(gate, *IpAddress::parse("127.0.0.1"), 1000);
  CHECK(!gate.is_banned(*IpAddress::parse("127.0.0.1"), start));
}

TEST_CASE("login gate: an administrator can lift a ban, and bans survive a restart") {
  LoginGate gate({});
  fail_times(gate, attacker, 11);
  LoginGate next({});
  next.restore(gate.bans(start));
  CHECK(next.is_banned(attacker, start));
  CHECK(next.unban(attacker).size() == 1);
  CHECK(!next.is_banned(attacker, start));
}

TEST_CASE("login gate: a spray from ten thousand addresses stays within its memory") {
  LoginGate gate({.entries_max = 500});
  for (unsigned i = 0; i < 10'000; ++i) {
    gate.failed(IpAddress::v4({10, static_cast<std::uint8_t>(i >> 8), static_cast<std::uint8_t>(i), 1}), std::to_string(i), start);
  }
  CHECK(gate.bans(start).size() <= 500);
}

TEST_CASE("login gate: the failure that was one too many names the ban it made, once") {
  LoginGate gate({});
  for (int i = 0; i < 10; ++i) CHECK(gate.failed(attacker, "a@example.test", start).empty());
  const auto made = gate.failed(attacker, "a@example.test", start);
  REQUIRE(made.size() == 1);
  CHECK(made[0].network.to_string() == "198.51.100.7/32");
  CHECK(made[0].until == start + 1h);
  CHECK(made[0].count == 1);
  CHECK(gate.failed(attacker, "a@example.test", start).empty());
}

TEST_CASE("login gate: an address that becomes trusted is let in, and counted again when it is no more") {
  LoginGate gate({});
  fail_times(gate, attacker, 11);
  CHECK(gate.is_banned(attacker, start));
  gate.set_trusted({{attacker, 32}});
  CHECK_FALSE(gate.is_banned(attacker, start));
  CHECK(gate.failed(attacker, "a@example.test", start).empty());
  gate.set_trusted({});
  CHECK(gate.is_banned(attacker, start));
}
