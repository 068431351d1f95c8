// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "keystonemail/mailauth/dkim/canonicalization.hpp"

#include <doctest/doctest.h>

#include <algorithm>

#include "keystonemail/base/random.hpp"

using namespace keystonemail;
using namespace keystonemail::mailauth::dkim;

namespace {

constexpr auto simple = Canonicalization::simple;
constexpr auto relaxed = Canonicalization::relaxed;

struct Text final : BodyCanonicalizer {
  using BodyCanonicalizer::BodyCanonicalizer;
  void write(std::string_view canonical) override { text += canonical; }
  std::string text;
};

std::string body(std::string_view octets, Canonicalization form, std::size_t piece = std::string::npos) {
  Text canonicalizer(form);
  for (; !octets.empty(); octets.remove_prefix(std::min(piece, octets.size()))) canonicalizer.append(octets.substr(0, piece));
  canonicalizer.finish();
  return canonicalizer.text;
}

std::string header(std::string_view text, Canonicalization form) {
  std::string out;
  mime::HeaderReader reader(text);
  while (const auto field = reader.next()) append_canonical_field(out, *field, form);
  return out;
}

}  // namespace

TEST_CASE("dkim: the examples of RFC 6376 §3.4.5") {
  const std::string_view fields = "A: X\r\nB : Y\t\r\n\tZ  \r\n\r\n";
  const std::string_view text = " C \r\nD \t E\r\n\r\n\r\n";
  CHECK(header(fields, relaxed) == "a:X\r\nb:Y Z\r\n");
  CHECK(header(fields, simple) == "A: X\r\nB : Y\t\r\n\tZ  \r\n");
  CHECK(body(text, relaxed) == " C\r\nD E\r\n");
  CHECK(body(text, simple) == " C \r\nD \t E\r\n");
}

TEST_CASE("dkim: an empty body is one line end when simple, and nothing when relaxed (RFC 6376 §3.4.3, §3.4.4)") {
  for (const char* text : {"", "\r\n", "\r\n\r\n\r\n", "\n"}) {
    CAPTURE(text);
    CHECK(body(text, simple) == "\r\n");
    CHECK(body(text, relaxed) == "");
  }
  CHECK(body(" \t \r\n\t\r\n", relaxed) == "");
  CHECK(body(" \r\n", simple) == " \r\n");
}

TEST_CASE("dkim: a last line gets its end, and empty lines stay where text follows") {
  CHECK(body("a", simple) == "a\r\n");
  CHECK(body("a\r\n\r\nb\r\n\r\n", simple) == "a\r\n\r\nb\r\n");
  CHECK(body("\r\n\r\na", relaxed) == "\r\n\r\na\r\n");
  CHECK(body("a\r\n \r\n\tb  c\t\r\n\t\r\n", relaxed) == "a\r\n\r\n b c\r\n");
}

TEST_CASE("dkim: bare LF ends a line, bare CR is an octet") {
  CHECK(body("a\nb\n\n", simple) == "a\r\nb\r\n");
  CHECK(body("a\rb\r\r\n\r", simple) == "a\rb\r\r\n\r\r\n");
  CHECK(body("a \r b\r\n", relaxed) == "a \r b\r\n");
  CHECK(header("A: b\n c\n\n", simple) == "A: b\r\n c\r\n");
  CHECK(header("A: b\n c\r\n d\n\n", relaxed) == "a:b c d\r\n");
}

TEST_CASE("dkim: a relaxed field has no white space at its ends, and an empty one is empty") {
  CHECK(header("Subject:\r\n\r\n", relaxed) == "subject:\r\n");
  CHECK(header("Subject: \t\r\n \r\n\r\n", relaxed) == "subject:\r\n");
  CHECK(header("SubJect \t:\t a\t \tb \r\n\tc: d\t", relaxed) == "subject:a b c: d\r\n");
}

TEST_CASE("dkim: the canonical body does not depend on where pieces are cut") {
  SeededRandom random(7);
  static constexpr std::string_view alphabet = "a b\t\r\n\r\n.";
  for (int round = 0; round < 300; ++round) {
    std::string text;
    const auto octets = random.below(60);
    for (std::uint64_t i = 0; i < octets; ++i) text += alphabet[random.below(alphabet.size())];
    for (const auto form : {simple, relaxed}) {
      const auto whole = body(text, form);
      for (std::size_t piece = 1; piece <= 5; ++piece) REQUIRE(body(text, form, piece) == whole);
    }
  }
}

TEST_CASE("dkim: lines longer than the buffer and thousands of empty ones come out whole") {
  const std::string line(10'000, 'x');
  std::string gap;
  for (int i = 0; i < 20'000; ++i) gap += "\r\n";
  CHECK(body(line + gap + line + gap, simple) == line + gap + line + "\r\n");
  CHECK(body(line + gap + line + gap, relaxed, 999) == line + gap + line + "\r\n");
  std::string blanks(9'000, ' ');
  CHECK(body("a" + blanks + "b" + blanks, relaxed) == "a b\r\n");
}
