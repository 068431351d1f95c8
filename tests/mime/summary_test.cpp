// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "keystonemail/mime/summary.hpp"

#include <doctest/doctest.h>

#include "keystonemail/base/random.hpp"
#include "keystonemail/mime/header.hpp"
#include "keystonemail/mime/limits.hpp"
#include "keystonemail/mime/section.hpp"
#include "support/sanitized.hpp"

using namespace keystonemail;
using namespace keystonemail::mime;

namespace {

// The message whose part numbers RFC 3501 §6.4.5 lists: 1 text, 2 binary, 3 a message with two parts, 4 a multipart
// of an image and a message with a text and a multipart.
const std::string numbered =
    "Subject: outer\r\nContent-Type: multipart/mixed; boundary=m\r\n\r\n"
    "--m\r\n\r\nONE\r\n"
    "--m\r\nContent-Type: application/octet-stream\r\n\r\nTWO\r\n"
    "--m\r\nContent-Type: message/rfc822\r\nContent-ID: <three>\r\n\r\n"
    "Subject: three\r\nContent-Type: multipart/mixed; boundary=n\r\n\r\n--n\r\n\r\nTHREE-ONE\r\n--n\r\nContent-Type: application/octet-stream\r\n\r\nTHREE-TWO\r\n--n--\r\n"
    "--m\r\nContent-Type: multipart/mixed; boundary=o\r\n\r\n--o\r\nContent-Type: image/gif\r\n\r\nFOUR-ONE\r\n"
    "--o\r\nContent-Type: message/rfc822\r\n\r\nSubject: four-two\r\nContent-Type: multipart/mixed; boundary=p\r\n\r\n"
    "--p\r\n\r\nFOUR-TWO-ONE\r\n--p\r\nContent-Type: multipart/alternative; boundary=q\r\n\r\n--q\r\n\r\nPLAIN\r\n--q\r\nContent-Type: text/richtext\r\n\r\nRICH\r\n--q--\r\n--p--\r\n"
    "--o--\r\n--m--\r\n";

std::string section(const std::string& raw, std::vector<std::uint32_t> path, SectionText text = SectionText::all) {
  const std::string encoded = encode_summary(Message::parse(raw));
  const auto parts = Summary(encoded).parts();
  const auto span = find_section(parts, path, text);
  return span ? std::string(span->of(raw)) : "NIL";
}

std::string addresses(const EnvelopeAddresses& list) {
  std::string out;
  for (const EnvelopeAddress& address : list)
    out += "(" + std::string(address.name) + "|" + std::string(address.route) + "|" + std::string(address.local_part) + "|" +
           std::string(address.domain) + ")";
  return out;
}

}  // namespace

TEST_CASE("summary: the envelope of the example in RFC 3501 §8") {
  const std::string raw =
      "Date: Wed, 17 Jul 1996 02:23:25 -0700 (PDT)\r\nFrom: Terry Gray <gray@cac.washington.edu>\r\n"
      "Subject: IMAP4rev1 WG mtg summary and minutes\r\nTo: imap@cac.washington.edu\r\n"
      "cc: minutes@CNRI.Reston.VA.US, John Klensin <KLENSIN@MIT.EDU>\r\nMessage-Id: <B27397-0100000@cac.washington.edu>\r\n"
      "MIME-Version: 1.0\r\nContent-Type: TEXT/PLAIN; CHARSET=US-ASCII\r\n\r\nHello\r\nworld\r\n";
  const std::string encoded = encode_summary(Message::parse(raw));
  const Summary summary(encoded);
  REQUIRE(summary.valid());
  const Envelope envelope = summary.envelope();
  CHECK(envelope.date == "Wed, 17 Jul 1996 02:23:25 -0700 (PDT)");
  CHECK(envelope.subject == "IMAP4rev1 WG mtg summary and minutes");
  CHECK(addresses(envelope.from) == "(Terry Gray||gray|cac.washington.edu)");
  CHECK(addresses(envelope.sender) == addresses(envelope.from));
  CHECK(addresses(envelope.reply_to) == addresses(envelope.from));
  CHECK(addresses(envelope.to) == "(||imap|cac.washington.edu)");
  CHECK(addresses(envelope.cc) == "(||minutes|CNRI.Reston.VA.US)(John Klensin||KLENSIN|MIT.EDU)");
  CHECK(envelope.bcc.empty());
  CHECK(!envelope.in_reply_to);
  CHECK(envelope.message_id == "<B27397-0100000@cac.washington.edu>");
  CHECK(summary.message_id() == "B27397-0100000@cac.washington.edu");
  CHECK(summary.date() == parse_date("Wed, 17 Jul 1996 02:23:25 -0700"));
  const SummaryPart root = summary.root();
  CHECK(root.is("text/plain"));
  CHECK(root.find_parameter("charset")->value == "US-ASCII");
  CHECK(root.body_octets() == 14);
  CHECK(root.lines == 2);
  CHECK(summary.preview() == "Hello world");
  CHECK(summary.message_octets() == raw.size());
}

