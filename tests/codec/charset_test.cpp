// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "keystonemail/codec/charset.hpp"

#include <doctest/doctest.h>

#include "keystonemail/base/random.hpp"
#include "keystonemail/base/text.hpp"

using namespace keystonemail;
using namespace keystonemail::codec;

namespace {
const char* const charsets[] = {"utf-8",  "us-ascii", "iso-8859-1", "windows-1251", "koi8-r", "utf-7",     "utf-16", "utf-16le",
                                "utf-32", "iso-2022-jp", "iso-2022-kr", "shift_jis", "euc-jp", "euc-kr", "gb2312", "big5",
                                "big5-hkscs", "tcvn", "windows-1258", "no-such-charset"};
}

TEST_CASE("charset: what mail is written in becomes UTF-8") {
  CHECK(to_utf8("gr\xfc\xdf", "ISO-8859-1") == "grüß");
  CHECK(to_utf8("\x80", "iso-8859-1") == "€");  // as if windows-1252
  CHECK(to_utf8("\xcf\xf0\xe8", "windows-1251") == "При");
  CHECK(to_utf8("\x1b$B$3$s\x1b(B!", "ISO-2022-JP") == "こん!");
  CHECK(to_utf8("\x82\xb1", "Shift_JIS") == "こ");
  CHECK(to_utf8("Hi Mom +Jjo-!", "UTF-7") == "Hi Mom ☺!");
  CHECK(to_utf8("gr\xc3\xbc\xc3\x9f", "") == "grüß");
}

TEST_CASE("charset: unknown names and bad sequences give U+FFFD, never failure") {
  CHECK(!is_known_charset("x-unknown"));
  CHECK(!is_known_charset("../../tmp/evil"));
  CHECK(!is_known_charset("ISO-2022-CN-EXT"));
  CHECK(!is_known_charset("UTF-8//TRANSLIT"));
  CHECK(to_utf8("a\xff", "x-unknown") == "a\ufffd");
  CHECK(to_utf8("caf\xc3\xa9 \xe9", "unknown-8bit") == "caf\u00e9 \ufffd");
  CHECK(to_utf8("a\xff\xc3", "utf-8") == "a\ufffd\ufffd");
  CHECK(to_utf8("\xed\xa0\x80", "utf-8") == "\ufffd\ufffd\ufffd");
  CHECK(is_utf8(to_utf8("\x82", "shift_jis")));
}

TEST_CASE("C6: whatever the charset, output is UTF-8 of at most 4 times the input, and cutting changes nothing") {
  for (const char* charset : charsets)
    for (std::uint64_t seed = 0; seed < 60; ++seed) {
      CAPTURE(charset);
      SeededRandom random(seed);
      std::string text;
      while (text.size() < 64) text.push_back("\x1b$B()AJ+/-\x0e\x0f\r\n\x80\xa4\xe3\xff\xd8\xfe"[random.below(20)]);
      const std::string whole = to_utf8(text, charset);
      REQUIRE(is_utf8(whole));
      REQUIRE(whole.size() <= 4 * text.size());
      for (std::size_t cut = 0; cut <= text.size(); cut += 3) {
        CharsetDecoder decoder(charset);
        std::string out;
        decoder.append(out, std::string_view(text).substr(0, cut));
        decoder.append(out, std::string_view(text).substr(cut));
        decoder.finish(out);
        REQUIRE(out == whole);
      }
    }
}

TEST_CASE("C6: a bomb of state changes in ISO-2022 and UTF-7 stays small") {
  std::string escapes, shifts;
  for (int i = 0; i < 100'000; ++i) escapes += "\x1b$B\x1b(B", shifts += "+-";
  CHECK(to_utf8(escapes, "iso-2022-jp").empty());
  CHECK(to_utf8(shifts, "utf-7").size() <= shifts.size());
}
