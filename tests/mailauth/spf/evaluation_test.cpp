// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "keystonemail/mailauth/spf/evaluation.hpp"

#include <doctest/doctest.h>

#include <algorithm>

#include "mailauth/spf/support.hpp"

using namespace keystonemail;
using namespace keystonemail::mailauth;
using namespace keystonemail::mailauth::spf;
using dns::AnswerStatus;
using dns::RecordType;
using namespace std::string_literals;

TEST_CASE("spf: qualifiers give their outcomes, and the default is neutral") {
  CHECK(outcome_of("v=spf1 all") == "pass");
  CHECK(outcome_of("v=spf1 -all") == "fail");
  CHECK(outcome_of("v=spf1 ~all") == "softfail");
  CHECK(outcome_of("v=spf1 ?all") == "neutral");
  CHECK(outcome_of("v=spf1") == "neutral");
  CHECK(outcome_of("v=spf1 ip4:203.0.113.1") == "neutral");
}

TEST_CASE("spf: no domain, no record, or a foreign record: none") {
  Dns dns("example.com. TXT \"v=spf2.0/pra -all\"\nexample.com. TXT x\na.example. A 192.0.2.1");
  CHECK(outcome(dns, {}) == "none");
  CHECK(outcome(dns, {.from = "user@nowhere.example"}) == "none");
  CHECK(outcome(dns, {.from = "user@a.example"}) == "none");
}

TEST_CASE("D2: a domain that is none is not looked up") {
  for (const auto& from : {"user@com"s, "user@a..b"s, "user@"s, "user@[192.0.2.1]"s, "user@a.com\0.b.com"s, "user@a.com(.b.com"s, "user@"s + std::string(64, 'a') + ".com"}) {
    CAPTURE(from);
    Dns dns("");
    CHECK(outcome(dns, {.from = from}) == "none");
    CHECK(dns.asked.empty());
  }
}

TEST_CASE("spf: two records are one too many, other TXT records are not") {
  Dns two("example.com. TXT \"v=spf1 -all\"\nexample.com. TXT \"v=spf1 +all\"");
  CHECK(outcome(two, {}) == "permerror");
  Dns one("example.com. TXT \"v=spf1 -all\"\nexample.com. TXT \"v=spf10\"\nexample.com. TXT verify=1");
  CHECK(outcome(one, {}) == "fail");
}

TEST_CASE("spf: the strings of a record join without a space") {
  Dns dns("example.com. TXT \"v=spf1 ip4:192.0.2\" \".1 -all\"");
  CHECK(outcome(dns, {}) == "pass");
}

TEST_CASE("spf: a syntax error anywhere is a permerror, even behind a match") {
  Dns dns("example.com. TXT \"v=spf1 +all moo\"");
  const auto verdict = check(dns, {});
  CHECK(verdict.outcome == Outcome::permerror);
  CHECK(verdict.problem == "example.com: this term is wrong: moo");
}

TEST_CASE("spf: the null sender is judged by its HELO, and %{s} is its postmaster") {
  Dns dns("mx.example.com. TXT \"v=spf1 exists:%{l}.%{o}.ok.example -all\"\npostmaster.mx.example.com.ok.example. A 127.0.0.2");
  const auto verdict = check(dns, {.from = ""});
  CHECK(verdict.outcome == Outcome::pass);
  CHECK(verdict.domain == "mx.example.com");
  CHECK(outcome(dns, {.from = "", .helo = "[192.0.2.1]"}) == "none");
}

TEST_CASE("spf: the HELO identity is the domain of the greeting") {
  Dns dns("mx.example.com. TXT \"v=spf1 a -all\"\nmx.example.com. A 192.0.2.1\nexample.com. TXT \"v=spf1 -all\"");
  CHECK(outcome(dns, {.identity = Identity::helo}) == "pass");
  CHECK(outcome(dns, {}) == "fail");
  CHECK(outcome(dns, {.helo = "localhost", .identity = Identity::helo}) == "none");
}

TEST_CASE("D10: a U-label sender is judged by its A-label policy") {
  Dns dns("xn--bcher-kva.example. TXT \"v=spf1 exists:%{o} -all\"\nxn--bcher-kva.example. A 192.0.2.7");
  CHECK(outcome(dns, {.from = "user@B\xc3\xbc" "cher.example"}) == "pass");
}