TEST_CASE("summary: sender and reply-to of their own, groups, and what is absent") {
  const std::string encoded = encode_summary(Message::parse(
      "From: a@b\r\nSender: s@b\r\nReply-To: Group: x@y, z@y;\r\nTo:\r\nReferences: <1@x>\r\n <2@x>\r\nIn-Reply-To: <2@x>\r\n\r\n"));
  const Summary summary(encoded);
  const Envelope envelope = summary.envelope();
  CHECK(addresses(envelope.sender) == "(||s|b)");
  CHECK(addresses(envelope.reply_to) == "(||Group|)(||x|y)(||z|y)(|||)");
  CHECK(envelope.reply_to.begin()->kind == AddressKind::group_begin);
  CHECK(envelope.to.empty());
  CHECK(!envelope.date);
  CHECK(!summary.date());
  CHECK(summary.references() == std::vector<std::string_view>{"1@x", "2@x"});
  CHECK(summary.in_reply_to() == std::vector<std::string_view>{"2@x"});
  CHECK(addresses(Summary(encode_summary(Message::parse("To: x@y\r\n\r\n"))).envelope().from).empty());
}

TEST_CASE("summary: everything BODYSTRUCTURE shows of a part") {
  const std::string raw =
      "Content-Type: multipart/mixed; boundary=m\r\n\r\n--m\r\n"
      "Content-Type: Image/X-Strange; Name*=utf-8''gr%C3%BCn.png\r\nContent-Transfer-Encoding: x-uuencode\r\n"
      "Content-ID: <id@x>\r\nContent-Description: a\r\n thing\r\nContent-MD5: Q2hlY2s=\r\nContent-Location: http://x/\r\n"
      "Content-Disposition: ATTACHMENT; filename=\"a b.png\"\r\nContent-Language: en, de\r\n\r\nx\r\n--m--\r\n";
  const std::string encoded = encode_summary(Message::parse(raw));
  const auto parts = Summary(encoded).parts();
  REQUIRE(parts.size() == 2);
  const SummaryPart& part = parts[1];
  CHECK(part.type == "image");
  CHECK(part.subtype == "x-strange");
  REQUIRE(part.parameters.size() == 1);
  CHECK(part.parameters[0].extended);
  CHECK(part.parameters[0].value == "utf-8''gr%C3%BCn.png");
  CHECK(part.parameters[0].decoded() == "grün.png");
  CHECK(part.encoding == TransferEncoding::unknown);
  CHECK(part.encoding_name == "x-uuencode");
  CHECK(part.id == "<id@x>");
  CHECK(part.description == "a thing");
  CHECK(part.md5 == "Q2hlY2s=");
  CHECK(part.location == "http://x/");
  CHECK(part.disposition == "attachment");
  CHECK(part.file_name() == "a b.png");
  CHECK(part.languages == std::vector<std::string_view>{"en", "de"});
  CHECK(Summary(encoded).has_attachment());
  CHECK(Summary(encoded).ambiguous());  // the encoding is unknown
}

