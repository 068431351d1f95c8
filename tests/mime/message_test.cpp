// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "keystonemail/mime/message.hpp"

#include <doctest/doctest.h>

#include <ctime>

#include "keystonemail/base/random.hpp"
#include "keystonemail/mime/header.hpp"
#include "keystonemail/mime/limits.hpp"
#include "keystonemail/mime/summary.hpp"
#include "mime/line_count.hpp"
#include "support/sanitized.hpp"

using namespace keystonemail;
using namespace keystonemail::mime;

namespace {

// "mixed(plain html rfc822(plain))": subtypes as a tree.
std::string tree(const Message& message, std::size_t index = 0) {
  const Part& part = message.parts()[index];
  std::string out = message.content_type(part).subtype;
  if (part.child_count == 0) return out;
  out += "(";
  for (std::size_t i = index + 1; i < message.parts().size(); ++i)
    if (message.parts()[i].parent == index) out += (out.ends_with('(') ? "" : " ") + tree(message, i);
  return out + ")";
}

std::string tree(std::string_view raw) { return tree(Message::parse(raw)); }

std::string multipart(std::string_view boundary, std::string_view body, std::string_view type = "mixed") {
  return "Content-Type: multipart/" + std::string(type) + "; boundary=\"" + std::string(boundary) + "\"\r\n\r\n" + std::string(body);
}

bool has(std::string_view raw, DefectKind kind) { return Message::parse(raw).has_defect(kind); }

// The spans of all parts put together again: nothing is lost, doubled or moved.
std::string serialize(const Message& message) {
  std::string out;
  std::uint32_t at = 0;
  for (const Part& part : message.parts()) {
    out += message.raw().substr(at, part.header_begin - at);  // delimiters and preambles
    for (const Field& field : message.fields(part)) out += field.raw;
    const auto written = out.size() - part.header_begin;
    out += message.header(part).substr(written);              // the empty line, and what is beyond limits
    at = part.body_begin;
  }
  return out + std::string(message.raw().substr(at));
}

double seconds_to_parse(const std::string& raw) {
  const std::clock_t begin = std::clock();  // of the processor: other programs' work is not ours
  const auto encoded = encode_summary(Message::parse(raw));
  CHECK(!encoded.empty());
  return static_cast<double>(std::clock() - begin) / CLOCKS_PER_SEC;
}

}  // namespace

TEST_CASE("header: fields, folding and the empty line") {
  HeaderReader reader("A: 1\r\nb : 2\r\n 3\r\nbad line\r\n\r\nbody");
  auto field = reader.next();
  CHECK(field->name == "A");
  CHECK(field->value == " 1");
  field = reader.next();
  CHECK(field->name == "b");
  CHECK(unfold(field->value) == "2 3");
  field = reader.next();
  CHECK(field->id == FieldName::malformed);
  CHECK(field->raw == "bad line\r\n");
  CHECK(!reader.next());
  CHECK(reader.ended());
  CHECK(reader.octets() == std::string_view("A: 1\r\nb : 2\r\n 3\r\nbad line\r\n\r\n").size());
}

TEST_CASE("header: every name this library knows is found in any case") {
  CHECK(field_name("CONTENT-transfer-ENCODING") == FieldName::content_transfer_encoding);
  CHECK(field_name("to") == FieldName::to);
  CHECK(field_name("Message-Id") == FieldName::message_id);
  CHECK(field_name("X-Whatever") == FieldName::other);
  CHECK(field_name("") == FieldName::other);
}

TEST_CASE("header: its end is found wherever the text is cut") {
  for (const std::string_view text : {"A: 1\r\nB: 2\r\n\r\nbody\r\n\r\n", "A: 1\nB: \r\r\n\nbody", "\r\nbody", "A: 1\r\n \r\n\r\nx", "A\r\n\r\r\n\r\n"})
    for (std::size_t cut = 0; cut <= text.size(); ++cut) {
      CAPTURE(text);
      CAPTURE(cut);
      HeaderEndFinder finder;
      auto end = finder.find(text.substr(0, cut));
      if (!end) {
        end = finder.find(text.substr(cut));
        if (end) *end += cut;
      }
      CHECK(end == header_octets(text));
    }
}

TEST_CASE("header: fields named, and all but those named (RFC 9051 §6.4.5.1)") {
  const std::string_view header = "A: 1\r\nb: 2\r\n 3\r\nA: 4\r\n\r\n";
  const std::string_view names[] = {"B"};
  CHECK(filter_header(header, FieldFilter::only, names) == "b: 2\r\n 3\r\n\r\n");
  CHECK(filter_header(header, FieldFilter::except, names) == "A: 1\r\nA: 4\r\n\r\n");
  CHECK(filter_header("A: 1", FieldFilter::except, names) == "A: 1\r\n\r\n");
}

