// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// What a session must be like, as a table: who asks for what, and what comes of it.
#include "service/relay/security.hpp"

#include <doctest/doctest.h>

using namespace keystonemail;
using namespace keystonemail::relay;

namespace {

const DaneRecords usable{.base = "mx.test", .names = {"mx.test"}, .usable = {{3, 1, 1, std::string(32, 'x')}}, .texts = {}};
const DaneRecords unusable{.base = "mx.test", .names = {"mx.test"}, .usable = {}, .texts = {"1 1 1 00"}};

enum class Want : std::uint8_t { anything, encrypted, dane, pkix, dane_and_pkix, wait, never };

Want wanted(const HostFacts& facts) {
  const auto rules = rules_for(facts);
  if (const auto* reply = std::get_if<smtp::Reply>(&rules)) return reply->temporary() ? Want::wait : Want::never;
  const SessionRules& r = std::get<SessionRules>(rules);
  CHECK(r.announces_require_tls == (facts.demand == TlsDemand::required));
  if (!r.has_to_be_encrypted) {
    CHECK_FALSE(r.by_dane);
    CHECK_FALSE(r.by_pkix);
    return Want::anything;
  }
  if (r.by_dane) return r.by_pkix ? Want::dane_and_pkix : Want::dane;
  return r.by_pkix ? Want::pkix : Want::encrypted;
}

constexpr bool from_mx = true, no_mx = false, is_signed = true, is_unsigned = false;

}  // namespace

