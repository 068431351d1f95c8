// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Whole SMTP dialogues against fakes of the ports; the engine's own rules are tested in tests/smtp.
#include "fixture.hpp"

#include "keystonemail/codec/base64.hpp"
#include "service/reception/transaction.hpp"

using namespace keystonemail;
using namespace keystonemail::test;
using namespace std::chrono_literals;

namespace {

const std::string message = "From: carol@elsewhere.test\r\nSubject: hello\r\n\r\nHello Bob\r\n";

std::string login_plain(const std::string& login, const std::string& password) {
  return "AUTH PLAIN " + codec::encode_base64(std::string(1, '\0') + login + std::string(1, '\0') + password) + "\r\n";
}

}  // namespace

TEST_CASE("reception: a message for somebody here is delivered when the 250 is sent") {
  ReceptionFixture server;
  server.begin();
  REQUIRE(server.say("DATA\r\n").starts_with("354"));
  CHECK(server.say(message + ".\r\n").starts_with("250 2.0.0"));
  REQUIRE(server.delivery.delivered.size() == 1);
  const auto& delivered = server.delivery.delivered[0];
  CHECK(delivered.message == message);
  REQUIRE(delivered.local.size() == 1);
  CHECK(delivered.local[0].account == mailstore::AccountId{2});
  CHECK(!delivered.remote);
}

TEST_CASE("reception: Return-Path, Delivered-To and Received stand on top, in that order") {
  ReceptionFixture server;
  server.begin();
  server.say("DATA\r\n");
  server.say(message + ".\r\n");
  REQUIRE(server.delivery.delivered.size() == 1);
  const std::string& prefix = server.delivery.delivered[0].local[0].prefix;
  CHECK(prefix.starts_with("Return-Path: <carol@elsewhere.test>\r\nDelivered-To: bob@example.test\r\n"
                           "Received: from client.elsewhere.test ([192.0.2.1])\r\n\tby mail.example.test with ESMTP id "));
  CHECK(prefix.find("\r\n\tfor <bob@example.test>; ") != std::string::npos);
  CHECK(prefix.ends_with("+0000\r\n"));
  CHECK(prefix.find("Message-ID") == std::string::npos);  // mail from outside is not mended
}

TEST_CASE("reception: Return-Path fields that a message brings are gone, wherever they stand, and all else is as it was (RFC 5321 4.4)") {
  for (const auto protocol : {smtp::Protocol::smtp, smtp::Protocol::lmtp}) {
    ReceptionFixture server(protocol);
    server.hello(protocol == smtp::Protocol::lmtp ? "LHLO" : "EHLO");
    server.say("MAIL FROM:<carol@elsewhere.test>\r\n");
    server.say("RCPT TO:<bob@example.test>\r\n");
    server.say("DATA\r\n");
    CHECK(server.say("Return-Path: <evil@x>\r\nFrom: c\r\nreturn-path :\r\n <evil2@x>\r\nX:  y\r\nRETURN-PATH: <3@x>\r\n\r\nReturn-Path: body\r\n.\r\n").starts_with("250"));
    REQUIRE(server.delivery.delivered.size() == 1);
    CHECK(server.delivery.delivered[0].message == "From: c\r\nX:  y\r\n\r\nReturn-Path: body\r\n");
  }
}

TEST_CASE("reception: what goes on brings no Return-Path either, unless its author signed it") {
  const std::string signature = "DKIM-Signature: v=1; a=rsa-sha256; d=elsewhere.test; s=s; h=From:Return-Path; bh=YQ==; b=YQ==\r\n";
  for (const bool is_signed : {false, true}) {
    ReceptionFixture server;
    server.directory.aliases["away@example.test"].remote.push_back({.address = "someone@elsewhere.test"});
    server.begin("carol@elsewhere.test", "away@example.test");
    server.say("DATA\r\n");
    CHECK(server.say((is_signed ? signature : "") + "Return-Path: <x@y>\r\nFrom: c\r\n\r\nx\r\n.\r\n").starts_with("250"));
    REQUIRE(server.delivery.delivered.size() == 2);
    CHECK((server.delivery.delivered[1].message.find("Return-Path") != std::string::npos) == is_signed);
  }
}

