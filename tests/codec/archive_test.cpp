// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// gzip and zip; what is hostile about archives is C9.
#include "keystonemail/codec/archive.hpp"

#include <doctest/doctest.h>

#include "codec/zip_maker.hpp"

using namespace keystonemail;
using namespace keystonemail::codec;
using keystonemail::test::make_zip;

namespace {

std::string varied(std::size_t octets) {
  std::string out;
  for (std::uint32_t i = 1; out.size() < octets; i = i * 1'664'525U + 1'013'904'223U) out += static_cast<char>(i >> 24);
  return out;
}

}  // namespace

TEST_CASE("gzip: what goes in comes out, of any size, and twice the same") {
  for (const std::size_t octets : {std::size_t{0}, std::size_t{1}, std::size_t{32'768}, std::size_t{1'000'003}}) {
    const std::string text = varied(octets);
    CHECK(gunzip(gzip(text)).value() == text);
    CHECK(gzip(text) == gzip(text));
  }
  CHECK(is_gzip(gzip("x")));
}

TEST_CASE("gzip: members that stand one after the other are one text, and what follows them is not looked at") {
  CHECK(gunzip(gzip("one ") + gzip("two")).value() == "one two");
  CHECK(gunzip(gzip("one") + std::string(10, '\0')).value() == "one");
}

TEST_CASE("gzip: every shorter archive is an error, and every changed octet harmless") {
  const std::string whole = gzip("<feedback>a report</feedback>");
  for (std::size_t cut = 0; cut < whole.size(); ++cut) {
    CAPTURE(cut);
    const auto out = gunzip(whole.substr(0, cut));
    REQUIRE(!out.has_value());
    CHECK(out.error().kind() == ErrorKind::invalid);
    std::string changed = whole;
    changed[cut] = static_cast<char>(changed[cut] ^ 0x55);
    (void)gunzip(changed);
  }
}

TEST_CASE("C9: a gzip bomb ends at two hundred times its size, or at the limit") {
  const std::string bomb = gzip(std::string(50'000'000, '0'));
  REQUIRE(bomb.size() < 60'000);
  CHECK(gunzip(bomb).error().kind() == ErrorKind::too_large);
  const std::string large = gzip(varied(11'000'000));  // honest, but more than is taken
  CHECK(gunzip(large).error().kind() == ErrorKind::too_large);
  CHECK(gunzip(large, 12'000'000).has_value());
  CHECK(gunzip(gzip(std::string(60'000, '0'))).has_value());  // little octets are little octets
  CHECK(gunzip(gzip("12345"), 5).has_value());
  CHECK(gunzip(gzip("12345"), 4).error().kind() == ErrorKind::too_large);
}

TEST_CASE("zip: stored and deflated files are read, with a comment behind them or not") {
  const std::string archive = make_zip({{"a.xml", "<feedback/>"}, {"b.xml", varied(5'000), true}, {"c/", ""}});
  for (const std::string& whole : {archive, archive.substr(0, archive.size() - 2) + std::string("\5\0", 2) + "hello"}) {
    const auto files = unzip(whole);
    REQUIRE(files.has_value());
    REQUIRE(files->size() == 2);
    CHECK(files->at(0).name == "a.xml");
    CHECK(files->at(0).octets == "<feedback/>");
    CHECK(files->at(1).octets == varied(5'000));
  }
  CHECK(is_zip(archive));
}

TEST_CASE("zip: every shorter archive is an error, and every changed octet harmless") {
  const std::string whole = make_zip({{"a.xml", "a report, a report", true}, {"b.xml", "another"}});
  for (std::size_t cut = 0; cut < whole.size(); ++cut) {
    CAPTURE(cut);
    CHECK(!unzip(whole.substr(0, cut)).has_value());
    std::string changed = whole;
    for (const char pattern : {'\x01', '\x80', '\xff'}) {
      changed[cut] = static_cast<char>(whole[cut] ^ pattern);
      (void)unzip(changed);
    }
  }
}

TEST_CASE("C9: a zip may not unpack to too much, share octets between files, or hold many") {
  CHECK(unzip(make_zip({{"bomb", std::string(50'000'000, '0'), true}})).error().kind() == ErrorKind::too_large);
  // Each file alone is within the limit.
  CHECK(unzip(make_zip({{"a", varied(6'000'000), true}, {"b", varied(6'000'000), true}})).error().kind() == ErrorKind::too_large);
  std::vector<test::ZipSource> many(17, {"x", "x"});
  CHECK(unzip(make_zip(many)).error().kind() == ErrorKind::too_large);
  CHECK(unzip(make_zip({{"a", varied(500)}, {"b", varied(500)}}, test::ZipTrick::same_octets)).error().kind() == ErrorKind::invalid);
  CHECK(unzip(make_zip({{"a", varied(500)}}, test::ZipTrick::encrypted)).error().kind() == ErrorKind::invalid);
  CHECK(unzip(make_zip({{"a", varied(500)}}, test::ZipTrick::wrong_size)).error().kind() == ErrorKind::invalid);
}
