// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// From the queue to a peer and back to the sender, in virtual time.
#include "keystonemail/service/relay/relay.hpp"

#include "service/relay/fixture.hpp"

using namespace keystonemail;
using namespace keystonemail::test;

TEST_CASE("relay: a queued message goes to the domain's mail host, and leaves the queue") {
  RelayFixture f;
  auto& peer = f.peer();
  f.start();
  f.send();
  REQUIRE(f.until([&] { return f.queued() == 0; }, 60s));
  REQUIRE(peer.messages.size() == 1);
  CHECK(peer.messages[0].sender == "anna@example.test");
  CHECK(peer.messages[0].recipients == std::vector<std::string>{"bob@dest.test"});
  CHECK(peer.messages[0].text == "Subject: hello\r\n\r\nHello.\r\n");
  CHECK(f.reports().empty());
  CHECK(f.is_sound());
}

TEST_CASE("relay: what was queued before it began is found, and what is due later waits") {
  RelayFixture f;
  auto& peer = f.peer();
  f.send();
  f.start();
  CHECK(f.until([&] { return peer.messages.size() == 1; }, 60s));
}

TEST_CASE("relay: a refused recipient comes back to the sender in the commit that takes the entry away") {
  RelayFixture f;
  auto& peer = f.peer();
  peer.script.replies["bob@dest.test"] = "550 5.1.1 No such user";
  f.start();
  f.send({"bob@dest.test", "carol@dest.test"});
  REQUIRE(f.until([&] { return f.queued() == 0; }, 60s));
  CHECK(peer.recipients() == std::vector<std::string>{"carol@dest.test"});
  const auto reports = f.reports();
  REQUIRE(reports.size() == 1);
  CHECK(has(reports[0], "Final-Recipient: rfc822; bob@dest.test\r\nAction: failed\r\nStatus: 5.1.1\r\n"));
  CHECK(has(reports[0], "Remote-MTA: dns; mx.dest.test\r\n"));
  CHECK(has(reports[0], "Return-Path: <>\r\n"));
  CHECK(!has(reports[0], "carol"));
  CHECK(f.is_sound());
}

TEST_CASE("relay: recipients of one destination go together, those of others on their own") {
  RelayFixture f;
  auto& dest = f.peer("192.0.2.1");
  auto& other = f.peer("192.0.2.2");
  f.start();
  f.send({"a@dest.test", "b@other.test", "c@DEST.test"});
  REQUIRE(f.until([&] { return f.queued() == 0; }, 60s));
  REQUIRE(dest.messages.size() == 1);
  CHECK(dest.messages[0].recipients == std::vector<std::string>{"a@dest.test", "c@dest.test"});
  CHECK(other.messages.size() == 1);
}

TEST_CASE("relay: several messages go over one connection, and never more connections than it may have") {
  RelayFixture f;
  auto& peer = f.peer();
  peer.script.delay = 50ms;
  f.options.connections_per_destination_max = 3;
  f.options.messages_per_connection_max = 10;
  for (int i = 0; i < 60; ++i) f.send();
  f.start();
  REQUIRE(f.until([&] { return f.queued() == 0; }, 300s));
  CHECK(peer.messages.size() == 60);
  CHECK(peer.open_max <= 3);
  CHECK(peer.connections >= 6);   // ten messages each
  CHECK(peer.connections <= 12);
}

TEST_CASE("relay: a connection that the server closed while it was idle costs no attempt") {
  RelayFixture f;
  auto& peer = f.peer();
  peer.script.closes_after_message = true;
  for (int i = 0; i < 3; ++i) f.send();
  f.start();
  REQUIRE(f.until([&] { return f.queued() == 0; }, 20s));
  CHECK(peer.messages.size() == 3);
  CHECK(peer.connections == 3);
}

TEST_CASE("relay: a destination that failed is left alone, by messages that come later as well") {
  RelayFixture f;
  f.start();
  const auto first = f.send();
  REQUIRE(f.until([&] { return f.entry(first)->recipients[0].attempts == 1; }, 60s));
  const std::size_t tried = f.network.tried.size();
  const auto second = f.send();
  f.loop.advance(30s);
  CHECK(f.network.tried.size() == tried);
  CHECK(f.entry(second)->recipients[0].attempts == 0);
  CHECK(has(f.entry(second)->recipients[0].last_reply, "4.4.1"));
  auto& peer = f.peer();
  REQUIRE(f.until([&] { return f.queued() == 0; }, 600s));
  CHECK(peer.messages.size() == 2);
}

TEST_CASE("relay: it goes on trying by the schedule, tells of the delay once, and gives up in the end") {
  RelayFixture f;
  f.options.retry.jitter_percent = 0;
  f.options.destination_wait_max = 24h;
  f.start();
  const WallTime begin = f.loop.wall_now();
  const auto id = f.send();
  f.loop.advance(4h + 30min);
  REQUIRE(f.entry(id).has_value());
  CHECK(f.entry(id)->recipients[0].delay_told);
  CHECK(f.reports().size() == 1);
  CHECK(has(f.reports()[0], "Action: delayed"));
  CHECK(has(f.reports()[0], "Will-Retry-Until:"));
  f.loop.advance(5 * 24h - 4h - 31min);
  CHECK(f.queued() == 1);
  REQUIRE(f.until([&] { return f.queued() == 0; }, 1h));
  CHECK(f.loop.wall_now() - begin >= 5 * 24h);
  CHECK(f.loop.wall_now() - begin <= 5 * 24h + 1min);
  CHECK(f.reports().size() == 2);
  CHECK(has(f.reports()[1], "Action: failed\r\nStatus: 5.4.7\r\n"));
  // 5, 10, 20, 40 minutes, 1, 2, 4 hours, then every 8, and once at the end.
  CHECK(f.network.tried.size() >= 20);
  CHECK(f.network.tried.size() <= 24);
  CHECK(f.is_sound());
}

