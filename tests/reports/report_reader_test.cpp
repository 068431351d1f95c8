// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "keystonemail/reports/report_reader.hpp"

#include <doctest/doctest.h>

#include "codec/zip_maker.hpp"
#include "keystonemail/codec/archive.hpp"
#include "keystonemail/mime/builder.hpp"
#include "keystonemail/reports/limits.hpp"
#include "reports/samples.hpp"

using namespace keystonemail;
using namespace keystonemail::reports;
using namespace keystonemail::test;

namespace {

std::string sample_xml() { return write_aggregate(sample_aggregate(), AggregateSchema::rfc7489); }

std::string mail_with(const std::string& type, const std::string& octets) {
  return mime::MessageBuilder().from({"", "a@example.com"}).to({"", "b@example.net"}).subject("report").text("Hello").attach({.content_type = type, .file_name = "x", .octets = octets}).build(1);
}

}  // namespace

TEST_CASE("report reader: a report is found plain, in gzip and in zip, whatever the type says") {
  const std::string xml = sample_xml(), json = write_tls_report(sample_tls());
  for (const std::string& octets : {xml, codec::gzip(xml), make_zip({{"r.xml", xml, true}}), make_zip({{"r.xml.gz", codec::gzip(xml)}}),
                                    "\xef\xbb\xbf" + xml, "\r\n" + xml}) {
    CHECK(read_file(octets).aggregates.size() == 1);
    for (const char* type : {"application/zip", "application/gzip", "application/octet-stream", "text/xml"}) CHECK(read_message(mail_with(type, octets)).aggregates.size() == 1);
  }
  CHECK(read_file(json).tls.size() == 1);
  CHECK(read_file(codec::gzip(json)).tls.size() == 1);
  CHECK(read_file(make_zip({{"a", xml, true}, {"b", json, true}})).aggregates.size() == 1);
  CHECK(read_file(make_zip({{"a", xml, true}, {"b", json, true}})).tls.size() == 1);
}

TEST_CASE("report reader: a message that is the archive itself is read") {
  const std::string mail = "From: a@example.com\r\nMIME-Version: 1.0\r\nContent-Type: application/zip; name=\"x.zip\"\r\nContent-Transfer-Encoding: base64\r\n\r\n";
  std::string body = mail_with("application/zip", make_zip({{"r.xml", sample_xml(), true}}));
  body = body.substr(body.rfind("base64\r\n\r\n") + 10);
  CHECK(read_message(mail + body.substr(0, body.find("\r\n--"))).aggregates.size() == 1);
}

TEST_CASE("report reader: ordinary mail holds no reports and has no problems") {
  for (const std::string& mail : {std::string("Subject: hello\r\n\r\nHello <b>you</b>\r\n"), mail_with("image/png", "\x89PNG"), mail_with("text/html", "<html><p>x</html>"),
                                  std::string(), std::string("{}")}) {
    const Reports found = read_message(mail);
    CHECK(found.empty());
    CHECK(found.problems.empty());
  }
}

TEST_CASE("report reader: garbage is told of, and the report beside it is read") {
  const Reports found = read_file(make_zip({{"bad.xml", "<feedback><record>"}, {"good.xml", sample_xml(), true}}));
  CHECK(found.aggregates.size() == 1);
  CHECK(found.problems.size() == 1);
}

TEST_CASE("C9: archives within archives, as quines are, end at the third") {
  std::string octets = sample_xml();
  for (int level = 1; level <= 6; ++level) {
    octets = level % 2 == 0 ? codec::gzip(octets) : make_zip({{"inner", octets, true}});
    const Reports found = read_file(octets);
    CAPTURE(level);
    CHECK(found.aggregates.size() == (level <= 3 ? 1 : 0));
    CHECK(found.problems.size() == (level <= 3 ? 0 : 1));
  }
}

TEST_CASE("C9: all archives of one message share one limit") {
  std::string large = "{";
  for (std::uint32_t i = 1; large.size() < 3'000'000; i = i * 1'664'525U + 1'013'904'223U) large += static_cast<char>('a' + (i >> 24) % 26);
  mime::MessageBuilder builder;
  builder.from({"", "a@example.com"}).text("x");
  for (int i = 0; i < 6; ++i) builder.attach({.content_type = "application/gzip", .file_name = "x", .octets = codec::gzip(large)});
  builder.attach({.content_type = "application/gzip", .file_name = "x", .octets = codec::gzip(sample_xml())});
  const Reports found = read_message(builder.build(1));
  CHECK(found.aggregates.empty());     // there was no room left for it
  CHECK(found.problems.size() == 7);
}

TEST_CASE("C9: a message of a thousand attachments is not unpacked a thousand times") {
  mime::MessageBuilder builder;
  builder.from({"", "a@example.com"}).text("x");
  for (int i = 0; i < 1'000; ++i) builder.attach({.content_type = "application/gzip", .file_name = "x", .octets = codec::gzip(sample_xml())});
  const Reports found = read_message(builder.build(1));
  CHECK(found.aggregates.size() <= limits::documents_max);
  CHECK(!found.aggregates.empty());
}
