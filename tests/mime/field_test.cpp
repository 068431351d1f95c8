// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// What stands in header fields: encoded words, Content-Type and its parameters, message ids, base subjects.
#include <doctest/doctest.h>

#include "keystonemail/base/text.hpp"
#include "keystonemail/mime/content_type.hpp"
#include "keystonemail/mime/encoded_word.hpp"
#include "keystonemail/mime/limits.hpp"
#include "keystonemail/mime/message_id.hpp"

using namespace keystonemail;
using namespace keystonemail::mime;

namespace {

// The parameters of a Content-Type as "name=decoded;".
std::string parameters(std::string_view text) {
  std::string out;
  for (const Parameter& parameter : parse_content_type("a/b;" + std::string(text)).parameters)
    out += parameter.name + "=" + parameter.decoded() + ";";
  return out;
}

}  // namespace

TEST_CASE("encoded words: the examples of RFC 2047 §8") {
  CHECK(decode_text("=?US-ASCII?Q?Keith_Moore?= <moore@cs.utk.edu>") == "Keith Moore <moore@cs.utk.edu>");
  CHECK(decode_text("=?ISO-8859-1?Q?Andr=E9?= Pirard") == "André Pirard");
  CHECK(decode_text("=?ISO-8859-1?B?SWYgeW91IGNhbiByZWFkIHRoaXMgeW8=?=\r\n =?ISO-8859-2?B?dSB1bmRlcnN0YW5kIHRoZSBleGFtcGxlLg==?=") ==
        "If you can read this you understand the example.");
  CHECK(decode_text("=?ISO-8859-1?Q?a?= b") == "a b");
  CHECK(decode_text("=?ISO-8859-1?Q?a?=  =?ISO-8859-1?Q?b?=") == "ab");
  CHECK(decode_text("=?ISO-8859-1?Q?a_b?=") == "a b");
  CHECK(decode_text("=?ISO-8859-1?Q?a?= =?ISO-8859-2?Q?_b?=") == "a b");
}

TEST_CASE("encoded words: split characters, languages and malformed ones") {
  CHECK(decode_text("=?utf-8?q?=C3?= =?utf-8?q?=A4?=") == "ä");
  CHECK(decode_text("=?utf-8*de?q?=C3=A4?=") == "ä");
  for (const char* text : {"=?", "=?utf-8?q?x", "=?utf-8?x?y?=", "=??q?x?=", "=?utf-8?q", "a=?b"}) CHECK(decode_text(text) == text);
  CHECK(decode_text("gr\xc3\xbc\xc3\x9f \xff") == "grüß \ufffd");
}

TEST_CASE("C5: an encoded word cannot bring a line end or NUL into a header") {
  CHECK(decode_text("=?utf-8?q?a=0D=0AX:=00b?=") == "a  X: b");
}

TEST_CASE("C5: a million unfinished encoded words take linear time") {
  std::string text;
  while (text.size() < 2'000'000) text += "=?utf-8?q?";
  CHECK(decode_text(text) == text);
}

TEST_CASE("encoding text: it comes back, in words of at most 75") {
  std::string text;
  for (int i = 0; i < 50; ++i) {
    text += "Grüße 日本 =? x_y ";
    const std::string encoded = encode_text(trim(text));
    CHECK(is_ascii(encoded));
    CHECK(decode_text(encoded) == trim(text));
    std::string_view rest = encoded;
    while (!rest.empty()) {
      const std::size_t blank = std::min(rest.find(' '), rest.size());
      REQUIRE(blank <= 75);
      rest.remove_prefix(std::min(blank + 1, rest.size()));
    }
  }
  CHECK(encode_text("plain text") == "plain text");
  CHECK(encode_text("a\r\nBcc: x") == "a  Bcc: x");
  CHECK(encode_phrase("J. Smith") == "\"J. Smith\"");
  CHECK(encode_phrase("Bob \"B\" \\") == "\"Bob \\\"B\\\" \\\\\"");
}

TEST_CASE("content type: the examples of RFC 2045 §5.1 mean the same") {
  const auto a = parse_content_type(" text/plain; charset=us-ascii (Plain text)");
  const auto b = parse_content_type("Text/Plain; charset=\"us-ascii\"");
  CHECK(a.parameters == b.parameters);
  CHECK(a.is("text/plain"));
  CHECK(b.is("text/plain"));
  CHECK(!a.ambiguous);
}

TEST_CASE("content type: unreadable ones fall back to text/plain (RFC 2045 §5.2)") {
  for (const char* text : {"", "text", "text/", "/plain", "(", "(\\", ";charset=x", "\"text\"/plain"}) {
    CAPTURE(text);
    CHECK(!parse_content_type(text).valid);
    CHECK(parse_content_type(text).is("text/plain"));
  }
}

TEST_CASE("parameters: wild values are read to the next semicolon") {
  CHECK(parameters("name=My File.pdf; x=y") == "name=My File.pdf;x=y;");
  CHECK(parameters("boundary==_a/b=?") == "boundary==_a/b=?;");
  CHECK(parameters("name=\"a\\\"b;c\"") == "name=a\"b;c;");
  CHECK(parameters(" ; ;; a = b ;c") == "a=b;");
  CHECK(parameters("name=\"=?utf-8?q?gr=C3=BCn?=.pdf\"") == "name=grün.pdf;");
}