TEST_CASE("relay: a report that cannot be delivered is given up within a day, and nobody is told of it (E3)") {
  RelayFixture f;
  f.start();
  RelayFixture::Mail mail;
  mail.from = "";
  const auto id = f.send(std::move(mail));
  f.loop.advance(23h);
  CHECK(f.entry(id).has_value());
  REQUIRE(f.until([&] { return f.queued() == 0; }, 2h));
  CHECK(f.reports().empty());
  CHECK(f.is_sound());
}

TEST_CASE("relay: the report for a sender elsewhere is queued for it, from the null sender") {
  RelayFixture f;
  auto& dest = f.peer("192.0.2.1");
  auto& other = f.peer("192.0.2.2");
  dest.script.replies["bob@dest.test"] = "550 5.1.1 No such user";
  f.start();
  RelayFixture::Mail mail;
  mail.from = "zoe@other.test";
  f.send(std::move(mail));
  REQUIRE(f.until([&] { return f.queued() == 0; }, 60s));
  REQUIRE(other.messages.size() == 1);
  CHECK(other.messages[0].sender.empty());
  CHECK(other.messages[0].recipients == std::vector<std::string>{"zoe@other.test"});
  CHECK(has(other.messages[0].text, "Action: failed"));
  CHECK(has(other.messages[0].recipient_lines[0], "NOTIFY=NEVER"));
}

TEST_CASE("relay: NOTIFY, RET and ENVID are honoured, and passed on to those who can (RFC 3461)") {
  RelayFixture f;
  auto& peer = f.peer();
  f.start();
  RelayFixture::Mail mail;
  mail.notify = {.specified = true, .success = true, .failure = true};
  mail.original = "rfc822;robert@elsewhere.test";
  mail.envelope.envelope_id = "QQ+1";
  mail.envelope.dsn_return = queue::DsnReturn::full;
  SUBCASE("to a server with DSN: it notifies") {
    f.send(mail);
    REQUIRE(f.until([&] { return f.queued() == 0; }, 60s));
    CHECK(has(peer.messages[0].parameters, " RET=FULL ENVID=QQ+2B1"));
    CHECK(has(peer.messages[0].recipient_lines[0], " NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;robert@elsewhere.test"));
    CHECK(f.reports().empty());
  }
  SUBCASE("to a server without: we say that it was relayed") {
    std::erase(peer.script.extensions, "DSN");
    f.send(mail);
    REQUIRE(f.until([&] { return f.queued() == 0; }, 60s));
    CHECK(!has(peer.messages[0].parameters, "RET"));
    REQUIRE(f.reports().size() == 1);
    CHECK(has(f.reports()[0], "Action: relayed"));
    CHECK(has(f.reports()[0], "Original-Recipient: rfc822; robert@elsewhere.test\r\n"));
    CHECK(has(f.reports()[0], "Original-Envelope-Id: QQ+1\r\n"));
  }
  SUBCASE("a failure brings the whole message back when that was asked for") {
    peer.script.replies["bob@dest.test"] = "550 5.1.1 No";
    f.send(mail);
    REQUIRE(f.until([&] { return f.queued() == 0; }, 60s));
    REQUIRE(f.reports().size() == 1);
    CHECK(has(f.reports()[0], "message/rfc822"));
    CHECK(has(f.reports()[0], "\r\nHello.\r\n"));
  }
  SUBCASE("NEVER is never") {
    mail.notify = {.specified = true, .never = true};
    peer.script.replies["bob@dest.test"] = "550 5.1.1 No";
    f.send(mail);
    REQUIRE(f.until([&] { return f.queued() == 0; }, 60s));
    CHECK(f.reports().empty());
  }
}

TEST_CASE("relay: when nobody can be told of a failure, the entry stays until somebody can") {
  RelayFixture f;
  auto& peer = f.peer();
  peer.script.replies["bob@dest.test"] = "550 5.1.1 No";
  f.start();
  f.directory.failure = Error(ErrorKind::unavailable);
  const auto id = f.send({"bob@dest.test", "carol@dest.test"});
  f.loop.advance(60s);
  REQUIRE(f.entry(id).has_value());
  CHECK(f.entry(id)->recipients[0].state == queue::RecipientState::pending);
  CHECK(f.entry(id)->recipients[1].state == queue::RecipientState::delivered);
  f.directory.failure.reset();
  REQUIRE(f.until([&] { return f.queued() == 0; }, 600s));
  CHECK(f.reports().size() == 1);
  CHECK(peer.recipients() == std::vector<std::string>{"carol@dest.test"});
}

TEST_CASE("relay: hosts are tried in order, addresses as well, and IPv6 when IPv4 leads nowhere") {
  RelayFixture f("$TTL 60\ndest MX 10 one\ndest MX 20 two\none A 192.0.2.10\ntwo A 192.0.2.11\ntwo AAAA 2001:db8::1\n");
  auto& peer = f.peer("2001:db8::1");
  f.start();
  f.send();
  REQUIRE(f.until([&] { return f.queued() == 0; }, 60s));
  CHECK(peer.messages.size() == 1);
  REQUIRE(f.network.tried.size() == 3);
  CHECK(f.network.tried[0].address.to_string() == "192.0.2.10");
  CHECK(f.network.tried[1].address.to_string() == "192.0.2.11");
}