TEST_CASE("reception: a message without a header gets the empty line before its body, however it arrives") {
  struct Case {
    std::string whole;
    bool has_header;
  };
  for (const auto& [whole, has_header] : {Case{"no header at all\r\nsecond: line\r\n\r\nthird\r\n", false}, {"word\r\nx\r\n", false},
                                          {" From: folded under ours\r\n\r\nx\r\n", false}, {"\tx\r\n", false}, {": x\r\n", false},
                                          {"caf\xC3\xA9: x\r\n\r\n", false}, {"word", false}, {"From c: x\r\n\r\nx\r\n", true},
                                          {">>From c@d Thu Jan  1 00:00:01 2026\r\nSubject: x\r\n\r\nx\r\n", true}, {"Subject \t: x\r\n\r\nno header\r\n", true},
                                          {"\r\nno header\r\n", true}, {"Subject: x\r\nno field\r\n\r\nx\r\n", true}, {"Subject: x\r\n", true}, {"", true}}) {
    CAPTURE(whole);
    for (std::size_t cut = 0; cut <= whole.size(); ++cut) {
      CAPTURE(cut);
      reception::HeaderCollector collector(1'000);
      std::string body, written;
      for (const std::string& piece : {whole.substr(0, cut), whole.substr(cut)}) body += piece.substr(collector.feed(piece));
      collector.finish();
      written = collector.header() + collector.take_body_begin() + body;
      CHECK(written == (has_header ? whole : "\r\n" + whole));
      if (!has_header) CHECK(collector.header() == "\r\n");
    }
  }
  ReceptionFixture server;
  server.begin();
  server.say("DATA\r\n");
  CHECK(server.say("no header at all\r\nsecond line\r\n.\r\n").starts_with("250"));
  CHECK(server.delivery.delivered.at(0).message == "\r\nno header at all\r\nsecond line\r\n");
}

TEST_CASE("E5: what is not ours is not relayed, however it is written") {
  for (const std::string to : {"someone@elsewhere.test", "someone%elsewhere.test@other.test", "\"someone@elsewhere.test\"@other.test",
                               "@example.test:someone@elsewhere.test", "someone@[192.0.2.99]"}) {
    CAPTURE(to);
    ReceptionFixture server;
    server.hello("EHLO");
    server.say("MAIL FROM:<alice@example.test>\r\n");
    CHECK(server.say("RCPT TO:<" + to + ">\r\n").starts_with("550 5.7.1"));
  }
}

TEST_CASE("E5: percent and quoted forms at our own domain lead nowhere else") {
  for (const std::string to : {"someone%elsewhere.test@example.test", "\"someone@elsewhere.test\"@example.test", "x!y@example.test"}) {
    CAPTURE(to);
    ReceptionFixture server;
    server.hello("EHLO");
    server.say("MAIL FROM:<>\r\n");
    CHECK(server.say("RCPT TO:<" + to + ">\r\n").starts_with("550 5.1.1"));
  }
}

TEST_CASE("E5: a trusted network has not logged in, and no form of our own address is a domain of ours") {
  ReceptionFixture server;
  server.limits.set_options({.trusted = {*IpNetwork::parse("192.0.2.0/24")}});
  server.finish();
  server.connect();
  server.hello("EHLO");
  server.say("MAIL FROM:<alice@example.test>\r\n");
  for (const std::string to : {"someone@elsewhere.test", "bob@[192.0.2.25]", "bob@[IPv6:::ffff:192.0.2.25]", "bob@[IPv6:::ffff:c000:219]"}) {
    CAPTURE(to);
    CHECK(server.say("RCPT TO:<" + to + ">\r\n").starts_with("550 5.7.1"));
  }
}

TEST_CASE("E5: an alias that leads elsewhere forwards what comes for it, and nothing else") {
  ReceptionFixture server;
  server.directory.aliases["away@example.test"].remote.push_back({.address = "someone@elsewhere.test"});
  server.begin("carol@elsewhere.test", "away@example.test");
  CHECK(server.say("RCPT TO:<someone@elsewhere.test>\r\n").starts_with("550 5.7.1"));
  server.say("DATA\r\n");
  CHECK(server.say("Subject: x\r\n\r\nx\r\n.\r\n").starts_with("250"));
  REQUIRE(server.delivery.delivered.at(1).remote);
  CHECK(server.delivery.delivered[1].remote->recipients.size() == 1);
}

TEST_CASE("reception: trusted peers may send larger messages to more people") {
  ReceptionFixture server(smtp::Protocol::smtp, {.message_octets_max = 1'000, .recipients_max = 1});
  reception::Options options = server.reception->options();
  options.trusted_message_octets_max = 2'000;
  options.trusted_recipients_max = 2;
  const reception::Reception other(std::move(options), server.reception->services());
  CHECK(other.engine_options(*IpAddress::parse("192.0.2.1")).message_octets_max == 1'000);
  server.limits.set_options({.trusted = {*IpNetwork::parse("192.0.2.0/24")}});
  CHECK(other.engine_options(*IpAddress::parse("192.0.2.1")).message_octets_max == 2'000);
  CHECK(other.engine_options(*IpAddress::parse("192.0.2.1")).recipients_max == 2);
  CHECK(other.engine_options(*IpAddress::parse("198.51.100.1")).recipients_max == 1);
}

TEST_CASE("reception: unknown and disabled recipients are answered alike") {
  ReceptionFixture server;
  server.directory.people["bob@example.test"].account.enabled = false;
  server.hello("EHLO");
  server.say("MAIL FROM:<>\r\n");
  const auto unknown = server.say("RCPT TO:<nobody@example.test>\r\n");
  CHECK(unknown.starts_with("550 5.1.1"));
  CHECK(server.say("RCPT TO:<bob@example.test>\r\n") == unknown);
}

TEST_CASE("reception: a directory that cannot answer makes it 'later', never 'no'") {
  ReceptionFixture server;
  server.directory.failure = Error(ErrorKind::unavailable);
  server.hello("EHLO");
  server.say("MAIL FROM:<>\r\n");
  CHECK(server.say("RCPT TO:<bob@example.test>\r\n").starts_with("451 4.3.0"));  // which is not that storage is full
}

TEST_CASE("reception: one copy an account, however many of its addresses are named") {
  ReceptionFixture server;
  server.directory.aliases["team@example.test"] = {{{mailstore::AccountId{1}, "alice@example.test", {}}, {mailstore::AccountId{2}, "bob@example.test", {}}}, {}};
  server.begin();
  REQUIRE(server.say("RCPT TO:<team@example.test>\r\n").starts_with("250"));
  server.say("DATA\r\n");
  CHECK(server.say(message + ".\r\n").starts_with("250"));
  REQUIRE(server.delivery.delivered.size() == 1);
  CHECK(server.delivery.delivered[0].local.size() == 2);
  CHECK(server.delivery.delivered[0].local[0].prefix.find("for <") == std::string::npos);  // recipients do not learn of each other
}

TEST_CASE("reception: an alias that leads elsewhere is queued in the same delivery") {
  ReceptionFixture server;
  server.directory.aliases["both@example.test"] = {{{mailstore::AccountId{1}, "alice@example.test", {}}}, {{"far@elsewhere.test"}}};
  server.begin("carol@elsewhere.test", "both@example.test");
  server.say("DATA\r\n");
  CHECK(server.say(message + ".\r\n").starts_with("250"));
  REQUIRE(server.delivery.delivered.size() == 2);
  REQUIRE(server.delivery.delivered[1].remote);
  CHECK(server.delivery.delivered[1].remote->recipients[0].address == "far@elsewhere.test");
  CHECK(server.delivery.delivered[1].remote->envelope.sender == "carol@elsewhere.test");
}

TEST_CASE("reception: whatever fails before the commit is a 4yz and leaves nothing") {
  const auto outcome = [](auto arrange) {
    ReceptionFixture server;
    arrange(server.delivery);
    server.begin();
    const auto go = server.say("DATA\r\n");
    const auto reply = go.starts_with("354") ? server.say(message + ".\r\n") : go;
    CHECK(server.delivery.delivered.empty());
    CHECK(server.say("NOOP\r\n").starts_with("250"));
    return reply;
  };
  const Error broken(ErrorKind::unavailable);
  CHECK(outcome([&](auto& d) { d.fail_create = broken; }).starts_with("452 4.3.1"));
  CHECK(outcome([&](auto& d) { d.fail_write = broken; }).starts_with("452 4.3.1"));
  CHECK(outcome([&](auto& d) { d.fail_finish = broken; }).starts_with("452 4.3.1"));
  CHECK(outcome([&](auto& d) { d.fail_deliver = broken; }).starts_with("452 4.3.1"));
  CHECK(outcome([&](auto& d) { d.fail_deliver = Error(ErrorKind::internal); }).starts_with("451 4.3.0"));
}

TEST_CASE("E3: a full mailbox is refused at RCPT") {
  ReceptionFixture server;
  server.delivery.full.insert(mailstore::AccountId{2});
  server.hello("EHLO");
  server.say("MAIL FROM:<>\r\n");
  CHECK(server.say("RCPT TO:<bob@example.test>\r\n").starts_with("452 4.2.2"));
}

TEST_CASE("E1: more Received fields than the ceiling is a loop") {
  ReceptionFixture server;
  std::string hops;
  for (int i = 0; i < 51; ++i) hops += "Received: from a by b; x\r\n";
  server.begin();
  server.say("DATA\r\n");
  CHECK(server.say(hops + message + ".\r\n").starts_with("554 5.4.6"));
  CHECK(server.delivery.delivered.empty());
}

TEST_CASE("C2: a header beyond its ceiling is refused and not kept") {
  ReceptionFixture server;
  server.begin();
  server.say("DATA\r\n");
  std::string header;
  while (header.size() < (1 << 20) + 100) header += "X-Padding: " + std::string(900, 'x') + "\r\n";
  CHECK(server.say(header + "\r\nbody\r\n.\r\n").starts_with("552 5.3.4"));
  CHECK(server.delivery.delivered.empty());
}

TEST_CASE("submission: login is demanded, the sender must be the login's own, and what is missing is added") {
  ReceptionFixture server(smtp::Protocol::submission);
  (void)server.heard();
  CHECK(server.say("EHLO laptop\r\n").find("AUTH") != std::string::npos);
  CHECK(server.say("MAIL FROM:<alice@example.test>\r\n").starts_with("530 5.7.0"));
  CHECK(server.say(login_plain("alice@example.test", "wrong")).starts_with("535 5.7.8"));
  CHECK(server.say(login_plain("alice@example.test", "secret of alice")).starts_with("235"));
  CHECK(server.say("MAIL FROM:<bob@example.test>\r\n").starts_with("550 5.7.1"));
  REQUIRE(server.say("MAIL FROM:<alice@example.test>\r\n").starts_with("250"));
  REQUIRE(server.say("RCPT TO:<far@elsewhere.test>\r\n").starts_with("250"));
  REQUIRE(server.say("RCPT TO:<bob@example.test>\r\n").starts_with("250"));
  server.say("DATA\r\n");
  CHECK(server.say("Subject: no date\r\n\r\nx\r\n.\r\n").starts_with("250"));
  REQUIRE(server.delivery.delivered.size() == 1);
  const auto& remote = server.delivery.delivered[0].remote;
  REQUIRE(remote);
  CHECK(remote->login == "alice@example.test");
  const std::string& sent = server.delivery.delivered[0].message;
  CHECK(sent.starts_with("Subject: no date\r\nDate: "));
  CHECK(sent.find("\r\nMessage-ID: <") != std::string::npos);
  CHECK(sent.ends_with("@mail.example.test>\r\n\r\nx\r\n"));
  CHECK(remote->message_id.ends_with("@mail.example.test>"));
  CHECK(remote->prefix.find("Return-Path") == std::string::npos);
  CHECK(remote->prefix.find("with ESMTPA ") != std::string::npos);
}

TEST_CASE("submission: nothing of a password reaches the log") {
  ReceptionFixture server(smtp::Protocol::submission);
  server.hello();
  server.say(login_plain("alice@example.test", "hunter2hunter2"));
  server.say(login_plain("alice@example.test", "secret of alice"));
  CHECK(server.log.text.find("hunter2") == std::string::npos);
  CHECK(server.log.text.find("secret of") == std::string::npos);
  CHECK(server.log.text.find("event=smtp.login.failed") != std::string::npos);
  CHECK(server.log.text.find("event=smtp.login ") != std::string::npos);
}

TEST_CASE("lmtp: each recipient has an answer of its own") {
  ReceptionFixture server(smtp::Protocol::lmtp);
  server.delivery.refuse_early = false;
  server.delivery.full.insert(mailstore::AccountId{1});
  server.hello("LHLO");
  server.say("MAIL FROM:<carol@elsewhere.test>\r\n");
  server.say("RCPT TO:<alice@example.test>\r\nRCPT TO:<nobody@example.test>\r\nRCPT TO:<bob@example.test>\r\n");
  server.say("DATA\r\n");
  const auto replies = server.say(message + ".\r\n");
  CHECK(replies.starts_with("452 4.2.2"));
  CHECK(replies.find("\r\n250 ") != std::string::npos);
  CHECK(std::count(replies.begin(), replies.end(), '\n') == 2);
  REQUIRE(server.delivery.delivered.size() == 1);
  CHECK(server.delivery.delivered[0].local[0].account == mailstore::AccountId{2});
}

TEST_CASE("reception: a stop is heard between messages, and a message under way is finished first") {
  ReceptionFixture server;
  server.begin();
  server.say("DATA\r\n");
  server.stop.request_stop();
  CHECK(server.say(message + ".\r\n").starts_with("250"));
  CHECK(server.delivery.delivered.size() == 1);
  CHECK(server.heard().empty());
  CHECK(server.over());
}

TEST_CASE("reception: a silent client is let go with 421") {
  ReceptionFixture server;
  (void)server.heard();
  server.executor.advance(6min);
  CHECK(server.heard().starts_with("421"));
  CHECK(server.over());
}

TEST_CASE("reception: a connection cut anywhere delivers the whole message or nothing") {
  const std::string wire = "EHLO x.test\r\nMAIL FROM:<carol@elsewhere.test>\r\nRCPT TO:<bob@example.test>\r\nDATA\r\n" + message + ".\r\nQUIT\r\n";
  for (std::size_t cut = 0; cut <= wire.size(); ++cut) {
    CAPTURE(cut);
    ReceptionFixture server;
    server.finish();
    server.connect({.cut_read_at = cut, .read_octets_max = 7});
    (void)server.heard();
    const auto envelope_end = wire.find("DATA");
    // A client that waits where RFC 2920 says it must.
    server.say(wire.substr(0, 13));
    server.say(wire.substr(13, envelope_end + 6 - 13));
    server.say(wire.substr(envelope_end + 6));
    const bool complete = cut > wire.find("\r\n.\r\n") + 4;
    CHECK(server.delivery.delivered.size() == (complete ? 1 : 0));
    if (complete) CHECK(server.delivery.delivered[0].message == message);
  }
}
