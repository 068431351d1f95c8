// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "keystonemail/mime/reencode.hpp"

#include <doctest/doctest.h>

#include "keystonemail/base/text.hpp"
#include "keystonemail/mime/message.hpp"
#include "keystonemail/mime/section.hpp"

using namespace keystonemail;
using mime::encode_nul;
using mime::to_seven_bit;
using namespace std::string_literals;

namespace {

// What a reader makes of each leaf.
std::vector<std::string> contents(std::string_view raw) {
  const auto message = mime::Message::parse(raw);
  std::vector<std::string> all;
  for (const auto& part : message.parts()) {
    if (part.kind == mime::PartKind::leaf) all.push_back(mime::decode_content(part.encoding, message.body(part)));
  }
  return all;
}

const std::string mixed =
    "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
    "--b\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\ngr\xc3\xbc\xc3\x9f = x\r\nsecond line \r\n"
    "--b\r\nContent-Type: text/plain\r\n\r\nplain\r\n"
    "--b\r\nContent-Type: image/png\r\nContent-Transfer-Encoding: binary\r\nContent-Disposition: inline\r\n\r\n\x89PNG\xff\x01\r\n"
    "--b\r\nContent-Type: message/rfc822\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
    "Subject: inner\r\nContent-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n<p>\xc3\xa9</p>\r\n"
    "--b--\r\n";

}  // namespace

TEST_CASE("mime seven bit: what readers see stays, in 7-bit octets, wherever it stands") {
  const std::string made = to_seven_bit(mixed);
  CHECK(is_ascii(made));
  CHECK(contents(made) == contents(mixed));
  CHECK(mime::Message::parse(made).parts().size() == mime::Message::parse(mixed).parts().size());
  CHECK(made.find("8bit") == std::string::npos);
  CHECK(made.find("Content-Disposition: inline\r\n") != std::string::npos);
  CHECK(to_seven_bit(made) == made);
}

TEST_CASE("mime seven bit: a message without MIME gets what quoted-printable needs") {
  const std::string made = to_seven_bit("Subject: x\r\n\r\ncaf\xe9\r\n");
  CHECK(made == "Subject: x\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=unknown-8bit\r\n"
                "Content-Transfer-Encoding: quoted-printable\r\n\r\ncaf=E9\r\n");
}

TEST_CASE("mime seven bit: a message of 7-bit octets stays as it is, and so does an empty one") {
  for (const std::string text : {"Subject: x\r\n\r\nbody\r\n", "", "\r\n", "no header at all"}) CHECK(to_seven_bit(text) == text);
}

TEST_CASE("mime seven bit: cut or damaged anywhere it is still 7-bit in its bodies and never beyond its octets") {
  for (std::size_t cut = 0; cut <= mixed.size(); ++cut) {
    const std::string made = to_seven_bit(mixed.substr(0, cut));
    for (const auto& text : contents(made)) (void)text;
    CHECK(made.size() <= 4 * mixed.size());
  }
}

namespace {
const std::string binary =
    "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\nContent-Transfer-Encoding: binary\r\n\r\n"
    "--b\r\nContent-Type: text/plain\r\nContent-Transfer-Encoding: binary\r\n\r\nno NUL here\nbut a bare LF\r\n"
    "--b\r\nContent-Type: image/png\r\nContent-Transfer-Encoding: binary\r\nContent-Disposition: inline\r\n\r\n\x89PNG\0\r\n\n\0\r\n"
    "--b\r\nContent-Type: message/rfc822\r\nContent-Transfer-Encoding: binary\r\n\r\n"
    "Subject: inner\r\n\r\nmislabelled\0text\r\n"
    "--b\r\n\r\n\0\r\n"
    "--b--\r\n"s;
}  // namespace

TEST_CASE("mime without NUL: what readers see stays, and only parts with NUL change") {
  const std::string made = encode_nul(binary);
  CHECK(made.find('\0') == std::string::npos);
  CHECK(contents(made) == contents(binary));
  CHECK(made.find("Content-Transfer-Encoding: binary\r\n\r\nno NUL here\nbut a bare LF\r\n") != std::string::npos);
  CHECK(made.find("Content-Type: image/png\r\nContent-Disposition: inline\r\nContent-Transfer-Encoding: base64\r\n\r\niVBORwANCgoA") !=
        std::string::npos);
  CHECK(encode_nul(made) == made);
  for (const std::string& same : {"Subject: x\r\n\r\ncaf\xe9\r\n"s, ""s, "no header\0"s.substr(0, 9), mixed}) CHECK(encode_nul(same) == same);
}

TEST_CASE("mime without NUL: a message without MIME is text of a charset that nobody knows") {
  CHECK(encode_nul("Subject: x\r\n\r\na\0b\r\n"s) ==
        "Subject: x\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=unknown-8bit\r\n"
        "Content-Transfer-Encoding: base64\r\n\r\nYQBiDQo=\r\n");
}

TEST_CASE("mime without NUL: what may not be encoded is left alone") {
  for (const std::string& same : {
           "Subject: \0\r\n\r\nbody\r\n"s,
           "Content-Type: multipart/mixed\r\n\r\nno boundary \0\r\n"s,
           "Content-Type: message/partial; id=x; number=1\r\n\r\n\0\r\n"s,
           "Content-Transfer-Encoding: base64\r\n\r\nYQ==\0\r\n"s,
           "Content-Transfer-Encoding: x-uuencode\r\n\r\n\0\r\n"s}) {
    CHECK(encode_nul(same) == same);
  }
}

TEST_CASE("mime without NUL: cut or damaged anywhere, what readers see stays") {
  for (std::size_t cut = 0; cut <= binary.size(); ++cut) {
    CAPTURE(cut);
    const std::string whole = binary.substr(0, cut);
    const std::string made = encode_nul(whole);
    CHECK(contents(made) == contents(whole));
    CHECK(made.size() <= 4 * binary.size());
  }
}
