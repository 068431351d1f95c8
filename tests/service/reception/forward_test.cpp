// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Mail that goes on for people here: its senders, its copies, its loops; reports that come back, and those of success.
#include "fixture.hpp"

#include <functional>

#include "keystonemail/codec/base64.hpp"
#include "keystonemail/mailauth/srs/rewriter.hpp"
#include "keystonemail/policy/policy.hpp"
#include "service/reception/list_fields.hpp"

using namespace keystonemail;
using namespace keystonemail::test;
using directory::Mailboxes;

namespace {

const std::string text = "From: carol@elsewhere.test\r\nMessage-ID: <m1@elsewhere.test>\r\nSubject: x\r\n\r\nHello\r\n";

bool has(std::string_view all, std::string_view part) { return all.find(part) != std::string_view::npos; }

mailauth::srs::Options srs_options() { return {.domain = "example.test", .secrets = {"0123456789abcdef0123456789abcdef"}}; }

std::shared_ptr<const forwarding::Forwarder> forwarder() {
  forwarding::Options options;
  options.srs = srs_options();
  return forwarding::Forwarder::create(std::move(options)).value();
}

struct Forwarding : ReceptionFixture {
  explicit Forwarding(std::vector<std::shared_ptr<policy::Policy>> policies = {}, smtp::Protocol protocol = smtp::Protocol::smtp)
      : ReceptionFixture(protocol, {}, std::move(policies), forwarder()) {
    directory.aliases["away@example.test"] = {{}, {{"far@remote.test", "away@example.test"}}};
    directory.aliases["many@example.test"] = {{{mailstore::AccountId{1}, "alice@example.test", {}}},
                                              {{"far@remote.test", "many@example.test"}, {"further@remote.test", "many@example.test"}}};
    directory.aliases["kept@example.test"] = {{{mailstore::AccountId{2}, "kept@example.test", {}}}, {{"far@remote.test", "kept@example.test", {}, true}}};
    directory.aliases["gone@example.test"] = {{}, {{.address = "far@remote.test", .via = "gone@example.test", .account = mailstore::AccountId{2}}}};
    directory.aliases["both@example.test"] = {{{mailstore::AccountId{1}, "both@example.test", {}}},
                                              {{.address = "far@remote.test", .via = "both@example.test", .is_copy = true, .account = mailstore::AccountId{1}}}};
    directory.aliases["list@example.test"] = {{{mailstore::AccountId{1}, "alice@example.test", {}, "list@example.test"}},
                                              {{"far@remote.test", "list@example.test", "list@example.test"},
                                               {"further@other.test", "list@example.test", "list@example.test"}},
                                              {{"list@example.test", "owner-list@example.test"}}};
  }
  // The reply to the message.
  std::string send(const std::vector<std::string>& to, const std::string& message = text, const std::string& from = "carol@elsewhere.test",
                   const std::string& mail_words = {}, const std::string& rcpt_words = {}) {
    hello(is_lmtp_ ? "LHLO" : "EHLO");
    std::string said = say("MAIL FROM:<" + from + ">" + mail_words + "\r\n");
    for (const auto& one : to) said = say("RCPT TO:<" + one + ">" + rcpt_words + "\r\n");
    if (!said.starts_with("250")) return said;
    say("DATA\r\n");
    return say(message + ".\r\n");
  }
  const queue::NewEntry& queued(std::size_t at) const { return delivery.delivered.at(at).remote.value(); }
  bool is_lmtp_ = false;
};

std::string report_of(const FakeDelivery& delivery) {
  std::string all;
  for (const auto& one : delivery.delivered)
    if (has(one.message, "multipart/report")) all += one.message;
  return all;
}

}  // namespace

TEST_CASE("forward: mail for an alias elsewhere goes on from a sender of ours, which reports find back from") {
  std::string sender;
  {
    Forwarding server;
    CHECK(server.send({"away@example.test"}).starts_with("250"));
    REQUIRE(server.delivery.delivered.size() == 2);
    CHECK(!server.delivery.delivered[0].remote);
    const auto& entry = server.queued(1);
    CHECK(entry.recipients.at(0).address == "far@remote.test");
    CHECK(entry.prefix.starts_with("Delivered-To: away@example.test\r\n"));
    CHECK(has(entry.prefix, "\r\nReceived: from "));
    CHECK(!has(entry.prefix, "Return-Path"));
    sender = entry.envelope.sender;
    CHECK(sender.starts_with("SRS0="));
    CHECK(sender.ends_with("=elsewhere.test=carol@example.test"));
  }
  Forwarding server;
  const std::string bounce = "From: mailer@remote.test\r\nMessage-ID: <b@remote.test>\r\n\r\nno\r\n";
  CHECK(server.send({sender}, bounce, "").starts_with("250"));
  REQUIRE(server.delivery.delivered.size() == 2);
  CHECK(server.queued(1).recipients.at(0).address == "carol@elsewhere.test");
  CHECK(server.queued(1).recipients.at(0).notify.never);
  CHECK(server.queued(1).envelope.sender.empty());
}

