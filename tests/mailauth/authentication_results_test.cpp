// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "keystonemail/mailauth/authentication_results.hpp"

#include <doctest/doctest.h>

#include "keystonemail/base/random.hpp"
#include "keystonemail/base/text.hpp"
#include "keystonemail/mailauth/dkim/method_results.hpp"
#include "mailauth/support.hpp"

using namespace keystonemail;
using namespace keystonemail::mailauth;

namespace {

// The value of a field as we write it.
std::string value_of(const std::string& field) {
  REQUIRE(field.ends_with("\r\n"));
  return field.substr(field.find(':') + 1, field.size() - field.find(':') - 3);
}

MethodResult make(std::string method, std::string result, std::vector<ResultProperty> properties = {}) {
  return {.method = std::move(method), .result = std::move(result), .comment = {}, .reason = {}, .properties = std::move(properties)};
}

}  // namespace

TEST_CASE("authentication results: the examples of RFC 8601 appendix B are read") {
  CHECK(parse_authentication_results(" example.org 1; none").value() == AuthenticationResults{"example.org", {}, 1, 0});
  CHECK(parse_authentication_results(" example.com;\r\n          spf=pass smtp.mailfrom=example.net").value() ==
        AuthenticationResults{"example.com", {make("spf", "pass", {{"smtp", "mailfrom", "example.net"}})}, 1, 0});
  const auto b4 = parse_authentication_results(
      " example.com;\r\n auth=pass (cram-md5) smtp.auth=sender@example.net;\r\n spf=pass smtp.mailfrom=example.net").value();
  CHECK(b4.results == std::vector{make("auth", "pass", {{"smtp", "auth", "sender@example.net"}}),
                                  make("spf", "pass", {{"smtp", "mailfrom", "example.net"}})});
  CHECK(parse_authentication_results(" example.com; iprev=pass\r\n policy.iprev=192.0.2.200").value().results ==
        std::vector{make("iprev", "pass", {{"policy", "iprev", "192.0.2.200"}})});
  CHECK(parse_authentication_results(" example.com;\r\n dkim=pass (good signature) header.d=example.com").value().results ==
        std::vector{make("dkim", "pass", {{"header", "d", "example.com"}})});
  const auto b6 = parse_authentication_results(
      " example.com;\r\n dkim=pass reason=\"good signature\"\r\n header.i=@mail-router.example.net;\r\n"
      " dkim=fail reason=\"bad signature\"\r\n header.i=@newyork.example.com").value();
  REQUIRE(b6.results.size() == 2);
  CHECK(b6.results[0].reason == "good signature");
  CHECK(b6.results[1].property("header", "i") == "@newyork.example.com");
}

TEST_CASE("authentication results: comments may stand anywhere (RFC 8601 §B.7)") {
  const auto results = parse_authentication_results(
      " foo.example.net (foobar) 1 (baz);\r\n dkim (Because I like it) / 1 (One yay) = (wait for it) fail\r\n"
      " policy (A dot can go here) . (like that) expired\r\n (this surprised me) = (as I wasn't expecting it) 1362471462").value();
  CHECK(results == AuthenticationResults{"foo.example.net", {make("dkim", "fail", {{"policy", "expired", "1362471462"}})}, 1, 0});
}

TEST_CASE("authentication results: what breaks the grammar is refused") {
  for (const char* text : {"", ";", "example.com; dkim", "example.com; =pass", "example.com; dkim=", "example.com; dkim=pass header",
                           "example.com; dkim=pass header.=x", "example.com; dkim=pass header.d=", "example.com; dkim=pass (unclosed",
                           "example.com dkim=pass", "example.com; none x", "example.com; dkim=pass reason=\"open",
                           "example.com; dkim=pass; none", "example.com; dkim/x=pass"}) {
    CAPTURE(text);
    CHECK_FALSE(parse_authentication_results(text).has_value());
  }
  CHECK(parse_authentication_results("example.com;").has_value());
  CHECK(parse_authentication_results("example.com; dkim=pass;").value().results.size() == 1);
}

TEST_CASE("authentication results: of another version nothing is read, of another method's it is told") {
  CHECK(parse_authentication_results("example.com 2; dkim=pass").value() == AuthenticationResults{"example.com", {}, 2, 0});
  CHECK(parse_authentication_results("example.com; dkim/2=pass").value().results[0].version == 2);
}