TEST_CASE("summary: whether NUL is in the message, wherever it stands") {
  using namespace std::string_view_literals;
  const auto may_hold_nul = [](std::string_view raw) { return Summary(encode_summary(Message::parse(raw))).may_hold_nul(); };
  CHECK_FALSE(may_hold_nul("Subject: a\r\n\r\nb\r\n"));
  CHECK(may_hold_nul("Subject: \0\r\n\r\nb\r\n"sv));
  CHECK(may_hold_nul("Subject: a\r\n\r\nb\r\n\0"sv));
  const std::string encoded = encode_summary(Message::parse("Subject: a\r\n\r\n\0"sv));
  CHECK(Summary(summary_behind_trace(encoded, 20)).may_hold_nul());
  CHECK(Summary("damaged").may_hold_nul());
}

TEST_CASE("summary: spans are those of the parse, and a message in a message has its envelope") {
  const auto message = Message::parse(numbered);
  const std::string encoded = encode_summary(message);
  const auto parts = Summary(encoded).parts();
  REQUIRE(parts.size() == message.parts().size());
  for (std::size_t i = 0; i < parts.size(); ++i) {
    CHECK(parts[i].header_begin == message.parts()[i].header_begin);
    CHECK(parts[i].body_begin == message.parts()[i].body_begin);
    CHECK(parts[i].body_end == message.parts()[i].body_end);
    CHECK(parts[i].lines == message.parts()[i].lines);
    CHECK(parts[i].parent == message.parts()[i].parent);
    CHECK(parts[i].child_count == message.parts()[i].child_count);
  }
  const std::uint32_t path[] = {3};
  const auto three = find_part(parts, path);
  REQUIRE(three);
  CHECK(decode_envelope(parts[*three + 1].envelope).subject == "three");
  CHECK(parts[*three].envelope.empty());
}

TEST_CASE("section: the part numbers of RFC 3501 §6.4.5") {
  CHECK(section(numbered, {}) == numbered);
  CHECK(section(numbered, {}, SectionText::header) == "Subject: outer\r\nContent-Type: multipart/mixed; boundary=m\r\n\r\n");
  CHECK(section(numbered, {}, SectionText::text).starts_with("--m\r\n"));
  CHECK(section(numbered, {1}) == "ONE");
  CHECK(section(numbered, {2}) == "TWO");
  CHECK(section(numbered, {3}).starts_with("Subject: three\r\n"));
  CHECK(section(numbered, {3}, SectionText::header) == "Subject: three\r\nContent-Type: multipart/mixed; boundary=n\r\n\r\n");
  CHECK(section(numbered, {3}, SectionText::text).starts_with("--n\r\n"));
  CHECK(section(numbered, {3}, SectionText::mime) == "Content-Type: message/rfc822\r\nContent-ID: <three>\r\n\r\n");
  CHECK(section(numbered, {3, 1}) == "THREE-ONE");
  CHECK(section(numbered, {3, 2}) == "THREE-TWO");
  CHECK(section(numbered, {4, 1}) == "FOUR-ONE");
  CHECK(section(numbered, {4, 1}, SectionText::mime) == "Content-Type: image/gif\r\n\r\n");
  CHECK(section(numbered, {4, 2}, SectionText::header).starts_with("Subject: four-two\r\n"));
  CHECK(section(numbered, {4, 2, 1}) == "FOUR-TWO-ONE");
  CHECK(section(numbered, {4, 2, 2}).starts_with("--q\r\n"));
  CHECK(section(numbered, {4, 2, 2, 1}) == "PLAIN");
  CHECK(section(numbered, {4, 2, 2, 2}) == "RICH");
}

TEST_CASE("section: what a message does not have") {
  for (const std::vector<std::uint32_t>& path : std::vector<std::vector<std::uint32_t>>{{0}, {5}, {1, 1}, {3, 3}, {4, 2, 2, 3}, {4, 2, 2, 2, 1}})
    CHECK(section(numbered, path) == "NIL");
  CHECK(section(numbered, {}, SectionText::mime) == "NIL");
  CHECK(section(numbered, {1}, SectionText::header) == "NIL");
  CHECK(section(numbered, {4}, SectionText::text) == "NIL");
}

