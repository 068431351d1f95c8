// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "keystonemail/mailauth/dkim/verifier.hpp"

#include <algorithm>
#include <cassert>

#include "base/format.hpp"
#include "keystonemail/codec/idna.hpp"
#include "keystonemail/mime/address_list.hpp"
#include "mailauth/dkim/check.hpp"
#include "mailauth/dkim/key_lookups.hpp"
#include "mailauth/dkim/signature_reader.hpp"
#include "mailauth/message_intake.hpp"

namespace keystonemail::mailauth::dkim {
namespace {

constexpr std::size_t signature_prefix_octets_min = 8;   // RFC 6008 §4
constexpr unsigned rsa_bits_recommended = 2'048;         // RFC 8301 §3.2

// A signature on its way to a result.
struct Candidate {
  const mime::Field* field;
  Signature signature;
  std::optional<Problem> problem;     // settled: it cannot pass
  std::size_t question = 0;           // which key it needs
  bool preferred = false;             // of the author's domain
  SignatureResult result;
};

std::string author_domain(const HeaderFields& fields) {
  const auto from = fields.named("from");
  if (from.empty()) return {};
  for (const auto& entry : mime::parse_address_list(fields.fields()[from.front()].value)) {
    if (entry.kind == mime::AddressKind::mailbox) return codec::to_ascii_domain(entry.domain).value_or("");
  }
  return {};
}

bool is_related(std::string_view a, std::string_view b) {
  const auto is_below = [](std::string_view child, std::string_view parent) {
    return child.size() > parent.size() && child.ends_with(parent) && child[child.size() - parent.size() - 1] == '.';
  };
  return !a.empty() && !b.empty() && (a == b || is_below(a, b) || is_below(b, a));
}

}  // namespace

struct Verifier::State {
  VerifierOptions options;
  std::uint64_t now;
  MessageIntake intake;
  std::optional<HeaderFields> fields;
  std::vector<Candidate> candidates;
  KeyLookups lookups;
  BodyHashes body;
  std::size_t live = 0;               // candidates that may still pass
  std::size_t ignored = 0;
  bool ended = false;
  bool settled = false;
  std::vector<SignatureResult> results;

