// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "service/reports/failures.hpp"

#include <algorithm>
#include <optional>
#include <utility>

#include "keystonemail/base/text.hpp"
#include "keystonemail/mailauth/dmarc/organizational_domain.hpp"
#include "keystonemail/mime/content_type.hpp"
#include "keystonemail/mime/header.hpp"
#include "keystonemail/reports/limits.hpp"

namespace keystonemail::reporting {
namespace {

using authentication::DmarcFinding;
using mailauth::dkim::SignatureResult;
namespace dmarc = mailauth::dmarc;

// For the author's domain, as RFC 7489 aligns.
bool stands_for(const dns::Name& author, std::string_view domain) {
  const auto name = dns::Name::from_domain(domain);
  return name && dmarc::organizational_domain(*name) == dmarc::organizational_domain(author);
}

// It vouches for the author's domain; or it might, could the DNS be asked.
bool may_pass(const dmarc::Verdict& verdict, dmarc::Method method) {
  return std::ranges::any_of(verdict.identifiers, [method](const dmarc::AlignedIdentifier& one) { return one.is_aligned && one.identifier.method == method; });
}

bool has_failed(const SignatureResult& one) {
  using mailauth::dkim::Outcome;
  return one.outcome == Outcome::fail || one.outcome == Outcome::policy || one.outcome == Outcome::permerror;
}
bool has_failed(const mailauth::spf::Verdict& spf) {
  using mailauth::spf::Outcome;
  return spf.outcome == Outcome::fail || spf.outcome == Outcome::softfail || spf.outcome == Outcome::permerror;
}

bool is_good_or_unknown(const SignatureResult& one) { return one.usable() || one.outcome == mailauth::dkim::Outcome::temperror; }
bool is_good_or_unknown(const mailauth::spf::Verdict& spf) {
  return spf.outcome == mailauth::spf::Outcome::pass || spf.outcome == mailauth::spf::Outcome::temperror;
}

// Nobody is told of what no person wrote, as that is how loops are made.
bool is_automatic(const policy::Facts& facts) {
  if (facts.sender.empty()) return true;
  const auto submitted = mime::find_field(facts.header, "Auto-Submitted");
  if (submitted && !istarts_with(trim(submitted->value), "no")) return true;
  const auto type = mime::find_field(facts.header, mime::FieldName::content_type);
  return type && mime::parse_content_type(type->value).is("multipart/report");
}

// What the domain wants to hear of (fo): the word for Auth-Failure.
std::optional<std::string> failure_of(const DmarcFinding& finding) {
  const dmarc::FailureReports& wanted = finding.verdict.record->failure_reports;
  const bool by_dkim = may_pass(finding.verdict, dmarc::Method::dkim), by_spf = may_pass(finding.verdict, dmarc::Method::spf);
  if ((wanted.if_all_fail && !by_dkim && !by_spf) || (wanted.if_any_fails && (!by_dkim || !by_spf))) return "dmarc";
  const auto bad = std::ranges::find_if(finding.signatures, [](const SignatureResult& one) { return has_failed(one); });
  if (wanted.of_dkim && bad != finding.signatures.end()) return bad->reason.find("body hash") != std::string::npos ? "bodyhash" : "signature";
  if (wanted.of_spf && has_failed(finding.spf)) return "spf";
  return std::nullopt;
}

// RFC 9991 §4: the methods that failed to authenticate an identity that stands for the author's domain.
std::string alignment_of(const DmarcFinding& finding) {
  const dns::Name& author = finding.verdict.author;
  const bool dkim = std::ranges::any_of(finding.signatures, [&](const SignatureResult& one) { return !is_good_or_unknown(one) && stands_for(author, one.domain); });
  const bool spf = !is_good_or_unknown(finding.spf) && stands_for(author, finding.spf.domain);
  return dkim && spf ? "dkim, spf" : dkim ? "dkim" : spf ? "spf" : "none";
}

// RFC 6591 §3.1: of one method alone.
std::string results_of(const DmarcFinding& finding, const std::string& failure, const SignatureResult* signature) {
  const std::string& hostname = finding.connection.hostname;
  if (failure == "spf") return hostname + "; spf=" + std::string(to_string(finding.spf.outcome)) + " smtp.mailfrom=" + finding.spf.domain;
  if (failure != "dmarc" && signature != nullptr) return hostname + "; dkim=" + std::string(to_string(signature->outcome)) + " header.d=" + signature->domain;
  return hostname + "; dmarc=" + std::string(to_string(finding.verdict.outcome)) + " header.from=" + finding.verdict.author.text();
}

// The one that should have passed, else the first that did not.
const SignatureResult* signature_of(const DmarcFinding& finding) {
  const SignatureResult* out = nullptr;
  for (const SignatureResult& one : finding.signatures) {
    if (is_good_or_unknown(one) || one.domain.empty()) continue;
    if (out == nullptr) out = &one;
    if (stands_for(finding.verdict.author, one.domain)) return &one;
  }
  return out;
}

}  // namespace

void Failures::consider(const DmarcFinding& finding) {
  const dmarc::Record& record = *finding.verdict.record;
  if (options_.failures == FailureUse::off || record.failure_addresses.empty() || record.public_suffix == dmarc::PublicSuffix::yes) return;
  if (finding.verdict.outcome == dmarc::Outcome::temperror) return;  // nobody knows yet whether it has failed (E3)
  if (is_automatic(finding.facts)) return;
  const auto failure = failure_of(finding);
  if (!failure) return;

  const bool redacted = options_.failures == FailureUse::redacted;
  const SignatureResult* signature = signature_of(finding);
  FailureJob job;
  reports::FailureReport& report = job.report;
  report.failure = *failure;
  report.domain = finding.verdict.author.text();
  report.source = finding.connection.peer.address;
  report.arrived = finding.facts.time;
  report.mail_from = redacted ? reports::redact_address(finding.facts.sender, key_) : std::string(finding.facts.sender);
  report.authentication_results = results_of(finding, *failure, signature);
  report.alignment = alignment_of(finding);
  report.delivery = finding.applied == dmarc::Policy::reject ? "reject" : finding.applied == dmarc::Policy::quarantine ? "spam" : "delivered";
  if (signature != nullptr) {
    report.dkim_domain = signature->domain;
    report.dkim_identity = redacted ? reports::redact_address(signature->identity, key_) : signature->identity;
    report.dkim_selector = signature->selector;
  }
  const std::string_view header = finding.facts.header.substr(0, reports::limits::header_octets_max);
  report.header = redacted ? reports::redact_header(header, key_) : std::string(header.substr(0, mime::header_octets(header)));
  while (report.header.ends_with("\r\n\r\n")) report.header.resize(report.header.size() - 2);
  job.addresses = record.failure_addresses;
  job.policy_domain = finding.verdict.policy_domain;
  if (!is_good_or_unknown(finding.spf)) job.spf_domain = finding.spf.domain;

  const std::string alike = report.domain + " " + report.source->to_string() + " " + *failure;
  const std::lock_guard lock(mutex_);
  if (may_tell(job.policy_domain.text(), alike, finding.facts.time)) waiting_.push_back(std::move(job));
}

bool Failures::may_tell(const std::string& told, const std::string& alike, WallTime now) {
  const auto hour = std::chrono::floor<std::chrono::hours>(now);
  const auto day = std::chrono::floor<std::chrono::days>(now);
  if (day != day_) {
    day_ = day;
    told_in_day_.clear();
  }
  if (hour != hour_) {
    hour_ = hour;
    told_ = 0;
    told_in_hour_.clear();
    told_alike_.clear();
  }
  if (told_ >= options_.failures_per_hour_max || told_alike_.contains(alike)) return false;
  // At most failures_per_hour_max domains an hour, so these have an end.
  std::size_t& in_hour = told_in_hour_[told];
  std::size_t& in_day = told_in_day_[told];
  if (in_hour >= options_.failures_per_domain_max || in_day >= options_.failures_per_domain_day_max) return false;
  ++told_;
  ++in_hour;
  ++in_day;
  told_alike_.insert(alike);
  return true;
}

std::vector<FailureJob> Failures::take() {
  const std::lock_guard lock(mutex_);
  return std::exchange(waiting_, {});
}

}  // namespace keystonemail::reporting