TEST_CASE("spf: a local part that is not ASCII matches no term that names it") {
  Dns dns("example.com. TXT \"v=spf1 exists:%{l}.%{d} -all\"\n*.example.com. A 127.0.0.1");
  CHECK(outcome(dns, {.from = "m\xc3\xbcller@example.com"}) == "fail");
  CHECK(outcome(dns, {.from = "mueller@example.com"}) == "pass");
}

TEST_CASE("D8: an IPv4-mapped client is an IPv4 client") {
  CHECK(outcome_of("v=spf1 ip4:192.0.2.1 -all", {.client = "::ffff:192.0.2.1"}) == "pass");
  CHECK(outcome_of("v=spf1 ip6:::ffff:192.0.2.1 -all", {.client = "192.0.2.1"}) == "fail");
  CHECK(outcome_of("v=spf1 ip6:::/0 -all", {.client = "192.0.2.1"}) == "fail");
  CHECK(outcome_of("v=spf1 ip6:::/0 -all", {.client = "2001:db8::1"}) == "pass");
}

TEST_CASE("spf: prefix lengths count bits, also within an octet") {
  CHECK(outcome_of("v=spf1 ip4:192.0.2.128/25 -all", {.client = "192.0.2.255"}) == "pass");
  CHECK(outcome_of("v=spf1 ip4:192.0.2.128/25 -all", {.client = "192.0.2.127"}) == "fail");
  CHECK(outcome_of("v=spf1 ip4:1.2.3.4/0 -all", {.client = "203.0.113.9"}) == "pass");
  CHECK(outcome_of("v=spf1 ip6:2001:db8::/33 -all", {.client = "2001:db8:7fff::1"}) == "pass");
  CHECK(outcome_of("v=spf1 ip6:2001:db8::/33 -all", {.client = "2001:db8:8000::1"}) == "fail");
}

TEST_CASE("spf: an IPv6 client is compared with AAAA records, and exists still asks for A") {
  const auto zone =
      "example.com. TXT \"v=spf1 a exists:yes.example.com -all\"\nexample.com. AAAA 2001:db8::1\nexample.com. A 192.0.2.1\n";
  Dns dns(zone);
  CHECK(outcome(dns, {.client = "2001:db8::1"}) == "pass");
  CHECK(dns.asked.back() == "AAAA example.com");
  CHECK(outcome(dns, {.client = "2001:db8::2"}) == "fail");
  CHECK(dns.asked.back() == "A yes.example.com");
}

TEST_CASE("spf: include matches on pass only, and a missing policy is a permerror") {
  const auto with = [](std::string_view included) {
    Dns dns("example.com. TXT \"v=spf1 include:other.example ?all\"\nother.example. TXT \"" + std::string(included) + "\"");
    return outcome(dns, {});
  };
  CHECK(with("v=spf1 +all") == "pass");
  CHECK(with("v=spf1 -all") == "neutral");
  CHECK(with("v=spf1 ~all") == "neutral");
  CHECK(with("v=spf1 ?all") == "neutral");
  CHECK(with("v=spf1 moo") == "permerror");
  CHECK(with("not SPF") == "permerror");
}

TEST_CASE("spf: redirect takes over when nothing matched, and is ignored beside all") {
  const auto zone = "other.example. TXT \"v=spf1 -all\"\n"s;
  Dns followed(zone + "example.com. TXT \"v=spf1 redirect=other.example ip4:203.0.113.1\"");
  CHECK(outcome(followed, {}) == "fail");
  CHECK(outcome(followed, {.client = "203.0.113.1"}) == "pass");
  Dns ignored(zone + "example.com. TXT \"v=spf1 redirect=other.example ?all\"");
  CHECK(outcome(ignored, {}) == "neutral");
  Dns missing("example.com. TXT \"v=spf1 redirect=nowhere.example\"");
  CHECK(outcome(missing, {}) == "permerror");
  Dns malformed("example.com. TXT \"v=spf1 redirect=a..%{d}\"");
  CHECK(outcome(malformed, {}) == "permerror");
}

TEST_CASE("spf: mx has no implicit exchanger, and skips the null one") {
  Dns none("example.com. TXT \"v=spf1 mx -all\"\nexample.com. A 192.0.2.1");
  CHECK(outcome(none, {}) == "fail");
  Dns null("example.com. TXT \"v=spf1 mx -all\"\nexample.com. MX 0 .");
  CHECK(outcome(null, {}) == "fail");
  CHECK(null.asked == std::vector<std::string>{"TXT example.com", "MX example.com"});
}

