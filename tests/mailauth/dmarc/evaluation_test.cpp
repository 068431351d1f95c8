// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "keystonemail/mailauth/dmarc/evaluation.hpp"

#include <doctest/doctest.h>

#include "keystonemail/mailauth/dmarc/method_result.hpp"
#include "mailauth/spf/support.hpp"

using namespace keystonemail;
using namespace keystonemail::mailauth;
using namespace keystonemail::mailauth::dmarc;
using dns::AnswerStatus;
using dns::RecordType;
using spf::Dns;
using namespace std::string_literals;

namespace {

struct Message {
  std::string from;
  std::string spf;                       // domains that pass
  std::vector<std::string> dkim;
  std::string spf_temporary, dkim_temporary;
  unsigned sample = 0;
};

Input input_for(const Message& message) {
  Input out{.author = dns::Name::from_domain(message.from).value(), .identifiers = {}, .sample = message.sample};
  if (!message.spf.empty()) out.identifiers.push_back({Method::spf, Standing::pass, message.spf});
  for (const auto& domain : message.dkim) out.identifiers.push_back({Method::dkim, Standing::pass, domain});
  if (!message.spf_temporary.empty()) out.identifiers.push_back({Method::spf, Standing::temporary, message.spf_temporary});
  if (!message.dkim_temporary.empty()) out.identifiers.push_back({Method::dkim, Standing::temporary, message.dkim_temporary});
  return out;
}

Verdict judge(Dns& dns, const Message& message, Options options = {}) {
  Evaluation evaluation(input_for(message), options, Instant());
  for (std::size_t questions = 0;; ++questions) {
    const auto event = evaluation.next_event();
    const auto* needed = std::get_if<NeedAnswer>(&event);
    if (needed == nullptr) return evaluation.verdict();
    REQUIRE(questions <= dmarc::limits::questions_max);
    evaluation.decide(dns.answer(needed->question), Instant());
  }
}

// "fail reject": the outcome, and what is asked for.
std::string told(const Verdict& verdict) { return std::string(to_string(verdict.outcome)) + " " + std::string(to_string(verdict.disposition)); }
std::string told(std::string_view zone, const Message& message, Options options = {}) {
  Dns dns(zone);
  return told(judge(dns, message, options));
}
constexpr Options by_list{.discovery = Discovery::public_suffix_list};

}  // namespace

TEST_CASE("dmarc: the examples of RFC 7489 B.1, SPF and DKIM aligned and not") {
  const auto zone = "_dmarc.example.com. TXT \"v=DMARC1; p=reject\"";
  for (const Options& options : {Options{}, by_list}) {
    CHECK(told(zone, {.from = "example.com", .spf = "example.com"}, options) == "pass none");
    CHECK(told(zone, {.from = "example.com", .spf = "child.example.com"}, options) == "pass none");
    CHECK(told(zone, {.from = "child.example.com", .spf = "example.com"}, options) == "pass none");
    CHECK(told(zone, {.from = "child.example.com", .spf = "sample.net"}, options) == "fail reject");
    CHECK(told(zone, {.from = "example.com", .dkim = {"example.com"}}, options) == "pass none");
    CHECK(told(zone, {.from = "child.example.com", .dkim = {"example.com"}}, options) == "pass none");
    CHECK(told(zone, {.from = "example.com", .dkim = {"sample.net"}}, options) == "fail reject");
    CHECK(told(zone, {.from = "example.com", .spf = "sample.net", .dkim = {"x.org", "a.b.example.com"}}, options) == "pass none");
  }
}

TEST_CASE("dmarc: the example of RFC 7489 B.3.1, at the end of a message") {
  const auto zone = "_dmarc.example.com. TXT \"v=DMARC1; p=reject; aspf=r; rua=mailto:dmarc-feedback@example.com\"";
  for (const Options& options : {Options{}, by_list}) {
    CHECK(told(zone, {.from = "example.com", .spf = "mail.example.com", .dkim = {"example.com"}}, options) == "pass none");
    CHECK(told(zone, {.from = "example.com", .spf = "mail.example.com"}, options) == "pass none");
    CHECK(told(zone, {.from = "example.com"}, options) == "fail reject");
    CHECK(told(zone, {.from = "example.com", .spf_temporary = "mail.example.com"}, options) == "temperror none");
  }
}