TEST_CASE("relay: an address literal is connected to, a null MX and an unknown domain come back at once (RFC 7505)") {
  RelayFixture f("$TTL 60\nnone MX 0 .\n");
  auto& peer = f.peer("192.0.2.9");
  f.start();
  f.send({"a@[192.0.2.9]", "b@none.test", "c@unknown.test"});
  REQUIRE(f.until([&] { return f.queued() == 0; }, 60s));
  CHECK(peer.recipients() == std::vector<std::string>{"a@[192.0.2.9]"});
  std::string all;
  for (const auto& report : f.reports()) all += report;
  CHECK(has(all, "Status: 5.1.10"));
  CHECK(has(all, "Status: 5.1.2"));
}

TEST_CASE("T10: MX and address lookups that fail in any way leave the message in the queue, until they work") {
  using enum dns::AnswerStatus;
  for (const auto status : {server_failure, refused, timeout, bogus, malformed}) {
    for (const char* who : {"dest.test", "mx.dest.test"}) {
      CAPTURE(to_string(status));
      CAPTURE(who);
      RelayFixture f;
      auto& peer = f.peer();
      const auto type = who[0] == 'd' ? dns::RecordType::mx : dns::RecordType::a;
      f.dns.answer(*dns::Name::parse(who), status, type);
      f.start();
      const auto id = f.send();
      REQUIRE(f.until([&] { return f.entry(id)->recipients[0].attempts == 1; }, 60s));
      CHECK(has(f.entry(id)->recipients[0].last_reply, "451 4.4.3"));
      CHECK(f.reports().empty());
      CHECK(peer.connections == 0);
    }
  }
}

TEST_CASE("T10: a broken AAAA does not stand in the way of A, and a DNS that hangs holds nobody for more than 30 s") {
  RelayFixture f;
  auto& peer = f.peer();
  f.dns.answer(*dns::Name::parse("mx.dest.test"), dns::AnswerStatus::timeout, dns::RecordType::aaaa);
  f.dns.hang(*dns::Name::parse("other.test"));
  f.start();
  f.send();
  const auto hanging = f.send({"x@other.test"});
  CHECK(f.until([&] { return peer.messages.size() == 1; }, 2s));
  f.loop.advance(31s);
  CHECK(f.entry(hanging)->recipients[0].attempts == 1);
}

TEST_CASE("E1: mail that leads back to where we listen is not sent in circles") {
  RelayFixture f;
  auto& peer = f.peer();
  f.options.own_endpoints = {Endpoint{*IpAddress::parse("192.0.2.1"), 25}};
  f.start();
  f.send();
  REQUIRE(f.until([&] { return f.queued() == 0; }, 60s));
  CHECK(peer.connections == 0);
  CHECK(has(f.reports().at(0), "Status: 5.4.6"));
}

TEST_CASE("relay: a route goes before MX, with AUTH under TLS; LMTP answers for each recipient") {
  RelayFixture f;
  auto& hub = f.peer("192.0.2.50", 587);
  crypto::CertificateRequest request;
  request.names = {"192.0.2.50"};
  request.not_before = f.loop.wall_now() - 24h;
  request.not_after = f.loop.wall_now() + 24h;
  const auto issued = crypto::make_self_signed(request).value();
  tls::ServerOptions server;
  server.certificates.push_back({issued.certificate_pem, std::string(issued.private_key_pem.view())});
  hub.script.tls = tls::ServerContext::create(server).value();
  hub.script.extensions.push_back("AUTH PLAIN");
  hub.script.credentials = "AHVzAHNlY3JldA==";
  f.options.routes.usual = *relay::Route::parse("192.0.2.50:587");
  f.options.routes.usual.login = std::make_shared<relay::RouteLogin>(relay::RouteLogin{"us", crypto::SecretString("secret")});
  SUBCASE("a smarthost") {
    f.start();
    f.send({"a@dest.test", "b@other.test"});
    REQUIRE(f.until([&] { return f.queued() == 0; }, 60s));
    REQUIRE(hub.messages.size() == 1);  // one destination for all
    CHECK(hub.messages[0].secure);
    CHECK(hub.logged_in);
  }
  SUBCASE("a smarthost whose certificate must be good, and is not, gets nothing") {
    f.options.routes.usual.tls = relay::RouteTls::verified;
    f.start();
    const auto id = f.send();
    f.loop.advance(60s);
    CHECK(hub.messages.empty());
    CHECK(!hub.logged_in);
    CHECK(has(f.entry(id)->recipients[0].last_reply, "4.7.5"));
  }
  SUBCASE("A4: a server that does not offer TLS gets neither password nor mail") {
    hub.script.tls = nullptr;
    f.start();
    const auto id = f.send();
    f.loop.advance(60s);
    CHECK(hub.messages.empty());
    CHECK(!hub.logged_in);
    CHECK(has(f.entry(id)->recipients[0].last_reply, "4.7.4"));
  }
  SUBCASE("a password that is refused leaves the mail in the queue") {
    hub.script.credentials = "other";
    f.start();
    const auto id = f.send();
    f.loop.advance(60s);
    CHECK(hub.messages.empty());
    CHECK(has(f.entry(id)->recipients[0].last_reply, "535"));
    CHECK(!has(f.entry(id)->recipients[0].last_reply, "secret"));
  }
  SUBCASE("lmtp") {
    auto& store = f.peer("192.0.2.60", 24);
    store.script.lmtp = true;
    store.script.replies[".b@dest.test"] = "552 5.2.2 Full";
    f.options.routes.domains["dest.test"] = *relay::Route::parse("lmtp:192.0.2.60:24");
    f.start();
    f.send({"a@dest.test", "b@dest.test"});
    REQUIRE(f.until([&] { return f.queued() == 0; }, 60s));
    CHECK(store.messages.size() == 1);
    CHECK(has(f.reports().at(0), "Status: 5.2.2"));
    CHECK(!has(f.reports().at(0), "a@dest.test"));
  }
}