TEST_CASE("rfc 2231: the examples of its sections 3 and 4") {
  CHECK(parameters("URL*0=\"ftp://\";URL*1=\"cs.utk.edu/pub/moore/bulk-mailer/bulk-mailer.tar\"") ==
        "url=ftp://cs.utk.edu/pub/moore/bulk-mailer/bulk-mailer.tar;");
  CHECK(parameters("title*=us-ascii'en-us'This%20is%20%2A%2A%2Afun%2A%2A%2A") == "title=This is ***fun***;");
  CHECK(parameters("title*0*=us-ascii'en'This%20is%20even%20more%20;title*1*=%2A%2A%2Afun%2A%2A%2A%20;title*2=\"isn't it!\"") ==
        "title=This is even more ***fun*** isn't it!;");
  CHECK(parameters("name*=iso-8859-1''gr%FCn") == "name=grün;");
}

TEST_CASE("C3: order, duplicates and gaps of continuations do not change what is read") {
  const std::string_view ordered = "filename*0=\"evil\";filename*1=\".exe\"";
  CHECK(parameters(ordered) == parameters("filename*1=\".exe\";filename*0=\"evil\""));
  CHECK(parameters("filename*0=a;filename*1=.exe;filename*0=b") == "filename=a.exe;");
  CHECK(parse_content_type("a/b;filename*0=a;filename*1=.exe;filename*0=b").ambiguous);
  CHECK(parameters("filename*0=a;filename*2=b") == "filename=a;");
  CHECK(parse_content_type("a/b;filename*0=a;filename*2=b").ambiguous);
  CHECK(parameters("filename=safe.txt;filename*=utf-8''evil.exe") == "filename=evil.exe;");
  CHECK(parameters("filename*=utf-8''evil.exe;filename=safe.txt") == "filename=evil.exe;");
  CHECK(parameters("filename=x;filename=y") == "filename=x;");
  CHECK(parse_content_type("a/b;filename=x;filename=y").ambiguous);
  CHECK(parameters("filename*1=x") == "");
  CHECK(parameters("filename*1=x;filename=y") == "filename=y;");
  CHECK(parameters("filename*00=x;filename*01=y") == "filename*00=x;filename*01=y;");
}

TEST_CASE("C3: a hundred thousand continuations are cut at the limit, in linear time") {
  std::string text = "a/b";
  for (int i = 0; i < 100'000; ++i) text += ";name*" + std::to_string(i) + "*=%41";
  const auto type = parse_content_type(text);
  REQUIRE(type.parameters.size() == 1);
  CHECK(type.parameters[0].decoded() == std::string(limits::parameters_max, 'A'));
  std::string repeated = "a/b";
  for (int i = 0; i < 100'000; ++i) repeated += ";name*0*=x";
  CHECK(parse_content_type(repeated).parameters.size() == 1);
}

TEST_CASE("transfer encodings: names in any case, comments aside") {
  CHECK(parse_transfer_encoding(" BASE64 ") == TransferEncoding::base64);
  CHECK(parse_transfer_encoding("quoted-printable (x)") == TransferEncoding::quoted_printable);
  CHECK(parse_transfer_encoding("x-uuencode") == TransferEncoding::unknown);
  CHECK(parse_transfer_encoding("base64x") == TransferEncoding::unknown);
}

TEST_CASE("languages and disposition") {
  CHECK(parse_content_language("en, de-DE (German),fr") == std::vector<std::string>{"en", "de-DE", "fr"});
  CHECK(parse_content_disposition("Attachment; filename=x").type == "attachment");
}

TEST_CASE("message ids: those between brackets, without blanks") {
  using Ids = std::vector<std::string_view>;
  CHECK(parse_message_ids("<a@b> <c@d>\r\n\t<e@f>") == Ids{"a@b", "c@d", "e@f"});
  CHECK(parse_message_ids("Your message of <a@b> \"x\" <<c@d> <> <e f> <g") == Ids{"a@b", "c@d"});
}

TEST_CASE("base subject: the steps of RFC 5256 §2.1") {
  const auto base = [](std::string_view subject) { return base_subject(subject).text; };
  CHECK(base("Re: hello") == "hello");
  CHECK(base("RE: Fwd : [list] re[2]: hello (fwd) (FWD) ") == "hello");
  CHECK(base("[a][b] hello") == "hello");
  CHECK(base("[only]") == "[only]");
  CHECK(base("[fwd: Re: [x] hello]") == "hello");
  CHECK(base("=?utf-8?q?Re:_Gr=C3=BC=C3=9Fe?=") == "Grüße");
  CHECK(base("a \t b") == "a b");
  CHECK(base("Regarding: x") == "Regarding: x");
  CHECK(base("") == "");
  CHECK(base_subject("Re: x").reply_or_forward);
  CHECK(!base_subject("[x] y").reply_or_forward);
}

TEST_CASE("base subject: a quarter of a MiB of blobs takes linear time") {
  std::string subject;
  while (subject.size() < 256 * 1024) subject += "[a]";
  CHECK(base_subject(subject).text == "[a]");
  std::string forwards;
  while (forwards.size() < 128 * 1024) forwards += "[fwd:";
  CHECK(base_subject(forwards + std::string(forwards.size() / 5, ']')).text.size() < 10);
}