TEST_CASE("section: a message that is no multipart is its own part 1") {
  const std::string plain = "Subject: x\r\n\r\nbody";
  CHECK(section(plain, {1}) == "body");
  CHECK(section(plain, {1}, SectionText::mime) == "Subject: x\r\n\r\n");
  CHECK(section(plain, {2}) == "NIL");
  CHECK(section(plain, {1, 1}) == "NIL");
  const std::string nested = "Content-Type: message/rfc822\r\n\r\nSubject: in\r\n\r\ninner";
  CHECK(section(nested, {1}) == "Subject: in\r\n\r\ninner");
  CHECK(section(nested, {1, 1}) == "inner");
  CHECK(section(nested, {1}, SectionText::header) == "Subject: in\r\n\r\n");
}

TEST_CASE("content: transfer encoding and charset are undone, in pieces of any size") {
  CHECK(decode_content(TransferEncoding::base64, "Zm9v\r\nYg==") == "foob");
  CHECK(decode_content(TransferEncoding::unknown, "=3D") == "=3D");
  const std::string_view body = "gr=FC=DF=\r\ndich \r\n";
  for (std::size_t cut = 0; cut <= body.size(); ++cut) {
    TextDecoder decoder(TransferEncoding::quoted_printable, "iso-8859-1");
    std::string out;
    decoder.append(out, body.substr(0, cut));
    decoder.append(out, body.substr(cut));
    decoder.finish(out);
    CHECK(out == "grüßdich\r\n");
  }
}

TEST_CASE("preview: the plain text if there is one, else what the HTML shows; at most 256 characters") {
  const auto preview = [](const std::string& raw) {
    const std::string encoded = encode_summary(Message::parse(raw));
    return std::string(Summary(encoded).preview());
  };
  CHECK(preview("\r\n  a\r\n\tb  c\r\n") == "a b c");
  CHECK(preview("Content-Type: text/html\r\n\r\n<head><title>t</title><style>p{}</style></head><p>Hello&nbsp;<b>w</b>orld &amp; co</p>") ==
        "Hello world & co");
  CHECK(preview("Content-Type: multipart/alternative; boundary=a\r\n\r\n--a\r\nContent-Type: text/html\r\n\r\n<p>h\r\n--a\r\n\r\nplain\r\n--a--") == "plain");
  CHECK(preview("Content-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\ngr=FC=DFe") == "grüße");
  std::string text = "\r\n";
  for (int i = 0; i < 1000; ++i) text += "ä";
  CHECK(preview("Content-Type: text/plain; charset=utf-8\r\n" + text).size() == 2 * limits::preview_characters);
  CHECK(preview("Content-Type: image/png\r\n\r\nx").empty());
  CHECK(preview("Content-Type: text/plain; charset=utf-7\r\n\r\n+AOQ-") == "ä");
}

TEST_CASE("C4: previews of hostile text stay within bounds") {
  for (const std::string_view body : {"<", "&", "<!--", "</", "<script", "&#x", "&#99999999999;", "<a href='", "\xff\xfe", "<style></"}) {
    const std::string raw = "Content-Type: text/html\r\n\r\n" + std::string(body);
    const std::string encoded = encode_summary(Message::parse(raw));
    CHECK(Summary(encoded).preview().size() <= 4 * limits::preview_characters);
  }
}