TEST_CASE("dmarc: strict alignment takes the same name only, each method by itself") {
  const auto zone = "_dmarc.example.com. TXT \"v=DMARC1; p=reject; adkim=s\"";
  CHECK(told(zone, {.from = "example.com", .dkim = {"mail.example.com"}}) == "fail reject");
  CHECK(told(zone, {.from = "example.com", .dkim = {"EXAMPLE.com"}}) == "pass none");
  CHECK(told(zone, {.from = "example.com", .spf = "mail.example.com"}) == "pass none");
}

TEST_CASE("dmarc: neighbours under a public suffix do not vouch for each other") {
  const auto zone = "_dmarc.example.co.uk. TXT \"v=DMARC1; p=reject\"\n_dmarc.evil.co.uk. TXT \"v=DMARC1; p=none\"\n"s;
  for (const auto& suffix : {""s, "_dmarc.co.uk. TXT \"v=DMARC1; p=none; psd=y\""s, "_dmarc.co.uk. TXT \"v=DMARC1; p=none\""s, "_dmarc.uk. TXT \"v=DMARC1; p=none\""s}) {
    CAPTURE(suffix);
    for (const Options& options : {Options{}, by_list}) {
      CHECK(told(zone + suffix, {.from = "example.co.uk", .dkim = {"evil.co.uk"}}, options) == "fail reject");
      CHECK(told(zone + suffix, {.from = "example.co.uk", .dkim = {"co.uk"}}, options) == "fail reject");
      CHECK(told(zone + suffix, {.from = "example.co.uk", .spf = "anexample.co.uk"}, options) == "fail reject");
      CHECK(told(zone + suffix, {.from = "a.example.co.uk", .spf = "b.example.co.uk"}, options) == "pass none");
    }
  }
}

TEST_CASE("D10: A-labels and U-labels align") {
  const auto zone = "_dmarc.xn--bcher-kva.example. TXT \"v=DMARC1; p=reject\"";
  CHECK(told(zone, {.from = "b\xc3\xbc" "cher.example", .dkim = {"xn--bcher-kva.example"}}) == "pass none");
  CHECK(told(zone, {.from = "xn--bcher-kva.example", .dkim = {"b\xc3\xbc" "cher.example"}}) == "pass none");
  CHECK(told(zone, {.from = "xn--bcher-kva.example", .dkim = {"bucher.example"}}) == "fail reject");
}

TEST_CASE("dmarc: no record, several, or a foreign one: the domain takes no part") {
  CHECK(told("", {.from = "example.com"}) == "none none");
  CHECK(told("_dmarc.example.com. TXT \"v=DMARC1; p=reject\"\n_dmarc.example.com. TXT \"v=DMARC1; p=none\"", {.from = "example.com"}) == "none none");
  CHECK(told("_dmarc.example.com. TXT \"v=DMARC2; p=reject\"", {.from = "example.com"}) == "none none");
  CHECK(told("_dmarc.example.com. TXT \"v=DMARC1; p=reject\"\n_dmarc.example.com. TXT other", {.from = "example.com"}) == "fail reject");
}

TEST_CASE("dmarc: a record without p takes no part, or with rua that of p=none, whatever sp says (RFC 7489 §6.6.3 step 6)") {
  const auto record = [](const std::string& rest) { return "_dmarc.example.com. TXT \"v=DMARC1; sp=reject" + rest + "\"\na.example.com. A 192.0.2.1"; };
  for (const auto* from : {"example.com", "a.example.com"}) {
    CAPTURE(from);
    CHECK(told(record(""), {.from = from}) == "none none");
    CHECK(told(record("; rua=mailto:a@example.com"), {.from = from}) == "fail none");
  }
}