TEST_CASE("spf: ptr needs a name that leads back, and skips names that fail") {
  const auto zone =
      "example.com. TXT \"v=spf1 ptr -all\"\n1.2.0.192.in-addr.arpa. PTR broken.example.com.\n1.2.0.192.in-addr.arpa. PTR good.example.com.\n"
      "good.example.com. A 192.0.2.1\nevil-example.com. A 192.0.2.2\n2.2.0.192.in-addr.arpa. PTR evil-example.com.\n";
  Dns dns(zone);
  dns.fault("broken.example.com", RecordType::a, AnswerStatus::server_failure);
  CHECK(outcome(dns, {}) == "pass");
  CHECK(outcome(dns, {.client = "192.0.2.2"}) == "fail");
  dns.fault("1.2.0.192.in-addr.arpa", RecordType::ptr, AnswerStatus::timeout);
  CHECK(outcome(dns, {}) == "fail");  // §5.5: no match, and no temperror
}

TEST_CASE("spf: %{p} prefers the domain itself, then a name below it, then any, then says unknown") {
  const auto zone =
      "$ORIGIN 2.0.192.in-addr.arpa.\n1 PTR z.example.\n1 PTR sub.example.com.\n1 PTR example.com.\n2 PTR z.example.\n2 PTR sub.example.com.\n3 PTR z.example.\n"
      "$ORIGIN .\nexample.com TXT \"v=spf1 exists:%{p}.seen.example -all\"\n"
      "z.example A 192.0.2.1\nz.example A 192.0.2.2\nz.example A 192.0.2.3\nsub.example.com A 192.0.2.1\nsub.example.com A 192.0.2.2\nexample.com A 192.0.2.1\n";
  Dns dns(zone);
  const auto seen = [&dns](const std::string& client) {
    CHECK(outcome(dns, {.client = client}) == "fail");
    return dns.asked.back();
  };
  CHECK(seen("192.0.2.1") == "A example.com.seen.example");
  CHECK(seen("192.0.2.2") == "A sub.example.com.seen.example");
  CHECK(seen("192.0.2.3") == "A z.example.seen.example");
  CHECK(seen("192.0.2.4") == "A unknown.seen.example");
}

TEST_CASE("D8: ten terms may ask the DNS, the eleventh is a permerror") {
  const auto with = [](int terms) {
    std::string record = "v=spf1";
    for (int i = 0; i < terms; ++i) record += " a:h.example.com";
    Dns dns("example.com. TXT \"" + record + " -all\"\nh.example.com. A 203.0.113.1");
    return outcome(dns, {});
  };
  CHECK(with(10) == "fail");
  CHECK(with(11) == "permerror");
}

TEST_CASE("D8: the limit is one for all includes and redirects together") {
  std::string zone;
  for (int i = 0; i < 12; ++i) {
    const std::string next = std::to_string(i + 1) + ".example.com";
    zone += (i == 0 ? "example.com." : std::to_string(i) + ".example.com.") + " TXT \"v=spf1 " + (i % 2 == 0 ? "include:" + next + " -all" : "redirect=" + next) + "\"\n";
  }
  Dns dns(zone);
  const auto verdict = check(dns, {});
  CHECK(verdict.outcome == Outcome::permerror);
  CHECK(verdict.problem == "too many DNS lookups");
  CHECK(verdict.lookups == 10);
}

TEST_CASE("D8: an include that includes itself ends") {
  Dns dns("example.com. TXT \"v=spf1 include:example.com -all\"");
  CHECK(outcome(dns, {}) == "permerror");
  CHECK(dns.asked.size() == 11);
}

TEST_CASE("D8: two lookups may come back empty, the third is a permerror") {
  const auto with = [](std::string_view terms) {
    Dns dns("example.com. TXT \"v=spf1 " + std::string(terms) + " -all\"");
    return outcome(dns, {});
  };
  CHECK(with("a:a.example.com mx:b.example.com") == "fail");
  CHECK(with("a:a.example.com mx:b.example.com exists:c.example.com") == "permerror");
}

