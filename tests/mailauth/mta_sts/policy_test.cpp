// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "keystonemail/mailauth/mta_sts/policy.hpp"

#include <doctest/doctest.h>

using namespace keystonemail;
using namespace keystonemail::mailauth::mta_sts;

namespace {

dns::Name name(std::string_view text) { return *dns::Name::parse(text); }

}  // namespace

TEST_CASE("mta-sts policy: the example of RFC 8461 §3.2") {
  const auto policy = parse_policy(
      "version: STSv1\r\nmode: enforce\r\nmx: mail.example.com\r\nmx: *.example.net\r\nmx: backupmx.example.com\r\nmax_age: 604800\r\n");
  REQUIRE(policy);
  CHECK(policy->mode == Mode::enforce);
  CHECK(policy->max_age == std::chrono::hours(24 * 7));
  CHECK(policy->patterns == std::vector<std::string>{"mail.example.com", "*.example.net", "backupmx.example.com"});
  CHECK(policy->allows(name("mail.example.com")));
  CHECK(policy->allows(name("any.example.net")));
  CHECK_FALSE(policy->allows(name("other.example.com")));
}

TEST_CASE("mta-sts policy: the example of RFC 8461 appendix A, in testing") {
  const auto policy = parse_policy(
      "version: STSv1\nmode: testing\nmx: mx1.example.com\nmx: mx2.example.com\nmx: mx.backup-example.com\nmax_age: 1296000\n");
  REQUIRE(policy);
  CHECK(policy->mode == Mode::testing);
  CHECK(policy->patterns.size() == 3);
}

TEST_CASE("D11: a wildcard of MTA-STS stands for one whole label (RFC 8461 §4.1)") {
  const Policy policy{.mode = Mode::enforce, .max_age = {}, .patterns = {"*.example.com"}};
  CHECK(policy.allows(name("mail.example.com")));
  CHECK(policy.allows(name("MAIL.Example.COM")));
  CHECK_FALSE(policy.allows(name("example.com")));
  CHECK_FALSE(policy.allows(name("foo.bar.example.com")));
  CHECK_FALSE(policy.allows(name("mailexample.com")));
  CHECK_FALSE(policy.allows(name(".")));
  const Policy exact{.mode = Mode::enforce, .max_age = {}, .patterns = {"example.com"}};
  CHECK(exact.allows(name("example.com")));
  CHECK_FALSE(exact.allows(name("mail.example.com")));
}

TEST_CASE("mta-sts policy: order, blanks, line ends, unknown fields and repeated ones change nothing") {
  const Policy expected{.mode = Mode::enforce, .max_age = std::chrono::seconds(60), .patterns = {"mx.example.com"}};
  for (const auto* text : {"version:STSv1\nmode:enforce\nmx:mx.example.com\nmax_age:60", "max_age: 60\r\nmx: MX.Example.Com  \r\nmode: enforce\t\r\nversion: STSv1",
                           "version: STSv1\nmode: enforce\nmode: none\nversion: STSv9\nmx: mx.example.com\nmax_age: 60\nmax_age: 7\n",
                           "version: STSv1\nmode: enforce\nx-new.field_1: gr\xc3\xbc\xc3\x9f e\nmx: mx.example.com\nmax_age: 60\n\n\r\n"}) {
    CAPTURE(text);
    CHECK(parse_policy(text) == expected);
  }
}

TEST_CASE("mta-sts policy: each thing that is missing or wrong has its name") {
  const std::string_view rest = "mode: enforce\nmx: a.test\nmax_age: 1\n";
  const auto fault = [](std::string_view text) { return parse_policy(text).error(); };
  CHECK(fault("") == PolicyFault::version);
  CHECK(fault(rest) == PolicyFault::version);
  CHECK(fault("version: STSv2\n" + std::string(rest)) == PolicyFault::version);
  CHECK(fault("version: stsv1\n" + std::string(rest)) == PolicyFault::version);
  CHECK(fault("<html>\n" + std::string(rest)) == PolicyFault::malformed);
  CHECK(fault("version: STSv1\nmode: Enforce\nmx: a.test\nmax_age: 1") == PolicyFault::mode);
  CHECK(fault("version: STSv1\nmx: a.test\nmax_age: 1") == PolicyFault::mode);
  CHECK(fault("version: STSv1\nmode: enforce\nmax_age: 1") == PolicyFault::patterns);
  CHECK(fault("version: STSv1\nmode: testing\nmax_age: 1") == PolicyFault::patterns);
  for (const auto* pattern : {"*", "*.", "mx*.a.test", "*.*.a.test", "a..test", "b\xc3\xbc.test", "a b.test", "."}) {
    CAPTURE(pattern);
    CHECK(fault("version: STSv1\nmode: enforce\nmax_age: 1\nmx: " + std::string(pattern)) == PolicyFault::patterns);
  }
  for (const auto* age : {"-1", "1.5", "x", "00000000001", "99999999999"}) {
    CAPTURE(age);
    CHECK(fault("version: STSv1\nmode: enforce\nmx: a.test\nmax_age: " + std::string(age)) == PolicyFault::max_age);
  }
  CHECK(fault("version: STSv1\nmode: enforce\nmx: a.test\nmax_age:") == PolicyFault::malformed);
  CHECK(fault("version: STSv1\nmode: enforce\nmx: a.test\nx: a\x01" "b\nmax_age: 1") == PolicyFault::malformed);
  CHECK(fault("version: STSv1\nmode: enforce\nmx : a.test\nmax_age: 1") == PolicyFault::malformed);
}

TEST_CASE("mta-sts policy: none needs no host, and a longer age than a year is a year") {
  const auto policy = parse_policy("version: STSv1\nmode: none\nmax_age: 9999999999\n");
  REQUIRE(policy);
  CHECK(policy->mode == Mode::none);
  CHECK(policy->max_age == limits::max_age_max);
}

TEST_CASE("mta-sts policy: it is bounded in octets and patterns") {
  std::string text = "version: STSv1\nmode: enforce\nmax_age: 1\n";
  for (std::size_t i = 0; i < limits::patterns_max; ++i) text += "mx: mx" + std::to_string(i) + ".a.test\n";
  CHECK(parse_policy(text)->patterns.size() == limits::patterns_max);
  CHECK(parse_policy(text + "mx: one-more.a.test\n").error() == PolicyFault::patterns);
  text.resize(limits::policy_octets_max, '\n');
  CHECK(parse_policy(text).has_value());
  CHECK(parse_policy(text + "\n").error() == PolicyFault::too_large);
}

TEST_CASE("mta-sts policy: what it writes it reads") {
  const Policy policy{.mode = Mode::testing, .max_age = std::chrono::seconds(86'400), .patterns = {"*.a.test", "b.test"}};
  CHECK(parse_policy(policy.text()) == policy);
  CHECK(policy.lines() == std::vector<std::string>{"version: STSv1", "mode: testing", "mx: *.a.test", "mx: b.test", "max_age: 86400"});
}