TEST_CASE("dmarc: by the list, several records or one that cannot be used end the search (RFC 7489 §6.6.3)") {
  const auto organization = "_dmarc.example.com. TXT \"v=DMARC1; p=reject\"\n"s;
  const auto several = "_dmarc.a.example.com. TXT \"v=DMARC1; p=none\"\n_dmarc.a.example.com. TXT \"v=DMARC1; p=reject\""s;
  const auto useless = "_dmarc.a.example.com. TXT \"v=DMARC1; p=perhaps\""s;
  const auto foreign = "_dmarc.a.example.com. TXT \"v=other\""s;
  CHECK(told(organization + several, {.from = "a.example.com"}, by_list) == "none none");
  CHECK(told(organization + useless, {.from = "a.example.com"}, by_list) == "none none");
  CHECK(told(organization + foreign, {.from = "a.example.com"}, by_list) == "fail reject");
  CHECK(told(organization + several, {.from = "a.example.com"}) == "fail reject");  // RFC 9989 §4.10: the walk goes on
}

TEST_CASE("dmarc: sp is for names below the record's, np for those that do not exist") {
  const auto zone = "_dmarc.example.com. TXT \"v=DMARC1; p=quarantine; sp=none; np=reject\"\nhere.example.com. A 192.0.2.1\nempty.example.com. TXT x\n";
  for (const Options& options : {Options{}, by_list}) {
    CHECK(told(zone, {.from = "example.com"}, options) == "fail quarantine");
    CHECK(told(zone, {.from = "here.example.com"}, options) == "fail none");
    CHECK(told(zone, {.from = "empty.example.com"}, options) == "fail none");
    CHECK(told(zone, {.from = "nowhere.example.com"}, options) == "fail reject");
  }
  CHECK(told("_dmarc.example.com. TXT \"v=DMARC1; p=reject\"", {.from = "nowhere.example.com"}) == "fail reject");
}

TEST_CASE("dmarc: a subdomain's own record comes before its organization's") {
  const auto zone = "_dmarc.example.com. TXT \"v=DMARC1; p=reject\"\n_dmarc.sub.example.com. TXT \"v=DMARC1; p=none; sp=reject\"";
  Dns dns(zone);
  const auto verdict = judge(dns, {.from = "sub.example.com"});
  CHECK(told(verdict) == "fail none");
  CHECK(verdict.policy_domain.text() == "sub.example.com");
}

TEST_CASE("dmarc: t=y and pct ask for one step less") {
  CHECK(told("_dmarc.example.com. TXT \"v=DMARC1; p=reject; t=y\"", {.from = "example.com"}) == "fail quarantine");
  CHECK(told("_dmarc.example.com. TXT \"v=DMARC1; p=quarantine; t=y\"", {.from = "example.com"}) == "fail none");
  const auto zone = "_dmarc.example.com. TXT \"v=DMARC1; p=reject; pct=25\"";
  CHECK(told(zone, {.from = "example.com", .sample = 24}) == "fail reject");
  CHECK(told(zone, {.from = "example.com", .sample = 25}) == "fail quarantine");
  CHECK(told("_dmarc.example.com. TXT \"v=DMARC1; p=reject; pct=0\"", {.from = "example.com"}) == "fail quarantine");
}

TEST_CASE("dmarc tree walk: questions go up from the author, and end at a record only by psd") {
  Dns dns("_dmarc.example.com. TXT \"v=DMARC1; p=reject\"\n_dmarc.b.example.com. TXT \"v=DMARC1; p=none\"");
  const auto verdict = judge(dns, {.from = "a.b.example.com"});
  CHECK(verdict.policy_domain.text() == "example.com");  // fewest labels
  CHECK(told(verdict) == "fail reject");
  CHECK(dns.asked == std::vector<std::string>{"TXT _dmarc.a.b.example.com", "TXT _dmarc.b.example.com", "TXT _dmarc.example.com", "TXT _dmarc.com"});
}

TEST_CASE("dmarc tree walk: psd=n makes a name the organization, and hides what is above") {
  Dns dns("_dmarc.example.com. TXT \"v=DMARC1; p=reject\"\n_dmarc.b.example.com. TXT \"v=DMARC1; p=quarantine; psd=n\"");
  const auto verdict = judge(dns, {.from = "a.b.example.com", .dkim = {"example.com"}});
  CHECK(verdict.policy_domain.text() == "b.example.com");
  CHECK(told(verdict) == "fail quarantine");
  CHECK(told(judge(dns, {.from = "a.b.example.com", .dkim = {"c.b.example.com"}})) == "pass none");
}

