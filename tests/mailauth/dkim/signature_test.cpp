// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "keystonemail/mailauth/dkim/signature.hpp"

#include <doctest/doctest.h>

using namespace keystonemail;
using namespace keystonemail::mailauth::dkim;

namespace {

const std::string hash = "2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=";

std::string with(std::string_view tags, std::string_view domain = "example.com", std::string_view selector = "sel") {
  return "v=1; a=rsa-sha256; d=" + std::string(domain) + "; s=" + std::string(selector) + "; h=from:to; bh=" + hash +
         "; b=AAAA; " + std::string(tags);
}

std::string problem(const std::string& value) {
  const auto reading = read_signature(value);
  return reading.problem ? std::string(to_string(reading.problem->outcome)) + ": " + reading.problem->reason : "";
}

// The list above with one tag replaced or, by nothing, removed.
std::string replaced(std::string_view name, std::string_view tag) {
  std::string text = with("");
  const auto begin = text.find(std::string(name) + "=");
  text.replace(begin, text.find(';', begin) - begin + 1, tag);
  return text;
}

}  // namespace

TEST_CASE("dkim: a signature field is read whole") {
  // The example of RFC 6376 §3.5.
  const auto reading = read_signature(
      " v=1; a=rsa-sha256; d=example.net; s=brisbane;\r\n   c=simple; q=dns/txt; i=@eng.example.net;\r\n"
      "   t=1117574938; x=1118006938;\r\n   h=from:to:subject:date;\r\n"
      "   z=From:foo@eng.example.net|To:joe@example.com|\r\n    Subject:demo=20run|Date:July=205,=202005=203:44:08=20PM=20-0700;\r\n"
      "   bh=MTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTI=;\r\n"
      "   b=dzdVyOfAKCdLXdJOc9G2q8LoXSlEniSbav+yuU4zGeeruD00lszZVoG4ZHRNiYzR");
  REQUIRE_FALSE(reading.problem.has_value());
  const Signature& signature = reading.signature;
  CHECK(signature.algorithm == "rsa-sha256");
  CHECK(signature.domain == "example.net");
  CHECK(signature.key_name.text() == "brisbane._domainkey.example.net");
  CHECK(signature.identity == "@eng.example.net");
  CHECK(signature.signed_at == 1117574938);
  CHECK(signature.expires_at == 1118006938);
  CHECK(signature.fields == std::vector<std::string>{"from", "to", "subject", "date"});
  CHECK(signature.body_hash == "12345678901234567890123456789012");
  CHECK(signature.signature.size() == 48);
  CHECK(signature.header == Canonicalization::simple);
  CHECK(signature.body == Canonicalization::simple);
}

TEST_CASE("dkim: c= names one form or two") {
  CHECK(read_signature(with("c=relaxed")).signature.header == Canonicalization::relaxed);
  CHECK(read_signature(with("c=relaxed")).signature.body == Canonicalization::simple);
  CHECK(read_signature(with("c=simple/relaxed")).signature.body == Canonicalization::relaxed);
  CHECK(problem(with("c=nowsp")) == "neutral: unknown canonicalization");
  CHECK(problem(with("c=relaxed/relaxed/relaxed")) == "neutral: unknown canonicalization");
}

TEST_CASE("dkim: each required tag is missed (RFC 6376 §6.1.1)") {
  CHECK(problem(with("")) == "");
  for (const char* name : {"v", "a", "d", "s", "h", "bh", "b"}) {
    CAPTURE(name);
    const std::string key = std::string(name) == "h" || std::string(name) == "b" ? " " + std::string(name) : name;
    CHECK(problem(replaced(key, "")) == "permerror: no " + std::string(name) + "= tag");
  }
}

