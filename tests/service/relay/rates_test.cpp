// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// How fast mail leaves, by destination and by account, in virtual time.
#include "service/relay/fixture.hpp"
#include "service/relay/pacer.hpp"

using namespace keystonemail;
using namespace keystonemail::test;

TEST_CASE("pacer: so many in a minute, a sixth of them at once, and none is lost for having waited") {
  relay::Pacer none;
  Instant now{1h};
  CHECK(none.next(now) == now);
  relay::Pacer pacer(60);
  std::size_t went = 0;
  for (const Instant end = now + 60s; now < end; now += 100ms) {
    if (pacer.next(now) > now) continue;
    pacer.take(now);
    ++went;
  }
  CHECK(went >= 60);
  CHECK(went <= 70);
  CHECK(!pacer.is_idle(now));
  CHECK(pacer.is_idle(now + 60s));
  relay::Pacer slow(1);
  slow.take(now);
  CHECK(slow.next(now) == now + 60s);
}

TEST_CASE("relay: mail to one destination leaves at its rate, and that to others is not kept waiting") {
  RelayFixture f;
  auto& dest = f.peer("192.0.2.1");
  auto& other = f.peer("192.0.2.2");
  f.options.rates["dest.test"] = 12;
  for (int i = 0; i < 30; ++i) f.send();
  for (int i = 0; i < 30; ++i) f.send({"x@other.test"});
  f.start();
  REQUIRE(f.until([&] { return other.messages.size() == 30; }, 10s));
  CHECK(dest.messages.size() <= 4);
  f.loop.advance(60s);
  CHECK(dest.messages.size() >= 12);
  CHECK(dest.messages.size() <= 16);
  REQUIRE(f.until([&] { return dest.messages.size() == 30; }, 2min));
  REQUIRE(f.until([&] { return f.queued() == 0; }, 10s));
  CHECK(f.is_sound());
}

TEST_CASE("relay: what one account sends leaves at its rate, and that of others is not kept waiting") {
  RelayFixture f;
  auto& dest = f.peer("192.0.2.1");
  f.options.account_messages_per_minute_max = 12;
  RelayFixture::Mail mail;
  mail.login = "mallory@example.test";
  for (int i = 0; i < 30; ++i) f.send(mail);
  mail.login = "anna@example.test";
  mail.to = {"quick@dest.test"};
  f.send(mail);
  f.start();
  const auto arrived = [&] { return std::ranges::count(dest.recipients(), std::string("quick@dest.test")); };
  REQUIRE(f.until([&] { return arrived() == 1; }, 5s));
  CHECK(dest.messages.size() <= 4);
  f.loop.advance(60s);
  CHECK(dest.messages.size() >= 10);
  CHECK(dest.messages.size() <= 18);
  REQUIRE(f.until([&] { return f.queued() == 0; }, 3min));
  CHECK(dest.messages.size() == 31);
}

TEST_CASE("relay: asked to stop while mail waits for its turn, it stops") {
  RelayFixture f;
  auto& dest = f.peer("192.0.2.1");
  f.options.messages_per_minute_max = 1;
  for (int i = 0; i < 3; ++i) f.send();
  f.start();
  REQUIRE(f.until([&] { return dest.messages.size() == 1; }, 10s));
  f.stop();
  CHECK(f.queued() == 2);
  CHECK(f.is_sound());
}

TEST_CASE("relay: what was held, moved or taken out while it stood in line does not go") {
  RelayFixture f;
  auto& dest = f.peer("192.0.2.1");
  auto& other = f.peer("192.0.2.2");
  f.options.rates["dest.test"] = 2;
  std::vector<queue::EntryId> ids;
  for (int i = 0; i < 6; ++i) ids.push_back(f.send({"u" + std::to_string(i) + "@dest.test"}));
  f.start();
  REQUIRE(f.until([&] { return dest.messages.size() == 1; }, 10s));
  const auto handle = [&](queue::EntryId id, queue::Handling handling) { REQUIRE(f.loop.run(f.store.queue_.handle(id, handling, f.context())).has_value()); };
  handle(ids[1], queue::Handling::hold);
  handle(ids[2], queue::Handling::hold);
  handle(ids[2], queue::Handling::release);
  REQUIRE(f.loop.run(f.store.queue_.move(ids[3], "other.test", f.context())).has_value());
  REQUIRE(f.loop.run(f.store.queue_.remove(ids[4], f.context())).has_value());
  REQUIRE(f.until([&] { return f.queued() == 1; }, 10min));
  CHECK(dest.recipients() == std::vector<std::string>{"u0@dest.test", "u2@dest.test", "u5@dest.test"});
  CHECK(other.recipients() == std::vector<std::string>{"u3@dest.test"});
  CHECK(f.entry(ids[1])->held);
  handle(ids[1], queue::Handling::release);
  REQUIRE(f.until([&] { return f.queued() == 0; }, 5min));
  CHECK(dest.messages.size() == 4);
  CHECK(f.is_sound());
}

TEST_CASE("relay: the rate of a domain holds on the way that a route gives it, for it alone") {
  RelayFixture f;
  auto& smarthost = f.peer("192.0.2.9");
  f.options.routes.usual = *relay::Route::parse("192.0.2.9:25");
  f.options.rates["dest.test"] = 12;
  for (int i = 0; i < 30; ++i) f.send();
  for (int i = 0; i < 30; ++i) f.send({"x@other.test"});
  f.start();
  const auto to = [&](std::string_view address) { return std::ranges::count(smarthost.recipients(), address); };
  REQUIRE(f.until([&] { return to("x@other.test") == 30; }, 10s));
  CHECK(to("bob@dest.test") <= 4);
  f.loop.advance(60s);
  CHECK(to("bob@dest.test") <= 16);
  relay::Options fresh = f.options;
  fresh.rates.clear();
  f.relay->set_options(fresh);
  REQUIRE(f.until([&] { return f.queued() == 0; }, 30s));
  CHECK(to("bob@dest.test") == 30);
}