TEST_CASE("E5: nobody is relayed to by way of a return address: forged, expired, changed, or used with a sender") {
  mailauth::srs::Rewriter rewriter(srs_options());
  SimExecutor clock;
  const auto now = clock.wall_now();
  const auto good = rewriter.forward({"victim", "victim.test"}, now).value().local;
  const auto old = rewriter.forward({"victim", "victim.test"}, now - std::chrono::days(30)).value().local;
  std::string changed = good;
  changed.replace(changed.find("victim.test"), 11, "wictim.test");
  for (const auto& [local, from] : {std::pair<std::string, std::string>{good, "spammer@elsewhere.test"}, {old, ""}, {changed, ""},
                                    {"SRS0=AAAAAAAA=AA=victim.test=victim", ""}, {"SRS1=AAAAAAAA=victim.test==x", ""}, {"SRS0=x", ""}}) {
    CAPTURE(local);
    Forwarding server;
    CHECK(server.send({local + "@example.test"}, text, from).starts_with("550 5.7.1"));
    CHECK(server.delivery.delivered.empty());
  }
  Forwarding server;
  CHECK(server.send({good + "@example.test"}, text, "").starts_with("250"));  // the control: a report is taken
  // Elsewhere's addresses of that kind are nobody's of ours.
  Forwarding other;
  CHECK(other.send({good + "@elsewhere.test"}, text, "").starts_with("550 5.7.1 Relaying denied"));
}

TEST_CASE("forward: the null sender stays null, and so does one of our own domains") {
  Forwarding server;
  CHECK(server.send({"away@example.test"}, text, "").starts_with("250"));
  CHECK(server.queued(1).envelope.sender.empty());
  Forwarding own;
  CHECK(own.send({"away@example.test"}, text, "alice@example.test").starts_with("250"));
  CHECK(own.queued(1).envelope.sender == "alice@example.test");
}

TEST_CASE("forward: a sender that would become too long goes as none") {
  Forwarding server;
  CHECK(server.send({"away@example.test"}, text, std::string(60, 'x') + "@" + std::string(60, 'y') + ".test").starts_with("250"));
  CHECK(server.queued(1).envelope.sender.empty());
  CHECK(has(server.log.text, "smtp.sender_too_long"));
}

TEST_CASE("forward: several addresses of one alias are one entry, and nobody gets a message twice") {
  Forwarding server;
  CHECK(server.send({"many@example.test", "away@example.test", "kept@example.test", "alice@example.test"}).starts_with("250"));
  REQUIRE(server.delivery.delivered.size() == 2);
  CHECK(server.delivery.delivered[0].local.size() == 2);
  REQUIRE(server.queued(1).recipients.size() == 2);
  CHECK(server.queued(1).recipients[0].address == "far@remote.test");
  CHECK(server.queued(1).recipients[1].address == "further@remote.test");
}

TEST_CASE("forward: members of a list get it in the name of its owner, with the list named, here and elsewhere in one entry") {
  Forwarding server;
  CHECK(server.send({"list@example.test"}).starts_with("250"));
  REQUIRE(server.delivery.delivered.size() == 2);
  const auto& local = server.delivery.delivered[0].local.at(0);
  CHECK(local.prefix.starts_with("Return-Path: <owner-list@example.test>\r\nDelivered-To: alice@example.test\r\n"));
  const auto& entry = server.queued(1);
  CHECK(entry.envelope.sender == "owner-list@example.test");
  CHECK(entry.recipients.size() == 2);
  CHECK(entry.prefix.starts_with("Delivered-To: list@example.test\r\nList-Id: <list.example.test>\r\nList-Post: <mailto:list@example.test>\r\n"
                                 "List-Help: <mailto:owner-list@example.test?subject=help>\r\nList-Owner: <mailto:owner-list@example.test>\r\n"));
}