TEST_CASE("dmarc tree walk: below psd=y each name is an organization of its own, and its policy serves those without") {
  const auto zone = "_dmarc.bank. TXT \"v=DMARC1; p=reject; psd=y; sp=quarantine\"\n_dmarc.one.bank. TXT \"v=DMARC1; p=none\"";
  Dns dns(zone);
  CHECK(told(judge(dns, {.from = "two.bank"})) == "fail quarantine");
  CHECK(told(judge(dns, {.from = "mail.two.bank", .dkim = {"two.bank"}})) == "pass none");
  CHECK(told(judge(dns, {.from = "two.bank", .dkim = {"one.bank"}})) == "fail quarantine");
  CHECK(told(judge(dns, {.from = "one.bank", .dkim = {"bank"}})) == "fail none");
}

TEST_CASE("dmarc tree walk: a name of many labels costs eight questions") {
  Dns dns("_dmarc.example.com. TXT \"v=DMARC1; p=reject\"");
  const auto verdict = judge(dns, {.from = "a.b.c.d.e.f.g.h.i.j.k.example.com"});
  CHECK(told(verdict) == "fail reject");
  CHECK(dns.asked.size() == dmarc::limits::walk_questions_max);
  CHECK(dns.asked[1] == "TXT _dmarc.g.h.i.j.k.example.com");
}

TEST_CASE("dmarc tree walk: the author's own record is enough when names are the same") {
  Dns dns("_dmarc.example.com. TXT \"v=DMARC1; p=reject\"");
  CHECK(told(judge(dns, {.from = "example.com", .dkim = {"example.com"}})) == "pass none");
  CHECK(dns.asked.size() == 1);
}

TEST_CASE("dmarc: many identifiers cost a bounded number of questions") {
  Dns dns("_dmarc.example.com. TXT \"v=DMARC1; p=reject\"");
  Message message{.from = "example.com"};
  for (int i = 0; i < 100; ++i) message.dkim.push_back("a.b.c.d.e.n" + std::to_string(i) + ".example.com");
  const auto verdict = judge(dns, message);
  CHECK(verdict.outcome == Outcome::pass);
  CHECK(verdict.identifiers.size() == dmarc::limits::identifiers_max);
  CHECK(dns.asked.size() <= dmarc::limits::questions_max);
}

TEST_CASE("T10: a policy that cannot be looked up is a temperror, and asks for nothing") {
  const auto zone = "_dmarc.example.com. TXT \"v=DMARC1; p=reject\"";
  for (const auto status : {AnswerStatus::server_failure, AnswerStatus::refused, AnswerStatus::timeout, AnswerStatus::bogus, AnswerStatus::malformed}) {
    for (const auto* name : {"_dmarc.a.example.com", "_dmarc.example.com", "_dmarc.com"}) {
      Dns dns(zone);
      dns.fault(name, RecordType::txt, status);
      CHECK(told(judge(dns, {.from = "a.example.com"})) == "temperror none");
    }
    Dns dns(zone);
    dns.fault("_dmarc.a.example.com", RecordType::txt, status);
    CHECK(told(judge(dns, {.from = "a.example.com"}, by_list)) == "temperror none");
  }
}

TEST_CASE("T10: SPF or DKIM that could not be found out keeps a message from failing, if it would have counted") {
  const auto zone = "_dmarc.example.com. TXT \"v=DMARC1; p=reject\"";
  CHECK(told(zone, {.from = "example.com", .dkim_temporary = "example.com"}) == "temperror none");
  CHECK(told(zone, {.from = "example.com", .spf_temporary = "mail.example.com"}) == "temperror none");
  CHECK(told(zone, {.from = "example.com", .spf_temporary = "other.net"}) == "fail reject");
  CHECK(told(zone, {.from = "example.com", .dkim = {"example.com"}, .spf_temporary = "example.com"}) == "pass none");
  Dns dns(zone);
  dns.fault("_dmarc.sub.example.com", RecordType::txt, AnswerStatus::timeout);
  CHECK(told(judge(dns, {.from = "example.com", .dkim = {"sub.example.com"}})) == "temperror none");
}

