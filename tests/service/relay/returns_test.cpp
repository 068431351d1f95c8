// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// What senders hear of mail that was passed on, or had to be there by a time; in virtual time.
#include "service/relay/fixture.hpp"

using namespace keystonemail;
using namespace keystonemail::test;

namespace {

std::shared_ptr<const forwarding::Forwarder> forwarder() {
  forwarding::Options options;
  options.srs = mailauth::srs::Options{.domain = "example.test", .secrets = {"0123456789abcdef0123456789abcdef"}};
  return forwarding::Forwarder::create(std::move(options)).value();
}

RelayFixture::Mail by(RelayFixture& f, std::chrono::seconds within, bool returns, bool trace = false) {
  RelayFixture::Mail mail;
  mail.envelope.deliver_by = queue::DeliverBy{f.loop.wall_now() + within, returns, trace};
  return mail;
}

}  // namespace

TEST_CASE("relay: the report of mail that was passed on goes to whom it was from, not to the address it was given") {
  RelayFixture f;
  f.forwarder = forwarder();
  auto& dest = f.peer("192.0.2.1");
  auto& other = f.peer("192.0.2.2");
  dest.script.replies["bob@dest.test"] = "550 5.1.1 No such user";
  f.start();
  RelayFixture::Mail mail;
  mail.from = f.forwarder->sender_for({"zoe", "other.test"}, f.loop.wall_now());
  REQUIRE(mail.from.starts_with("SRS0="));
  f.send(std::move(mail));
  REQUIRE(f.until([&] { return f.queued() == 0; }, 60s));
  REQUIRE(other.messages.size() == 1);
  CHECK(other.messages[0].sender.empty());
  CHECK(other.messages[0].recipients == std::vector<std::string>{"zoe@other.test"});
  CHECK(has(other.messages[0].text, "Final-Recipient: rfc822; bob@dest.test\r\nAction: failed\r\n"));
}

TEST_CASE("E3: of mail from a sender that nobody vouches for, nobody hears when it cannot be passed on") {
  RelayFixture f;
  auto& dest = f.peer("192.0.2.1");
  dest.script.replies["bob@dest.test"] = "550 5.1.1 No such user";
  f.start();
  RelayFixture::Mail mail;
  mail.envelope.unproven = true;
  const auto id = f.send(std::move(mail));
  REQUIRE(f.until([&] { return f.queued() == 0; }, 60s));
  CHECK(f.reports().empty());
  const auto steps = f.loop.run(f.store.queue_.trace(id, f.context())).value();
  CHECK(steps.back().what == "failed");  // it can be found out all the same
}

TEST_CASE("A2: a message passed on with a long rewritten sender goes over with one end and no bare CR or LF, reports as well") {
  RelayFixture f;
  f.forwarder = forwarder();
  auto& dest = f.peer("192.0.2.1");
  auto& other = f.peer("192.0.2.2");
  f.start();
  RelayFixture::Mail mail;
  mail.from = f.forwarder->sender_for({std::string(70, 'z'), "other.test"}, f.loop.wall_now());
  mail.text = "Subject: smuggled\r\nX: a\rb\nc\r\n\r\nx\n.\nMAIL FROM:<a@b>\r\n.\rRCPT\r.\r\n\n.\r\nend";
  f.send(mail);
  REQUIRE(f.until([&] { return f.queued() == 0; }, 60s));
  dest.script.replies["bob@dest.test"] = "550-5.1.1 a\r\n550 5.1.1 b";
  f.send(mail);
  REQUIRE(f.until([&] { return f.queued() == 0; }, 60s));
  REQUIRE(dest.messages.size() == 1);
  REQUIRE(other.messages.size() == 1);
  for (const auto& message : {dest.messages[0], other.messages[0]}) {
    CHECK(!has(message.text, "\r\n.\r\n"));
    for (std::size_t i = 0; i < message.text.size(); ++i) {
      if (message.text[i] == '\n') CHECK((i > 0 && message.text[i - 1] == '\r'));
      if (message.text[i] == '\r') CHECK((i + 1 < message.text.size() && message.text[i + 1] == '\n'));
    }
  }
  CHECK(dest.ends_of_data == 1);
  CHECK(other.ends_of_data == 1);
}

TEST_CASE("relay: a deadline and a priority go on to a server that knows them, with the time that is left (RFC 2852, RFC 6710)") {
  RelayFixture f;
  auto& peer = f.peer();
  peer.script.extensions.push_back("DELIVERBY 10");
  peer.script.extensions.push_back("MT-PRIORITY");
  f.start();
  auto mail = by(f, 120s, true);
  mail.envelope.priority = 4;
  f.loop.advance(20s);
  f.send(mail);
  REQUIRE(f.until([&] { return f.queued() == 0; }, 60s));
  REQUIRE(peer.messages.size() == 1);
  CHECK(has(peer.messages[0].parameters, " BY=100;R"));
  CHECK(has(peer.messages[0].parameters, " MT-PRIORITY=4"));
  CHECK(f.reports().empty());
}