TEST_CASE("forward: the fields of a list are left out where they would break a signature, or say twice which list it is") {
  using reception::list_fields;
  CHECK(has(list_fields("list@example.test", "Subject: x\r\n\r\n"), "List-Id: <list.example.test>\r\n"));
  CHECK(list_fields("list@example.test", "List-Id: <other.test>\r\n\r\n").empty());
  const std::string covered = "DKIM-Signature: v=1; a=rsa-sha256; d=elsewhere.test; s=s; h=From:Subject:List-Id; bh=YQ==; b=YQ==\r\nFrom: x\r\n\r\n";
  CHECK(list_fields("list@example.test", covered).empty());
  const std::string not_covered = "DKIM-Signature: v=1; a=rsa-sha256; d=elsewhere.test; s=s; h=From:Subject; bh=YQ==; b=YQ==\r\nFrom: x\r\n\r\n";
  CHECK(!list_fields("list@example.test", not_covered).empty());
  CHECK(list_fields("\"a b\"@example.test", "\r\n").empty());
}

TEST_CASE("E1: a message that was here before, has gone too far, or answers an answer is refused with 554 5.4.6") {
  const auto refused = [](const std::string& to, const std::string& fields, const std::string& from = "carol@elsewhere.test") {
    Forwarding server;
    const std::string said = server.send({to}, fields + text, from);
    CAPTURE(said);
    CHECK((said.starts_with("554 5.4.6") || said.starts_with("250")));
    CHECK(said.starts_with("250") == !server.delivery.delivered.empty());
    return said.starts_with("554 5.4.6");
  };
  std::string hops;
  for (int i = 0; i < 50; ++i) hops += "Received: from a by b; x\r\n";
  CHECK(!refused("away@example.test", hops));
  CHECK(refused("away@example.test", hops + "Received: from a by b; x\r\n"));
  CHECK(refused("away@example.test", "Delivered-To: away@example.test\r\n"));
  CHECK(refused("away@example.test", "Delivered-To: AWAY@Example.TEST\r\n"));
  CHECK(refused("list@example.test", "Delivered-To: list@example.test\r\n"));
  CHECK(refused("gone@example.test", "Delivered-To: gone@example.test\r\n"));
  CHECK(!refused("away@example.test", "Delivered-To: away@elsewhere.test\r\n"));
  CHECK(!refused("bob@example.test", "Auto-Submitted: auto-replied\r\nAuto-Submitted: auto-generated\r\n"));
  CHECK(refused("bob@example.test", "Auto-Submitted: auto-replied\r\nAuto-Submitted: auto-generated\r\nAuto-Submitted: auto-replied (x)\r\n"));
  CHECK(!refused("bob@example.test", "Auto-Submitted: no\r\nAuto-Submitted: no\r\nAuto-Submitted: no\r\n"));
  CHECK(refused("list@example.test", "Auto-Submitted: auto-replied\r\n"));
  CHECK(!refused("list@example.test", "Auto-Submitted: auto-generated\r\n"));
  Forwarding server;
  CHECK(server.send({"list@example.test"}, text, "").starts_with("550 5.7.1"));  // reports are for its owner
  CHECK(server.delivery.delivered.empty());
}

TEST_CASE("E1: a mailbox takes what was delivered to it before, as mail moved from another server says of itself") {
  for (const auto protocol : {smtp::Protocol::smtp, smtp::Protocol::lmtp}) {
    Forwarding server({}, protocol);
    server.is_lmtp_ = protocol == smtp::Protocol::lmtp;
    CHECK(server.send({"bob@example.test"}, "Delivered-To: bob@example.test\r\nReceived: from a by b; x\r\n" + text).starts_with("250"));
    REQUIRE(server.delivery.delivered.size() == 1);
    CHECK(server.delivery.delivered[0].message.starts_with("Delivered-To: bob@example.test\r\n"));
  }
  Forwarding keeps;  // one who keeps a copy keeps it, and nothing goes on
  CHECK(keeps.send({"both@example.test"}, "Delivered-To: both@example.test\r\n" + text).starts_with("250"));
  REQUIRE(keeps.delivery.delivered.size() == 1);
  CHECK(keeps.delivery.delivered[0].local.at(0).account == mailstore::AccountId{1});
  CHECK(has(keeps.log.text, "smtp.loop"));
  const auto& steps = keeps.delivery.delivered[0].history.steps;
  CHECK(std::ranges::find(steps, "not passed on", &queue::TraceStep::what) != steps.end());
}

