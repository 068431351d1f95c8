// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "service/reports/failures.hpp"

#include <doctest/doctest.h>

#include "reports/samples.hpp"

using namespace keystonemail;
using namespace keystonemail::reporting;
using keystonemail::test::at;
using keystonemail::test::has;
namespace dmarc = keystonemail::mailauth::dmarc;

namespace {

// A message of example.com that failed everything.
struct FailedMessage {
  policy::Connection connection{.session = "s", .service = "smtp", .hostname = "mail.receiver.example", .peer = *Endpoint::parse("192.0.2.9:4000"), .local = {}};
  std::string sender = "alice@example.com";
  std::string header = "From: alice@example.com\r\nTo: bob@receiver.example\r\nSubject: secret\r\n\r\n";
  dmarc::Verdict verdict;
  mailauth::spf::Verdict spf;
  std::vector<mailauth::dkim::SignatureResult> signatures;
  WallTime time = at(1'767'225'600);
  dmarc::Policy applied = dmarc::Policy::reject;

  explicit FailedMessage(std::string_view record = "v=DMARC1; p=reject; ruf=mailto:f@example.com") {
    verdict.outcome = dmarc::Outcome::fail;
    verdict.record = dmarc::parse_record(record);
    verdict.author = verdict.policy_domain = *dns::Name::parse("example.com");
    spf.outcome = mailauth::spf::Outcome::softfail;
    spf.domain = "example.com";
    mailauth::dkim::SignatureResult signature;
    signature.outcome = mailauth::dkim::Outcome::fail;
    signature.reason = "body hash did not verify";
    signature.domain = "example.com";
    signature.selector = "s1";
    signature.identity = "@example.com";
    signatures.push_back(signature);
  }
  void pass(dmarc::Method method) {
    verdict.outcome = dmarc::Outcome::pass;
    verdict.identifiers.push_back({{.method = method, .standing = dmarc::Standing::pass, .domain = "example.com"}, true});
    if (method == dmarc::Method::spf) spf.outcome = mailauth::spf::Outcome::pass;
  }
  std::vector<FailureJob> told(FailureUse use = FailureUse::redacted, int times = 1) const {
    Options options;
    options.failures = use;
    Failures failures(options, "key");
    for (int i = 0; i < times; ++i) consider(failures);
    return failures.take();
  }
  void consider(Failures& failures) const {
    const policy::Facts facts{.connection = connection, .hello = {}, .tls = {}, .login = {}, .sender = sender, .recipients = {}, .octets = 0,
                              .smtputf8 = false, .header = header, .tags = {}, .time = time};
    failures.consider({connection, facts, verdict, spf, signatures, applied});
  }
};

}  // namespace

TEST_CASE("failure reports: off unless asked for, by the domain and by us") {
  CHECK(FailedMessage().told(FailureUse::off).empty());
  CHECK(FailedMessage("v=DMARC1; p=reject").told().empty());
  CHECK(FailedMessage("v=DMARC1; p=reject; psd=y; ruf=mailto:f@example.com").told().empty());
  CHECK(FailedMessage().told().size() == 1);
}

TEST_CASE("failure reports: a report says what failed, and no more than it may") {
  const auto jobs = FailedMessage().told();
  REQUIRE(jobs.size() == 1);
  const reports::FailureReport& report = jobs[0].report;
  CHECK(report.failure == "dmarc");
  CHECK(report.domain == "example.com");
  CHECK(report.source == IpAddress::parse("192.0.2.9"));
  CHECK(report.authentication_results == "mail.receiver.example; dmarc=fail header.from=example.com");
  CHECK(report.alignment == "dkim, spf");
  CHECK(report.delivery == "reject");
  CHECK(report.dkim_domain == "example.com");
  CHECK(report.dkim_selector == "s1");
  CHECK(!has(report.header, "bob"));
  CHECK(!has(report.header, "secret"));
  CHECK(has(report.mail_from, "@example.com"));
  CHECK(!has(report.mail_from, "alice"));
  CHECK(jobs[0].spf_domain == "example.com");
  const auto whole = FailedMessage().told(FailureUse::full);
  CHECK(whole.at(0).report.header == "From: alice@example.com\r\nTo: bob@receiver.example\r\nSubject: secret\r\n");
  CHECK(whole.at(0).report.mail_from == "alice@example.com");
}

TEST_CASE("failure reports: fo says which failures the domain wants to hear of") {
  FailedMessage by_spf("v=DMARC1; p=reject; ruf=mailto:f@example.com; fo=0");
  by_spf.pass(dmarc::Method::spf);
  CHECK(by_spf.told().empty());
  by_spf.verdict.record = dmarc::parse_record("v=DMARC1; p=reject; ruf=mailto:f@example.com; fo=1");
  CHECK(by_spf.told().at(0).report.failure == "dmarc");
  by_spf.verdict.record = dmarc::parse_record("v=DMARC1; p=reject; ruf=mailto:f@example.com; fo=d");
  CHECK(by_spf.told().at(0).report.failure == "bodyhash");
  by_spf.verdict.record = dmarc::parse_record("v=DMARC1; p=reject; ruf=mailto:f@example.com; fo=s");
  CHECK(by_spf.told().empty());
  FailedMessage by_dkim("v=DMARC1; p=reject; ruf=mailto:f@example.com; fo=d:s");
  by_dkim.pass(dmarc::Method::dkim);
  by_dkim.signatures[0].outcome = mailauth::dkim::Outcome::pass;
  CHECK(by_dkim.told().at(0).report.failure == "spf");
}

TEST_CASE("failure reports: nobody is told of reports, notifications and other automatic mail") {
  FailedMessage bounce;
  bounce.sender.clear();
  CHECK(bounce.told().empty());
  FailedMessage automatic;
  automatic.header = "Auto-Submitted: auto-generated\r\n" + automatic.header;
  CHECK(automatic.told().empty());
  FailedMessage report;
  report.header = "Content-Type: multipart/report; report-type=feedback-report; boundary=x\r\n" + report.header;
  CHECK(report.told().empty());
  FailedMessage person;
  person.header = "Auto-Submitted: no\r\n" + person.header;
  CHECK(person.told().size() == 1);
}

TEST_CASE("failure reports: what is alike is told once an hour, and there is an end to all of them") {
  Options options;
  options.failures = FailureUse::redacted;
  Failures failures(options, "key");
  FailedMessage message;
  for (int i = 0; i < 5; ++i) message.consider(failures);
  CHECK(failures.take().size() == 1);
  for (int i = 0; i < 50; ++i) {
    message.connection.peer = *Endpoint::parse("198.51.100." + std::to_string(i) + ":25");
    message.consider(failures);
  }
  CHECK(failures.take().size() == options.failures_per_domain_max - 1);
  for (int i = 0; i < 500; ++i) {
    message.verdict.author = message.verdict.policy_domain = *dns::Name::parse("d" + std::to_string(i) + ".example");
    message.consider(failures);
  }
  CHECK(failures.take().size() == options.failures_per_hour_max - options.failures_per_domain_max);
  message.time += std::chrono::hours(1);
  message.consider(failures);
  CHECK(failures.take().size() == 1);
}

TEST_CASE("failure reports: names below a domain are no way round its limit, and a day has one too") {
  Options options;
  options.failures = FailureUse::redacted;
  Failures failures(options, "key");
  FailedMessage message;
  std::size_t told = 0;
  for (int hour = 0; hour < 23; ++hour) {
    for (int i = 0; i < 50; ++i) {
      message.verdict.author = *dns::Name::parse("d" + std::to_string(i) + ".example.com");
      message.consider(failures);
    }
    const std::size_t now = failures.take().size();
    CHECK(now <= options.failures_per_domain_max);
    told += now;
    message.time += std::chrono::hours(1);
  }
  CHECK(told == options.failures_per_domain_day_max);
  message.time += std::chrono::hours(1);
  message.consider(failures);
  CHECK(failures.take().size() == 1);  // the next day
}

TEST_CASE("failure reports: what the DNS could not say is no failure") {
  for (const dmarc::Method method : {dmarc::Method::spf, dmarc::Method::dkim}) {
    FailedMessage unknown("v=DMARC1; p=reject; ruf=mailto:f@example.com; fo=0");
    unknown.verdict.outcome = dmarc::Outcome::temperror;
    unknown.verdict.identifiers.push_back({{.method = method, .standing = dmarc::Standing::temporary, .domain = "example.com"}, true});
    CHECK(unknown.told().empty());
    unknown.verdict.identifiers[0].is_aligned = false;  // another domain's trouble hides nothing
    unknown.verdict.outcome = dmarc::Outcome::fail;
    CHECK(unknown.told().size() == 1);
  }
  FailedMessage one_passes("v=DMARC1; p=reject; ruf=mailto:f@example.com; fo=1");
  one_passes.pass(dmarc::Method::dkim);
  one_passes.signatures[0].outcome = mailauth::dkim::Outcome::pass;
  one_passes.spf.outcome = mailauth::spf::Outcome::temperror;
  one_passes.verdict.identifiers.push_back({{.method = dmarc::Method::spf, .standing = dmarc::Standing::temporary, .domain = "example.com"}, true});
  CHECK(one_passes.told().empty());
  FailedMessage both("v=DMARC1; p=reject; ruf=mailto:f@example.com; fo=d:s");
  both.signatures[0].outcome = mailauth::dkim::Outcome::temperror;
  both.spf.outcome = mailauth::spf::Outcome::temperror;
  CHECK(both.told().empty());
  both.spf.outcome = mailauth::spf::Outcome::fail;
  const auto jobs = both.told();
  REQUIRE(jobs.size() == 1);
  CHECK(jobs[0].report.failure == "spf");
  CHECK(jobs[0].report.alignment == "spf");      // of the signature nobody knows
  CHECK(jobs[0].report.dkim_domain.empty());
}