TEST_CASE("relay: a server without 8BITMIME gets quoted-printable, one with it the octets") {
  RelayFixture f;
  auto& peer = f.peer();
  const std::string text = "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\ngr\xc3\xbc\xc3\x9f\r\n";
  RelayFixture::Mail mail;
  mail.text = text;
  mail.envelope.eight_bit = true;
  SUBCASE("with") {
    f.start();
    f.send(mail);
    REQUIRE(f.until([&] { return f.queued() == 0; }, 60s));
    CHECK(peer.messages[0].text == text);
    CHECK(has(peer.messages[0].parameters, "BODY=8BITMIME"));
  }
  SUBCASE("without") {
    std::erase(peer.script.extensions, "8BITMIME");
    f.start();
    f.send(mail);
    REQUIRE(f.until([&] { return f.queued() == 0; }, 60s));
    CHECK(has(peer.messages[0].text, "Content-Transfer-Encoding: quoted-printable\r\n\r\ngr=C3=BC=C3=9F\r\n"));
    CHECK(!has(peer.messages[0].parameters, "BODY="));
  }
}

TEST_CASE("relay: a message with a UTF-8 address comes back from a server without SMTPUTF8 (RFC 6531)") {
  RelayFixture f;
  auto& peer = f.peer();
  RelayFixture::Mail mail;
  mail.to = {"j\xc3\xb6rg@dest.test"};
  mail.envelope.smtputf8 = true;
  SUBCASE("with") {
    f.start();
    f.send(mail);
    REQUIRE(f.until([&] { return f.queued() == 0; }, 60s));
    CHECK(has(peer.messages.at(0).parameters, " SMTPUTF8"));
  }
  SUBCASE("without") {
    std::erase(peer.script.extensions, "SMTPUTF8");
    f.start();
    f.send(mail);
    REQUIRE(f.until([&] { return f.queued() == 0; }, 60s));
    CHECK(peer.messages.empty());
    CHECK(has(f.reports().at(0), "Status: 5.6.7"));
  }
}

TEST_CASE("A2: nothing that is queued can end the message early or smuggle another") {
  for (const char* end : {"\n.\n", "\n.\r\n", "\r\n.\n", "\r.\r", "\r\n.\r", "\r.\r\n", "\r\n.\r\r\n", "\n.\r\r\n", "\r\n.\r\n"}) {
    RelayFixture f;
    auto& peer = f.peer();
    RelayFixture::Mail mail;
    mail.text = std::string("Subject: x\r\n\r\none") + end + "MAIL FROM:<evil@dest.test>\r\nRCPT TO:<x@dest.test>\r\nDATA\r\nevil\r\n";
    f.start();
    f.send(mail);
    REQUIRE(f.until([&] { return f.queued() == 0; }, 60s));
    REQUIRE(peer.messages.size() == 1);
    const std::string& text = peer.messages[0].text;
    for (std::size_t i = 0; i < text.size(); ++i) {
      if (text[i] == '\n') CHECK((i > 0 && text[i - 1] == '\r'));
      if (text[i] == '\r') CHECK((i + 1 < text.size() && text[i + 1] == '\n'));
    }
    CHECK(!has(text, "\r\n.\r\n"));
  }
}

TEST_CASE("relay: recipients beyond what a server takes at once follow in another transaction") {
  RelayFixture f;
  auto& peer = f.peer();
  peer.script.replies["c@dest.test"] = "452 4.5.3 Too many recipients";
  f.options.idle_connection_max = 30s;
  f.start();
  f.send({"a@dest.test", "b@dest.test", "c@dest.test"});
  f.until([&] { return peer.messages.size() == 1; }, 30s);
  peer.script.replies.clear();
  REQUIRE(f.until([&] { return f.queued() == 0; }, 600s));
  CHECK(peer.recipients() == std::vector<std::string>{"a@dest.test", "b@dest.test", "c@dest.test"});
  f.options.recipients_per_message_max = 100;
}