TEST_CASE("C7: a million nested tags and unclosed comments are read in linear time") {
  std::string html;
  for (int i = 0; i < (test::sanitized ? 100'000 : 1'000'000); ++i) html += "<div>";
  CHECK(html_to_text(html + "x") == "x");
  std::string open;
  for (int i = 0; i < (test::sanitized ? 30'000 : 300'000); ++i) open += "<script></";
  CHECK(html_to_text(open).empty());
  std::string ampersands(1'000'000, '&');
  CHECK(html_to_text(ampersands) == ampersands);
}

TEST_CASE("C3: a file name is the same in BODYSTRUCTURE and to whoever parses the message") {
  const std::string raw = "Content-Disposition: attachment; filename*1=\".exe\"; filename*0=\"a\"; filename=\"a.txt\"\r\n\r\n";
  const auto message = Message::parse(raw);
  const auto disposition = parse_content_disposition(*message.value(message.root(), FieldName::content_disposition));
  const std::string encoded = encode_summary(message);
  CHECK(Summary(encoded).root().file_name() == "a.exe");
  CHECK(find_parameter(disposition.parameters, "filename")->decoded() == "a.exe");
}

TEST_CASE("summary: damaged octets are read within bounds") {
  const std::string encoded = encode_summary(Message::parse(numbered));
  const auto read_all = [](const std::string& damaged) {
    const Summary summary(damaged);
    std::size_t sum = addresses(summary.envelope().from).size() + summary.references().size() + summary.preview().size();
    const auto parts = summary.parts();
    for (const SummaryPart& part : parts) {
      CHECK(part.body_end >= part.body_begin);
      CHECK((part.parent == no_part || part.parent < parts.size()));
      sum += part.file_name().size() + decode_envelope(part.envelope).subject.value_or("").size();
    }
    const std::uint32_t path[] = {3, 1};
    if (const auto span = find_section(parts, path, SectionText::all)) sum += span->of(numbered).size();
    return sum;
  };
  CHECK(read_all(encoded) > 0);
  for (std::size_t cut = 0; cut < encoded.size(); ++cut) read_all(encoded.substr(0, cut));
  for (std::uint64_t seed = 0; seed < 2000; ++seed) {
    SeededRandom random(seed);
    std::string damaged = encoded;
    for (int i = 0; i < 3; ++i) damaged[random.below(damaged.size())] = static_cast<char>(random.next_u64());
    read_all(damaged);
  }
  CHECK(!Summary("").valid());
  CHECK(!Summary("\x02").valid());
  CHECK(Summary("").parts().size() == 1);
}

TEST_CASE("summary: trace fields put before a message move its summary as a parse of both says") {
  const std::string trace = "Return-Path: <a@b>\r\nReceived: from x by y\r\n\tfor z; Mon, 5 Jan 2026 12:00:00 +0100\r\n";
  const std::string dated = "Date: Mon, 5 Jan 2026 12:00:00 +0100\r\nFrom: a@b\r\nContent-Type: x-odd/kind; n=1\r\n\r\nHi.\r\n";
  for (const std::string& raw : {numbered, dated, std::string(), std::string("\r\n"), std::string("\r\nbody\r\n"),
                                 std::string("no colon here\r\n\r\nx"), std::string("Subject: lf\nTo: a@b\n\ntext\n"),
                                 std::string("Subject: no end"), std::string("Subject: a\r\nSubject: b\r\n\r\n"),
                                 "X: " + std::string(300'000, 'x') + "\r\nSubject: s\r\n\r\n"}) {
    CAPTURE(raw.substr(0, 80));
    const auto message = Message::parse(raw);
    REQUIRE(takes_trace(message));
    const std::string whole = trace + raw;
    CHECK(summary_behind_trace(encode_summary(message), trace.size()) == encode_summary(Message::parse(whole)));
  }
}

TEST_CASE("summary: a message that trace fields would change says so") {
  const auto takes = [](const std::string& raw) { return takes_trace(Message::parse(raw)); };
  CHECK_FALSE(takes(" folded into what comes before\r\n\r\n"));
  CHECK_FALSE(takes("\tthe same\r\n\r\n"));
  std::string many;
  for (int i = 0; i < 6'000; ++i) many += "A: b\r\n";
  CHECK_FALSE(takes(many + "\r\n"));
  std::string large;
  for (int i = 0; i < 11; ++i) large += "A: " + std::string(95'000, 'x') + "\r\n";
  CHECK_FALSE(takes(large + "\r\n"));
}
