// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "keystonemail/service/reports/summary.hpp"

#include <algorithm>
#include <array>
#include <functional>
#include <utility>

namespace keystonemail::reporting {
namespace {

constexpr std::size_t names_max = 5;  // of those shown beside a source

std::vector<std::string> list_of(const std::set<std::string>& names, std::size_t most) {
  std::vector<std::string> out;
  for (const std::string& name : names) {
    if (out.size() == most) break;
    out.push_back(name);
  }
  return out;
}

template <class About>
void take_time(About& about, WallTime begin, WallTime end) {
  about.begin = about.reports == 0 ? begin : std::min(about.begin, begin);
  about.end = std::max(about.end, end);
  ++about.reports;
}

std::string_view advice_for_result(std::string_view result) {
  constexpr std::array<std::pair<std::string_view, std::string_view>, 11> known{{
      {"starttls-not-supported", "offer STARTTLS on port 25 of this host, or take it out of the MX records"},
      {"certificate-host-mismatch", "get a certificate with this host's name, the one in MX and in the MTA-STS policy"},
      {"certificate-expired", "renew the certificate of this host"},
      {"certificate-not-trusted", "serve the whole chain, from an authority that others trust"},
      {"validation-failure", "see the reason; try check tls"},
      {"tlsa-invalid", "the TLSA records do not fit the key: publish the ones that dns prints"},
      {"dnssec-invalid", "the zone is not signed well: check DNSSEC of the domain and of its hosts"},
      {"dane-required", "the sender demands DANE: sign the zone and publish TLSA records"},
      {"sts-policy-fetch-error", "the MTA-STS policy cannot be fetched: check the mta-sts web server"},
      {"sts-policy-invalid", "the MTA-STS policy is not understood: serve the one that dns prints"},
      {"sts-webpki-invalid", "get a certificate for the mta-sts web server"}}};
  for (const auto& [word, advice] : known)
    if (word == result) return advice;
  return "see the reason";
}

}  // namespace

void Summarizer::add(const ReceivedReport& report) {
  if (!report.about.verified) {
    ++unverified_;
    if (counted_ == Counted::verified) return;
  }
  const Received& about = report.about;
  const bool may_come_twice = counted_ == Counted::all && about.kind == Kind::tls && !about.report_id.empty();
  if (may_come_twice && !seen_.emplace(about.domain, about.report_id).second) return;
  std::visit([&](const auto& one) { add(report.about, one); }, report.report);
}

void Summarizer::add(const Received& about, const reports::AggregateReport& report) {
  Domain& domain = domains_[report.published.domain];
  take_time(domain.about, report.begin, report.end);
  if (report.end >= domain.about.end || domain.about.policy.empty()) domain.about.policy = report.published.policy;
  domain.reporters.insert(about.organization);
  for (const auto& record : report.records) {
    domain.about.messages += record.count;
    if (record.passes()) domain.about.passed += record.count;
    if (!domain.sources.contains(record.source) && domain.sources.size() >= limits::summary_sources_max) {
      domain.about.more_sources += record.count;
      continue;
    }
    Source& source = domain.sources[record.source];
    source.about.source = record.source;
    source.about.messages += record.count;
    if (record.passes()) source.about.passed += record.count;
    if (record.dkim_aligned) source.about.dkim += record.count;
    if (record.spf_aligned) source.about.spf += record.count;
    if (record.passes()) continue;
    for (const auto& one : record.dkim) {
      if (one.result == "pass") source.vouched_by.insert(one.domain);
      else if (one.domain == record.header_from || record.header_from.ends_with("." + one.domain)) source.broken_selectors.insert(one.selector);
    }
    for (const auto& one : record.spf) {
      if (one.result == "pass") source.mail_from.insert(one.domain);
      if (one.domain == record.header_from && (one.result == "fail" || one.result == "softfail" || one.result == "neutral")) source.spf_fails = true;
    }
  }
}

void Summarizer::add(const Received& about, const reports::TlsReport& report) {
  for (const auto& policy : report.policies) {
    TlsDomain& domain = tls_[policy.domain];
    take_time(domain.about, report.begin, report.end);
    domain.reporters.insert(about.organization);
    domain.about.successful += policy.successful;
    domain.about.failed += policy.failed;
    for (const auto& failure : policy.failures) {
      const std::pair key(failure.result_type, failure.receiving_host);
      if (!domain.failures.contains(key) && domain.failures.size() >= limits::summary_failures_max) continue;
      TlsFailureSummary& line = domain.failures[key];
      line.result = failure.result_type;
      line.host = failure.receiving_host;
      line.sessions += failure.sessions;
      if (line.reason.empty()) line.reason = failure.reason;
    }
  }
}

void Summarizer::add(const Received&, const reports::FailureReport& report) {
  domains_[report.domain].about.failure_reports += report.incidents;
}

std::string Summarizer::advice_for(const Source& source, const std::string& domain) {
  const SourceSummary& about = source.about;
  if (about.passed == about.messages) {
    if (about.dkim == about.messages && about.spf == about.messages) return "fine";
    return about.dkim >= about.spf ? "fine, by DKIM" : "fine, by SPF alone: sign with DKIM too, as forwarding breaks SPF";
  }
  if (!source.broken_selectors.empty()) {
    const std::string& selector = *source.broken_selectors.begin();
    return "its signatures fail: check " + selector + "._domainkey." + domain + ", or what changes mail on the way";
  }
  if (!source.vouched_by.empty()) return "if it is yours, have it sign as " + domain + ", not as " + *source.vouched_by.begin();
  if (!source.mail_from.empty()) return "if it is yours, have it sign as " + domain + ": it sends for " + *source.mail_from.begin();
  if (source.spf_fails && about.passed == 0) return "nobody vouches for it: forged, or missing in the SPF record and unsigned";
  return about.passed > 0 ? "some of it is not vouched for: forwarded, or sent past your mail servers" : "nobody vouches for it: forged, or a server of yours that does not sign";
}

std::string Summarizer::advice_for(const DmarcSummary& summary, bool ours_fails) {
  if (summary.messages == 0) return "no mail was told of";
  if (ours_fails) return "look at the sources that fail and are yours before the policy is made stricter";
  const bool is_strict = summary.policy == "reject";
  if (summary.passed == 0 && !is_strict) return "none of it passes: if you send mail, have it signed, and the SPF record name your servers, before the policy is made stricter";
  if (summary.policy == "none") return "all mail that is likely yours passes: say p=quarantine";
  if (summary.policy == "quarantine") return "all mail that is likely yours passes: say p=reject";
  return "nothing to do";
}

Summary Summarizer::finish() {
  Summary out;
  out.unverified = unverified_;
  for (auto& [name, domain] : domains_) {
    DmarcSummary& summary = domain.about;
    summary.domain = name;
    summary.reporters = list_of(domain.reporters, SIZE_MAX);
    bool ours_fails = false;
    for (auto& [address, source] : domain.sources) {
      source.about.advice = advice_for(source, name);
      source.vouched_by.merge(source.mail_from);
      // Who sends some mail that passes, or signs in our name, is one of ours, or a forwarder.
      const bool may_be_ours = source.about.passed > 0 || !source.vouched_by.empty() || !source.broken_selectors.empty();
      ours_fails = ours_fails || (may_be_ours && source.about.passed < source.about.messages);
      source.about.vouched_by = list_of(source.vouched_by, names_max);
      summary.sources.push_back(std::move(source.about));
    }
    std::ranges::sort(summary.sources, [](const SourceSummary& a, const SourceSummary& b) {
      return a.messages != b.messages ? a.messages > b.messages : a.source < b.source;
    });
    summary.advice = advice_for(summary, ours_fails);
    out.dmarc.push_back(std::move(summary));
  }
  for (auto& [name, domain] : tls_) {
    TlsSummary& summary = domain.about;
    summary.domain = name;
    summary.reporters = list_of(domain.reporters, SIZE_MAX);
    for (auto& [key, line] : domain.failures) {
      line.advice = advice_for_result(line.result);
      summary.failures.push_back(std::move(line));
    }
    std::ranges::sort(summary.failures, std::ranges::greater(), &TlsFailureSummary::sessions);
    summary.advice = summary.failed > 0 ? "look at the failures" : "nothing to do";
    out.tls.push_back(std::move(summary));
  }
  return out;
}

}  // namespace keystonemail::reporting