TEST_CASE("relay: mail that must be there by a time or come back goes to no server that does not promise that") {
  RelayFixture f;
  auto& peer = f.peer();
  f.start();
  SUBCASE("it knows nothing of it") {}
  SUBCASE("it promises no delivery so soon") { peer.script.extensions.push_back("DELIVERBY 3600"); }
  f.send(by(f, 120s, true));
  REQUIRE(f.until([&] { return f.queued() == 0; }, 60s));
  CHECK(peer.messages.empty());
  REQUIRE(f.reports().size() == 1);
  CHECK(has(f.reports()[0], "Action: failed\r\nStatus: 5.4.7\r\n"));
}

TEST_CASE("relay: mail that must be there by a time comes back when it has passed") {
  RelayFixture f;  // nobody listens
  f.options.retry.jitter_percent = 0;
  f.start();
  f.send(by(f, 600s, true));
  REQUIRE(f.until([&] { return f.queued() == 0; }, 20min));
  REQUIRE(f.reports().size() == 1);
  CHECK(has(f.reports()[0], "Action: failed\r\nStatus: 5.4.7\r\n"));
}

TEST_CASE("relay: a server that does not know of a deadline is asked about delays, and the sender hears of it") {
  RelayFixture f;
  auto& peer = f.peer();
  f.start();
  f.send(by(f, 600s, false));
  REQUIRE(f.until([&] { return f.queued() == 0; }, 60s));
  REQUIRE(peer.messages.size() == 1);
  CHECK(has(peer.messages[0].recipient_lines[0], " NOTIFY=FAILURE,DELAY"));
  REQUIRE(f.reports().size() == 1);
  CHECK(has(f.reports()[0], "Action: relayed"));
}

TEST_CASE("relay: who asked to trace a deadline hears of each server that took it on (by-trace)") {
  RelayFixture f;
  auto& peer = f.peer();
  peer.script.extensions.push_back("DELIVERBY");
  f.start();
  f.send(by(f, 600s, false, true));
  REQUIRE(f.until([&] { return f.queued() == 0; }, 60s));
  REQUIRE(peer.messages.size() == 1);
  CHECK(has(peer.messages[0].parameters, ";NT"));
  REQUIRE(f.reports().size() == 1);
  CHECK(has(f.reports()[0], "Action: relayed"));
}

TEST_CASE("relay: of mail with a deadline that has come to where LMTP leads, success is told there or here, not in both places") {
  RelayFixture f;
  auto& peer = f.peer("192.0.2.50", 24);
  peer.script.lmtp = true;
  f.options.routes.usual = *relay::Route::parse("lmtp:192.0.2.50:24");
  bool told_here = false;
  SUBCASE("by a server that notifies, and knows nothing of deadlines") {}
  SUBCASE("by one that keeps them, traced") { peer.script.extensions.push_back("DELIVERBY"); }
  SUBCASE("by us, where it does not notify") {
    std::erase(peer.script.extensions, "DSN");
    told_here = true;
  }
  f.start();
  auto mail = by(f, 600s, false, true);
  mail.notify = {.specified = true, .success = true};
  f.send(mail);
  REQUIRE(f.until([&] { return f.queued() == 0; }, 60s));
  REQUIRE(peer.messages.size() == 1);
  REQUIRE(f.reports().size() == (told_here ? 1 : 0));
  if (told_here) CHECK(has(f.reports()[0], "Action: delivered"));
}

TEST_CASE("trace: steps go after thirty days, with what they were found by") {
  RelayFixture f;
  auto& peer = f.peer();
  f.start();
  const auto id = f.send();
  REQUIRE(f.until([&] { return peer.messages.size() == 1; }, 60s));
  const auto known = [&] { return f.loop.run(f.store.queue_.trace(id, f.context())).value().size(); };
  const auto found = [&] { return f.loop.run(f.store.queue_.find("<m@example.test>", f.context())).value(); };
  CHECK(known() == 2);
  CHECK(found().front() == id);
  f.loop.advance(29 * 24h);
  for (int i = 0; i < 20; ++i) f.send();
  CHECK(known() == 2);
  f.loop.advance(2 * 24h);
  for (int i = 0; i < 20; ++i) f.send();
  CHECK(known() == 0);
  CHECK(found().front() != id);
}
