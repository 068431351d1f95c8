// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "keystonemail/codec/base64.hpp"

#include <doctest/doctest.h>

#include <vector>

#include "keystonemail/base/random.hpp"

using namespace keystonemail;
using namespace keystonemail::codec;

namespace {

std::string random_octets(std::size_t count, std::uint64_t seed) {
  SeededRandom random(seed);
  std::string out;
  while (out.size() < count) out.push_back(static_cast<char>(random.next_u64()));
  return out;
}

std::string decode_leniently(std::string_view first, std::string_view second = {}) {
  std::string out;
  Base64Decoder decoder;
  decoder.append(out, first);
  decoder.append(out, second);
  decoder.finish(out);
  return out;
}

bool irregular(std::string_view text) {
  std::string out;
  Base64Decoder decoder;
  decoder.append(out, text);
  decoder.finish(out);
  return decoder.irregular();
}

}  // namespace

TEST_CASE("base64: the test vectors of RFC 4648 §10 both ways") {
  const std::pair<const char*, const char*> vectors[] = {{"", ""},         {"f", "Zg=="},         {"fo", "Zm8="},
                                                         {"foo", "Zm9v"},  {"foob", "Zm9vYg=="}, {"fooba", "Zm9vYmE="},
                                                         {"foobar", "Zm9vYmFy"}};
  for (const auto& [plain, encoded] : vectors) {
    CHECK(encode_base64(plain) == encoded);
    CHECK(decode_base64(encoded) == plain);
  }
}

TEST_CASE("base64: strict decoding takes one form only") {
  for (const char* text : {"Zg=", "Zg", "Zh==", "Zm9=", "Zm9v=", "Z", "====", "Zm 9v", "Zm9v\n", "Z=g=", "Zm9-"}) {
    CAPTURE(text);
    CHECK(!decode_base64(text));
  }
}

TEST_CASE("base64url: unpadded, with its own two letters") {
  CHECK(encode_base64("\xff\xfe\xfd\xfc", Base64Alphabet::url) == "__79_A");
  CHECK(decode_base64("__79_A", Base64Alphabet::url) == "\xff\xfe\xfd\xfc");
  CHECK(!decode_base64("__79_A==", Base64Alphabet::url));
}

TEST_CASE("base64: random octets of every small length survive") {
  for (std::size_t octets = 0; octets < 200; ++octets) {
    const std::string plain = random_octets(octets, octets);
    CHECK(decode_base64(encode_base64(plain)) == plain);
    CHECK(decode_leniently(encode_base64(plain)) == plain);
  }
}

TEST_CASE("base64: lenient decoding does not depend on where the text is cut") {
  const std::string_view text = "Zm9v\r\nYmFy!Zg==\r\nTWFpbA==SGk=\r\nZm9";
  const std::string whole = decode_leniently(text);
  CHECK(whole == "foobarfMailHifo");
  for (std::size_t cut = 0; cut <= text.size(); ++cut)
    CHECK(decode_leniently(text.substr(0, cut), text.substr(cut)) == whole);
}

TEST_CASE("C5: NUL in base64, data after padding and '=' in the middle are decoded one way and noticed") {
  using namespace std::string_view_literals;
  CHECK(decode_leniently("Zm\0 9v"sv) == "foo");
  CHECK(irregular("Zm\0 9v"sv));
  CHECK(decode_leniently("Zg==Zm9v") == "ffoo");
  CHECK(irregular("Zg==Zm9v"));
  CHECK(decode_leniently("Z=g=") == "f");
  CHECK(irregular("Z=g="));
  CHECK(!irregular("Zm9v\r\nZg==\r\n"));
}

TEST_CASE("base64 body: every layout that encoders use comes back octet for octet") {
  for (const std::uint32_t line : {0U, 4U, 60U, 64U, 72U, 76U})
    for (const auto line_end : {Base64Layout::LineEnd::crlf, Base64Layout::LineEnd::lf})
      for (const std::uint8_t trailing : {0, 1, 2})
        for (std::size_t octets : {1, 2, 3, 44, 45, 46, 57, 58, 114, 1000}) {
          const std::string plain = random_octets(octets, octets);
          const Base64Layout layout{line, line_end, trailing};
          const std::string text = encode_base64(plain, layout);
          REQUIRE(text.size() == encoded_base64_octets(octets, layout));
          const auto body = decode_base64_body(text);
          REQUIRE(body);
          CHECK(body->octets == plain);
          CHECK(encode_base64(body->octets, body->layout) == text);
        }
}

TEST_CASE("base64 body: what cannot be written again exactly is left alone") {
  for (const char* text : {"Zm9v\r\nYg==\nX", "Zm9vZm9v\r\nZm9v\r\nZm9vZm9v", "Zm9v Zm9v", "Zm9vZg", "Zg==\r\nZg==",
                           "\r\nZm9v", "Zm9v\r\n\r\nZm9v\r\n", "Zm9v\r\nZm9vZm9v\r\n", "Zh=="}) {
    CAPTURE(text);
    const auto body = decode_base64_body(text);
    CHECK((!body || encode_base64(body->octets, body->layout) == text));
  }
  CHECK(!decode_base64_body("Zm9v Zm9v"));
  CHECK(!decode_base64_body("Zm9vZg"));
}

TEST_CASE("base64 encoder: pieces of any size give the same body") {
  const Base64Layout layout{76, Base64Layout::LineEnd::crlf, 1};
  const std::string plain = random_octets(400, 7);
  const std::string whole = encode_base64(plain, layout);
  for (std::size_t piece = 1; piece < 130; ++piece) {
    Base64Encoder encoder(layout);
    std::string out;
    for (std::size_t at = 0; at < plain.size(); at += piece) encoder.append(out, std::string_view(plain).substr(at, piece));
    encoder.finish(out);
    CHECK(out == whole);
  }
}

// By its definition (RFC 4648 §4), character by character.
static std::string encoded_slowly(std::string_view octets, const Base64Layout& layout) {
  constexpr std::string_view alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  std::size_t column = 0;
  for (std::size_t at = 0; at < octets.size(); at += 3, column += 4) {
    if (layout.line_octets != 0 && column == layout.line_octets) {
      out += layout.line_end == Base64Layout::LineEnd::crlf ? "\r\n" : "\n";
      column = 0;
    }
    std::uint32_t bits = 0;
    for (std::size_t i = 0; i < 3; ++i) bits = bits << 8 | (at + i < octets.size() ? static_cast<unsigned char>(octets[at + i]) : 0U);
    for (unsigned i = 0; i < 4; ++i) out += at + i > octets.size() ? '=' : alphabet[bits >> (18 - 6 * i) & 63];
  }
  return out;
}

TEST_CASE("base64: lines of every length hold what the alphabet says, however many follow") {
  const std::string octets = random_octets(1'000, 9);
  for (const std::uint32_t line : {0U, 4U, 8U, 12U, 16U, 20U, 60U, 64U, 72U, 76U, 128U, 1'000U}) {
    for (const auto end : {Base64Layout::LineEnd::crlf, Base64Layout::LineEnd::lf}) {
      const Base64Layout layout{.line_octets = line, .line_end = end};
      for (std::size_t size = 0; size < octets.size(); size += size < 300 ? 1 : 37) {
        CAPTURE(line);
        CAPTURE(size);
        const std::vector<char> alone(octets.begin(), octets.begin() + static_cast<std::ptrdiff_t>(size));  // no octet follows
        const std::string_view some(alone.data(), size);
        REQUIRE(encode_base64(some, layout) == encoded_slowly(some, layout));
      }
    }
  }
}
