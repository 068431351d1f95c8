// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "keystonemail/reports/failure_report.hpp"

#include <doctest/doctest.h>

#include "reports/samples.hpp"

using namespace keystonemail;
using namespace keystonemail::reports;
using keystonemail::test::at;
using keystonemail::test::has;
using keystonemail::test::sample_failure;

namespace {

// RFC 6591, appendix B.1.
constexpr std::string_view failure_example =
    "Feedback-Type: auth-failure\r\n"
    "User-Agent: Someisp!Mail-Feedback/1.0\r\n"
    "Version: 1\r\n"
    "Original-Mail-From: anexample.reply@a.sender.example\r\n"
    "Original-Envelope-Id: o3F52gxO029144\r\n"
    "Authentication-Results: mta1011.mail.tp2.receiver.example;\r\n"
    " dkim=fail (bodyhash) header.d=sender.example\r\n"
    "Auth-Failure: bodyhash\r\n"
    "DKIM-Canonicalized-Body: VGhpcyBpcyBhIG1lc3NhZ2UgYm9keSB0\r\n"
    "  aGF0IGdvdCBtb2RpZmllZCBpbiB0cmFuc2l0LgoKQXQgdGhlIHNhbWU\r\n"
    "DKIM-Domain: sender.example\r\n"
    "DKIM-Identity: @sender.example\r\n"
    "DKIM-Selector: testkey\r\n"
    "Arrival-Date: 8 Oct 2011 20:15:58 +0000 (GMT)\r\n"
    "Source-IP: 192.0.2.1\r\n"
    "Reported-Domain: a.sender.example\r\n"
    "Reported-URI: http://www.sender.example/\r\n";

}  // namespace

TEST_CASE("failure report: the example of RFC 6591 is read") {
  const auto report = read_feedback_fields(failure_example, "Subject: You have a new bill from your bank\r\n");
  REQUIRE(report.has_value());
  CHECK(report->failure == "bodyhash");
  CHECK(report->domain == "a.sender.example");
  CHECK(report->source == IpAddress::parse("192.0.2.1"));
  CHECK(report->arrived == at(1'318'104'958));
  CHECK(report->mail_from == "anexample.reply@a.sender.example");
  CHECK(report->dkim_domain == "sender.example");
  CHECK(report->dkim_identity == "@sender.example");
  CHECK(report->dkim_selector == "testkey");
  CHECK(report->authentication_results == "mta1011.mail.tp2.receiver.example; dkim=fail (bodyhash) header.d=sender.example");
  CHECK(report->incidents == 1);
}

TEST_CASE("failure report: what is written is read back") {
  const FailureReport report = sample_failure();
  CHECK(read_feedback_fields(write_feedback_fields(report), report.header) == report);
  const FailureReport least{.domain = "example.com"};
  CHECK(read_feedback_fields(write_feedback_fields(least), "") == least);
}

TEST_CASE("failure report: complaints about spam, and anything else, are none") {
  CHECK(!read_feedback_fields("Feedback-Type: abuse\r\nVersion: 1\r\n", "").has_value());
  CHECK(!read_feedback_fields("", "").has_value());
  CHECK(!read_feedback_fields("\r\nFeedback-Type: auth-failure\r\n", "").has_value());
}

TEST_CASE("failure report: a redacted header keeps the way, not the people and not the subject") {
  const std::string header =
      "Received: from mx.forger.example by mail.example; for <Bob.Smith@receiver.example>; Tue, 19 Jul 2022 07:57:44 +0200\r\n"
      "DKIM-Signature: v=1; d=example.com;\r\n s=x; i=alice@example.com\r\n"
      "From: Alice <alice@example.com>\r\nTo: \"Smith, Bob\" <bob.smith@receiver.example>, carol@receiver.example\r\n"
      "Subject: your diagnosis\r\nX-Internal: secret@elsewhere.example\r\nMessage-ID: <1@example.com>\r\n\r\n";
  const std::string out = redact_header(header, "key");
  CHECK(has(out, "DKIM-Signature: v=1; d=example.com;\r\n s=x; i=alice@example.com\r\n"));
  CHECK(has(out, "From: Alice <alice@example.com>\r\n"));
  CHECK(has(out, "Message-ID: <1@example.com>\r\n"));
  CHECK(has(out, "Subject: redacted\r\n"));
  CHECK(has(out, "X-Internal: redacted\r\n"));
  CHECK(has(out, "@receiver.example>; Tue, 19 Jul 2022"));
  for (const char* said : {"bob", "Bob", "Smith", "carol", "diagnosis", "secret"}) {
    CAPTURE(said);
    CHECK(!has(out, said));
  }
  // The same person is the same word, as long as the key is the same.
  const std::string bob = redact_address("bob.smith@receiver.example", "key");
  CHECK(has(out, "for <" + bob + ">"));
  CHECK(has(out, "To: " + bob + ", "));
  CHECK(redact_address("bob.smith@receiver.example", "other key") != bob);
  CHECK(redact_address("", "key").empty());
}

TEST_CASE("failure report: quoted local parts and odd text in addresses leave nothing behind") {
  for (const char* odd : {"Received: for <\"b b\"@x.example>\r\n", "Return-Path: <@a,@b:bob@x.example>\r\n", "To: @@@\r\n", "Cc: bob\r\n", "To: =?utf-8?q?bob?=\r\n"}) {
    const std::string out = redact_header(odd, "key");
    CAPTURE(out);
    CHECK(!has(out, "bob"));
    CHECK(!has(out, "b b"));
  }
}
