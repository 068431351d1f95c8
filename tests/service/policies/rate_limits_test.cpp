// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "keystonemail/service/policies/rate_limits.hpp"

#include "fixture.hpp"
#include "keystonemail/service/policies/access_rules.hpp"

using namespace keystonemail;
using namespace keystonemail::test;
using namespace keystonemail::policies;
using namespace std::chrono_literals;

namespace {

struct Rates : Scene {
  explicit Rates(RateOptions options) : limits(std::make_shared<RateLimits>(std::move(options))) { policies.push_back(limits); }
  std::shared_ptr<RateLimits> limits;

  // How many of `tries` messages from this address may pass.
  int messages(const std::string& address, int tries) {
    Peer peer(*this, address);
    int passed = 0;
    for (int i = 0; i < tries; ++i) passed += words(peer.mail("x@any.test")) == "proceed" ? 1 : 0;
    return passed;
  }
};

}  // namespace

TEST_CASE("rate limits: an address has its messages a minute, and others next minute") {
  Rates rates({.messages_per_minute = 5});
  CHECK(rates.messages("203.0.113.9", 8) == 5);
  CHECK(rates.messages("198.51.100.1", 3) == 3);
  rates.executor.advance(59s);
  CHECK(rates.messages("203.0.113.9", 1) == 0);
  rates.executor.advance(2s);
  CHECK(rates.messages("203.0.113.9", 8) == 5);
}

TEST_CASE("rate limits: too much is put off with 450, and told of once a minute") {
  Rates rates({.messages_per_minute = 1});
  Peer peer(rates);
  (void)peer.mail("x@any.test");
  CHECK(words(peer.mail("x@any.test")) == "450 4.7.0 Too many messages from your network, wait a minute");
  for (int i = 0; i < 100; ++i) (void)peer.mail("x@any.test");
  CHECK(rates.log.count("policy.decided") == 1);
  CHECK(rates.log.has("reason=\"too many messages from 203.0.113.9/32 in a minute\""));
}

TEST_CASE("rate limits: wider networks have three and nine times as much, however many addresses they use") {
  Rates rates({.messages_per_minute = 2});
  int passed = 0;
  for (int host = 0; host < 64; ++host) passed += rates.messages("203.0.113." + std::to_string(host), 2);
  CHECK(passed == 6);  // of a /26
  for (int net = 0; net < 8; ++net)
    for (int host = 0; host < 8; ++host) passed += rates.messages("203.0." + std::to_string(112 + net) + "." + std::to_string(128 + host), 2);
  CHECK(passed == 18);  // of the /21
}

TEST_CASE("rate limits: an IPv6 host is its /64") {
  Rates rates({.messages_per_minute = 5});
  int passed = 0;
  for (int host = 1; host <= 20; ++host) passed += rates.messages("2001:db8::" + std::to_string(host), 1);
  CHECK(passed == 5);
  CHECK(rates.messages("2001:db8:0:1::1", 5) == 5);
}

TEST_CASE("rate limits: a network that connects too often is turned away") {
  Rates rates({.connections_per_minute = 2});
  int turned_away = 0;
  for (int host = 0; host < 10; ++host) turned_away += words(Peer(rates, "203.0.113." + std::to_string(host)).connect()).starts_with("421 4.7.0") ? 1 : 0;
  CHECK(turned_away == 4);  // a /26 may have six
}

TEST_CASE("rate limits: a dictionary of recipients ends the connection, and keeps the network out for the minute") {
  Rates rates({.refusals_per_minute = 10});
  Peer peer(rates);
  (void)peer.connect();
  (void)peer.mail("x@any.test");
  for (int i = 0; i < 10; ++i) CHECK(words(peer.unknown("a@example.test")) == "proceed");
  CHECK(words(peer.unknown("a@example.test")).starts_with("421 4.7.0 Too many refused commands"));
  CHECK(words(Peer(rates).connect()).starts_with("421"));
  CHECK(words(Peer(rates, "198.51.100.1").connect()) == "proceed");
  rates.executor.advance(61s);
  CHECK(words(Peer(rates).connect()) == "proceed");
}

TEST_CASE("rate limits: trusted, exempt and allowed peers, other protocols and logins have none") {
  Rates rates({.messages_per_minute = 1, .exempt = {*IpNetwork::parse("198.51.100.0/24")}});
  AccessTable table;
  REQUIRE(table.add(AccessScope::client, "192.0.2.1", {}));
  rates.policies.insert(rates.policies.begin(), std::make_shared<AccessRules>(std::move(table)));
  Peer trusted(rates, "203.0.113.9", "smtp", true), exempt(rates, "198.51.100.1"), lmtp(rates, "203.0.113.9", "lmtp"), allowed(rates, "192.0.2.1"),
      user(rates, "203.0.113.10");
  user.login("alice@example.test");
  for (Peer* peer : {&trusted, &exempt, &lmtp, &allowed, &user}) {
    (void)peer->connect();
    for (int i = 0; i < 5; ++i) CHECK(words(peer->mail("x@any.test")) == "proceed");
  }
}

TEST_CASE("rate limits: options change while connections are open, and zero is no limit") {
  Rates rates({.messages_per_minute = 1});
  Peer peer(rates);
  (void)peer.mail("x@any.test");
  CHECK(words(peer.mail("x@any.test")).starts_with("450"));
  rates.limits->set_options({.messages_per_minute = 0});
  CHECK(words(peer.mail("x@any.test")) == "proceed");
}
