// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "service/reports/collector.hpp"

#include <algorithm>
#include <utility>

#include "keystonemail/base/text.hpp"
#include "keystonemail/mime/address.hpp"
#include "keystonemail/mime/content_type.hpp"
#include "keystonemail/mime/header.hpp"
#include "service/reports/rows.hpp"

namespace keystonemail::reporting {
namespace {

using authentication::DmarcFinding;
using authentication::DmarcOverride;
namespace dmarc = mailauth::dmarc;

constexpr std::size_t strings_max = 30;          // of a TLS policy
constexpr std::size_t string_octets_max = 200;
constexpr std::size_t domains_max = 5'000;       // in memory

std::string letter(dmarc::Alignment alignment) { return alignment == dmarc::Alignment::strict ? "s" : "r"; }
std::string word(const std::optional<dmarc::Policy>& policy) { return policy ? std::string(to_string(*policy)) : std::string(); }

std::string failure_options(const dmarc::FailureReports& wanted) {
  std::string out;
  const auto add = [&out](bool is_wanted, const char* option) {
    if (is_wanted) out.append(out.empty() ? "" : ":").append(option);
  };
  add(wanted.if_all_fail, "0");
  add(wanted.if_any_fails, "1");
  add(wanted.of_dkim, "d");
  add(wanted.of_spf, "s");
  return out;
}

DmarcAbout about_of(const DmarcFinding& finding) {
  const dmarc::Record& record = *finding.verdict.record;
  DmarcAbout about;
  reports::PublishedPolicy& published = about.published;
  published.domain = finding.verdict.policy_domain.text();
  published.discovery_method = finding.discovery == dmarc::Discovery::tree_walk ? "treewalk" : "psl";
  published.policy = to_string(record.policy);
  published.subdomain_policy = word(record.subdomain_policy);
  published.missing_policy = word(record.missing_policy);
  published.dkim_alignment = letter(record.dkim_alignment);
  published.spf_alignment = letter(record.spf_alignment);
  published.failure_options = failure_options(record.failure_reports);
  published.testing = record.is_test ? "y" : "n";
  published.percent = record.percent;
  about.addresses = record.aggregate_addresses;
  return about;
}

std::vector<reports::OverrideReason> reasons_of(const DmarcFinding& finding) {
  switch (finding.override) {
    case DmarcOverride::none: return {};
    case DmarcOverride::sampled_out: return {{.type = "other", .comment = "sampled out by pct=" + std::to_string(finding.verdict.record->percent)}};
    case DmarcOverride::test_mode: return {{.type = "policy_test_mode", .comment = {}}};
    case DmarcOverride::trusted_forwarder: return {{.type = "trusted_forwarder", .comment = {}}};
    case DmarcOverride::local_policy: return {{.type = "local_policy", .comment = {}}};
  }
  __builtin_unreachable();
}

bool has_passed(const dmarc::Verdict& verdict, dmarc::Method method) {
  return std::ranges::any_of(verdict.identifiers, [&](const dmarc::AlignedIdentifier& one) {
    return one.is_aligned && one.identifier.method == method && one.identifier.standing == dmarc::Standing::pass;
  });
}

// RFC 9990, appendix A: "pass" is a message that passed for a domain that demands something.
std::string disposition_of(const DmarcFinding& finding) {
  if (finding.verdict.outcome == dmarc::Outcome::pass && finding.verdict.policy != dmarc::Policy::none) return "pass";
  return std::string(to_string(finding.applied));
}

std::string domain_of_sender(std::string_view sender) {
  const auto address = mime::Address::parse(sender);
  return address ? address->domain() : std::string();
}

reports::AggregateRecord record_of(const DmarcFinding& finding) {
  reports::AggregateRecord record;
  record.source = finding.connection.peer.address;
  record.disposition = disposition_of(finding);
  record.dkim_aligned = has_passed(finding.verdict, dmarc::Method::dkim);
  record.spf_aligned = has_passed(finding.verdict, dmarc::Method::spf);
  record.reasons = reasons_of(finding);
  record.header_from = finding.verdict.author.text();
  record.envelope_from = domain_of_sender(finding.facts.sender);
  for (const auto& signature : finding.signatures) {
    if (signature.domain.empty()) continue;  // what cannot be read has no d=
    record.dkim.push_back({.domain = to_lower(signature.domain), .selector = signature.selector, .result = std::string(to_string(signature.outcome)),
                           .human_result = signature.reason});
  }
  const bool of_helo = finding.spf.identity == mailauth::spf::Identity::helo;
  record.spf.push_back({.domain = finding.spf.domain.empty() ? record.envelope_from : finding.spf.domain, .scope = of_helo ? "helo" : "mfrom",
                        .result = std::string(to_string(finding.spf.outcome)), .human_result = {}});
  return record;
}

std::vector<std::string> cut(const std::vector<std::string>& strings) {
  std::vector<std::string> out;
  for (const std::string& one : strings) {
    if (out.size() < strings_max) out.push_back(one.substr(0, string_octets_max));
  }
  return out;
}

// Reports about reports would go on for ever (RFC 9990 §3.5.2, RFC 8460 §5.3 and RFC 6522 have what they look like).
bool is_report(const Options& options, const policy::Facts& facts) {
  const bool to_us = std::ranges::any_of(facts.recipients, [&options](const policy::Recipient& one) { return is_report_address(options, one.address); });
  if (!to_us) return false;
  const auto subject = mime::find_field(facts.header, mime::FieldName::subject);
  if (subject && istarts_with(trim(subject->value), "Report Domain:")) return true;
  const auto type = mime::find_field(facts.header, mime::FieldName::content_type);
  return type && mime::parse_content_type(type->value).is("multipart/report");
}

}  // namespace

bool is_report_address(const Options& options, std::string_view address) {
  const auto parsed = mime::Address::parse(address);
  if (!parsed) return false;
  const auto is = [&parsed](const std::string& wanted) {
    if (wanted.empty()) return iequals(parsed->local_part(), "postmaster");
    const auto other = mime::Address::parse(wanted);
    return other && other->key() == parsed->key();
  };
  return is(options.dmarc_address) || is(options.tls_address);
}

void Collector::count(const DmarcFinding& finding) {
  if (!finding.verdict.record || finding.verdict.record->aggregate_addresses.empty()) return;
  if (is_report(options_, finding.facts)) return;
  DayOf of{.kind = Kind::dmarc, .day = std::chrono::floor<std::chrono::days>(finding.facts.time), .domain = finding.verdict.policy_domain.text()};
  add(std::move(of), encode_about(about_of(finding)), encode_content(record_of(finding)), 1);
}

void Collector::count(const relay::TlsSession& session) {
  if (session.policy_domain.empty()) return;
  TlsContent content;
  content.policy_type = to_string(session.policy_type);
  content.strings = cut(session.policy_strings);
  content.hosts = cut(session.mx_patterns);
  content.result = to_string(session.result);
  // Of successes only the number is told (RFC 8460 §4.2.1).
  if (session.result != relay::TlsResult::success) {
    if (session.sending_ip) content.sending_ip = session.sending_ip->to_string();
    content.receiving_host = session.mx_host;
    if (session.receiving_ip) content.receiving_ip = session.receiving_ip->to_string();
    content.reason = session.detail;
  }
  DayOf of{.kind = Kind::tls, .day = std::chrono::floor<std::chrono::days>(session.when), .domain = session.policy_domain};
  add(std::move(of), {}, encode_content(content), 1);
}

void Collector::add(DayOf of, std::string about, std::string content, std::uint64_t count) {
  const std::lock_guard lock(mutex_);
  if (!pending_.contains(of) && pending_.size() >= domains_max) return;
  Counts& counts = pending_[std::move(of)];
  if (!about.empty()) counts.about = std::move(about);
  const auto known = counts.rows.find(content);
  if (known != counts.rows.end()) {
    known->second += count;
  } else if (content.empty() || rows_ >= options_.pending_rows_max) {
    counts.lost += count;
  } else {
    counts.rows.emplace(std::move(content), count);
    ++rows_;
  }
}

Batch Collector::take() {
  const std::lock_guard lock(mutex_);
  rows_ = 0;
  return std::exchange(pending_, {});
}

void Collector::give_back(Batch batch) {
  for (auto& [of, counts] : batch) {
    for (const auto& [content, count] : counts.rows) add(of, counts.about, content, count);
    if (counts.lost > 0) add(of, counts.about, {}, counts.lost);
  }
}

}  // namespace keystonemail::reporting
