// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "keystonemail/dsn/report.hpp"

#include <doctest/doctest.h>

#include "keystonemail/base/text.hpp"
#include "keystonemail/mime/message.hpp"

using namespace keystonemail;
using namespace keystonemail::dsn;

namespace {

Report sample() {
  Report report;
  report.reporting_host = "mx.example.com";
  report.sender = "anna@example.com";
  report.envelope_id = "QQ314159";
  report.original_message_id = "<1@example.com>";
  report.arrived = WallTime(std::chrono::sys_days(std::chrono::year{2026} / 1 / 2));
  report.now = report.arrived + std::chrono::hours(1);
  report.unique = "0123456789abcdef";
  report.original = "Subject: hello\r\n\r\n";
  report.recipients.push_back({.action = Action::failed, .recipient = "bob@example.net", .original_recipient = "rfc822;robert@example.net",
                               .status = "5.1.1", .remote_host = "mx.example.net", .diagnostic = "550 5.1.1 No such user\nreally",
                               .last_attempt = report.now, .retried_until = std::nullopt});
  return report;
}

bool has(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }

}  // namespace

TEST_CASE("dsn: a report is three parts that a reader of RFC 3464 finds everything in") {
  const std::string text = build_report(sample());
  const auto message = mime::Message::parse(text);
  REQUIRE(message.parts().size() >= 4);
  const auto type = message.content_type(message.root());
  CHECK(type.is("multipart/report"));
  CHECK(mime::find_parameter(type.parameters, "report-type")->value == "delivery-status");
  CHECK(message.content_type(message.parts()[1]).is("text/plain"));
  CHECK(message.content_type(message.parts()[2]).is("message/delivery-status"));
  CHECK(message.content_type(message.parts()[3]).is("text/rfc822-headers"));
  CHECK(message.body(message.parts()[2]) ==
        "Original-Envelope-Id: QQ314159\r\nReporting-MTA: dns; mx.example.com\r\nArrival-Date: Fri, 02 Jan 2026 00:00:00 +0000\r\n\r\n"
        "Original-Recipient: rfc822; robert@example.net\r\nFinal-Recipient: rfc822; bob@example.net\r\nAction: failed\r\n"
        "Status: 5.1.1\r\nRemote-MTA: dns; mx.example.net\r\nDiagnostic-Code: smtp; 550 5.1.1 No such user really\r\n"
        "Last-Attempt-Date: Fri, 02 Jan 2026 01:00:00 +0000\r\n");
  CHECK(has(text, "Auto-Submitted: auto-replied\r\n"));
  CHECK(has(text, "\r\nTo: <anna@example.com>\r\n"));
  CHECK(is_ascii(text));
  CHECK(message.defects().empty());
}

TEST_CASE("dsn: the subject is that of the worst that happened, and each recipient is told of") {
  Report report = sample();
  report.recipients.push_back({.action = Action::relayed, .recipient = "carol@example.net", .original_recipient = "", .status = "2.0.0",
                               .remote_host = "mx.example.net", .diagnostic = "250 ok", .last_attempt = {}, .retried_until = {}});
  std::string text = build_report(report);
  CHECK(has(text, "Subject: Undelivered"));
  CHECK(has(text, "Action: relayed"));
  report.recipients.erase(report.recipients.begin());
  CHECK(has(build_report(report), "Subject: Mail was delivered"));
  report.recipients[0].action = Action::delayed;
  report.recipients[0].retried_until = report.arrived + std::chrono::days(5);
  text = build_report(report);
  CHECK(has(text, "Subject: Mail is delayed"));
  CHECK(has(text, "Will-Retry-Until: Wed, 07 Jan 2026 00:00:00 +0000"));
}

TEST_CASE("A10: what strangers said cannot add a line, a field or a part") {
  Report report = sample();
  report.recipients[0].diagnostic = "550 no\r\n\r\n--report-0123456789abcdef--\r\nX-Evil: 1";
  report.recipients[0].recipient = "a\r\nBcc: x@y";
  report.recipients[0].remote_host = "mx\r\nFrom: evil";
  report.envelope_id = "x\r\nSubject: evil";
  const std::string text = build_report(report);
  CHECK(!has(text, "\nX-Evil"));
  CHECK(!has(text, "\nBcc"));
  CHECK(!has(text, "\nFrom: evil"));
  CHECK(!has(text, "\nSubject: evil"));
  CHECK(mime::Message::parse(text).parts().size() == mime::Message::parse(build_report(sample())).parts().size());
}

TEST_CASE("dsn: addresses in UTF-8 have the types of RFC 6533, in ASCII for those without SMTPUTF8") {
  Report report = sample();
  report.recipients[0].recipient = "j\xc3\xb6rg@example.net";
  report.recipients[0].original_recipient = "utf-8;j\xc3\xb6rg@example.net";
  std::string text = build_report(report);
  CHECK(is_ascii(text));
  CHECK(has(text, "Final-Recipient: utf-8; j\\x{F6}rg@example.net\r\n"));
  report.internationalized = true;
  report.original = "Subject: gr\xc3\xbc\xc3\x9f dich\r\n\r\n";
  text = build_report(report);
  CHECK(has(text, "Final-Recipient: utf-8; j\xc3\xb6rg@example.net\r\n"));
  CHECK(has(text, "report-type=global-delivery-status"));
  CHECK(has(text, "Content-Type: message/global-delivery-status"));
  CHECK(has(text, "Content-Type: message/global-headers"));
  report.returned = Return::whole;
  CHECK(has(build_report(report), "Content-Type: message/global\r\n"));
}

TEST_CASE("dsn: words of our own are no SMTP diagnostic") {
  Report report = sample();
  report.recipients[0].remote_host.clear();
  report.recipients[0].diagnostic = "Cannot connect";
  const std::string text = build_report(report);
  CHECK(!has(text, "Diagnostic-Code"));
  CHECK(!has(text, "Remote-MTA"));
  CHECK(has(text, "    Cannot connect\r\n"));
}

TEST_CASE("dsn: a host without a name is a domain literal, and no line is longer than RFC 5322 lets it be") {
  Report report = sample();
  report.recipients[0].remote_host = "192.0.2.1";
  report.recipients[0].diagnostic = "550 " + std::string(895, 'x') + std::string(500, '\xc3') ;
  std::string text = build_report(report);
  CHECK(has(text, "Remote-MTA: dns; [192.0.2.1]\r\n"));
  report.recipients[0].remote_host = "2001:db8::1";
  report.internationalized = true;
  report.recipients[0].diagnostic = "550 " + std::string(895, 'x');
  for (int i = 0; i < 100; ++i) report.recipients[0].diagnostic += "\xc3\xbc";
  text += build_report(report);
  CHECK(has(text, "Remote-MTA: dns; [IPv6:2001:db8::1]\r\n"));
  CHECK(is_utf8(text));
  for (std::string_view rest = text; !rest.empty();) {
    const std::size_t end = rest.find("\r\n");
    CHECK(end <= 998);
    rest.remove_prefix(end + 2);
  }
}