TEST_CASE("line ends: counted right at every length and place") {
  SeededRandom random(3);
  for (std::size_t octets = 0; octets < 300; ++octets) {
    std::string text;
    LineEndCount expected;
    while (text.size() < octets) text.push_back("\r\nab"[random.below(4)]);
    for (std::size_t i = 0; i < text.size(); ++i) {
      expected.line_feeds += text[i] == '\n';
      expected.carriage_returns += text[i] == '\r';
      expected.pairs += text[i] == '\r' && i + 1 < text.size() && text[i + 1] == '\n';
    }
    const LineEndCount count = count_line_ends(text);
    REQUIRE(count.line_feeds == expected.line_feeds);
    REQUIRE(count.carriage_returns == expected.carriage_returns);
    REQUIRE(count.pairs == expected.pairs);
  }
}

TEST_CASE("message: the example of RFC 2046 §5.1.1") {
  const auto message = Message::parse(
      "From: Nathaniel Borenstein <nsb@bellcore.com>\r\nMIME-Version: 1.0\r\n"
      "Content-type: multipart/mixed; boundary=\"simple boundary\"\r\n\r\n"
      "This is the preamble.\r\n\r\n--simple boundary\r\n\r\n"
      "This is implicitly typed plain US-ASCII text.\r\nIt does NOT end with a linebreak.\r\n--simple boundary\r\n"
      "Content-type: text/plain; charset=us-ascii\r\n\r\n"
      "This is explicitly typed plain US-ASCII text.\r\nIt DOES end with a linebreak.\r\n\r\n--simple boundary--\r\n\r\n"
      "This is the epilogue.\r\n");
  REQUIRE(message.parts().size() == 3);
  CHECK(message.body(message.parts()[1]) == "This is implicitly typed plain US-ASCII text.\r\nIt does NOT end with a linebreak.");
  CHECK(message.parts()[1].lines == 2);
  CHECK(message.body(message.parts()[2]).ends_with("It DOES end with a linebreak.\r\n"));
  CHECK(message.parts()[2].lines == 2);
  CHECK(message.body(message.root()).ends_with("epilogue.\r\n"));
  CHECK(message.defects().empty());
  CHECK(!message.ambiguous());
}

TEST_CASE("message: nested multiparts, messages and digests") {
  CHECK(tree("Subject: x\r\n\r\nbody") == "plain");
  CHECK(tree("") == "plain");
  CHECK(tree(multipart("a", "--a\r\nContent-Type: text/html\r\n\r\nx\r\n--a\r\n" +
                                multipart("b", "--b\r\n\r\ny\r\n--b--\r\n", "alternative") + "--a--\r\n")) == "mixed(html alternative(plain))");
  CHECK(tree("Content-Type: message/rfc822\r\n\r\nContent-Type: message/rfc822\r\n\r\nSubject: x\r\n\r\ny") == "rfc822(rfc822(plain))");
  CHECK(tree(multipart("a", "--a\r\n\r\nSubject: x\r\n\r\ny\r\n--a\r\nContent-Type: text/html\r\n\r\nz\r\n--a--", "digest")) ==
        "digest(rfc822(plain) html)");
  CHECK(tree("Content-Type: message/global\r\n\r\nSubject: x\r\n\r\ny") == "global(plain)");
}

TEST_CASE("message: a part without empty line ends at the delimiter") {
  const auto raw = multipart("a", "--a\r\nContent-Type: text/html\r\n--a\r\n\r\n--a--\r\n");
  const auto message = Message::parse(raw);
  REQUIRE(message.parts().size() == 3);
  CHECK(message.content_type(message.parts()[1]).is("text/html"));
  CHECK(message.body(message.parts()[1]).empty());
  CHECK(message.body(message.parts()[2]).empty());
}

TEST_CASE("message: LF line ends are read as CRLF ones are") {
  const auto message = Message::parse("Content-Type: multipart/mixed; boundary=a\n\n--a\n\nx\ny\n--a--\n");
  REQUIRE(message.parts().size() == 2);
  CHECK(message.body(message.parts()[1]) == "x\ny");
  CHECK(message.has_defect(DefectKind::bare_lf));
}