TEST_CASE("E1: only the recipient that a message goes round by is refused, and its sender hears of that one") {
  const std::string looping = "Delivered-To: away@example.test\r\n" + text;
  Forwarding server;
  CHECK(server.send({"bob@example.test", "away@example.test", "many@example.test"}, looping, "carol@elsewhere.test", " RET=FULL ENVID=e1").starts_with("250"));
  REQUIRE(server.delivery.delivered.size() == 3);
  CHECK(server.delivery.delivered[0].local.size() == 2);              // bob, and alice who is one of many
  CHECK(server.queued(1).recipients.size() == 2);                     // by many, far@remote.test among them
  CHECK(server.queued(1).prefix.starts_with("Delivered-To: many@example.test\r\n"));
  CHECK(server.queued(2).recipients.at(0).address == "carol@elsewhere.test");
  const std::string report = report_of(server.delivery);
  CHECK(has(report, "Final-Recipient: rfc822; away@example.test\r\nAction: failed\r\nStatus: 5.4.6\r\n"));
  CHECK(!has(report, "bob@example.test\r\nAction"));
  CHECK(has(report, "Original-Envelope-Id: e1\r\n"));
  CHECK(has(report, "Content-Type: message/rfc822\r\n"));
  CHECK(has(report, "\r\nHello\r\n"));
  CHECK(has(server.log.text, "address=away@example.test"));

  Forwarding only_headers;
  CHECK(only_headers.send({"bob@example.test", "away@example.test"}, looping).starts_with("250"));
  CHECK(has(report_of(only_headers.delivery), "Content-Type: text/rfc822-headers\r\n"));
  CHECK(!has(report_of(only_headers.delivery), "Hello"));

  Forwarding silent;
  CHECK(silent.send({"bob@example.test", "away@example.test"}, looping, "carol@elsewhere.test", "", " NOTIFY=NEVER").starts_with("250"));
  CHECK(silent.delivery.delivered.size() == 1);
  Forwarding null;
  CHECK(null.send({"bob@example.test", "away@example.test"}, looping, "").starts_with("250"));
  CHECK(null.delivery.delivered.size() == 1);
  Forwarding unproven({std::make_shared<Found>("fail")});
  CHECK(unproven.send({"bob@example.test", "away@example.test"}, looping).starts_with("250"));
  CHECK(unproven.delivery.delivered.size() == 1);

  Forwarding list;  // all of its members, but not one who is a recipient as well
  CHECK(list.send({"list@example.test", "bob@example.test"}, "Delivered-To: list@example.test\r\n" + text).starts_with("250"));
  REQUIRE(list.delivery.delivered.size() == 2);
  REQUIRE(list.delivery.delivered[0].local.size() == 1);
  CHECK(list.delivery.delivered[0].local[0].account == mailstore::AccountId{2});
  Forwarding member;
  CHECK(member.send({"list@example.test", "alice@example.test"}, "Delivered-To: list@example.test\r\n" + text).starts_with("250"));
  REQUIRE(member.delivery.delivered.size() == 2);
  REQUIRE(member.delivery.delivered[0].local.size() == 1);
  CHECK(!has(member.delivery.delivered[0].local[0].prefix, "List-Id"));
  CHECK(has(report_of(member.delivery), "Final-Recipient: rfc822; list@example.test\r\nAction: failed\r\n"));
}

TEST_CASE("E1: by LMTP the recipient that a message goes round by is refused in its own reply, and the sender is told by whom that goes to") {
  for (const bool full : {false, true}) {
    CAPTURE(full);
    Forwarding server({}, smtp::Protocol::lmtp);
    server.is_lmtp_ = true;
    server.delivery.refuse_early = false;
    if (full) server.delivery.full.insert(mailstore::AccountId{1});
    const std::string said = server.send({"bob@example.test", "away@example.test", "alice@example.test"}, "Delivered-To: away@example.test\r\n" + text);
    CAPTURE(said);
    CHECK(said.starts_with("250 2.0.0 "));
    CHECK(has(said, "\r\n554 5.4.6 "));
    CHECK(has(said, full ? "\r\n452 4.2.2 " : "\r\n250 2.0.0 "));
    CHECK(server.delivery.delivered.size() == 1);
    CHECK(report_of(server.delivery).empty());
  }
}

TEST_CASE("forward: what DMARC refuses is refused and not passed on, and what it suspects waits for somebody to look") {
  Forwarding refused({std::make_shared<Found>("fail", "reject")});
  CHECK(refused.send({"away@example.test"}).starts_with("550 5.7.26"));
  CHECK(refused.delivery.delivered.empty());
  REQUIRE(refused.delivery.noted.size() == 1);
  CHECK(refused.delivery.noted[0].message_id == "<m1@elsewhere.test>");
  CHECK(refused.delivery.noted[0].steps.back().what == "refused");
  const auto judged = std::ranges::find(refused.delivery.noted[0].steps, "judged", &queue::TraceStep::what);
  REQUIRE(judged != refused.delivery.noted[0].steps.end());
  CHECK(has(judged->text, "DMARC policy of elsewhere.test"));
  CHECK(judged->host == "found");
  Forwarding suspected({std::make_shared<Found>("fail", "quarantine")});
  CHECK(suspected.send({"away@example.test"}).starts_with("250"));
  CHECK(suspected.queued(1).held);
}