TEST_CASE("D11: the strictest of sender, DANE, MTA-STS and configuration decides what a session must be like") {
  struct Case {
    const char* what;
    HostFacts facts;
    Want want;
  };
  using enum RouteTls;
  constexpr auto usual = TlsDemand::usual, demanded = TlsDemand::required, waived = TlsDemand::optional;
  const Case cases[] = {
      {"nobody asks for anything", {opportunistic, usual, from_mx, is_unsigned, nullptr, StsStand::none}, Want::anything},
      {"required here", {required, usual, from_mx, is_unsigned, nullptr, StsStand::none}, Want::encrypted},
      {"verified here", {verified, usual, from_mx, is_unsigned, nullptr, StsStand::none}, Want::pkix},
      {"a smarthost on port 465", {implicit, usual, no_mx, is_unsigned, nullptr, StsStand::none}, Want::pkix},
      {"never here, whatever the domain says", {none, usual, from_mx, is_signed, &usable, StsStand::enforced}, Want::anything},

      {"DANE", {opportunistic, usual, from_mx, is_signed, &usable, StsStand::none}, Want::dane},
      {"DANE without a usable record: encrypted, by whomever", {opportunistic, usual, from_mx, is_signed, &unusable, StsStand::none}, Want::encrypted},
      {"DANE of a host that unsigned MX records name", {opportunistic, usual, from_mx, is_unsigned, &usable, StsStand::none}, Want::dane},
      {"DANE does for what is verified here", {verified, usual, from_mx, is_signed, &usable, StsStand::none}, Want::dane},
      {"unusable records do not", {verified, usual, from_mx, is_signed, &unusable, StsStand::none}, Want::pkix},
      {"DANE demanded, and there", {dane, usual, from_mx, is_signed, &usable, StsStand::none}, Want::dane},
      {"DANE demanded, and not there", {dane, usual, from_mx, is_signed, nullptr, StsStand::none}, Want::wait},
      {"DANE demanded, and unusable", {dane, usual, from_mx, is_signed, &unusable, StsStand::none}, Want::wait},
      {"DANE demanded, and MX records unsigned", {dane, usual, from_mx, is_unsigned, &usable, StsStand::none}, Want::wait},
      {"DANE demanded of a smarthost", {dane, usual, no_mx, is_unsigned, &usable, StsStand::none}, Want::dane},

      {"MTA-STS", {opportunistic, usual, from_mx, is_unsigned, nullptr, StsStand::enforced}, Want::pkix},
      {"a host that MTA-STS does not name", {opportunistic, usual, from_mx, is_unsigned, nullptr, StsStand::enforced_stranger}, Want::wait},
      {"MTA-STS in testing is not enforced", {opportunistic, usual, from_mx, is_unsigned, nullptr, StsStand::testing}, Want::anything},
      {"nor for a host that it does not name", {opportunistic, usual, from_mx, is_unsigned, nullptr, StsStand::testing_stranger}, Want::anything},
      {"MTA-STS goes beyond what is required here", {required, usual, from_mx, is_unsigned, nullptr, StsStand::enforced}, Want::pkix},

      {"DANE beats MTA-STS", {opportunistic, usual, from_mx, is_signed, &usable, StsStand::enforced}, Want::dane},
      {"even of a host that MTA-STS does not name", {opportunistic, usual, from_mx, is_signed, &usable, StsStand::enforced_stranger}, Want::dane},
      {"not where MX records are unsigned: then both count", {opportunistic, usual, from_mx, is_unsigned, &usable, StsStand::enforced}, Want::dane_and_pkix},
      {"nor of a stranger then", {opportunistic, usual, from_mx, is_unsigned, &usable, StsStand::enforced_stranger}, Want::wait},
      {"nor with unusable records", {opportunistic, usual, from_mx, is_signed, &unusable, StsStand::enforced}, Want::pkix},

      {"REQUIRETLS by DANE", {opportunistic, demanded, from_mx, is_signed, &usable, StsStand::none}, Want::dane},
      {"REQUIRETLS by signed MX records and an authority", {opportunistic, demanded, from_mx, is_signed, nullptr, StsStand::none}, Want::pkix},
      {"REQUIRETLS by MTA-STS", {opportunistic, demanded, from_mx, is_unsigned, nullptr, StsStand::enforced}, Want::pkix},
      {"REQUIRETLS by MTA-STS in testing, which names the host", {opportunistic, demanded, from_mx, is_unsigned, nullptr, StsStand::testing}, Want::pkix},
      {"REQUIRETLS, and nobody vouches for the MX records", {opportunistic, demanded, from_mx, is_unsigned, nullptr, StsStand::none}, Want::never},
      {"REQUIRETLS, and testing does not name the host", {opportunistic, demanded, from_mx, is_unsigned, nullptr, StsStand::testing_stranger}, Want::never},
      {"REQUIRETLS to a domain that is its own host", {opportunistic, demanded, no_mx, is_unsigned, nullptr, StsStand::none}, Want::pkix},
      {"REQUIRETLS where TLS is never used", {none, demanded, from_mx, is_signed, &usable, StsStand::none}, Want::never},

      {"TLS-Required: No goes past DANE", {opportunistic, waived, from_mx, is_signed, &usable, StsStand::none}, Want::anything},
      {"and past MTA-STS", {opportunistic, waived, from_mx, is_unsigned, nullptr, StsStand::enforced}, Want::anything},
      {"and past the hosts that it names", {opportunistic, waived, from_mx, is_unsigned, nullptr, StsStand::enforced_stranger}, Want::anything},
      {"not past what the administrator asks for", {verified, waived, from_mx, is_unsigned, nullptr, StsStand::none}, Want::pkix},
  };
  for (const Case& c : cases) {
    CAPTURE(c.what);
    CHECK(wanted(c.facts) == c.want);
  }
}