TEST_CASE("authentication results: limits hold") {
  CHECK(parse_authentication_results("a.b; " + std::string(mailauth::limits::results_octets_max, 'x')).error().kind() == ErrorKind::too_large);
  std::string many = "a.b";
  for (int i = 0; i < 300; ++i) many += "; spf=pass";
  CHECK(parse_authentication_results(many).error().kind() == ErrorKind::too_large);
  std::string wide = "a.b; spf=pass";
  for (int i = 0; i < 60; ++i) wide += " smtp.helo=x";
  CHECK(parse_authentication_results(wide).error().kind() == ErrorKind::too_large);
  CHECK_FALSE(parse_authentication_results("a.b; spf=pass " + std::string(30, '(') + std::string(30, ')')).has_value());
}

TEST_CASE("authentication results: what is written is folded, quoted where it must be, and read as it was meant") {
  AuthenticationResults results{"mail.example.com", {}, 1, 0};
  results.results.push_back({.method = "dkim", .result = "pass", .comment = "2048-bit key (really)", .reason = "",
                             .properties = {{"header", "d", "example.com"}, {"header", "b", "a/b+c=d"}, {"header", "i", "@example.com"}}});
  results.results.push_back({.method = "spf", .result = "fail", .comment = "", .reason = "no \"such\" host",
                             .properties = {{"smtp", "mailfrom", "\"a b\"@example.net"}, {"smtp", "remote-ip", "2001:db8::1"}}});
  results.results.push_back({.method = "dmarc", .result = "none", .comment = "a comment that is long enough to be folded over lines", .reason = "",
                             .properties = {}});
  const auto text = format_authentication_results(results);
  CHECK(text ==
        "Authentication-Results: mail.example.com;\r\n"
        "\tdkim=pass (2048-bit key \\(really\\)) header.d=example.com\r\n"
        "\theader.b=\"a/b+c=d\" header.i=@example.com;\r\n"
        "\tspf=fail reason=\"no \\\"such\\\" host\" smtp.mailfrom=\"a b\"@example.net\r\n"
        "\tsmtp.remote-ip=\"2001:db8::1\";\r\n"
        "\tdmarc=none (a comment that is long enough to be folded over lines)\r\n");
  auto read = parse_authentication_results(value_of(text)).value();
  for (std::size_t i = 0; i < 3; ++i) read.results[i].comment = results.results[i].comment;
  CHECK(read == results);
}

TEST_CASE("authentication results: what is neither token, domain nor address is quoted") {
  const auto written = [](std::string value) {
    const auto text = format_authentication_results({"a", {{.method = "spf", .result = "none", .comment = {}, .reason = {}, .properties = {{"smtp", "mailfrom", std::move(value)}}}}, 1, 0});
    const auto begin = text.find("mailfrom=") + 9;
    return text.substr(begin, text.size() - 2 - begin);
  };
  for (const auto* plain : {"example.com", "_spf.example.com", "@example.com", "a.b@example.com", "\"a b\"@example.com", "\"\"@example.com",
                            "b\xc3\xbc" "cher.example", "\xc3\xbc@b\xc3\xbc" "cher.example", "..", "a@x-y.example"}) {
    CAPTURE(plain);
    CHECK(written(plain) == plain);
  }
  for (const std::string odd : {".a@example.com", "a.@example.com", "a..b@example.com", "a@example..com", "a@example.com.", "a@-example.com",
                                "a@example-.com", "a@_spf.example.com", "a@b@example.com", "a@", ".b\xc3\xbc" "cher", "a b"}) {
    CAPTURE(odd);
    CHECK(written(odd) == "\"" + odd + "\"");
  }
  CHECK(written("a\xc2\x9b" "31m@example.com") == "a?31m@example.com");
}

TEST_CASE("authentication results: none is none, and a version that is not 1 is written") {
  CHECK(format_authentication_results({"example.com", {}, 1, 0}) == "Authentication-Results: example.com; none\r\n");
  CHECK(format_authentication_results({"example.com", {}, 1, 3}) == "ARC-Authentication-Results: i=3; example.com; none\r\n");
  CHECK(format_authentication_results({"example.com", {}, 2, 0}) == "Authentication-Results: example.com 2; none\r\n");
}

TEST_CASE("H11: no value starts a line, a field or a control sequence") {
  SeededRandom random(11);
  for (int round = 0; round < 500; ++round) {
    std::string octets;
    for (std::uint64_t i = random.below(80); i != 0; --i) octets += static_cast<char>(random.below(256));
    AuthenticationResults results{"id.example", {}, 1, 0};
    results.results.push_back({.method = octets, .result = octets, .comment = octets, .reason = octets, .properties = {{octets, octets, octets}}});
    const auto text = format_authentication_results(results);
    const auto header = text + "\r\n";
    mime::HeaderReader reader(header);
    REQUIRE(reader.next()->raw == text);
    REQUIRE_FALSE(reader.next().has_value());
    REQUIRE(is_utf8(text));
    REQUIRE(parse_authentication_results(value_of(text)).has_value());
  }
}

