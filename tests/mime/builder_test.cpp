// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "keystonemail/mime/builder.hpp"

#include <doctest/doctest.h>

#include "keystonemail/base/text.hpp"
#include "keystonemail/mime/address_list.hpp"
#include "keystonemail/mime/encoded_word.hpp"
#include "keystonemail/mime/section.hpp"
#include "keystonemail/mime/summary.hpp"

using namespace keystonemail;
using namespace keystonemail::mime;

namespace {

MessageBuilder minimal() {
  return MessageBuilder().date({}).from({"", "a@example.com"}).to({"", "b@example.net"}).message_id("1@example.com");
}

// What every message built must keep to: parses without a defect, header lines of at most 78 columns, CRLF only.
std::string built(const MessageBuilder& builder) {
  std::string raw = builder.build(1);
  const auto message = Message::parse(raw);
  CHECK(message.defects().empty());
  std::string_view header = message.header(message.root());
  while (!header.empty()) {
    const std::size_t end = header.find("\r\n");
    REQUIRE(end != std::string_view::npos);
    CHECK(end <= 78);
    header.remove_prefix(end + 2);
  }
  CHECK(raw.find('\0') == std::string::npos);
  return raw;
}

}  // namespace

TEST_CASE("builder: plain text stays as it is") {
  const std::string raw = built(minimal().subject("Hi").text("Hello\nworld\r\n"));
  const auto message = Message::parse(raw);
  CHECK(message.body(message.root()) == "Hello\r\nworld\r\n");
  CHECK(message.root().encoding == TransferEncoding::seven_bit);
}

TEST_CASE("builder: names and subjects of any script come back, folded") {
  std::string subject;
  for (int i = 0; i < 20; ++i) subject += "Grüße aus 日本 ";
  const std::string raw = built(minimal().from({"Jörg \"J\" Müller", "j@example.com"}).subject(trim(subject)).text("x"));
  const auto message = Message::parse(raw);
  CHECK(decode_text(*message.value(message.root(), FieldName::subject)) == trim(subject));
  const auto from = parse_address_list(*message.value(message.root(), FieldName::from));
  REQUIRE(from.size() == 2);
  CHECK(from[1].display_name() == "Jörg \"J\" Müller");
}

TEST_CASE("builder: long plain subjects fold at blanks and unfold to themselves") {
  std::string subject;
  for (int i = 0; i < 60; ++i) subject += "word" + std::to_string(i) + (i % 7 == 0 ? "  " : " ");
  const std::string raw = built(minimal().subject(trim(subject)).text("x"));
  const auto message = Message::parse(raw);
  CHECK(unfold(*message.value(message.root(), FieldName::subject)) == trim(subject));
  built(minimal().subject(std::string(3000, 'x')).text("x"));
}

TEST_CASE("builder: text and html make an alternative, attachments a mixed") {
  Attachment file{"application/pdf", "Übersicht über alles, was man wissen muss, in ganzer Länge.pdf", std::string(1000, '\xfe')};
  const std::string raw = built(minimal().subject("x").text("plain ä").html("<p>html").attach(file));
  const std::string encoded = encode_summary(Message::parse(raw));
  const Summary summary(encoded);
  const auto parts = summary.parts();
  REQUIRE(parts.size() == 5);
  CHECK(parts[0].is("multipart/mixed"));
  CHECK(parts[1].is("multipart/alternative"));
  CHECK(parts[2].is("text/plain"));
  CHECK(parts[3].is("text/html"));
  CHECK(parts[4].is("application/pdf"));
  CHECK(parts[4].file_name() == file.file_name);
  CHECK(decode_content(parts[4].encoding, std::string_view(raw).substr(parts[4].body_begin, parts[4].body_octets())) == file.octets);
  CHECK(summary.preview() == "plain ä");
  CHECK(summary.has_attachment());
  CHECK(!summary.ambiguous());
}

TEST_CASE("builder: text beyond 7bit is encoded and comes back") {
  for (const std::string& text : {std::string("grüße\r\n"), std::string(2000, 'x'), std::string("日本語日本語日本語\r\n")}) {
    const std::string raw = built(minimal().text(text));
    const std::string encoded = encode_summary(Message::parse(raw));
    const SummaryPart root = Summary(encoded).root();
    CHECK(is_ascii(raw));
    TextDecoder decoder(root);
    std::string out;
    decoder.append(out, std::string_view(raw).substr(root.body_begin));
    decoder.finish(out);
    CHECK(out == text);
  }
}

TEST_CASE("builder: a report of parts given whole (RFC 3464)") {
  const std::string raw = built(minimal()
                                    .multipart("report; report-type=delivery-status")
                                    .text("It failed.")
                                    .part("message/delivery-status", "Reporting-MTA: dns; mx.example.com\r\n")
                                    .part("message/rfc822", "Subject: --=_0\r\n\r\n"));
  const auto message = Message::parse(raw);
  REQUIRE(message.parts().size() == 5);
  CHECK(message.content_type(message.root()).is("multipart/report"));
  CHECK(message.body(message.parts()[2]) == "Reporting-MTA: dns; mx.example.com\r\n");
}

TEST_CASE("builder: the boundary does not occur in the content") {
  const std::string once = minimal().text("x").part("text/plain", "y").build(5);
  const auto message = Message::parse(once);
  const std::string boundary = find_parameter(message.content_type(message.root()).parameters, "boundary")->value;
  const std::string again = minimal().text("x").part("text/plain", "y\r\n--" + boundary + "\r\n").build(5);
  CHECK(Message::parse(again).parts().size() == 3);
}

TEST_CASE("A10: line ends in values cannot make fields") {
  using namespace std::string_literals;
  const std::string raw = built(minimal()
                                    .subject("a\r\nBcc: evil@x\r\n\r\nbody")
                                    .cc({"n\r\nX: y", "c@d\r\nX: z"})
                                    .field("X-A\r\nX-B", "v\0w\nX: q"s)
                                    .raw_field("X-C", "v\r\nX: r")
                                    .attach({"text/x\r\nX: s", "f\r\nX: t", "u", "attachment\r\nX: v"}));
  const auto message = Message::parse(raw);
  for (const Part& part : message.parts())
    for (const Field& field : message.fields(part)) {
      CHECK(field.name != "X");
      CHECK(field.name != "Bcc");
    }
}
