// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "service/relay/security.hpp"

#include <utility>

namespace keystonemail::relay {

namespace {

smtp::Reply later(smtp::EnhancedStatus status, std::string text) { return {454, status, std::move(text)}; }

TlsResult result_of(tls::Trust trust) noexcept {
  switch (trust) {
    case tls::Trust::trusted: return TlsResult::success;
    case tls::Trust::wrong_name: return TlsResult::certificate_host_mismatch;
    case tls::Trust::expired: return TlsResult::certificate_expired;
    case tls::Trust::untrusted: return TlsResult::certificate_not_trusted;
    case tls::Trust::no_certificate:
    case tls::Trust::unchecked:
    case tls::Trust::invalid: return TlsResult::validation_failure;
  }
  __builtin_unreachable();
}

TlsResult result_of(tls::DaneOutcome outcome) noexcept {
  switch (outcome) {
    case tls::DaneOutcome::end_entity:
    case tls::DaneOutcome::trust_anchor: return TlsResult::success;
    case tls::DaneOutcome::no_match: return TlsResult::tlsa_invalid;
    case tls::DaneOutcome::wrong_name: return TlsResult::certificate_host_mismatch;
    case tls::DaneOutcome::expired: return TlsResult::certificate_expired;
    case tls::DaneOutcome::untrusted: return TlsResult::certificate_not_trusted;
  }
  __builtin_unreachable();
}

std::string_view words_for(tls::Trust trust) noexcept {
  switch (trust) {
    case tls::Trust::wrong_name: return "its certificate is for another name";
    case tls::Trust::expired: return "its certificate has expired";
    case tls::Trust::untrusted: return "its certificate is from nobody that is trusted here";
    case tls::Trust::no_certificate: return "it has no certificate";
    case tls::Trust::trusted:
    case tls::Trust::unchecked:
    case tls::Trust::invalid: return "its certificate is not valid";
  }
  __builtin_unreachable();
}

}  // namespace

// RFC 8689 §5: a report of a message with REQUIRETLS goes even to those who do not offer it.
TlsDemand demand_of(const queue::Envelope& envelope) noexcept {
  if (envelope.require_tls) return envelope.sender.empty() ? TlsDemand::usual : TlsDemand::required;
  return envelope.tls_optional ? TlsDemand::optional : TlsDemand::usual;
}

StsStand sts_stand(const std::optional<mailauth::mta_sts::Policy>& policy, const dns::Name& host) {
  if (!policy) return StsStand::none;
  switch (policy->mode) {
    case mailauth::mta_sts::Mode::none: return StsStand::none;
    case mailauth::mta_sts::Mode::testing: return policy->allows(host) ? StsStand::testing : StsStand::testing_stranger;
    case mailauth::mta_sts::Mode::enforce: return policy->allows(host) ? StsStand::enforced : StsStand::enforced_stranger;
  }
  __builtin_unreachable();
}

std::variant<SessionRules, smtp::Reply> rules_for(const HostFacts& facts) {
  SessionRules rules;
  const bool is_required = facts.demand == TlsDemand::required;
  switch (facts.configured) {
    case RouteTls::none:  // an administrator's word; the sender's goes before it
      if (is_required) return smtp::Reply{550, {5, 7, 10}, "Encryption needed, and never used with this host"};
      return rules;
    case RouteTls::opportunistic: break;
    case RouteTls::required:
    case RouteTls::dane: rules.has_to_be_encrypted = true; break;
    case RouteTls::verified:
    case RouteTls::implicit: rules.has_to_be_encrypted = rules.by_pkix = true; break;
  }
  const bool is_named_safely = !facts.is_from_mx || facts.is_mx_signed;
  if (facts.dane != nullptr && facts.demand != TlsDemand::optional) {
    rules.has_to_be_encrypted = true;
    rules.by_dane = !facts.dane->usable.empty();
    if (rules.by_dane) rules.by_pkix = false;  // RFC 7672 §3.1.3: authorities add nothing
  }
  if (facts.configured == RouteTls::dane && (!rules.by_dane || !is_named_safely)) {  // RFC 7672 §6
    return later({4, 7, 4}, "DANE is required here, and the host has no TLSA records that DNSSEC vouches for");
  }
  // RFC 8461 §2: MTA-STS never goes before DANE. Where DNSSEC does not reach from the domain to the host, both count.
  if (facts.demand != TlsDemand::optional && !(rules.by_dane && is_named_safely)) {
    if (facts.sts == StsStand::enforced_stranger) return later({4, 7, 0}, "The domain's MTA-STS policy does not name this host");
    if (facts.sts == StsStand::enforced) rules.has_to_be_encrypted = rules.by_pkix = rules.is_sts = true;
  }
  if (is_required) {  // RFC 8689 §2
    const bool is_in_policy = facts.sts == StsStand::enforced || facts.sts == StsStand::testing;
    if (!is_named_safely && !is_in_policy) {
      return smtp::Reply{550, {5, 7, 10}, "Encryption needed, and neither DNSSEC nor MTA-STS vouches for the domain's mail hosts"};
    }
    rules.has_to_be_encrypted = rules.announces_require_tls = true;
    rules.by_pkix = rules.by_pkix || !rules.by_dane;
  }
  return rules;
}

std::optional<std::string> violation(const SessionRules& rules, const SessionFacts& facts) {
  if (rules.by_dane && !tls::is_verified(facts.dane.value_or(tls::DaneOutcome::no_match))) {
    return "DANE: " + std::string(to_string(facts.dane.value_or(tls::DaneOutcome::no_match)));
  }
  if (rules.by_pkix && facts.trust != tls::Trust::trusted) {
    return (rules.is_sts ? "MTA-STS: " : "") + std::string(words_for(facts.trust));
  }
  return std::nullopt;
}

std::string_view verified_by(const SessionRules& rules, const SessionFacts& facts, bool is_host_trusted) noexcept {
  if (rules.by_dane && facts.dane && tls::is_verified(*facts.dane)) {
    if (is_host_trusted) return "dane";
    if (!rules.is_sts) return "dane-host";
  }
  if (facts.trust != tls::Trust::trusted) return "none";
  return rules.is_sts ? "sts" : "webpki";
}

std::string describe(const SessionRules& rules, const SessionFacts& facts, bool is_host_trusted) {
  if (facts.stage != TlsStage::established) return "cleartext";
  return facts.protocol + " " + std::string(verified_by(rules, facts, is_host_trusted));
}

std::optional<TlsResult> result_for(TlsPolicyType policy, const SessionFacts& facts, const DaneRecords* dane) noexcept {
  switch (facts.stage) {
    case TlsStage::none: return std::nullopt;
    case TlsStage::not_offered:
    case TlsStage::refused: return TlsResult::starttls_not_supported;
    case TlsStage::broken: return TlsResult::validation_failure;
    case TlsStage::established: break;
  }
  switch (policy) {
    case TlsPolicyType::sts: return result_of(facts.trust);
    case TlsPolicyType::tlsa:
      if (dane != nullptr && dane->usable.empty()) return TlsResult::tlsa_invalid;
      return facts.dane ? result_of(*facts.dane) : TlsResult::validation_failure;
    case TlsPolicyType::no_policy_found: return TlsResult::success;
  }
  __builtin_unreachable();
}

}  // namespace keystonemail::relay