TEST_CASE("D8: a client without a name makes each ptr term an empty one, though it is asked once") {
  Dns dns("example.com. TXT \"v=spf1 ptr ptr:a.example ptr:b.example -all\"");
  const auto verdict = check(dns, {});
  CHECK(verdict.outcome == Outcome::permerror);
  CHECK(verdict.void_lookups == 3);
  CHECK(dns.asked.size() == 2);
}

TEST_CASE("D8: eleven mail exchangers are a permerror, of eleven pointers ten are looked at") {
  std::string zone = "example.com. TXT \"v=spf1 mx -all\"\nptr.example.com. TXT \"v=spf1 ptr:last.example -all\"\n";
  for (int i = 0; i < 11; ++i) {
    const std::string host = i == 10 ? "last.example." : "h" + std::to_string(i) + ".example.";
    zone += "example.com. MX 10 " + host + "\n1.2.0.192.in-addr.arpa. PTR " + host + "\n" + host + " A 192.0.2.1\n";
  }
  Dns dns(zone);
  CHECK(outcome(dns, {}) == "permerror");
  CHECK(outcome(dns, {.from = "user@ptr.example.com"}) == "fail");
}

TEST_CASE("T10: whatever keeps the DNS from answering is a temperror, at every place that asks") {
  const auto zone = "example.com. TXT \"v=spf1 include:i.example a:a.example mx:m.example exists:e.example redirect=r.example\"\n"
                    "i.example. TXT \"v=spf1 -all\"\nr.example. TXT \"v=spf1 -all\"\na.example. A 203.0.113.1\nm.example. MX 1 mx.example.\nmx.example. A 203.0.113.1\n";
  const std::pair<const char*, RecordType> places[] = {{"example.com", RecordType::txt}, {"i.example", RecordType::txt}, {"a.example", RecordType::a},
                                                       {"m.example", RecordType::mx},    {"mx.example", RecordType::a},  {"e.example", RecordType::a},
                                                       {"r.example", RecordType::txt}};
  for (const auto status : {AnswerStatus::server_failure, AnswerStatus::refused, AnswerStatus::timeout, AnswerStatus::bogus, AnswerStatus::malformed}) {
    for (const auto& [name, type] : places) {
      CAPTURE(name);
      Dns dns(zone);
      CHECK(outcome(dns, {}) == "fail");
      dns.fault(name, type, status);
      CHECK(outcome(dns, {}) == "temperror");
    }
  }
}

TEST_CASE("D8: the whole evaluation has a time limit") {
  Dns dns("example.com. TXT \"v=spf1 a mx -all\"\nexample.com. A 203.0.113.1\nexample.com. MX 1 example.com.");
  Evaluation evaluation(input_for({}), {}, Instant());
  CHECK(evaluation.deadline() == Instant() + std::chrono::seconds(20));
  evaluation.decide(dns.answer(std::get<NeedAnswer>(evaluation.next_event()).question), Instant() + std::chrono::seconds(19));
  CHECK(std::holds_alternative<NeedAnswer>(evaluation.next_event()));
  evaluation.expire(Instant() + std::chrono::seconds(19));
  CHECK(std::holds_alternative<NeedAnswer>(evaluation.next_event()));
  evaluation.expire(Instant() + std::chrono::seconds(20));
  REQUIRE(std::holds_alternative<Decided>(evaluation.next_event()));
  CHECK(evaluation.verdict().outcome == Outcome::temperror);
  CHECK(evaluation.deadline() == Instant::max());
}

TEST_CASE("spf: an answer that comes too late counts for nothing") {
  Dns dns("example.com. TXT \"v=spf1 +all\"");
  Evaluation evaluation(input_for({}), {}, Instant());
  evaluation.decide(dns.answer(std::get<NeedAnswer>(evaluation.next_event()).question), Instant() + std::chrono::seconds(21));
  REQUIRE(std::holds_alternative<Decided>(evaluation.next_event()));
  CHECK(evaluation.verdict().outcome == Outcome::temperror);
}

TEST_CASE("spf: an evaluation may be dropped at any question") {
  Dns dns("example.com. TXT \"v=spf1 include:a.example mx -all\"\na.example. TXT \"v=spf1 ptr exists:%{p}.x -all\"\nexample.com. MX 1 mx.example.");
  for (int answered = 0; answered < 8; ++answered) {
    Evaluation evaluation(input_for({}), {}, Instant());
    for (int i = 0; i < answered; ++i) {
      const auto event = evaluation.next_event();
      if (const auto* needed = std::get_if<NeedAnswer>(&event)) evaluation.decide(dns.answer(needed->question), Instant());
    }
  }
}

