// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "keystonemail/codec/quoted_printable.hpp"

#include <doctest/doctest.h>

#include "keystonemail/base/random.hpp"

using namespace keystonemail;
using namespace keystonemail::codec;

TEST_CASE("quoted-printable: the example of RFC 2045 §6.7 decodes to one line") {
  CHECK(decode_quoted_printable("Now's the time =\r\nfor all folk to come=\r\n to the aid of their country.") ==
        "Now's the time for all folk to come to the aid of their country.");
}

TEST_CASE("quoted-printable: blanks at line ends go, soft breaks go, bad escapes stay") {
  CHECK(decode_quoted_printable("a \t\r\nb  ") == "a\r\nb");
  CHECK(decode_quoted_printable("a= \t\r\nb=\nc") == "abc");
  CHECK(decode_quoted_printable("=4a=zz=4=") == "J=zz=4");
  CHECK(decode_quoted_printable("=3D=0D=0A") == "=\r\n");
  CHECK(decode_quoted_printable("a\rb \r\n") == "a\rb\r\n");
}

TEST_CASE("quoted-printable: decoding does not depend on where the text is cut") {
  const std::string_view text = "=C3=A4 x \t\r\ny=\r\nz=zz =4\r\n=  \r\nlast=4";
  const std::string whole = decode_quoted_printable(text);
  for (std::size_t cut = 0; cut <= text.size(); ++cut) {
    std::string out;
    QuotedPrintableDecoder decoder;
    decoder.append(out, text.substr(0, cut));
    decoder.append(out, text.substr(cut));
    decoder.finish(out);
    CHECK(out == whole);
  }
}

TEST_CASE("quoted-printable: any octets survive, in lines of at most 76") {
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    SeededRandom random(seed);
    std::string plain;
    while (plain.size() < 300) plain.push_back(" \t=\r\na\xe4"[random.below(7)]);
    const std::string encoded = encode_quoted_printable(plain, QuotedPrintableMode::binary);
    CHECK(decode_quoted_printable(encoded) == plain);
    for (std::size_t at = 0; at < encoded.size();) {
      const std::size_t end = std::min(encoded.find("\r\n", at), encoded.size());
      REQUIRE(end - at <= 76);
      at = end + 2;
    }
  }
  CHECK(encode_quoted_printable("a \nb\r\n\xc3\xa4=") == "a=20\r\nb\r\n=C3=A4=3D");
}