TEST_CASE("forward: what a sender asked about notifications goes on with the one address behind an alias (RFC 3461 5.2.7.2)") {
  Forwarding server;
  CHECK(server.send({"away@example.test"}, text, "carol@elsewhere.test", " RET=HDRS ENVID=e1", " NOTIFY=SUCCESS,DELAY").starts_with("250"));
  const auto& entry = server.queued(1);
  CHECK(entry.envelope.envelope_id == "e1");
  CHECK(entry.envelope.dsn_return == queue::DsnReturn::headers);
  CHECK(entry.recipients[0].notify.success);
  CHECK(entry.recipients[0].notify.delay);
  CHECK(!entry.recipients[0].notify.failure);
  CHECK(entry.recipients[0].original_recipient == "rfc822;away@example.test");
  CHECK(report_of(server.delivery).empty());
}

TEST_CASE("forward: of several addresses each is told to report failures, and the sender hears that it was expanded (RFC 3461 5.2.7.3)") {
  Forwarding server;
  const std::string ours = "alice@example.test";
  CHECK(server.send({"many@example.test"}, text, "bob@example.test", " RET=HDRS ENVID=e1", " NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;first@x.test").starts_with("250"));
  const auto& entry = server.queued(1);
  CHECK(entry.envelope.envelope_id == "e1");
  for (const auto& recipient : entry.recipients) {
    CHECK(!recipient.notify.success);
    CHECK(recipient.notify.failure);
    CHECK(recipient.original_recipient == "rfc822;first@x.test");
  }
  const std::string report = report_of(server.delivery);
  CHECK(has(report, "Original-Recipient: rfc822; first@x.test\r\nFinal-Recipient: rfc822; many@example.test\r\nAction: expanded\r\nStatus: 2.0.0\r\n"));
  CHECK(has(report, "Original-Envelope-Id: e1\r\n"));
  CHECK(!has(report, "remote.test"));
  Forwarding only_success;
  CHECK(only_success.send({"many@example.test"}, text, "bob@example.test", "", " NOTIFY=SUCCESS").starts_with("250"));
  for (const auto& recipient : only_success.queued(1).recipients) CHECK(recipient.notify.never);
}

TEST_CASE("forward: arriving at a list is arriving, and its members' mail asks for nothing in the sender's name (RFC 3461 5.2.7.1)") {
  Forwarding server;
  CHECK(server.send({"list@example.test"}, text, "bob@example.test", " RET=HDRS ENVID=e1", " NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;list@example.test").starts_with("250"));
  const auto& entry = server.queued(1);
  CHECK(entry.envelope.envelope_id.empty());
  CHECK(entry.envelope.dsn_return == queue::DsnReturn::unspecified);
  for (const auto& recipient : entry.recipients) {
    CHECK(recipient.original_recipient.empty());
    CHECK(recipient.notify.failure);
    CHECK(!recipient.notify.success);
  }
  CHECK(has(report_of(server.delivery), "Final-Recipient: rfc822; list@example.test\r\nAction: delivered\r\n"));
}

TEST_CASE("forward: a copy beside a mailbox is nobody's concern, and the mailbox counts as the place where it arrived") {
  Forwarding server;
  CHECK(server.send({"kept@example.test"}, text, "bob@example.test", "", " NOTIFY=SUCCESS,FAILURE").starts_with("250"));
  CHECK(server.queued(1).recipients[0].notify.never);
  CHECK(has(report_of(server.delivery), "Final-Recipient: rfc822; kept@example.test\r\nAction: delivered\r\n"));
}

TEST_CASE("dsn: who asked for it hears that mail is in a mailbox here, in the commit that put it there") {
  Forwarding server;
  CHECK(server.send({"alice@example.test", "bob@example.test"}, text, "bob@example.test", " RET=FULL ENVID=q+2B1", " NOTIFY=SUCCESS").starts_with("250"));
  REQUIRE(server.delivery.delivered.size() == 2);
  const auto& report = server.delivery.delivered[1];
  REQUIRE(report.local.size() == 1);
  CHECK(report.local[0].account == mailstore::AccountId{2});
  CHECK(report.local[0].prefix.starts_with("Return-Path: <>\r\n"));
  CHECK(has(report.message, "Original-Envelope-Id: q+1\r\n"));
  CHECK(has(report.message, "Final-Recipient: rfc822; alice@example.test\r\nAction: delivered\r\nStatus: 2.0.0\r\n"));
  CHECK(has(report.message, "Final-Recipient: rfc822; bob@example.test\r\nAction: delivered\r\n"));
  CHECK(has(report.message, "Content-Type: text/rfc822-headers\r\n"));
  CHECK(has(report.message, "Message-ID: <m1@elsewhere.test>"));
  CHECK(!has(report.message, "Hello"));  // RFC 3461 §4.3: RET is for failures
  CHECK(has(report.message, "Auto-Submitted: auto-replied\r\n"));
}

