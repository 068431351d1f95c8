// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "mailauth/spf/macro.hpp"

#include <doctest/doctest.h>

using namespace keystonemail;
using namespace keystonemail::mailauth::spf;

namespace {

MacroValues values(std::string_view client = "192.0.2.3") {
  return {.local_part = "strong-bad", .sender_domain = "email.example.com", .domain = "email.example.com", .helo = "mx.example.org",
          .receiver = "mx.receiver.example", .validated_name = "mx.example.org", .client = IpAddress::parse(client).value(),
          .now = WallTime(std::chrono::seconds(1'700'000'000))};
}
std::string expanded(std::string_view text, const MacroValues& with = values()) {
  const auto parsed = parse_macro_string(text, MacroSet::explanation);
  return parsed ? expand(*parsed, with).value_or("(too long)") : "(syntax)";
}

}  // namespace

TEST_CASE("spf macro: the examples of RFC 7208 §7.4") {
  CHECK(expanded("%{s}") == "strong-bad@email.example.com");
  CHECK(expanded("%{o}") == "email.example.com");
  CHECK(expanded("%{d}") == "email.example.com");
  CHECK(expanded("%{d4}") == "email.example.com");
  CHECK(expanded("%{d3}") == "email.example.com");
  CHECK(expanded("%{d2}") == "example.com");
  CHECK(expanded("%{d1}") == "com");
  CHECK(expanded("%{dr}") == "com.example.email");
  CHECK(expanded("%{d2r}") == "example.email");
  CHECK(expanded("%{l}") == "strong-bad");
  CHECK(expanded("%{l-}") == "strong.bad");
  CHECK(expanded("%{lr}") == "strong-bad");
  CHECK(expanded("%{lr-}") == "bad.strong");
  CHECK(expanded("%{l1r-}") == "strong");
  CHECK(expanded("%{ir}.%{v}._spf.%{d2}") == "3.2.0.192.in-addr._spf.example.com");
  CHECK(expanded("%{lr-}.lp._spf.%{d2}") == "bad.strong.lp._spf.example.com");
  CHECK(expanded("%{lr-}.lp.%{ir}.%{v}._spf.%{d2}") == "bad.strong.lp.3.2.0.192.in-addr._spf.example.com");
  CHECK(expanded("%{ir}.%{v}.%{l1r-}.lp._spf.%{d2}") == "3.2.0.192.in-addr.strong.lp._spf.example.com");
  CHECK(expanded("%{d2}.trusted-domains.example.net") == "example.com.trusted-domains.example.net");
  CHECK(dns::Name::parse(expanded("%{ir}.%{v}._spf.%{d2}", values("2001:db8::cb01"))) ==
        dns::Name::parse("1.0.b.c.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6._spf.example.com"));
}

TEST_CASE("spf macro: the other letters, literals and escapes") {
  CHECK(expanded("%{h} %{p} %{r} %{t}") == "mx.example.org mx.example.org mx.receiver.example 1700000000");
  CHECK(expanded("%{c}", values("2001:db8::cb01")) == "2001:db8::cb01");
  CHECK(expanded("%{i}", values("2001:db8::cb01")) == "2.0.0.1.0.D.B.8.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.C.B.0.1");
  CHECK(expanded("100%%%_a%-b") == "100% a%20b");
  CHECK(expanded("%{S}") == "strong-bad%40email.example.com");
  CHECK(expanded("%{DR}") == "com.example.email");
  CHECK(expanded("%{d128}") == "email.example.com");
  CHECK(expanded("%{d99999999999999999999}") == "email.example.com");
}

TEST_CASE("spf macro: empty parts stay where the delimiters stand") {
  auto with = values();
  with.local_part = "-a--b";
  CHECK(expanded("%{l-}", with) == ".a..b");
  CHECK(expanded("%{lr-}", with) == "b..a.");
  with.local_part = "";
  CHECK(expanded("x%{l-}y", with) == "xy");
}

TEST_CASE("spf macro: what is no macro is refused") {
  for (const auto text : {"%", "%(ir)", "%{", "%{}", "%{d", "%{x}", "%{d0}", "%{d2x}", "%{dr2}", "%{d2rr}", "%{d:}", "a%b", "\x01", "\x80", "\x7f"}) {
    CAPTURE(text);
    CHECK_FALSE(parse_macro_string(text, MacroSet::explanation));
  }
  for (const auto text : {"%{c}", "%{r}", "%{t}", "a b"}) {
    CAPTURE(text);
    CHECK_FALSE(parse_macro_string(text, MacroSet::terms));
    CHECK(parse_macro_string(text, MacroSet::explanation));
  }
}

TEST_CASE("spf macro: a domain-spec ends in a top label or in a macro") {
  for (const auto text : {"example.com", "example.com.", "%{d}", "a.%{d2}", "_spf.a-b", "x%%", "foo:bar/baz.example", "a.1b", "a.b1"}) {
    CAPTURE(text);
    CHECK(parse_domain_spec(text));
  }
  for (const auto text : {"", "localhost", "example.-com", "example.com-", "a.b..", "1.2.3.4", "example.1", "foo:8080", "%{d}/24", "a}", "%{d}a}", "."}) {
    CAPTURE(text);
    CHECK_FALSE(parse_domain_spec(text));
  }
}

TEST_CASE("D8: a macro bomb does not grow beyond its limit") {
  std::string bomb;
  for (int i = 0; i < 2'000; ++i) bomb += "%{s}";
  CHECK(expanded(bomb) == "(too long)");
}

TEST_CASE("spf macro: a name longer than 253 octets loses labels on the left") {
  std::string labels;
  for (int i = 0; i < 60; ++i) labels += "abcd.";
  const auto name = to_target_name(labels + "example.com");
  REQUIRE(name);
  CHECK(name->text().size() <= 253);
  CHECK(name->text().size() > 248);
  CHECK(name->text().ends_with(".abcd.example.com"));
}

TEST_CASE("D2: what is no name is never looked up") {
  using namespace std::string_view_literals;
  CHECK(to_target_name("a b.example")->text() == "a\\032b.example");  // %_ may make one
  CHECK(to_target_name("a\\b.example")->text() == "a\\\\b.example");
  for (const auto text : {""sv, "a..b"sv, ".a"sv, "a\0b.example"sv, "a\nb.example"sv, "b\xc3\xbc.example"sv}) {
    CAPTURE(text);
    CHECK_FALSE(to_target_name(text));
  }
  CHECK_FALSE(to_target_name(std::string(64, 'a') + ".example"));
}