TEST_CASE("T10: a public suffix that cannot be asked keeps a message from failing, and nothing else") {
  for (const auto status : {AnswerStatus::server_failure, AnswerStatus::refused, AnswerStatus::timeout, AnswerStatus::bogus}) {
    CAPTURE(dns::to_string(status));
    Dns dns("_dmarc.example.com. TXT \"v=DMARC1; p=reject\"\n_dmarc.a.deep.com. TXT \"v=DMARC1; p=reject\"");
    dns.fault("_dmarc.com", RecordType::txt, status);
    CHECK(told(judge(dns, {.from = "a.example.com", .spf = "a.example.com"})) == "pass none");
    CHECK(told(judge(dns, {.from = "a.example.com", .dkim = {"b.example.com"}})) == "pass none");
    CHECK(told(judge(dns, {.from = "example.com", .spf = "mail.example.com"})) == "pass none");
    CHECK(told(judge(dns, {.from = "example.com", .spf = "other.com"})) == "temperror none");
    CHECK(told(judge(dns, {.from = "other.com", .spf = "example.com"})) == "none none");
    // Without the suffix's answer the two may be of one organization or of two.
    CHECK(told(judge(dns, {.from = "a.deep.com", .spf = "b.deep.com"})) == "temperror none");
    CHECK(told(judge(dns, {.from = "a.deep.com", .spf = "a.deep.com"})) == "pass none");
  }
}

TEST_CASE("T10: whether a name exists is asked of a message that fails alone") {
  for (const auto* record : {"v=DMARC1; p=none; np=reject", "v=DMARC1; p=reject; np=none"}) {
    CAPTURE(record);
    Dns dns("_dmarc.example.com. TXT \"" + std::string(record) + "\"");
    dns.fault("a.example.com", RecordType::a, AnswerStatus::timeout);
    CHECK(told(judge(dns, {.from = "a.example.com", .dkim = {"example.com"}})) == "pass none");
    const auto verdict = judge(dns, {.from = "a.example.com"});
    CHECK(told(verdict) == "temperror none");
    CHECK(verdict.demand == Policy::reject);
  }
}

TEST_CASE("T10: a temperror says what it may come to at most") {
  const auto demand = [](const std::string& tags) {
    Dns dns("_dmarc.example.com. TXT \"v=DMARC1; " + tags + "\"");
    return judge(dns, {.from = "example.com", .spf_temporary = "example.com"}).demand;
  };
  CHECK(demand("p=none") == Policy::none);
  CHECK(demand("p=quarantine; t=y") == Policy::none);
  CHECK(demand("p=quarantine; pct=0") == Policy::none);
  CHECK(demand("p=quarantine") == Policy::quarantine);
  CHECK(demand("p=reject") == Policy::reject);
}

TEST_CASE("dmarc: the time is limited, and an evaluation may be dropped at any question") {
  Dns dns("_dmarc.example.com. TXT \"v=DMARC1; p=reject\"");
  Evaluation evaluation(input_for({.from = "a.example.com", .dkim = {"b.example.com"}}), {}, Instant());
  CHECK(evaluation.deadline() == Instant() + std::chrono::seconds(20));
  evaluation.expire(Instant() + std::chrono::seconds(20));
  REQUIRE(std::holds_alternative<Decided>(evaluation.next_event()));
  CHECK(evaluation.verdict().outcome == Outcome::temperror);
  for (int answered = 0; answered < 6; ++answered) {
    Evaluation dropped(input_for({.from = "a.example.com", .dkim = {"b.example.com"}}), {}, Instant());
    for (int i = 0; i < answered; ++i) {
      const auto event = dropped.next_event();
      if (const auto* needed = std::get_if<NeedAnswer>(&event)) dropped.decide(dns.answer(needed->question), Instant());
    }
  }
}

TEST_CASE("dmarc: the result names the author and where the policy was found") {
  Dns dns("_dmarc.example.com. TXT \"v=DMARC1; p=reject\"");
  const auto result = method_result(judge(dns, {.from = "a.example.com", .spf = "evil.net"}));
  CHECK(result.method == "dmarc");
  CHECK(result.result == "fail");
  CHECK(result.property("header", "from") == "a.example.com");
  CHECK(result.property("polrec", "p") == "reject");
  CHECK(result.property("polrec", "domain") == "example.com");
}