TEST_CASE("dsn: nobody hears of success who did not ask, and the report for somebody elsewhere is queued from the null sender") {
  Forwarding silent;
  CHECK(silent.send({"bob@example.test"}).starts_with("250"));
  CHECK(silent.delivery.delivered.size() == 1);
  Forwarding failure_only;
  CHECK(failure_only.send({"bob@example.test"}, text, "carol@elsewhere.test", "", " NOTIFY=FAILURE,DELAY").starts_with("250"));
  CHECK(failure_only.delivery.delivered.size() == 1);
  Forwarding server;
  CHECK(server.send({"bob@example.test"}, text, "carol@elsewhere.test", "", " NOTIFY=SUCCESS").starts_with("250"));
  REQUIRE(server.delivery.delivered.size() == 2);
  const auto& entry = server.queued(1);
  CHECK(entry.envelope.sender.empty());
  CHECK(entry.recipients.at(0).address == "carol@elsewhere.test");
  CHECK(entry.recipients.at(0).notify.never);
}

TEST_CASE("E3: a sender that nobody vouches for hears neither of success nor of failure, and the null sender of nothing") {
  Forwarding null;
  CHECK(null.send({"bob@example.test"}, text, "", "", " NOTIFY=SUCCESS").starts_with("250"));
  CHECK(null.delivery.delivered.size() == 1);
  for (const auto& [spf, dmarc, proven] : {std::tuple{"fail", "none", false}, {"softfail", "fail", false}, {"pass", "none", true}, {"none", "pass", true}}) {
    CAPTURE(spf);
    CAPTURE(dmarc);
    Forwarding server({std::make_shared<Found>(spf, dmarc)});
    CHECK(server.send({"bob@example.test", "away@example.test"}, text, "carol@elsewhere.test", "", " NOTIFY=SUCCESS,FAILURE").starts_with("250"));
    CHECK(report_of(server.delivery).empty() == !proven);
    CHECK(server.queued(1).envelope.unproven == !proven);
  }
}

TEST_CASE("E3: an honest author does not vouch for an address of somebody else that he named as the sender") {
  for (const auto& [sender, proven] : {std::pair{"bounces@news.elsewhere.test", true}, {"victim@other.test", false}, {"victim@notelsewhere.test", false}}) {
    CAPTURE(sender);
    Forwarding server({std::make_shared<Found>("none", "pass")});
    CHECK(server.send({"bob@example.test", "away@example.test"}, text, sender, "", " NOTIFY=SUCCESS,FAILURE").starts_with("250"));
    CHECK(report_of(server.delivery).empty() == !proven);
    CHECK(server.queued(1).envelope.unproven == !proven);
  }
}

TEST_CASE("dsn: a request for a disposition notification passes through untouched (RFC 8098)") {
  Forwarding server;
  const std::string message = "From: carol@elsewhere.test\r\nDisposition-Notification-To: carol@elsewhere.test\r\nOriginal-Recipient: rfc822;x@y.test\r\n\r\nHello\r\n";
  CHECK(server.send({"away@example.test", "bob@example.test"}, message).starts_with("250"));
  REQUIRE(server.delivery.delivered.size() == 2);
  for (const auto& one : server.delivery.delivered) CHECK(one.message == message);
}