TEST_CASE("message: all octets are kept, in their order") {
  for (std::uint64_t seed = 0; seed < 3000; ++seed) {
    SeededRandom random(seed);
    std::string raw;
    const std::string_view pieces[] = {"--a", "--a--", "--b", "\r\n", "\n", "\r", "\r\n\r\n", "Content-Type: multipart/mixed; boundary=a\r\n",
                                       "Content-Type: multipart/digest; boundary=b\r\n", "Content-Type: message/rfc822\r\n", "x", ": ", " y"};
    while (raw.size() < 400) raw += pieces[random.below(std::size(pieces))];
    const auto message = Message::parse(raw);
    REQUIRE(serialize(message) == raw);
    for (const Part& part : message.parts()) {
      REQUIRE(part.header_begin <= part.body_begin);
      REQUIRE(part.body_begin <= part.body_end);
      REQUIRE(part.body_end <= raw.size());
      if (part.parent == no_part) continue;
      REQUIRE(part.header_begin >= message.parts()[part.parent].body_begin);
      REQUIRE(part.body_end <= message.parts()[part.parent].body_end);
    }
  }
}

TEST_CASE("C1: 100,000 nested multiparts stop at the depth limit, in linear time") {
  std::string raw;
  for (int i = 0; i < (test::sanitized ? 10'000 : 100'000); ++i) raw += multipart("b" + std::to_string(i), "--b" + std::to_string(i) + "\r\n");
  const auto message = Message::parse(raw);
  CHECK(message.parts().size() == limits::depth_max);
  CHECK(message.parts().back().opaque);
  CHECK(message.has_defect(DefectKind::too_deep));
  CHECK(message.ambiguous());
  CHECK(seconds_to_parse(raw) < 10);
}

TEST_CASE("C1: a million sibling parts stop at the part limit, in linear time") {
  std::string raw = multipart("a", "");
  for (int i = 0; i < 1'000'000; ++i) raw += "--a\r\n\r\nx\r\n";
  const auto message = Message::parse(raw);
  CHECK(message.parts().size() == limits::parts_max);
  CHECK(message.has_defect(DefectKind::too_many_parts));
  CHECK(Summary(encode_summary(message)).parts().size() == limits::parts_max);
  CHECK(seconds_to_parse(raw) < 10);
}