TEST_CASE("relay: a thousand recipients of one message go in transactions of a hundred") {
  RelayFixture f;
  auto& peer = f.peer();
  f.start();
  std::vector<std::string> to;
  for (int i = 0; i < 1'000; ++i) to.push_back("r" + std::to_string(i) + "@dest.test");
  f.send(to);
  REQUIRE(f.until([&] { return f.queued() == 0; }, 120s));
  CHECK(peer.messages.size() == 10);
  CHECK(peer.recipients().size() == 1'000);
}

TEST_CASE("relay: what it holds in memory has a ceiling, however long the queue, and one slow destination leaves room for others") {
  RelayFixture f;
  auto& slow = f.peer("192.0.2.1");
  auto& quick = f.peer("192.0.2.2");
  slow.script.delay = 2s;
  f.options.active_max = 50;
  f.options.waiting_per_destination_max = 20;
  f.options.connections_per_destination_max = 2;
  for (int i = 0; i < 300; ++i) f.send();
  for (int i = 0; i < 10; ++i) f.send({"x@other.test"});
  f.start();
  std::size_t most = 0;
  REQUIRE(f.until([&] { most = std::max(most, f.relay->load().active); return quick.messages.size() == 10; }, 30s));
  CHECK(slow.messages.size() < 100);
  REQUIRE(f.until([&] { most = std::max(most, f.relay->load().active); return slow.messages.size() == 300; }, 2h));
  REQUIRE(f.until([&] { return f.queued() == 0; }, 1min));
  CHECK(most <= 50);
  CHECK(f.relay->load().active == 0);
}

TEST_CASE("relay: an account has a share of the places, not all of them") {
  RelayFixture f;
  auto& dest = f.peer("192.0.2.1");
  auto& other = f.peer("192.0.2.2");
  dest.script.delay = 1s;
  f.options.active_per_account_max = 5;
  f.options.connections_per_destination_max = 1;
  RelayFixture::Mail mail;
  mail.login = "mallory@example.test";
  for (int i = 0; i < 50; ++i) f.send(mail);
  mail.login = "anna@example.test";
  mail.to = {"x@other.test"};
  f.send(mail);
  f.start();
  REQUIRE(f.until([&] { return other.messages.size() == 1; }, 5s));
  CHECK(f.relay->load().active <= 5);
  REQUIRE(f.until([&] { return f.queued() == 0; }, 1h));
  CHECK(dest.messages.size() == 50);
}

TEST_CASE("relay: what waits for one account's share is read no oftener than its places come free") {
  RelayFixture f;
  auto& dest = f.peer("192.0.2.1");
  f.options.active_per_account_max = 20;
  f.options.connections_per_destination_max = 1;
  RelayFixture::Mail mail;
  mail.login = "anna@example.test";
  for (int i = 0; i < 400; ++i) f.send(mail);
  BusyQueue queue(f.store.queue_);
  f.start(queue);
  REQUIRE(f.until([&] { return dest.messages.size() == 400; }, 30s));
  CHECK(queue.shown < 4 * 400);  // once to be passed over, once or twice to be taken, once before it goes
}

TEST_CASE("relay: what becomes due while the store is slow to say what is due is not missed") {
  RelayFixture f;
  auto& peer = f.peer("192.0.2.1");
  (void)f.peer("192.0.2.2");
  BusyQueue queue(f.store.queue_);
  f.start(queue);
  peer.script.replies["bob@dest.test"] = "451 4.2.1 Later";
  const auto late = f.send();
  REQUIRE(f.until([&] { return f.entry(late)->recipients[0].attempts == 1; }, 5s));
  f.send({"x@other.test"});
  REQUIRE(f.until([&] { return f.queued() == 1; }, 5s));
  peer.script.replies.clear();
  queue.meanwhile = [&]() -> Task<void> {
    const auto retried = co_await f.store.queue_.handle(late, queue::Handling::retry, f.context());
    CHECK(retried.has_value());
  };
  f.send({"y@other.test"});
  CHECK(f.until([&] { return f.queued() == 0; }, 5s));
}

TEST_CASE("relay: a held entry stays, a released one goes, a cancelled one is forgotten") {
  RelayFixture f;
  auto& peer = f.peer();
  f.start();
  peer.script.replies["bob@dest.test"] = "451 4.2.1 Later";
  const auto id = f.send();
  REQUIRE(f.until([&] { return f.entry(id)->recipients[0].attempts == 1; }, 30s));
  peer.script.replies.clear();
  const auto handle = [&](queue::Handling handling) { REQUIRE(f.loop.run(f.store.queue_.handle(id, handling, f.context())).has_value()); };
  handle(queue::Handling::hold);
  f.loop.advance(1h);
  CHECK(peer.messages.empty());
  handle(queue::Handling::release);
  CHECK(f.until([&] { return peer.messages.size() == 1; }, 5s));
  peer.script.replies["x@dest.test"] = "451 4.2.1 Later";
  const auto other = f.send({"x@dest.test"});
  REQUIRE(f.until([&] { return f.entry(other)->recipients[0].attempts == 1; }, 30s));
  REQUIRE(f.loop.run(f.store.queue_.remove(other, f.context())).has_value());
  peer.script.replies.clear();
  f.loop.advance(1h);
  CHECK(peer.messages.size() == 1);
  CHECK(f.reports().empty());
}

TEST_CASE("relay: an administrator's retry goes at once, though its destination is being left alone") {
  RelayFixture f;
  f.start();
  const auto id = f.send();
  REQUIRE(f.until([&] { return f.entry(id)->recipients[0].attempts == 1; }, 30s));
  auto& peer = f.peer();
  REQUIRE(f.loop.run(f.store.queue_.handle(id, queue::Handling::retry, f.context())).has_value());
  CHECK(f.until([&] { return peer.messages.size() == 1; }, 5s));
}

TEST_CASE("relay: asked to stop it finishes the transaction under way, and breaks off what takes too long") {
  RelayFixture f;
  auto& peer = f.peer();
  f.start();
  SUBCASE("finishes") {
    peer.script.delay = 1s;
    const auto id = f.send();
    f.loop.advance(3500ms);
    f.stop();
    CHECK(peer.messages.size() == 1);
    CHECK(!f.entry(id));
  }
  SUBCASE("breaks off") {
    peer.script.stage = Stage::dot;
    peer.script.fault = Fault::stall;
    const auto id = f.send();
    f.loop.advance(1s);
    const Instant begin = f.loop.now();
    f.stop();
    CHECK(f.loop.now() - begin <= 25s);
    REQUIRE(f.entry(id).has_value());
    CHECK(f.entry(id)->recipients[0].state == queue::RecipientState::pending);
  }
}

TEST_CASE("T12: a wall clock that steps back or ahead loses nothing") {
  RelayFixture f;
  auto& peer = f.peer();
  peer.script.replies["bob@dest.test"] = "451 4.2.1 Later";
  f.start();
  const auto id = f.send();
  REQUIRE(f.until([&] { return f.entry(id)->recipients[0].attempts == 1; }, 30s));
  peer.script.replies.clear();
  f.loop.step_wall_clock(-10min);
  f.send({"new@dest.test"});
  CHECK(f.until([&] { return peer.messages.size() == 1; }, 90s));
  f.loop.step_wall_clock(1h);
  CHECK(f.until([&] { return f.queued() == 0; }, 90s));
}

TEST_CASE("relay: destinations that do not answer cannot keep those waiting that do") {
  std::string text = "$TTL 60\ngood MX 10 mx.good\nmx.good A 192.0.2.2\n";
  for (int i = 0; i < 200; ++i) text += "dead" + std::to_string(i) + " A 198.51.100." + std::to_string(i) + "\n";
  RelayFixture f(text);
  auto& good = f.peer("192.0.2.2");
  for (int i = 0; i < 200; ++i) f.network.silent.insert(Endpoint{*IpAddress::parse("198.51.100." + std::to_string(i)), 25});
  f.options.connections_max = 20;
  f.options.retry.steps = {60s};
  f.start();
  std::vector<queue::EntryId> dead;
  for (int i = 0; i < 200; ++i) dead.push_back(f.send({"x@dead" + std::to_string(i) + ".test"}));
  f.loop.advance(600s);  // all have been tried, and half of the connections are busy with trying again
  const std::size_t before = f.network.tried.size();
  CHECK(before >= 200);
  f.send({"y@good.test"});
  CHECK(f.until([&] { return good.messages.size() == 1; }, 3s));
  CHECK(f.relay->load().connections <= 20);
  for (const auto id : dead) CHECK(f.entry(id)->recipients[0].attempts >= 1);
}

TEST_CASE("relay: with other routes, what waits in memory goes the new way at once, and what was put off when it is due") {
  RelayFixture f;
  auto& hub = f.peer("192.0.2.50", 2525);
  f.network.silent.insert(*Endpoint::parse("192.0.2.1:25"));
  f.start();
  const auto put_off = f.send();
  REQUIRE(f.until([&] { return f.entry(put_off)->recipients[0].attempts == 1; }, 60s));
  REQUIRE(f.until([&] { return f.loop.wall_now() >= f.entry(put_off)->recipients[0].next_attempt; }, 900s));
  for (int i = 0; i < 3; ++i) f.send();
  f.loop.advance(2s);                          // they wait for a host that says nothing
  CHECK(f.queued() == 4);
  CHECK(hub.messages.empty());
  relay::Options fresh = f.options;
  fresh.routes.domains["dest.test"] = *relay::Route::parse("192.0.2.50:2525");
  f.relay->set_options(fresh);
  const auto before = f.loop.now();
  REQUIRE(f.until([&] { return hub.messages.size() >= 3; }, 20s));
  CHECK(f.loop.now() - before <= 3s);
  REQUIRE(f.until([&] { return f.queued() == 0; }, 900s));
  CHECK(hub.messages.size() == 4);             // once each
  CHECK(f.is_sound());
  // And back: mail exchangers are asked again.
  f.network.silent.clear();
  auto& peer = f.peer();
  f.relay->set_options(f.options);
  f.send();
  REQUIRE(f.until([&] { return f.queued() == 0; }, 60s));
  CHECK(peer.messages.size() == 1);
  CHECK(hub.messages.size() == 4);
}

TEST_CASE("D11: a connection that was being opened when other options came takes no message") {
  RelayFixture f;
  auto& peer = f.peer();                       // without TLS
  peer.script.delay = 3s;
  f.start();
  const auto id = f.send();
  REQUIRE(f.until([&] { return peer.connections == 1; }, 60s));
  CHECK(peer.messages.empty());
  relay::Options fresh = f.options;
  fresh.routes.domains["dest.test"].tls = relay::RouteTls::required;
  f.relay->set_options(fresh);
  REQUIRE(f.until([&] { return f.entry(id) && f.entry(id)->recipients[0].attempts == 1; }, 120s));
  CHECK(peer.messages.empty());
  CHECK(f.queued() == 1);
}

TEST_CASE("relay: of destinations that no message takes any more, after other options, nothing is kept") {
  RelayFixture f;
  auto& hub = f.peer("192.0.2.50", 2525);
  f.network.silent.insert(*Endpoint::parse("192.0.2.1:25"));
  f.options.waiting_per_destination_max = 1;
  f.start();
  for (int i = 0; i < 4; ++i) f.send();        // most of them are passed over
  f.loop.advance(2s);
  relay::Options fresh = f.options;
  fresh.routes.domains["dest.test"] = *relay::Route::parse("192.0.2.50:2525");
  f.relay->set_options(fresh);
  REQUIRE(f.until([&] { return f.queued() == 0; }, 900s));
  CHECK(hub.messages.size() == 4);
  CHECK(f.until([&] { return f.relay->load().destinations == 0; }, 1h));
}

TEST_CASE("relay: with other options a message under way goes over to its end, and the next takes a connection of its own") {
  RelayFixture f;
  auto& hub = f.peer("192.0.2.50", 2525);
  auto& other = f.peer("192.0.2.51", 2525);
  hub.script.delay = 200ms;
  f.options.connections_per_destination_max = 1;
  f.options.routes.usual = *relay::Route::parse("192.0.2.50:2525");
  f.start();
  f.send();
  REQUIRE(f.until([&] { return hub.connections == 1; }, 60s));
  relay::Options fresh = f.options;
  fresh.routes.usual = *relay::Route::parse("192.0.2.51:2525");
  f.relay->set_options(fresh);
  f.send({"b@other.test"});
  REQUIRE(f.until([&] { return f.queued() == 0; }, 60s));
  CHECK(hub.messages.size() + other.messages.size() == 2);
  CHECK(other.recipients().back() == "b@other.test");
  CHECK(f.until([&] { return hub.open == 0; }, 5s));
  f.send();
  f.relay->set_options(fresh);                 // the same host, but perhaps another login: no connection of before is used
  f.send();
  REQUIRE(f.until([&] { return f.queued() == 0; }, 60s));
  const std::size_t connections = other.connections;
  f.send();
  REQUIRE(f.until([&] { return f.queued() == 0; }, 1s));
  f.relay->set_options(fresh);
  f.send();
  REQUIRE(f.until([&] { return f.queued() == 0; }, 1s));
  CHECK(other.connections > connections);
  CHECK(f.is_sound());
}

TEST_CASE("relay: what an idle connection left when it turned out to be closed goes by the routes of now") {
  RelayFixture f;
  auto& hub = f.peer("192.0.2.50", 2525);
  auto& other = f.peer("192.0.2.51", 2525);
  f.options.connections_per_destination_max = 1;
  f.options.idle_connection_max = 60s;
  f.options.routes.usual = *relay::Route::parse("192.0.2.50:2525");
  f.start();
  f.send();
  REQUIRE(f.until([&] { return f.queued() == 0; }, 60s));
  hub.script.delay = 5s;                       // its end of the idle connection says nothing to the next message, and closes
  hub.script.stage = Stage::mail;
  hub.script.fault = Fault::close;
  f.send({"b@other.test"});
  f.loop.advance(2s);
  relay::Options fresh = f.options;
  fresh.routes.usual = *relay::Route::parse("192.0.2.51:2525");
  f.relay->set_options(fresh);
  REQUIRE(f.until([&] { return f.queued() == 0; }, 60s));
  CHECK(hub.messages.size() == 1);
  CHECK(other.recipients() == std::vector<std::string>{"b@other.test"});
  CHECK(f.is_sound());
}

TEST_CASE("relay: recipients that a server did not take at once follow by the routes of now") {
  RelayFixture f;
  auto& hub = f.peer("192.0.2.50", 2525);
  auto& other = f.peer("192.0.2.51", 2525);
  hub.script.replies["c@dest.test"] = "452 4.5.3 Too many recipients";
  hub.script.delay = 1s;
  f.options.routes.usual = *relay::Route::parse("192.0.2.50:2525");
  f.start();
  f.send({"a@dest.test", "c@dest.test"});
  REQUIRE(f.until([&] { return hub.connections == 1; }, 60s));
  f.loop.advance(2s);
  relay::Options fresh = f.options;
  fresh.routes.usual = *relay::Route::parse("192.0.2.51:2525");
  f.relay->set_options(fresh);
  REQUIRE(f.until([&] { return f.queued() == 0; }, 60s));
  CHECK(hub.recipients() == std::vector<std::string>{"a@dest.test"});
  CHECK(other.recipients() == std::vector<std::string>{"c@dest.test"});
  CHECK(f.is_sound());
}

TEST_CASE("relay: an entry that was moved to where no mail can go waits for another word") {
  RelayFixture f;
  auto& peer = f.peer();
  peer.script.replies["bob@dest.test"] = "451 4.2.1 Later";
  f.start();
  const auto id = f.send();
  REQUIRE(f.until([&] { return f.entry(id)->recipients[0].attempts == 1; }, 30s));
  REQUIRE(f.loop.run(f.store.queue_.move(id, "nowhere.test", f.context())).has_value());
  REQUIRE(f.until([&] { return f.entry(id)->recipients[0].attempts == 2; }, 30s));
  CHECK(has(f.entry(id)->recipients[0].last_reply, "There is no domain nowhere.test"));
  CHECK(f.reports().empty());
  peer.script.replies.clear();
  REQUIRE(f.loop.run(f.store.queue_.move(id, "", f.context())).has_value());
  REQUIRE(f.until([&] { return f.queued() == 0; }, 30s));
  CHECK(peer.messages.size() == 1);
}

TEST_CASE("relay: 552 for a recipient is 452 of old, unless it says that it is something else (RFC 5321 §4.5.3.1.10)") {
  RelayFixture f;
  auto& peer = f.peer();
  peer.script.replies["b@dest.test"] = "552 Too many recipients";
  peer.script.replies["c@dest.test"] = "552 5.2.2 Mailbox full";
  f.start();
  const auto id = f.send({"a@dest.test", "b@dest.test", "c@dest.test"});
  f.loop.advance(10s);
  REQUIRE(f.entry(id));
  CHECK(f.entry(id)->recipients[1].state == queue::RecipientState::pending);
  CHECK(f.reports().size() == 1);
  peer.script.replies.clear();
  REQUIRE(f.until([&] { return f.queued() == 0; }, 1h));
  CHECK(peer.recipients() == std::vector<std::string>{"a@dest.test", "b@dest.test"});
  CHECK(has(f.reports().at(0), "Status: 5.2.2"));
}

TEST_CASE("relay: what a server was not even asked it has not said (RFC 3464 §2.3.6)") {
  RelayFixture f;
  auto& peer = f.peer();
  peer.script.extensions = {"PIPELINING", "SIZE 10"};
  f.start();
  f.send();
  REQUIRE(f.until([&] { return f.queued() == 0; }, 60s));
  const std::string report = f.reports().at(0);
  CHECK(has(report, "Status: 5.3.4"));
  CHECK(has(report, "mx.dest.test (192.0.2.1:25): Larger than the server takes"));
  CHECK(!has(report, "Diagnostic-Code"));
  CHECK(!has(report, " said:"));
  CHECK(peer.messages.empty());
}

TEST_CASE("relay: mail hosts without end that are looked up without end take no connection's place for long") {
  std::string zone = "$TTL 60\n";
  for (int i = 0; i < 60; ++i) zone += "dest MX " + std::to_string(i) + " m" + std::to_string(i) + ".dest\n";
  RelayFixture f(zone);
  for (int i = 0; i < 60; ++i) f.dns.hang(*dns::Name::parse("m" + std::to_string(i) + ".dest.test"));
  f.start();
  const auto id = f.send();
  REQUIRE(f.until([&] { return f.entry(id)->recipients[0].attempts == 1; }, 3h));
  CHECK(f.loop.wall_now() - f.entry(id)->arrived < 12min);
  CHECK(has(f.entry(id)->recipients[0].last_reply, "4.4.3"));
}

TEST_CASE("relay: a report has the priority of what it is about (RFC 6710 §4.6)") {
  RelayFixture f;
  auto& dest = f.peer("192.0.2.1");
  auto& other = f.peer("192.0.2.2");
  dest.script.replies["bob@dest.test"] = "550 5.1.1 No";
  other.script.extensions.emplace_back("MT-PRIORITY");
  f.start();
  RelayFixture::Mail mail;
  mail.from = "eve@other.test";
  mail.envelope.priority = 3;
  f.send(mail);
  REQUIRE(f.until([&] { return other.messages.size() == 1; }, 60s));
  CHECK(has(other.messages[0].parameters, " MT-PRIORITY=3"));
}

TEST_CASE("relay: mail for a domain that became ours while it waited comes to the mailboxes here, in the commit that takes it out of the queue") {
  RelayFixture f;
  auto& peer = f.peer();
  peer.script.replies["bob@dest.test"] = "451 4.2.1 Later";
  peer.script.replies["nobody@dest.test"] = "451 4.2.1 Later";
  peer.script.replies["c@other.test"] = "451 4.2.1 Later";
  f.start();
  RelayFixture::Mail mail;
  mail.to = {"bob@dest.test", "nobody@dest.test"};
  mail.notify = {.specified = true, .success = true, .failure = true};
  const auto id = f.send(mail);
  REQUIRE(f.until([&] { return f.entry(id)->recipients[0].attempts == 1; }, 30s));
  const std::size_t tried = f.network.tried.size();
  f.directory.domains.insert("dest.test");
  f.directory.aliases["bob@dest.test"].local.push_back({directory::AccountId{1}, "bob@dest.test", {}});
  f.directory.aliases["bob@dest.test"].remote.push_back({.address = "far@other.test"});
  auto& other = f.peer("192.0.2.2");
  REQUIRE(f.until([&] { return f.queued() == 0; }, 1h));
  CHECK(f.network.tried.size() == tried + 1);  // for far@other.test
  REQUIRE(other.messages.size() == 1);
  CHECK(other.messages[0].sender == "anna@example.test");
  CHECK(other.messages[0].text == "Delivered-To: bob@dest.test\r\nSubject: hello\r\n\r\nHello.\r\n");
  const auto inbox = f.reports();
  REQUIRE(inbox.size() == 3);
  CHECK(std::ranges::count(inbox, "Return-Path: <anna@example.test>\r\nDelivered-To: bob@dest.test\r\nSubject: hello\r\n\r\nHello.\r\n") == 1);
  const auto tells = [&](std::string_view what) { return std::ranges::any_of(inbox, [&](const std::string& one) { return has(one, what); }); };
  CHECK(tells("Final-Recipient: rfc822; bob@dest.test\r\nAction: delivered\r\nStatus: 2.1.5\r\n"));
  CHECK(tells("Final-Recipient: rfc822; nobody@dest.test\r\nAction: failed\r\nStatus: 5.1.1\r\n"));
  CHECK(f.is_sound());
}

TEST_CASE("relay: what was held back for a mailbox here comes there at its time; while nobody can say who has it, it waits (RFC 4865)") {
  RelayFixture f;
  f.start();
  RelayFixture::Mail mail;
  mail.to = {"anna@example.test", "x@dest.test"};
  mail.envelope.released = f.loop.wall_now() + 10min;
  auto& peer = f.peer();
  const auto id = f.send(mail);
  f.loop.advance(9min);
  CHECK(f.reports().empty());
  f.directory.failure = Error(ErrorKind::unavailable, "away");
  f.loop.advance(2min);
  CHECK(f.entry(id));
  CHECK(f.reports().empty());
  f.directory.failure.reset();
  REQUIRE(f.until([&] { return f.queued() == 0; }, 1h));
  CHECK(f.reports().size() == 1);
  CHECK(peer.recipients() == std::vector<std::string>{"x@dest.test"});
  CHECK(f.is_sound());
}

TEST_CASE("A4: a server that never ends a login is left") {
  RelayFixture f;
  auto& peer = f.peer();
  peer.script.extensions.emplace_back("AUTH PLAIN");
  peer.script.replies["AUTH"] = peer.script.replies["*"] = "334 YWdhaW4=";
  relay::Route route = *relay::Route::parse("127.0.0.1:25");
  auto& here = f.peer("127.0.0.1");
  here.script = peer.script;
  route.login = std::make_shared<const relay::RouteLogin>(relay::RouteLogin{"u", crypto::SecretString("p")});
  f.options.routes.usual = route;
  f.start();
  const auto id = f.send();
  REQUIRE(f.until([&] { return f.entry(id)->recipients[0].attempts == 1; }, 30s));
  CHECK(has(f.entry(id)->recipients[0].last_reply, "does not let the login be broken off"));
  CHECK(here.open == 0);
}

TEST_CASE("relay: a server that is slow at every step, and never too slow at one, is left after an hour") {
  RelayFixture f;
  auto& peer = f.peer();
  peer.script.extensions.clear();
  peer.script.delay = 250s;
  f.options.recipients_per_message_max = 1'000;
  std::vector<std::string> many;
  for (int i = 0; i < 200; ++i) many.push_back("r" + std::to_string(i) + "@dest.test");
  f.start();
  const auto id = f.send(many);
  REQUIRE(f.until([&] { return f.entry(id)->recipients[199].attempts == 1; }, 3h));
  CHECK(f.loop.wall_now() - f.entry(id)->arrived < 90min);
  CHECK(has(f.entry(id)->recipients[199].last_reply, "it took too long"));
  CHECK(peer.messages.empty());
}