TEST_CASE("D11: a session that is not as it must be is not used, and what vouches for it is told as it is") {
  struct Case {
    const char* what;
    SessionRules rules;
    tls::Trust trust;
    std::optional<tls::DaneOutcome> dane;
    bool is_host_trusted;
    bool is_good;
    const char* by;
  };
  const SessionRules any{}, dane{.has_to_be_encrypted = true, .by_dane = true}, pkix{.has_to_be_encrypted = true, .by_pkix = true},
      sts{.has_to_be_encrypted = true, .by_pkix = true, .is_sts = true}, both{.has_to_be_encrypted = true, .by_dane = true, .by_pkix = true, .is_sts = true};
  using tls::DaneOutcome;
  using tls::Trust;
  const Case cases[] = {
      {"anything, untrusted", any, Trust::untrusted, {}, false, true, "none"},
      {"anything, trusted", any, Trust::trusted, {}, false, true, "webpki"},
      {"dane", dane, Trust::untrusted, DaneOutcome::end_entity, true, true, "dane"},
      {"dane by an authority", dane, Trust::untrusted, DaneOutcome::trust_anchor, true, true, "dane"},
      {"dane of a host from unsigned MX records", dane, Trust::untrusted, DaneOutcome::end_entity, false, true, "dane-host"},
      {"dane, and an authority does not make up for it", dane, Trust::trusted, DaneOutcome::no_match, true, false, "webpki"},
      {"dane, wrong name", dane, Trust::trusted, DaneOutcome::wrong_name, true, false, "webpki"},
      {"dane, not looked at", dane, Trust::trusted, {}, true, false, "webpki"},
      {"pkix", pkix, Trust::trusted, {}, false, true, "webpki"},
      {"pkix, expired", pkix, Trust::expired, {}, false, false, "none"},
      {"pkix, another name", pkix, Trust::wrong_name, {}, false, false, "none"},
      {"pkix, unchecked", pkix, Trust::unchecked, {}, false, false, "none"},
      {"sts", sts, Trust::trusted, {}, false, true, "sts"},
      {"sts, untrusted", sts, Trust::untrusted, {}, false, false, "none"},
      {"both", both, Trust::trusted, DaneOutcome::end_entity, false, true, "sts"},
      {"both, and one fails", both, Trust::untrusted, DaneOutcome::end_entity, false, false, "none"},
      {"both, and the other fails", both, Trust::trusted, DaneOutcome::no_match, false, false, "sts"},
  };
  for (const Case& c : cases) {
    CAPTURE(c.what);
    SessionFacts facts{.stage = TlsStage::established, .trust = c.trust, .dane = c.dane, .protocol = "TLSv1.3 X", .detail = {}, .local = {}};
    CHECK(!violation(c.rules, facts).has_value() == c.is_good);
    CHECK(verified_by(c.rules, facts, c.is_host_trusted) == c.by);
    CHECK(describe(c.rules, facts, c.is_host_trusted) == "TLSv1.3 X " + std::string(c.by));
  }
  CHECK(describe(any, {}, true) == "cleartext");
}

TEST_CASE("relay security: what reports count has the words of RFC 8460 §4.3") {
  SessionFacts facts;
  const auto result = [&](TlsPolicyType policy) { return result_for(policy, facts, &usable); };
  CHECK_FALSE(result(TlsPolicyType::sts));
  for (const auto stage : {TlsStage::not_offered, TlsStage::refused}) {
    facts.stage = stage;
    for (const auto policy : {TlsPolicyType::sts, TlsPolicyType::tlsa, TlsPolicyType::no_policy_found}) CHECK(result(policy) == TlsResult::starttls_not_supported);
  }
  facts.stage = TlsStage::broken;
  CHECK(result(TlsPolicyType::tlsa) == TlsResult::validation_failure);
  facts.stage = TlsStage::established;
  facts.trust = tls::Trust::expired;
  CHECK(result(TlsPolicyType::sts) == TlsResult::certificate_expired);
  CHECK(result(TlsPolicyType::no_policy_found) == TlsResult::success);
  facts.trust = tls::Trust::wrong_name;
  CHECK(result(TlsPolicyType::sts) == TlsResult::certificate_host_mismatch);
  facts.trust = tls::Trust::untrusted;
  CHECK(result(TlsPolicyType::sts) == TlsResult::certificate_not_trusted);
  facts.trust = tls::Trust::trusted;
  CHECK(result(TlsPolicyType::sts) == TlsResult::success);
  facts.dane = tls::DaneOutcome::end_entity;
  CHECK(result(TlsPolicyType::tlsa) == TlsResult::success);
  facts.dane = tls::DaneOutcome::no_match;
  CHECK(result(TlsPolicyType::tlsa) == TlsResult::tlsa_invalid);
  CHECK(result_for(TlsPolicyType::tlsa, facts, &unusable) == TlsResult::tlsa_invalid);
  CHECK(to_string(TlsResult::tlsa_invalid) == "tlsa-invalid");
  CHECK(to_string(TlsResult::sts_webpki_invalid) == "sts-webpki-invalid");
  CHECK(to_string(TlsPolicyType::no_policy_found) == "no-policy-found");
}

TEST_CASE("relay security: reports of a message with REQUIRETLS go to those as well who do not offer it (RFC 8689 §5)") {
  queue::Envelope envelope{.sender = "anna@example.test", .envelope_id = {}, .require_tls = true};
  CHECK(demand_of(envelope) == TlsDemand::required);
  envelope.sender.clear();
  CHECK(demand_of(envelope) == TlsDemand::usual);
  CHECK(demand_of({.sender = "anna@example.test", .envelope_id = {}, .tls_optional = true}) == TlsDemand::optional);
  CHECK(demand_of({}) == TlsDemand::usual);
}
