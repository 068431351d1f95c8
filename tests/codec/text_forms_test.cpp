// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// The small converters: hexadecimal, percent, modified UTF-7, case folding, CRC-32C, IDNA.
#include <doctest/doctest.h>

#include <algorithm>
#include <vector>

#include "codec/crc32c_table.hpp"
#include "keystonemail/base/random.hpp"
#include "keystonemail/base/text.hpp"
#include "keystonemail/codec/case_fold.hpp"
#include "keystonemail/codec/crc32c.hpp"
#include "keystonemail/codec/hex.hpp"
#include "keystonemail/codec/idna.hpp"
#include "keystonemail/codec/modified_utf7.hpp"

using namespace keystonemail;
using namespace keystonemail::codec;

TEST_CASE("hex: both cases in, lower case out, nothing else") {
  CHECK(encode_hex("\x01\xfe") == "01fe");
  CHECK(decode_hex("01Fe") == "\x01\xfe");
  for (const char* text : {"0", "0g", "0x", " 1"}) CHECK(!decode_hex(text));
}

TEST_CASE("percent: unreserved characters stay, malformed escapes fail") {
  CHECK(encode_percent("a b/ä~") == "a%20b%2F%C3%A4~");
  CHECK(encode_percent("a/b", "/") == "a/b");
  CHECK(decode_percent("a%20b%2f") == "a b/");
  for (const char* text : {"%", "%2", "%zz"}) CHECK(!decode_percent(text));
}

TEST_CASE("modified utf-7: the examples of RFC 3501 §5.1.3") {
  CHECK(encode_modified_utf7("~peter/mail/台北/日本語") == "~peter/mail/&U,BTFw-/&ZeVnLIqe-");
  CHECK(decode_modified_utf7("~peter/mail/&U,BTFw-/&ZeVnLIqe-") == "~peter/mail/台北/日本語");
  CHECK(encode_modified_utf7("a&b") == "a&-b");
  CHECK(decode_modified_utf7("&2D3cqQ-") == "\U0001f4a9");
}

TEST_CASE("modified utf-7: a name has one form only") {
  for (const char* text : {"&Jjo!", "&U,BTFw-&ZeVnLIqe-", "&AGE-", "&", "&Jjo", "&2D0-", "&3Kk-", "a\xc3\xa4", "&U/BTFw-", "&AA-"}) {
    CAPTURE(text);
    CHECK(!decode_modified_utf7(text));
  }
}

TEST_CASE("case folding: case and width do not count, accents do") {
  CHECK(fold_case("Straße") == fold_case("STRASSE"));
  CHECK(fold_case("ÄÖü") == fold_case("äöÜ"));
  CHECK(fold_case("Ａｂ") == fold_case("aB"));
  CHECK(fold_case("Σς") == fold_case("σΣ"));
  CHECK(fold_case("\u00e9") == fold_case("e\u0301"));
  CHECK(fold_case("한") == fold_case("\u1112\u1161\u11ab"));
  CHECK(fold_case("e") != fold_case("é"));
  CHECK(fold_case("a\xff") == "A\xff");
}

TEST_CASE("case folding: it is stable and keeps to its bound for every code point") {
  for (char32_t c = 0; c <= 0x10ffff; ++c) {
    if (c >= 0xd800 && c <= 0xdfff) continue;
    std::string text;
    append_utf8(text, c);
    const std::string folded = fold_case(text);
    const bool holds = fold_case(folded) == folded && folded.size() <= fold_growth_max * text.size();
    if (!holds) FAIL("code point " << static_cast<std::uint32_t>(c));  // a macro a million times over takes long
  }
}

TEST_CASE("crc32c: the check value, chaining, and both ways agree") {
  CHECK(crc32c("123456789") == 0xe3069283);
  CHECK(crc32c("6789", crc32c("12345")) == 0xe3069283);
  SeededRandom random(1);
  std::string octets;
  for (std::size_t size = 0; size < 300; ++size) {
    for (std::size_t offset = 0; offset < std::min<std::size_t>(size + 1, 9); ++offset) {
      const std::vector<char> alone(octets.begin() + static_cast<std::ptrdiff_t>(offset), octets.end());  // no octet follows
      const std::string_view some(alone.data(), alone.size());
      REQUIRE(crc32c(some) == crc32c_by_table(some, 0));
    }
    octets.push_back(static_cast<char>(random.next_u64()));
  }
  while (octets.size() < 80'000) octets.push_back(static_cast<char>(random.next_u64()));
  for (const std::size_t size : {12'287U, 12'288U, 12'289U, 24'576U, 24'583U, 65'536U, 80'000U}) {
    CAPTURE(size);
    const auto first = std::string_view(octets).substr(octets.size() - size);  // at any alignment
    CHECK(crc32c(first) == crc32c_by_table(first, 0));
    CHECK(crc32c(first, 77) == crc32c_by_table(first, 77));
  }
}

TEST_CASE("idna: one form for every way to write a domain") {
  CHECK(to_ascii_domain("Bücher.Example") == "xn--bcher-kva.example");
  CHECK(to_ascii_domain("XN--BCHER-KVA.example.") == "xn--bcher-kva.example");
  CHECK(to_unicode_domain("xn--bcher-kva.example") == "bücher.example");
  CHECK(to_ascii_domain("example。com") == "example.com");
  for (const char* text : {"", ".", "a..b", "-a.b", "a b.c", "a_b!.c", "\xff.com", "a@b.c"}) {
    CAPTURE(text);
    CHECK(!to_ascii_domain(text));
  }
  CHECK(!to_ascii_domain(std::string(64, 'a') + ".example"));
  CHECK(!to_ascii_domain(std::string(300, 'a')));
}

TEST_CASE("C6: malformed punycode stays as it is") {
  for (const char* text : {"xn--$.example", "xn--a.example", "xn--99999999999.example", "xn--0.xn--", "xn---.x"})
    CHECK(!to_unicode_domain(text).empty());
}