TEST_CASE("C1: messages in messages stop at the depth limit") {
  std::string raw;
  for (int i = 0; i < 100'000; ++i) raw += "Content-Type: message/rfc822\r\n\r\n";
  const auto message = Message::parse(raw);
  CHECK(message.parts().size() == limits::depth_max);
  CHECK(message.parts().back().kind == PartKind::leaf);
}

TEST_CASE("C1: a boundary that begins like the one around it belongs to its own part") {
  const std::string inner = multipart("ab", "--ab\r\n\r\nx\r\n--ab--\r\n");
  CHECK(tree(multipart("a", "--a\r\n" + inner + "--a--\r\n")) == "mixed(mixed(plain))");
  const std::string shorter = multipart("a", "--a\r\n\r\nx\r\n--a--\r\n");
  CHECK(tree(multipart("ab", "--ab\r\n" + shorter + "--ab\r\n\r\ny\r\n--ab--\r\n")) == "mixed(mixed(plain) plain)");
  const std::string dashes = multipart("a--", "--a--\r\n\r\nx\r\n--a----\r\n");
  CHECK(tree(multipart("a", "--a\r\n" + dashes + "--a\r\n\r\ny\r\n--a--\r\n")) == "mixed(mixed(plain) plain)");
}

TEST_CASE("C1: many boundaries that nearly match take linear time") {
  std::string raw;
  const std::string prefix(60, 'b');
  for (int i = 0; i < 99; ++i) raw += multipart(prefix + std::to_string(i), "--" + prefix + std::to_string(i) + "\r\n");
  for (int i = 0; i < 50'000; ++i) raw += "--" + prefix + "x\r\n";
  CHECK(seconds_to_parse(raw) < 10);
}

TEST_CASE("C2: a header of 100 MB and one of a million lines are cut at the limits, in linear time") {
  std::string raw = "Subject: " + std::string(test::sanitized ? 10'000'000 : 100'000'000, 'x') + "\r\nFrom: a@b\r\n\r\nbody";
  auto message = Message::parse(raw);
  CHECK(message.has_defect(DefectKind::header_too_large));
  CHECK(!message.value(message.root(), FieldName::subject));
  CHECK(message.body(message.root()) == "body");
  CHECK(Summary(encode_summary(message)).valid());
  raw.clear();
  for (int i = 0; i < (test::sanitized ? 100'000 : 1'000'000); ++i) raw += "To: a@b\r\n";
  raw += "\r\nbody";
  message = Message::parse(raw);
  CHECK(message.fields(message.root()).size() == limits::header_fields_max);
  CHECK(message.body(message.root()) == "body");
  CHECK(message.defects().size() <= limits::defects_max);
  CHECK(seconds_to_parse(raw) < 10);
}

TEST_CASE("C2: a single field beyond 256 KiB is opaque") {
  const auto message = Message::parse("Subject: " + std::string(limits::header_field_octets_max, 'x') + "\r\nTo: a@b\r\n\r\n");
  CHECK(!message.value(message.root(), FieldName::subject));
  CHECK(message.value(message.root(), FieldName::to));
}

TEST_CASE("C5: duplicate Content-Type, encoding and boundary are read one way and flagged") {
  const std::string twice = "Content-Type: text/html\r\nContent-Type: text/plain\r\n\r\nx";
  CHECK(tree(twice) == "html");
  CHECK(Message::parse(twice).ambiguous());
  const std::string encodings = "Content-Transfer-Encoding: base64\r\nContent-Transfer-Encoding: 7bit\r\n\r\nx";
  CHECK(Message::parse(encodings).root().encoding == TransferEncoding::base64);
  CHECK(Message::parse(encodings).ambiguous());
  const std::string boundaries = "Content-Type: multipart/mixed; boundary=a; boundary=b\r\n\r\n--b\r\n\r\nx\r\n--a\r\n\r\ny\r\n--a--";
  CHECK(tree(boundaries) == "mixed(plain)");
  CHECK(has(boundaries, DefectKind::parameter_ambiguous));
  CHECK(Message::parse(boundaries).ambiguous());
}

TEST_CASE("C5: an encoding on a multipart is not applied, and flagged") {
  const std::string raw = "Content-Transfer-Encoding: base64\r\n" + multipart("a", "--a\r\n\r\nx\r\n--a--");
  CHECK(tree(raw) == "mixed(plain)");
  CHECK(has(raw, DefectKind::transfer_encoding_on_multipart));
}

TEST_CASE("C5: an encoded message/rfc822 is not looked into, and flagged") {
  const std::string raw = "Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\nContent-Type: text/html\r\n\r\nx";
  CHECK(Message::parse(raw).parts().size() == 1);
  CHECK(has(raw, DefectKind::transfer_encoding_on_multipart));
  CHECK(Message::parse(raw).ambiguous());
}

TEST_CASE("C5: text beside the parameters of a Content-Type is passed over, and flagged") {
  for (const std::string value : {"text/html oops", "text/html; charset=\"utf-8\" oops", "text/html oops; charset=utf-8"}) {
    CAPTURE(value);
    const std::string raw = "Content-Type: " + value + "\r\n\r\nx";
    CHECK(tree(raw) == "html");
    CHECK(has(raw, DefectKind::parameter_ambiguous));
  }
  for (const std::string value : {"text/html", "text/html;", "text/html (a comment); charset=utf-8 (another)", "text/html;charset=utf-8;"}) {
    CAPTURE(value);
    CHECK(Message::parse("Content-Type: " + value + "\r\n\r\nx").defects().empty());
  }
}

TEST_CASE("C5: lines ended by CR alone are no lines, and flagged") {
  const std::string raw = multipart("a", "--a\r\n\r\nx\r--a\ry\r\n--a--");
  CHECK(tree(raw) == "mixed(plain)");
  CHECK(has(raw, DefectKind::bare_cr));
  CHECK(Message::parse(raw).ambiguous());
}

TEST_CASE("C5: boundaries reused, missing, empty or followed by text are flagged") {
  CHECK(has(multipart("a", "--a\r\n" + multipart("a", "--a\r\n\r\nx\r\n--a--")), DefectKind::boundary_reused));
  CHECK(has("Content-Type: multipart/mixed\r\n\r\nx", DefectKind::boundary_missing));
  CHECK(tree("Content-Type: multipart/mixed\r\n\r\nx") == "plain");
  CHECK(has(multipart("", "--\r\n\r\nx"), DefectKind::boundary_invalid));
  CHECK(has(multipart("a", "x"), DefectKind::multipart_empty));
  CHECK(has(multipart("a", "--a\r\n\r\nx\r\n--abc\r\n\r\ny\r\n--a--"), DefectKind::boundary_prefix_line));
  CHECK(tree(multipart("a", "--a \t\r\n\r\nx\r\n--a-- \r\n")) == "mixed(plain)");
  CHECK(has(multipart("a", "--a\r\n\r\nx"), DefectKind::multipart_without_end));
}

TEST_CASE("C5: malformed header lines, NUL and blanks before the colon are flagged") {
  using namespace std::string_literals;
  CHECK(has("From: a\r\nno colon\r\n\r\n", DefectKind::header_line_malformed));
  CHECK(has("Subject: a\0b\r\n\r\n"s, DefectKind::nul));
  CHECK(has("Subject : a\r\n\r\n", DefectKind::blank_before_colon));
  CHECK(has("Subject: \xff\r\n\r\n", DefectKind::eight_bit_header));
  CHECK(has("Content-Type: nonsense\r\n\r\n", DefectKind::content_type_invalid));
  CHECK(!Message::parse("Subject: gr\xc3\xbc\xc3\x9f\r\n\r\n").ambiguous());
}
