// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "smtp/xtext.hpp"

#include <doctest/doctest.h>

using namespace keystonemail::smtp;

TEST_CASE("xtext: every octet survives, and only RFC 3461 §4 characters are written") {
  std::string all;
  for (int octet = 0; octet < 256; ++octet) all += static_cast<char>(octet);
  const std::string written = encode_xtext(all);
  for (const char c : written) CHECK((c >= '!' && c <= '~' && c != '='));
  CHECK(decode_xtext(written) == all);
  CHECK(encode_xtext("a+b=c d") == "a+2Bb+3Dc+20d");
  CHECK(decode_xtext("a+2Bb+3Dc+20d") == "a+b=c d");
  CHECK(decode_xtext("+2b") == "+");  // lenient
  CHECK(decode_xtext("") == "");
}

TEST_CASE("xtext: what is none is refused") {
  for (const char* text : {"+", "+2", "a+", "a+4", "+G1", "+1G", "a b", "a=b", "\x7f", "\xc3\xbc", "a\tb", "++20"}) {
    CAPTURE(text);
    CHECK(!decode_xtext(text));
  }
}

TEST_CASE("xtext: the UTF-8 address forms of RFC 6533 §3 mean the same") {
  CHECK(decode_utf8_address("\\x{FC}@example.org") == "\xc3\xbc@example.org");
  CHECK(decode_utf8_address("\xc3\xbc@example.org") == "\xc3\xbc@example.org");
  CHECK(decode_utf8_address("\\x{5C}") == "\\");
  CHECK(decode_utf8_address("\\x{1F600}") == "\xf0\x9f\x98\x80");
  CHECK(decode_utf8_address("a+2Bb") == "a+b");
  CHECK(decode_utf8_address(encode_utf8_address("\xc3\xbc+ \\=@example.org")) == "\xc3\xbc+ \\=@example.org");
  for (const char* text : {"\\x{}", "\\x{D800}", "\\x{110000}", "\\x{0A}", "\\x{7F}", "\\x{FC", "\\xFC", "\\", "+2", "a b"}) {
    CAPTURE(text);
    CHECK(!decode_utf8_address(text));
  }
}

TEST_CASE("A10: xtext may bring any octet, and what has a control in it is no envelope text") {
  CHECK(is_printable_text("a b\xc3\xbc"));
  for (const char* text : {"a\rb", "a\nb", "\x1b[2J", "\x7f", "\xc3", "\xff"}) {
    CAPTURE(text);
    CHECK(!is_printable_text(text));
  }
  CHECK(!is_printable_text(std::string_view("a\0b", 3)));
}