  void on_header();
  void read_candidates();
  void choose_candidates();
  void prepare(Candidate& candidate);
  std::optional<Problem> check_fields(const Candidate& candidate) const;
  std::optional<Problem> verify(Candidate& candidate);
  std::optional<Problem> check_appended(Candidate& candidate) const;
  void settle();
  void name_results();
};

void Verifier::State::on_header() {
  intake.complete();
  fields.emplace(intake.header());
  read_candidates();
  choose_candidates();
  for (Candidate& candidate : candidates) prepare(candidate);
}

void Verifier::State::read_candidates() {
  if (intake.overflowed() || fields->overflowed()) {
    results.push_back({.outcome = Outcome::neutral, .reason = "header too large"});
    return;
  }
  for (const std::uint32_t position : fields->named("dkim-signature")) {
    if (candidates.size() == limits::signatures_read_max) {
      ++ignored;
      continue;
    }
    const mime::Field& field = fields->fields()[position];
    auto reading = read_signature(field.value);
    Candidate candidate{.field = &field, .signature = std::move(reading.signature), .problem = std::move(reading.problem), .result = {}};
    candidate.result.field = position;
    candidates.push_back(std::move(candidate));
  }
}

// The author's domain first: its signature is the one that DMARC asks for.
void Verifier::State::choose_candidates() {
  if (candidates.size() <= options.signatures_max) return;
  const std::string author = author_domain(*fields);
  for (Candidate& candidate : candidates) {
    candidate.preferred = !candidate.problem && is_related(codec::to_ascii_domain(candidate.signature.domain).value_or(""), author);
  }
  std::ranges::sort(candidates, {}, [](const Candidate& candidate) { return std::pair(!candidate.preferred, candidate.result.field); });
  ignored += candidates.size() - options.signatures_max;
  candidates.erase(candidates.begin() + static_cast<std::ptrdiff_t>(options.signatures_max), candidates.end());
  std::ranges::sort(candidates, {}, [](const Candidate& candidate) { return candidate.result.field; });
}

void Verifier::State::prepare(Candidate& candidate) {
  const Signature& signature = candidate.signature;
  candidate.result.domain = signature.domain;
  candidate.result.selector = signature.selector;
  candidate.result.identity = signature.identity;
  candidate.result.algorithm = signature.algorithm;
  candidate.result.signed_at = signature.signed_at;
  candidate.result.expires_at = signature.expires_at;
  if (!candidate.problem) candidate.problem = check_times(signature, now, static_cast<std::uint64_t>(options.clock_skew.count()));
  if (!candidate.problem) candidate.problem = check_fields(candidate);
  if (candidate.problem) return;
  ++live;
  candidate.question = lookups.want(signature.key_name);
  body.want(signature.body, signature.body_octets);
}

std::optional<Problem> Verifier::State::check_fields(const Candidate& candidate) const {
  if (fields->named("from").empty()) return permanent("no From field");
  if (options.duplicate_fields == Unsigned::allow) return std::nullopt;
  return check_duplicates(*fields, candidate.signature);
}

std::optional<Problem> Verifier::State::verify(Candidate& candidate) {
  const Signature& signature = candidate.signature;
  const auto keys = usable_keys(lookups.answer(candidate.question), signature, {options.rsa_bits_min, options.rsa_bits_max, true});
  if (!keys) return keys.error();
  candidate.result.key_bits = keys->front().key->bits();
  candidate.result.testing = keys->front().testing;
  if (auto problem = check_body_hash(body, signature)) return problem;
  const KeyRecord* key = matching_key(*keys, header_digest(*fields, *candidate.field, signature), signature);
  if (!key) return std::ranges::none_of(*keys, &KeyRecord::for_mail) ? key_not_for_mail() : Problem{Outcome::fail, "signature did not verify"};
  candidate.result.key_bits = key->key->bits();
  candidate.result.testing = key->testing;
  candidate.result.weak_key = key->type == crypto::KeyType::rsa && key->key->bits() < rsa_bits_recommended;
  auto problem = check_appended(candidate);
  if (key->for_mail) return problem;
  candidate.result.is_for_tls_reports = !problem && candidate.result.unsigned_body_octets == 0;
  return key_not_for_mail();
}

std::optional<Problem> Verifier::State::check_appended(Candidate& candidate) const {
  if (!candidate.signature.body_octets) return std::nullopt;
  const std::uint64_t octets = body.of(candidate.signature.body).octets();
  candidate.result.unsigned_body_octets = octets - *candidate.signature.body_octets;
  if (candidate.result.unsigned_body_octets == 0 || options.appended_body == Unsigned::allow) return std::nullopt;
  return Problem{Outcome::policy, format("{} octets of the body not signed", candidate.result.unsigned_body_octets)};
}

void Verifier::State::settle() {
  if (settled) return;
  settled = true;
  for (Candidate& candidate : candidates) {
    if (!candidate.problem) candidate.problem = verify(candidate);
    candidate.result.outcome = candidate.problem ? candidate.problem->outcome : Outcome::pass;
    if (candidate.problem) candidate.result.reason = candidate.problem->reason;
  }
  name_results();
  for (Candidate& candidate : candidates) results.push_back(std::move(candidate.result));
}

// RFC 6008 §4: enough of b= to tell it from the others.
void Verifier::State::name_results() {
  for (Candidate& candidate : candidates) {
    const std::string_view own = candidate.signature.signature_text;
    std::size_t octets = signature_prefix_octets_min;
    for (const Candidate& other : candidates) {
      const std::string_view text = other.signature.signature_text;
      if (&other == &candidate || text == own) continue;
      const auto common = static_cast<std::size_t>(std::ranges::mismatch(own, text).in1 - own.begin());
      octets = std::max(octets, common + 1);
    }
    candidate.result.signature_prefix = own.substr(0, octets);
  }
}

Verifier::Verifier(const VerifierOptions& options, WallTime received_at) : state_(std::make_unique<State>()) {
  state_->options = options;
  const auto seconds = std::chrono::floor<std::chrono::seconds>(received_at).time_since_epoch().count();
  state_->now = static_cast<std::uint64_t>(std::max<std::int64_t>(seconds, 0));
}

Verifier::~Verifier() = default;
Verifier::Verifier(Verifier&&) noexcept = default;
Verifier& Verifier::operator=(Verifier&&) noexcept = default;

void Verifier::receive(std::string_view octets) {
  assert(!state_->ended);
  state_->intake.receive(octets);
  if (!state_->intake.header_complete()) return;
  if (!state_->fields) state_->on_header();
  if (state_->live != 0) state_->body.append(octets);
}

void Verifier::receive_end() {
  assert(!state_->ended);
  if (!state_->fields) state_->on_header();
  state_->body.finish();
  state_->ended = true;
}

Event Verifier::next_event() {
  if (auto need = state_->lookups.next()) return *std::move(need);
  if (!state_->ended) return NeedInput{};
  if (!state_->lookups.all_answered()) return NeedAnswer{};
  state_->settle();
  return Verified{};
}

void Verifier::decide(std::size_t id, const dns::Answer& answer) { state_->lookups.decide(id, answer); }

bool Verifier::wants_input() const noexcept { return !state_->ended && (!state_->fields || state_->live != 0); }

const std::vector<SignatureResult>& Verifier::results() const noexcept {
  assert(state_->settled);
  return state_->results;
}

std::size_t Verifier::ignored() const noexcept { return state_->ignored; }

}  // namespace keystonemail::mailauth::dkim