TEST_CASE("spf explanation: that of the policy that failed, expanded") {
  Dns dns("example.com. TXT \"v=spf1 -all exp=why.%{d}\"\nwhy.example.com. TXT \"%{i} is not one of %{d}'s \" \"servers, see http://%{d}/?s=%{S} %{c} %{r} %{t}\"");
  const auto verdict = check(dns, {});
  CHECK(verdict.outcome == Outcome::fail);
  CHECK(verdict.mechanism == "-all");
  CHECK(verdict.explanation ==
        "192.0.2.1 is not one of example.com's servers, see http://example.com/?s=user%40example.com 192.0.2.1 mx.receiver.example 1700000000");
}

TEST_CASE("spf explanation: redirect's own counts, that of an include or of the first record does not") {
  const auto texts = "e1.example. TXT one\ne2.example. TXT two\n"s;
  Dns redirected(texts + "example.com. TXT \"v=spf1 redirect=r.example exp=e1.example\"\nr.example. TXT \"v=spf1 -all exp=e2.example\"");
  CHECK(check(redirected, {}).explanation == "two");
  Dns bare(texts + "example.com. TXT \"v=spf1 redirect=r.example exp=e1.example\"\nr.example. TXT \"v=spf1 -all\"");
  CHECK(check(bare, {}).explanation == "");
  Dns included(texts + "example.com. TXT \"v=spf1 include:i.example -all exp=e1.example\"\ni.example. TXT \"v=spf1 -all exp=e2.example\"");
  CHECK(check(included, {}).explanation == "one");
  Dns denied(texts + "example.com. TXT \"v=spf1 -include:i.example +all\"\ni.example. TXT \"v=spf1 +all exp=e2.example\"");
  CHECK(check(denied, {}).explanation == "");
}

TEST_CASE("spf explanation: whatever is wrong with it, the fail stays and it is left out") {
  const auto with = [](std::string_view text, const Mail& mail = {}) {
    Dns dns("example.com. TXT \"v=spf1 -all exp=why.example\"\nwhy.example. TXT " + std::string(text));
    const auto verdict = check(dns, mail);
    CHECK(verdict.outcome == Outcome::fail);
    return verdict.explanation;
  };
  CHECK(with("\"%{x}\"") == "");
  CHECK(with("one\nwhy.example. TXT two") == "");
  CHECK(with("\"caf\\195\\169\"") == "");
  CHECK(with("\"%{l}\"", {.from = "a\r\nX-Injected: yes@example.com"}) == "");
  CHECK(with("\"%{l}\"", {.from = "ok@example.com"}) == "ok");
  CHECK(with("\"" + std::string(250, 'x') + "\" \"" + std::string(250, 'y') + "\"").size() == spf::limits::explanation_octets_max);
  Dns failing("example.com. TXT \"v=spf1 -all exp=why.example\"");
  failing.fault("why.example", RecordType::txt, AnswerStatus::timeout);
  CHECK(outcome(failing, {}) == "fail");
}

TEST_CASE("spf: what a record says cannot put octets of its own into our words") {
  Dns dns("example.com. TXT \"v=spf1 a\\013\\010b\"");
  const auto verdict = check(dns, {});
  CHECK(verdict.outcome == Outcome::permerror);
  CHECK(verdict.problem == "example.com: this term is wrong: a??b");
}

TEST_CASE("spf: the trace tells the way, with its depth, and only when asked for") {
  Dns dns("example.com. TXT \"v=spf1 include:i.example -all\"\ni.example. TXT \"v=spf1 a -all\"\ni.example. A 203.0.113.1");
  CHECK(check(dns, {}).steps.empty());
  const auto steps = check(dns, {}, {.trace = Trace::yes}).steps;
  std::string told;
  for (const auto& step : steps) told += std::string(step.depth * 2, ' ') + step.text + "\n";
  CHECK(told ==
        "TXT example.com: \"v=spf1 include:i.example -all\"\n"
        "  TXT i.example: \"v=spf1 a -all\"\n"
        "  A i.example: 203.0.113.1\n"
        "  a: no match\n"
        "  -all: fail\n"
        "include:i.example: no match\n"
        "-all: fail\n");
}