TEST_CASE("D3: fields that claim to be ours go, in any disguise") {
  for (const char* value : {"mx.example.com; dkim=pass", "MX.Example.COM; dkim=pass", "mx.example.com 1; none", "mx.example.com 2; x",
                            "\r\n\tmx.example.com\r\n ; dkim=pass", "(c) mx.example.com (d); dkim=pass", "\"mx.example.com\"; dkim=pass",
                            "\"mx.exam\\ple.com\"; dkim=pass", "mx.example.com.; dkim=pass", "mx(x).example.com; dkim=pass", "mx.example.com",
                            "mx.example.com dkim=pass", "mx.example.com (\xff); dkim=pass", "mx. example. com; dkim=pass",
                            "mx.example.com1; dkim=pass"}) {
    CAPTURE(value);
    const std::string header = "Subject: x\r\nAuthentication-results : " + std::string(value) + "\r\nTo: y\r\n\r\n";
    const auto spans = forged_authentication_results(header, "mx.example.com");
    REQUIRE(spans.size() == 1);
    CHECK(header.substr(0, spans[0].offset) == "Subject: x\r\n");
    CHECK(header.substr(spans[0].offset + spans[0].octets) == "To: y\r\n\r\n");
  }
  CHECK(claims_authserv_id("xn--bcher-kva.example; none", "b\xc3\xbc""cher.example"));
  CHECK(claims_authserv_id("b\xc3\x9c""cher.example; none", "xn--bcher-kva.example"));
}

TEST_CASE("D3: the fields of others stay, those that nobody can read go") {
  const std::string theirs =
      "Authentication-Results: mx.example.org; dkim=pass\r\n"
      "Authentication-Results: mx.example.com.evil.example; dkim=pass\r\n"
      "ARC-Authentication-Results: i=1; mx.example.com; dkim=pass\r\n"
      "X-Authentication-Results: mx.example.com; dkim=pass\r\n";
  CHECK(forged_authentication_results(theirs + "\r\n", "mx.example.com").empty());
  CHECK(forged_authentication_results("Authentication-Results: spf=pass (x) smtp.helo=y\r\n\r\n", "mx.example.com").size() == 1);
  CHECK(forged_authentication_results("Authentication-Results: other.example 7; x\r\n\r\n", "mx.example.com").size() == 1);
  CHECK(forged_authentication_results("A: b\r\n\r\nAuthentication-Results: mx.example.com; x=y\r\n", "mx.example.com").empty());
}

TEST_CASE("authentication results: those of ARC begin with their instance") {
  const auto results = parse_arc_authentication_results(
      " i=3; clochette.example.org; spf=fail\r\n    smtp.from=jqd@d1.example; dkim=fail (512-bit key)\r\n"
      "    header.i=@d1.example; dmarc=fail; arc=pass (as.2.gmail.example=pass,\r\n    ams.2.gmail.example=pass, as.1.lists.example.org=pass,\r\n"
      "    ams.1.lists.example.org=fail (message has been altered))").value();
  CHECK(results.instance == 3);
  CHECK(results.authserv_id == "clochette.example.org");
  REQUIRE(results.results.size() == 4);
  CHECK(results.results[3] == make("arc", "pass"));
  for (const char* text : {"clochette.example.org; none", "i=0; a.b; none", "i=x; a.b; none", "i=1 a.b; none"}) {
    CHECK_FALSE(parse_arc_authentication_results(text).has_value());
  }
}

TEST_CASE("authentication results: a verifier's results are written, one for each signature") {
  using namespace keystonemail::mailauth::dkim;
  SignatureResult pass;
  pass.outcome = Outcome::pass;
  pass.domain = "example.com";
  pass.selector = "s1";
  pass.identity = "@example.com";
  pass.algorithm = "rsa-sha256";
  pass.signature_prefix = "AbCd/123";
  pass.key_bits = 1024;
  pass.weak_key = true;
  SignatureResult broken;
  broken.outcome = Outcome::permerror;
  broken.reason = "no h= tag";
  CHECK(format_authentication_results({"mx.example", method_results({pass, broken}), 1, 0}) ==
        "Authentication-Results: mx.example;\r\n"
        "\tdkim=pass (1024-bit key, weak) header.d=example.com header.s=s1\r\n"
        "\theader.a=rsa-sha256 header.b=\"AbCd/123\";\r\n"
        "\tdkim=permerror reason=\"no h= tag\"\r\n");
  CHECK(format_authentication_results({"mx.example", method_results({}), 1, 0}) ==
        "Authentication-Results: mx.example;\r\n\tdkim=none\r\n");
}