TEST_CASE("trace: what happened to a message is told from the connection to the last reply, and each copy names its message") {
  Forwarding server({std::make_shared<Found>("pass", "pass")});
  server.hello();
  server.say("MAIL FROM:<carol@elsewhere.test>\r\n");
  server.say("RCPT TO:<nobody@example.test>\r\n");
  server.say("RCPT TO:<bob@example.test>\r\n");
  server.say("RCPT TO:<away@example.test>\r\n");
  server.say("DATA\r\n");
  CHECK(server.say(text + ".\r\n").starts_with("250"));
  REQUIRE(server.delivery.delivered.size() == 2);
  const auto& history = server.delivery.delivered[0].history;
  CHECK(history.message_id == "<m1@elsewhere.test>");
  std::string words;
  for (const auto& step : history.steps) words += step.what + " ";
  CHECK(words == "connected sender recipient recipient recipient judged accepted delivered ");
  CHECK(has(history.steps[0].text, "client.elsewhere.test with ESMTP, session "));
  CHECK(history.steps[0].host == "192.0.2.1:4000");
  CHECK(has(history.steps[2].text, "550 5.1.1"));
  CHECK(history.steps[5].text == "spf=pass dmarc=pass");
  CHECK(history.steps[6].recipient == "<m1@elsewhere.test>");
  CHECK(has(history.steps[6].text, "250 2.0.0 Ok"));
  CHECK(history.steps[7].recipient == "bob@example.test");
  const auto& onward = server.delivery.delivered[1].history;
  REQUIRE(onward.steps.size() == 1);
  CHECK(onward.steps[0].what == "forwarded");
  CHECK(onward.message_id == "<m1@elsewhere.test>");
}

namespace {

class TakesOut final : public policy::Rule {
 public:
  explicit TakesOut(std::string address) : address_(std::move(address)) {}
  std::string_view name() const noexcept override { return "takes-out"; }
  Task<Result<policy::Decision>> judge(policy::Stage stage, const policy::Facts&, Context) override {
    policy::Decision decision;
    if (stage == policy::Stage::body) decision.edits.emplace_back(policy::RemoveRecipient{address_});
    co_return decision;
  }

 private:
  std::string address_;
};

}  // namespace

TEST_CASE("forward: when a policy takes out one of two who lead to the same address, mail goes on for the other, and comes again") {
  for (const char* gone : {"gone@example.test", "both@example.test"}) {
    CAPTURE(gone);
    const std::string other = gone == std::string("gone@example.test") ? "away@example.test" : "gone@example.test";
    Forwarding server({std::make_shared<TakesOut>(gone)});
    for (int i = 0; i < 2; ++i) {
      CHECK(server.send({gone, other}).starts_with("250"));
      const bool stays = i == 1 && other == "gone@example.test";  // an account's, and had not long ago
      REQUIRE(server.delivery.delivered.size() == (stays ? 1 : 2));
      if (stays) {
        CHECK(server.delivery.delivered[0].local.at(0).account == mailstore::AccountId{2});
      } else {
        CHECK(server.delivery.delivered[0].local.empty());
        CHECK(server.queued(1).recipients.at(0).address == "far@remote.test");
        CHECK(server.queued(1).prefix.starts_with("Delivered-To: " + other + "\r\n"));
      }
      server.finish();
      server.delivery.delivered.clear();
      server.connect();
    }
  }
  Forwarding server({std::make_shared<TakesOut>("gone@example.test")});
  CHECK(server.send({"gone@example.test"}).starts_with("250"));
  CHECK(server.delivery.delivered.empty());     // there is nobody left
}

TEST_CASE("E2: a message that a user has redirected to an address stays here when it comes again within 12 hours, and is not lost") {
  Forwarding server;
  const auto again = [&](const std::vector<std::string>& to, const std::string& message = text, const std::string& rcpt_words = {}) {
    server.finish();
    server.delivery.delivered.clear();
    server.connect();
    return server.send(to, message, "carol@elsewhere.test", {}, rcpt_words);
  };
  const auto kept = [&] { return server.delivery.delivered.at(0).local; };
  CHECK(server.send({"gone@example.test"}).starts_with("250"));
  REQUIRE(server.delivery.delivered.size() == 2);
  CHECK(kept().empty());
  CHECK(server.queued(1).recipients.at(0).address == "far@remote.test");

  CHECK(again({"gone@example.test"}).starts_with("250"));
  REQUIRE(server.delivery.delivered.size() == 1);  // in the mailbox instead
  REQUIRE(kept().size() == 1);
  CHECK(kept()[0].account == mailstore::AccountId{2});
  CHECK(kept()[0].mailbox == "INBOX");
  CHECK(has(kept()[0].prefix, "Delivered-To: gone@example.test\r\n"));
  CHECK(has(server.log.text, "smtp.redirect_repeated"));

  CHECK(again({"both@example.test"}).starts_with("250"));  // to the same address for another, who keeps a copy: that is one copy
  REQUIRE(server.delivery.delivered.size() == 1);
  REQUIRE(kept().size() == 1);
  CHECK(kept()[0].account == mailstore::AccountId{1});

  CHECK(again({"gone@example.test", "both@example.test"}).starts_with("250"));  // each has it
  REQUIRE(server.delivery.delivered.size() == 1);
  CHECK(kept().size() == 2);

  CHECK(again({"gone@example.test"}, text, " NOTIFY=SUCCESS").starts_with("250"));  // and a sender that asked is told of that
  CHECK(has(report_of(server.delivery), "Action: delivered\r\n"));

  std::string other = text;
  other.replace(other.find("m1@"), 3, "m2@");
  CHECK(again({"gone@example.test"}, other).starts_with("250"));
  CHECK(server.delivery.delivered.size() == 2);            // another message goes on
  for (int i = 0; i < 2; ++i) {
    CHECK(again({"gone@example.test"}, "Subject: no id\r\n\r\nx\r\n").starts_with("250"));
    CHECK(server.delivery.delivered.size() == 2);          // one without an id cannot be told from others
    CHECK(again({"away@example.test"}).starts_with("250"));
    CHECK(server.delivery.delivered.size() == 2);          // an alias has no mailbox that could keep it
  }
  server.executor.advance(std::chrono::hours(12));
  CHECK(again({"gone@example.test"}).starts_with("250"));
  CHECK(server.delivery.delivered.size() == 2);
}

