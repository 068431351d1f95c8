// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "keystonemail/reports/report_mail.hpp"

#include <doctest/doctest.h>

#include "keystonemail/base/text.hpp"
#include "keystonemail/codec/archive.hpp"
#include "keystonemail/mime/header.hpp"
#include "keystonemail/mime/message.hpp"
#include "keystonemail/reports/report_reader.hpp"
#include "reports/samples.hpp"

using namespace keystonemail;
using namespace keystonemail::reports;
using namespace keystonemail::test;

namespace {

const Cover cover{.from = "postmaster@receiver.example", .to = "dmarc@example.com", .unique = "0123abcd", .now = at(1'767'312'000)};

std::string field(const std::string& message, std::string_view name) {
  const auto found = mime::find_field(message, name);
  return found ? mime::unfold(found->value) : std::string();
}
bool is_sound(const std::string& message) {
  const auto parsed = mime::Message::parse(message);
  return parsed.defects().empty() && is_ascii(message);
}

}  // namespace

TEST_CASE("report mail: an aggregate report has the subject, the file name and the type of RFC 9990, and is found in it") {
  const AggregateReport report = sample_aggregate();
  const std::string archive = codec::gzip(write_aggregate(report, AggregateSchema::rfc9990));
  const std::string mail = aggregate_mail(report, archive, cover);
  CHECK(is_sound(mail));
  CHECK(field(mail, "Subject") == "Report Domain: example.com Submitter: receiver.example Report-ID: <20260101abcdef>");
  CHECK(field(mail, "From") == "DMARC reports <postmaster@receiver.example>");
  CHECK(field(mail, "To") == "<dmarc@example.com>");
  CHECK(field(mail, "Auto-Submitted") == "auto-generated");
  const auto parsed = mime::Message::parse(mail);
  REQUIRE(parsed.parts().size() == 3);
  CHECK(parsed.content_type(parsed.parts()[2]).is("application/gzip"));
  CHECK(mail.find("filename=\"receiver.example!example.com!1767225600!1767311999!20260101abcdef.xml.gz\"") != std::string::npos);
  const Reports found = read_message(mail);
  CHECK(found.problems.empty());
  REQUIRE(found.aggregates.size() == 1);
  CHECK(found.aggregates[0] == report);
}

TEST_CASE("report mail: a TLS report has the fields and types of RFC 8460, and is found in it") {
  const TlsReport report = sample_tls();
  const std::string mail = tls_mail(report, "company-y.example", codec::gzip(write_tls_report(report)), cover);
  CHECK(is_sound(mail));
  CHECK(field(mail, "Subject") == "Report Domain: company-y.example Submitter: receiver.example Report-ID: <5065427c@company-x.example>");
  CHECK(field(mail, "TLS-Report-Domain") == "company-y.example");
  CHECK(field(mail, "TLS-Report-Submitter") == "receiver.example");
  CHECK(field(mail, "TLS-Required") == "No");
  const auto parsed = mime::Message::parse(mail);
  const auto type = parsed.content_type(parsed.root());
  CHECK(type.is("multipart/report"));
  CHECK(mime::find_parameter(type.parameters, "report-type")->value == "tlsrpt");
  REQUIRE(parsed.parts().size() == 3);
  CHECK(parsed.content_type(parsed.parts()[2]).is("application/tlsrpt+gzip"));
  CHECK(mail.find("filename=\"receiver.example!company-y.example!1459468800!1459555199!5065427c.json.gz\"") != std::string::npos);
  const Reports found = read_message(mail);
  REQUIRE(found.tls.size() == 1);
  CHECK(found.tls[0] == report);
}

TEST_CASE("report mail: a failure report has the three parts of RFC 6591, and is found in it") {
  const std::string mail = failure_mail(sample_failure(), cover);
  CHECK(is_sound(mail));
  const auto parsed = mime::Message::parse(mail);
  const auto type = parsed.content_type(parsed.root());
  CHECK(type.is("multipart/report"));
  CHECK(mime::find_parameter(type.parameters, "report-type")->value == "feedback-report");
  REQUIRE(parsed.parts().size() == 4);
  CHECK(parsed.content_type(parsed.parts()[2]).is("message/feedback-report"));
  CHECK(parsed.content_type(parsed.parts()[3]).is("text/rfc822-headers"));
  const Reports found = read_message(mail);
  REQUIRE(found.failures.size() == 1);
  CHECK(found.failures[0] == sample_failure());
}

TEST_CASE("report mail: a report that is too large for everybody is told of in fields") {
  const std::string mail = size_mail(sample_aggregate(), 12'345, "mailto:a@example.com!1k", cover);
  CHECK(is_sound(mail));
  for (const char* line : {"Report-Domain: example.com\r\n", "Report-ID: 20260101abcdef\r\n", "Report-Size: 12345\r\n", "Submitter: receiver.example\r\n",
                           "Submitting-URI: mailto:a@example.com!1k\r\n"})
    CHECK(mail.find(line) != std::string::npos);
}

TEST_CASE("A10: nothing that a stranger said becomes a field or a part of its own") {
  FailureReport report = sample_failure();
  report.mail_from = "a@b.example\r\nBcc: everybody@example.com";
  report.dkim_selector = "s\r\n\r\n--=_report-0123abcd\r\n";
  const std::string mail = failure_mail(report, cover);
  const auto parsed = mime::Message::parse(mail);
  CHECK(parsed.parts().size() == 4);
  CHECK(mail.find("\r\nBcc:") == std::string::npos);
}

TEST_CASE("report mail: a destination is one address or a host for HTTPS, and nothing else") {
  const auto mailto = parse_destination("mailto:dmarc%2Breports@Example.COM?subject=x");
  REQUIRE(mailto.has_value());
  CHECK(mailto->scheme == Destination::Scheme::mailto);
  CHECK(mailto->address == "dmarc+reports@example.com");
  CHECK(mailto->host == "example.com");
  const auto https = parse_destination("https://Reports.example.com:8443/v1/tlsrpt?a=b");
  REQUIRE(https.has_value());
  CHECK(https->scheme == Destination::Scheme::https);
  CHECK(https->host == "reports.example.com");
  CHECK(https->url == "https://Reports.example.com:8443/v1/tlsrpt?a=b");
  for (const char* odd : {"mailto:", "mailto:nobody", "mailto:a@b@c.example", "mailto:a@[192.0.2.1]", "mailto:a%0d%0aBcc:b@example.com", "mailto:a%4",
                          "mailto:a@example.com,b@example.com", "http://example.com/", "https://", "https://user@example.com/", "https:///x",
                          "https://example.com:port/", "ftp://example.com/", "example.com"}) {
    CAPTURE(odd);
    CHECK(!parse_destination(odd).has_value());
  }
}