TEST_CASE("dkim: a signature that breaks a rule is a permanent error") {
  CHECK(problem(replaced("v", "v=2;")) == "permerror: version is not 1");
  CHECK(problem(replaced(" h", " h=to:subject;")) == "permerror: From field not signed");
  CHECK(problem(replaced(" h", " h=;")) == "permerror: bad name in h=");
  CHECK(problem(replaced(" h", " h=from::to;")) == "permerror: bad name in h=");
  CHECK(problem(replaced(" b", " b=A;")) == "permerror: bad b= tag");
  CHECK(problem(replaced(" b", " b=;")) == "permerror: bad b= tag");
  CHECK(problem(replaced("bh", "bh=AAAA;")) == "permerror: bad bh= tag");
  CHECK(problem(with("l=-1")) == "permerror: bad l= tag");
  CHECK(problem(with("l=")) == "permerror: bad l= tag");
  CHECK(problem(with("l=99999999999999999999999999")) == "permerror: bad l= tag");
  CHECK(problem(with("t=x")) == "permerror: bad t= or x= tag");
  CHECK(problem(with("t=10; x=10")) == "permerror: expires before it was made");
  CHECK(problem(with("i=@example.org")) == "permerror: domain mismatch");
  CHECK(problem(with("i=@badexample.com")) == "permerror: domain mismatch");
  CHECK(problem(with("i=nobody")) == "permerror: bad i= tag");
  CHECK(problem(with("i=a=0Ab@example.com")) == "permerror: bad i= tag");
  CHECK(problem(with("q=http/x")) == "neutral: no known query method");
  CHECK(problem(with("q=http/x:dns/txt")) == "");
}

TEST_CASE("arc: a message signature may name what it likes, and no field at all") {
  const auto of = [](std::string_view names) {
    std::string text = replaced(" h", " h=" + std::string(names) + ";");
    text.replace(text.find("v=1"), 3, "i=1");
    return read_signature(text, SignatureField::arc_message_signature);
  };
  CHECK_FALSE(of("").problem);
  CHECK(of("").signature.fields.empty());
  CHECK_FALSE(of("To::Date").problem);
  CHECK(of("To::Date").signature.fields == std::vector<std::string>{"to", "date"});
  CHECK(of("to:arc-seal").problem->reason == "ARC-Seal is signed");
}

TEST_CASE("dkim: algorithms that are not in use are told apart (RFC 8301 §3.1)") {
  CHECK(problem(replaced("a", "a=rsa-sha1;")) == "permerror: rsa-sha1 is historic");
  CHECK(problem(replaced("a", "a=dsa-sha512;")) == "neutral: unknown algorithm");
  CHECK(problem(replaced("a", "a=ed25519-sha256;")) == "");
}

TEST_CASE("dkim: times of more than 12 digits are for ever") {
  CHECK(read_signature(with("x=99999999999999999999999")).signature.expires_at == mailauth::dkim::limits::time_seconds_max);
}

TEST_CASE("D2: names that may not be looked up are not (NUL, controls, parentheses, one label, too long)") {
  using namespace std::string_literals;
  for (const std::string& domain : {"a.com\0.b.com"s, "a.com(.b.com"s, "com"s, "a..com"s, ".com"s, "a.com."s, "a b.com"s, "a\tb.com"s,
                                    std::string(64, 'a') + ".com", "*.com"s, "a.com/x"s, "\xff.com"s, ""s}) {
    CAPTURE(domain);
    const auto reading = read_signature(with("", domain));
    CHECK(reading.problem.has_value());
    CHECK(reading.signature.key_name.is_root());
  }
  for (const std::string& selector : {"a\\.b"s, "a..b"s, ".a"s, ""s, "a(b)"s, std::string(64, 's')}) {
    CAPTURE(selector);
    CHECK(read_signature(with("", "example.com", selector)).problem.has_value());
  }
  CHECK(read_signature(with("", "example.com", "foo.bar_1")).signature.key_name.text() == "foo.bar_1._domainkey.example.com");
}

TEST_CASE("dkim: U-labels are looked up as A-labels (RFC 8616 §5)") {
  const auto reading = read_signature(with("i=\xc3\xa4@sub.b\xc3\xbc""cher.example", "b\xc3\xbc""cher.example", "\xc3\xb6"));
  REQUIRE_FALSE(reading.problem.has_value());
  CHECK(reading.signature.domain == "b\xc3\xbc""cher.example");
  CHECK(reading.signature.key_name.text() == "xn--nda._domainkey.xn--bcher-kva.example");
}

TEST_CASE("dkim: the signed form has an empty b= and no line end") {
  const std::string raw = "DKIM-Signature: a=1; b= AAAA\r\n BBBB ; bb=b\r\n";
  mime::HeaderReader reader(raw);
  const auto field = reader.next().value();
  Signature signature = read_signature(field.value).signature;
  std::string simple;
  append_signed_form(simple, field, signature);
  CHECK(simple == "DKIM-Signature: a=1; b=; bb=b");
  signature.header = Canonicalization::relaxed;
  std::string relaxed;
  append_signed_form(relaxed, field, signature);
  CHECK(relaxed == "dkim-signature:a=1; b=; bb=b");
}
