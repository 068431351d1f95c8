// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "mailauth/spf/record.hpp"

#include <doctest/doctest.h>

using namespace keystonemail;
using namespace keystonemail::mailauth::spf;

namespace {
std::string wrong_term(std::string_view terms) {
  const auto record = parse_record("v=spf1 " + std::string(terms));
  return record ? "" : record.error();
}
}  // namespace

TEST_CASE("spf record: the version stands alone, in any case") {
  CHECK(is_record("v=spf1"));
  CHECK(is_record("V=SPF1 -all"));
  CHECK_FALSE(is_record("v=spf10"));
  CHECK_FALSE(is_record("v=spf1-all"));
  CHECK_FALSE(is_record(" v=spf1"));
  CHECK_FALSE(is_record("v=spf1\t-all"));
  CHECK_FALSE(is_record(""));
}

TEST_CASE("spf record: directives with qualifiers, targets and prefix lengths") {
  const auto record = parse_record("v=spf1  a:foo.example.com/24//64 ~MX/30 ?ptr -all ");
  REQUIRE(record);
  REQUIRE(record->directives.size() == 4);
  CHECK(record->directives[0].mechanism == Mechanism::a);
  CHECK(record->directives[0].prefix4 == 24);
  CHECK(record->directives[0].prefix6 == 64);
  CHECK(record->directives[0].target.has_value());
  CHECK(record->directives[1].mechanism == Mechanism::mx);
  CHECK(record->directives[1].on_match == Outcome::softfail);
  CHECK(record->directives[1].prefix4 == 30);
  CHECK(record->directives[1].prefix6 == 128);
  CHECK(record->directives[2].on_match == Outcome::neutral);
  CHECK(record->directives[3].on_match == Outcome::fail);
  CHECK(record->has_all);
}

TEST_CASE("spf record: modifiers in any place, unknown ones ignored") {
  const auto record = parse_record("v=spf1 exp=e.%{d} foo.bar-1_2=x:y/%{t} mx redirect=_spf.example.com");
  REQUIRE(record);
  CHECK(record->directives.size() == 1);
  CHECK(record->redirect.has_value());
  CHECK(record->explanation.has_value());
}

TEST_CASE("spf record: good terms") {
  for (const auto text : {"all", "a", "a/0", "a//0", "a/32//128", "A:B.c", "mx:%{d}/24", "ip4:192.0.2.0/0", "ip4:1.2.3.4", "ip6:::/0",
                          "ip6:2001:db8::1/64", "ip6:::ffff:1.2.3.4/96", "exists:%{i}._x.example", "ptr:example.com", "include:a.b", "x="}) {
    CAPTURE(text);
    CHECK(wrong_term(text) == "");
  }
}

TEST_CASE("spf record: a wrong term anywhere is named") {
  for (const auto text : {"all:x", "all/8", "all.", "include", "include:", "include:localhost", "a:", "a/33", "a/", "a/024", "a//129", "a/24/64", "a:/24",
                          "a:b.c/33", "mx:", "ip4", "ip4:", "ip4:1.2.3", "ip4:1.2.3.4/33", "ip4:1.2.3.4/032", "ip4:1.2.3.4//32", "ip4:01.2.3.4",
                          "ip4:::1", "ip6:1.2.3.4", "ip6:2001:db8::/129", "ip6:", "exists", "exists:a", "ptr:", "ptr/24", "foo", "+", "--all", "=x", "1x=y",
                          "redirect=", "exp=localhost", "x=%(d)", "exists:%{c}.example.com", "redirect=%{r}.example.com", "\tall", "all\t", "moo:a=b"}) {
    CAPTURE(text);
    CHECK(wrong_term(std::string("mx ") + text + " -all") == text);
  }
  CHECK(wrong_term("redirect=a.b redirect=a.b") == "redirect=a.b");
  CHECK(wrong_term("exp=a.b mx exp=c.d") == "exp=c.d");
}
