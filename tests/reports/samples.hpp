// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Reports with something in every field.
#pragma once

#include "keystonemail/reports/dmarc_aggregate.hpp"
#include "keystonemail/reports/failure_report.hpp"
#include "keystonemail/reports/tls_report.hpp"

namespace keystonemail::test {

inline bool has(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }
inline WallTime at(std::int64_t seconds) { return WallTime(std::chrono::seconds(seconds)); }

inline reports::AggregateReport sample_aggregate() {
  reports::AggregateReport report;
  report.organization = "Receivers & Co";
  report.email = "postmaster@receiver.example";
  report.extra_contact = "https://receiver.example/dmarc";
  report.report_id = "20260101abcdef";
  report.generator = "Keystone Mail";
  report.begin = at(1'767'225'600);
  report.end = at(1'767'311'999);
  report.errors = {"a tag of the record was not understood: <rua>"};
  report.published = {.domain = "example.com", .discovery_method = "treewalk", .policy = "reject", .subdomain_policy = "quarantine",
                      .missing_policy = "none", .dkim_alignment = "r", .spf_alignment = "s", .failure_options = "1:d:s", .testing = "n",
                      .percent = std::nullopt};
  reports::AggregateRecord passed;
  passed.source = *IpAddress::parse("192.0.2.1");
  passed.count = 123;
  passed.disposition = "pass";
  passed.dkim_aligned = true;
  passed.header_from = "example.com";
  passed.envelope_from = "bounces.example.com";
  passed.dkim = {{.domain = "example.com", .selector = "s1", .result = "pass", .human_result = {}},
                 {.domain = "list.example", .selector = "x", .result = "fail", .human_result = "body hash did not verify"}};
  passed.spf = {{.domain = "bounces.example.com", .scope = "mfrom", .result = "softfail", .human_result = {}}};
  reports::AggregateRecord forged;
  forged.source = *IpAddress::parse("2001:db8::7");
  forged.count = 1;
  forged.disposition = "none";
  forged.reasons = {{.type = "trusted_forwarder", .comment = "arc"}, {.type = "local_policy", .comment = {}}};
  forged.header_from = "mail.example.com";
  forged.envelope_from = "";
  forged.envelope_to = "receiver.example";
  forged.spf = {{.domain = "forger.example", .scope = "helo", .result = "none", .human_result = {}}};
  report.records = {passed, forged};
  return report;
}

inline reports::TlsReport sample_tls() {
  reports::TlsReport report;
  report.organization = "Company-X";
  report.contact = "sts-reporting@company-x.example";
  report.report_id = "5065427c@company-x.example";
  report.begin = at(1'459'468'800);
  report.end = at(1'459'555'199);
  reports::TlsPolicyReport policy;
  policy.type = "sts";
  policy.strings = {"version: STSv1", "mode: testing", "mx: *.mail.company-y.example", "max_age: 86400"};
  policy.domain = "company-y.example";
  policy.hosts = {"*.mail.company-y.example"};
  policy.successful = 5'326;
  policy.failed = 303;
  policy.failures = {{.result_type = "certificate-expired", .sending_ip = "2001:db8:abcd:12::1", .receiving_host = "mx1.mail.company-y.example",
                      .receiving_helo = "mx1", .receiving_ip = "203.0.113.56", .sessions = 100, .additional_information = "https://company-x.example/1",
                      .reason = "X509_V_ERR \"quoted\""}};
  report.policies = {policy, {.type = "no-policy-found", .strings = {}, .domain = "other.example", .hosts = {}, .successful = 1, .failed = 0, .failures = {}}};
  return report;
}

inline reports::FailureReport sample_failure() {
  reports::FailureReport report;
  report.domain = "consumer.example";
  report.source = IpAddress::parse("192.0.2.2");
  report.arrived = at(1'658'210'268);
  report.mail_from = "author@forwarder.example";
  report.authentication_results = "gen.example; dmarc=fail header.from=consumer.example";
  report.alignment = "dkim";
  report.delivery = "reject";
  report.dkim_domain = "consumer.example";
  report.dkim_identity = "@consumer.example";
  report.dkim_selector = "epsilon";
  report.spf_dns = "txt : forwarder.example : \"v=spf1 -all\"";
  report.incidents = 3;
  report.header = "From: a@consumer.example\r\nSubject: hello\r\n";
  return report;
}

}  // namespace keystonemail::test
