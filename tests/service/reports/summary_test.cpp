// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "keystonemail/service/reports/summary.hpp"

#include <doctest/doctest.h>

#include "reports/samples.hpp"

using namespace keystonemail;
using namespace keystonemail::reporting;
using namespace keystonemail::test;

namespace {

struct Line {
  const char* source;
  std::uint64_t count;
  bool dkim, spf;
  std::vector<reports::DkimResult> signatures = {};
  std::vector<reports::SpfResult> sender = {};
};

ReceivedReport report_with(const std::vector<Line>& lines, const std::string& policy = "none", bool verified = true) {
  ReceivedReport out;
  out.about.verified = verified;
  out.about.organization = "receiver.example";
  reports::AggregateReport report = sample_aggregate();
  report.published.policy = policy;
  report.records.clear();
  for (const Line& line : lines) {
    reports::AggregateRecord& record = report.records.emplace_back();
    record.source = *IpAddress::parse(line.source);
    record.count = line.count;
    record.dkim_aligned = line.dkim, record.spf_aligned = line.spf;
    record.header_from = "example.com";
    record.dkim = line.signatures;
    record.spf = line.sender;
  }
  out.report = std::move(report);
  return out;
}

DmarcSummary summary_of(const std::vector<Line>& lines, const std::string& policy = "none") {
  Summarizer all;
  all.add(report_with(lines, policy));
  return all.finish().dmarc.at(0);
}

}  // namespace

TEST_CASE("report summary: sources are added up over reports, most mail first") {
  Summarizer all;
  all.add(report_with({{"192.0.2.1", 10, true, true}, {"192.0.2.2", 3, false, false}}));
  all.add(report_with({{"192.0.2.2", 30, true, false}}));
  const Summary summary = all.finish();
  REQUIRE(summary.dmarc.size() == 1);
  const DmarcSummary& domain = summary.dmarc[0];
  CHECK(domain.domain == "example.com");
  CHECK(domain.reports == 2);
  CHECK(domain.reporters == std::vector<std::string>{"receiver.example"});
  CHECK(domain.messages == 43);
  CHECK(domain.passed == 40);
  REQUIRE(domain.sources.size() == 2);
  CHECK(domain.sources[0].source == *IpAddress::parse("192.0.2.2"));
  CHECK(domain.sources[0].messages == 33);
  CHECK(domain.sources[0].passed == 30);
  CHECK(domain.sources[0].dkim == 30);
  CHECK(domain.sources[0].spf == 0);
}

TEST_CASE("report summary: what nobody vouches for is not counted") {
  Summarizer all;
  all.add(report_with({{"192.0.2.1", 10, true, true}}, "none", false));
  const Summary summary = all.finish();
  CHECK(summary.dmarc.empty());
  CHECK(summary.unverified == 1);
}

TEST_CASE("report summary: what nobody vouches for counts when that is asked for, and once when it came by mail too") {
  Summarizer all(Counted::all);
  ReceivedReport report{.about = {.kind = Kind::tls, .organization = "Company-X", .domain = "company-y.example", .report_id = "1"}, .report = sample_tls()};
  all.add(report);
  report.about.verified = true;
  all.add(report);
  const Summary summary = all.finish();
  REQUIRE(!summary.tls.empty());
  CHECK(summary.tls[0].domain == "company-y.example");
  CHECK(summary.tls[0].reports == 1);
  CHECK(summary.tls[0].failed == 303);
  CHECK(summary.unverified == 1);
}

TEST_CASE("report summary: each source gets the advice that fits it") {
  const auto advice = [](Line line) { return summary_of({std::move(line)}).sources.at(0).advice; };
  CHECK(advice({"192.0.2.1", 1, true, true}) == "fine");
  CHECK(advice({"192.0.2.1", 1, true, false}) == "fine, by DKIM");
  CHECK(has(advice({"192.0.2.1", 1, false, true}), "sign with DKIM too"));
  CHECK(has(advice({"192.0.2.1", 1, false, false, {{.domain = "mailer.example", .selector = "x", .result = "pass", .human_result = {}}}}),
            "sign as example.com, not as mailer.example"));
  CHECK(has(advice({"192.0.2.1", 1, false, false, {{.domain = "example.com", .selector = "s7", .result = "fail", .human_result = {}}}}),
            "check s7._domainkey.example.com"));
  CHECK(has(advice({"192.0.2.1", 1, false, false, {}, {{.domain = "mailer.example", .scope = "mfrom", .result = "pass", .human_result = {}}}}),
            "it sends for mailer.example"));
  CHECK(has(advice({"192.0.2.1", 1, false, false, {}, {{.domain = "example.com", .scope = "mfrom", .result = "softfail", .human_result = {}}}}), "SPF record"));
  CHECK(has(advice({"192.0.2.1", 1, false, false}), "forged"));
}

TEST_CASE("report summary: a policy may be made stricter once nothing of ours fails") {
  CHECK(has(summary_of({{"192.0.2.1", 9, true, true}, {"192.0.2.66", 5, false, false}}).advice, "say p=quarantine"));
  CHECK(has(summary_of({{"192.0.2.1", 9, true, true}}, "quarantine").advice, "say p=reject"));
  CHECK(summary_of({{"192.0.2.1", 9, true, true}}, "reject").advice == "nothing to do");
  CHECK(has(summary_of({{"192.0.2.1", 9, true, true}, {"192.0.2.1", 1, false, false}}).advice, "before the policy is made stricter"));
}

TEST_CASE("report summary: nobody is told to be stricter while nothing passes, or signatures of ours are broken") {
  const reports::DkimResult broken{.domain = "example.com", .selector = "s7", .result = "fail", .human_result = {}};
  for (const char* policy : {"none", "quarantine"}) {
    CHECK(has(summary_of({{"192.0.2.1", 9, false, false}, {"192.0.2.2", 1, false, false}}, policy).advice, "none of it passes"));
    CHECK(has(summary_of({{"192.0.2.1", 9, true, true}, {"192.0.2.2", 1, false, false, {broken}}}, policy).advice, "look at the sources"));
  }
  CHECK(summary_of({{"192.0.2.66", 9, false, false}}, "reject").advice == "nothing to do");
}

TEST_CASE("report summary: sessions are added up by what failed, and failure reports by domain") {
  Summarizer all;
  ReceivedReport tls;
  tls.about.verified = true;
  tls.about.organization = "Company-X";
  tls.report = sample_tls();
  all.add(tls);
  all.add(tls);
  ReceivedReport failure;
  failure.about.verified = true;
  failure.report = sample_failure();
  all.add(failure);
  const Summary summary = all.finish();
  REQUIRE(summary.tls.size() == 2);
  CHECK(summary.tls[0].domain == "company-y.example");
  CHECK(summary.tls[0].successful == 2 * 5'326);
  CHECK(summary.tls[0].failed == 2 * 303);
  REQUIRE(summary.tls[0].failures.size() == 1);
  CHECK(summary.tls[0].failures[0].sessions == 200);
  CHECK(has(summary.tls[0].failures[0].advice, "renew the certificate"));
  CHECK(summary.tls[1].advice == "nothing to do");
  REQUIRE(summary.dmarc.size() == 1);
  CHECK(summary.dmarc[0].domain == "consumer.example");
  CHECK(summary.dmarc[0].failure_reports == 3);
}