TEST_CASE("E2: a repeated message that its mailbox has no room for is deferred, by LMTP as well") {
  for (const auto protocol : {smtp::Protocol::smtp, smtp::Protocol::lmtp}) {
    Forwarding server({}, protocol);
    server.is_lmtp_ = protocol == smtp::Protocol::lmtp;
    CHECK(server.send({"gone@example.test"}).starts_with("250"));
    server.delivery.full.insert(mailstore::AccountId{2});
    server.finish();
    server.delivery.delivered.clear();
    server.connect();
    const std::string said = server.send({"gone@example.test", "alice@example.test"});
    CHECK(said.starts_with("452 "));
    CHECK(server.delivery.delivered.size() == (server.is_lmtp_ ? 1 : 0));  // alice's
    CHECK(has(said, "250 2.0.0") == server.is_lmtp_);
  }
}

TEST_CASE("E2: what is redirected is remembered in the commit that queues it, or not at all") {
  Forwarding server;
  server.delivery.fail_deliver = Error(ErrorKind::unavailable, "");
  CHECK(server.send({"gone@example.test"}).starts_with("452"));
  server.delivery.fail_deliver.reset();
  server.finish();
  server.connect();
  CHECK(server.send({"gone@example.test"}).starts_with("250"));
  CHECK(server.delivery.delivered.size() == 2);
}

TEST_CASE("lmtp: success is told by LMTP as well, of those whose reply was a yes, in the commit that made it one") {
  Forwarding server({}, smtp::Protocol::lmtp);
  server.is_lmtp_ = true;
  server.delivery.full.insert(mailstore::AccountId{1});
  server.delivery.refuse_early = false;
  const std::string said = server.send({"alice@example.test", "bob@example.test"}, text, "bob@example.test", "", " NOTIFY=SUCCESS");
  CHECK(said.starts_with("452 "));
  CHECK(has(said, "\r\n250 2.0.0 "));
  const std::string report = report_of(server.delivery);
  CHECK(has(report, "Final-Recipient: rfc822; bob@example.test\r\nAction: delivered\r\n"));
  CHECK(!has(report, "alice@example.test"));
  CHECK(server.delivery.commits == 1);
}

TEST_CASE("lmtp: an address whose accounts do not all take the message is not told as a success") {
  Forwarding server({}, smtp::Protocol::lmtp);
  server.is_lmtp_ = true;
  server.directory.aliases["two@example.test"] = {{{mailstore::AccountId{1}, "alice@example.test", {}}, {mailstore::AccountId{2}, "bob@example.test", {}}}};
  server.delivery.full.insert(mailstore::AccountId{1});
  server.delivery.refuse_early = false;
  CHECK(server.send({"two@example.test"}, text, "bob@example.test", "", " NOTIFY=SUCCESS").starts_with("452 "));
  CHECK(server.delivery.commits == 1);                      // bob's
  CHECK(server.delivery.delivered.size() == 1);             // and no report
}

TEST_CASE("forward: a report does not go to a list, and does to whoever else it is for") {
  Forwarding server;
  server.hello();
  CHECK(server.say("MAIL FROM:<>\r\n").starts_with("250"));
  CHECK(server.say("RCPT TO:<list@example.test>\r\n").starts_with("550 5.7.1"));
  CHECK(server.say("RCPT TO:<bob@example.test>\r\n").starts_with("250"));
  CHECK(server.say("DATA\r\n").starts_with("354"));
  CHECK(server.say(text + ".\r\n").starts_with("250"));
  REQUIRE(server.delivery.delivered.size() == 1);
  CHECK(server.delivery.delivered[0].local.size() == 1);
}
