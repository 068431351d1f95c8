// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "keystonemail/base/text.hpp"

#include <doctest/doctest.h>

using namespace keystonemail;

TEST_CASE("decimal: digits only, up to the limit") {
  CHECK(parse_decimal("0") == 0);
  CHECK(parse_decimal("18446744073709551615") == UINT64_MAX);
  CHECK(!parse_decimal("18446744073709551616"));
  CHECK(parse_decimal("255", 255) == 255);
  CHECK(!parse_decimal("256", 255));
  CHECK(!parse_decimal("9", 5));
  for (const char* text : {"", "-1", "+1", " 1", "1 ", "0x1"}) CHECK(!parse_decimal(text));
}

TEST_CASE("utf-8: every scalar value survives, and nothing else is accepted") {
  for (char32_t c = 0; c <= 0x10ffff; ++c) {
    if (c >= 0xd800 && c <= 0xdfff) continue;
    std::string text;
    append_utf8(text, c);
    const auto decoded = decode_utf8(text);
    const bool survived = decoded && decoded->value == c && decoded->octets == text.size();
    if (!survived) FAIL("code point " << static_cast<std::uint32_t>(c));  // a macro a million times over takes long
  }
  for (const char* text : {"\x80", "\xc0\x80", "\xc1\xbf", "\xe0\x9f\xbf", "\xed\xa0\x80", "\xf0\x8f\xbf\xbf",
                           "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xe2\x82", "\xff"}) {
    CAPTURE(text);
    CHECK(!decode_utf8(text));
    CHECK(!is_utf8(text));
  }
}

TEST_CASE("case: only ASCII letters fold") {
  CHECK(iequals("MAIL From", "mail fROM"));
  CHECK(!iequals("\xc3\x84", "\xc3\xa4"));
  CHECK(!iequals("[", "{"));
  CHECK(istarts_with("Received: x", "received:"));
}

TEST_CASE("case: iless() orders texts, and those that differ in case alone are equal") {
  const std::string_view texts[] = {"", "a", "A", "b", "to", "TO", "from", "FROM", "subject", "\x80", "[", "{"};
  for (const auto a : texts) {
    for (const auto b : texts) {
      CHECK((!iless(a, b) && !iless(b, a)) == iequals(a, b));
      CHECK_FALSE((iless(a, b) && iless(b, a)));
      for (const auto c : texts) CHECK((!iless(a, b) || !iless(b, c) || iless(a, c)));
    }
  }
}

TEST_CASE("trim: takes blanks from both ends only") {
  CHECK(trim(" \r\n a b\t") == "a b");
  CHECK(trim(" \t").empty());
}
