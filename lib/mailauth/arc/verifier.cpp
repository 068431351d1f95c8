// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "keystonemail/mailauth/arc/verifier.hpp"

#include <algorithm>
#include <cassert>
#include <optional>

#include "base/format.hpp"
#include "keystonemail/base/text.hpp"
#include "keystonemail/codec/idna.hpp"
#include "mailauth/arc/sets.hpp"
#include "mailauth/dkim/check.hpp"
#include "mailauth/dkim/key_lookups.hpp"
#include "mailauth/dkim/signature_reader.hpp"
#include "mailauth/message_intake.hpp"

namespace keystonemail::mailauth::arc {
namespace {

std::string ascii(const std::string& domain) { return codec::to_ascii_domain(domain).value_or(to_lower(domain)); }

}  // namespace

std::string_view to_string(ChainStatus status) noexcept {
  switch (status) {
    case ChainStatus::none: return "none";
    case ChainStatus::pass: return "pass";
    case ChainStatus::fail: return "fail";
  }
  return {};
}

struct Verifier::State {
  dkim::VerifierOptions options;
  std::uint64_t now;
  MessageIntake intake;
  std::optional<HeaderFields> fields;
  Collection collection;
  dkim::KeyLookups lookups;
  std::vector<std::size_t> seal_keys;      // the question for each set
  std::size_t message_key = 0;             // and for the newest message signature
  dkim::BodyHashes body;
  bool live = false;                       // it may still pass
  bool ended = false;
  bool settled = false;
  Chain chain;

  void on_header();
  void fail(const dkim::Problem& problem, std::string_view what);
  std::optional<dkim::Problem> check_message() const;
  std::expected<std::vector<dkim::KeyRecord>, dkim::Problem> keys_for(const dkim::Signature& signature, std::size_t question) const;
  std::optional<dkim::Problem> verify_message() const;
  std::optional<dkim::Problem> verify_seal(std::size_t index, const crypto::Sha256Value& digest) const;
  void settle();
  void read_sets();
};

void Verifier::State::fail(const dkim::Problem& problem, std::string_view what) {
  chain.status = ChainStatus::fail;
  chain.reason = what.empty() ? problem.reason : format("{}: {}", what, problem.reason);
  chain.key_unavailable = problem.outcome == dkim::Outcome::temperror;
  live = false;
}

void Verifier::State::on_header() {
  intake.complete();
  fields.emplace(intake.header());
  if (intake.overflowed() || fields->overflowed()) return fail(dkim::permanent("header too large"), {});
  collection = collect(*fields);
  if (!collection.any) return;
  if (!collection.problem.empty()) return fail(dkim::permanent(collection.problem), {});
  if (const auto problem = check_message()) return fail(*problem, "ARC-Message-Signature");
  live = true;
  for (const SetFields& set : collection.sets) seal_keys.push_back(lookups.want(set.sealing.key_name));
  const dkim::Signature& message = collection.sets.back().message;
  message_key = lookups.want(message.key_name);
  body.want(message.body, message.body_octets);
}

// What can be told of the newest message signature without a key.
std::optional<dkim::Problem> Verifier::State::check_message() const {
  const dkim::Signature& message = collection.sets.back().message;
  if (auto problem = dkim::check_times(message, now, static_cast<std::uint64_t>(options.clock_skew.count()))) return problem;
  if (options.duplicate_fields == dkim::Unsigned::allow) return std::nullopt;
  return dkim::check_duplicates(*fields, message);
}

std::expected<std::vector<dkim::KeyRecord>, dkim::Problem> Verifier::State::keys_for(const dkim::Signature& signature,
                                                                                     std::size_t question) const {
  return dkim::usable_keys(lookups.answer(question), signature, {options.rsa_bits_min, options.rsa_bits_max});
}

std::optional<dkim::Problem> Verifier::State::verify_message() const {
  const SetFields& set = collection.sets.back();
  const auto keys = keys_for(set.message, message_key);
  if (!keys) return keys.error();
  if (auto problem = dkim::check_body_hash(body, set.message)) return problem;
  const auto digest = dkim::header_digest(*fields, *set.message_signature, set.message);
  if (!dkim::matching_key(*keys, digest, set.message)) return dkim::permanent("signature did not verify");
  const bool appended = set.message.body_octets && *set.message.body_octets != body.of(set.message.body).octets();
  if (appended && options.appended_body == dkim::Unsigned::refuse) return dkim::permanent("a part of the body not signed");
  return std::nullopt;
}

std::optional<dkim::Problem> Verifier::State::verify_seal(std::size_t index, const crypto::Sha256Value& digest) const {
  const dkim::Signature& seal = collection.sets[index].sealing;
  const auto keys = keys_for(seal, seal_keys[index]);
  if (!keys) return keys.error();
  if (!dkim::matching_key(*keys, digest, seal)) return dkim::permanent("signature did not verify");
  return std::nullopt;
}

// RFC 8617 §5.2 steps 4 to 7. All seals are wanted, so their order does not matter.
void Verifier::State::settle() {
  if (settled) return;
  settled = true;
  if (!live) return;
  if (const auto problem = verify_message()) return fail(*problem, "ARC-Message-Signature");
  SealDigests digests;
  for (std::size_t i = 0; i < collection.sets.size(); ++i) {
    const SetFields& set = collection.sets[i];
    const auto digest = digests.next(*set.results, *set.message_signature, *set.seal, set.sealing);
    if (const auto problem = verify_seal(i, digest)) return fail(*problem, format("ARC-Seal {}", i + 1));
  }
  chain.status = ChainStatus::pass;
  read_sets();
}

void Verifier::State::read_sets() {
  for (std::size_t i = 0; i < collection.sets.size(); ++i) {
    const SetFields& set = collection.sets[i];
    chain.sets.push_back({.instance = static_cast<unsigned>(i + 1),
                          .sealer = ascii(set.sealing.domain),
                          .selector = set.sealing.selector,
                          .signer = ascii(set.message.domain),
                          .results = parse_arc_authentication_results(set.results->value).value_or(AuthenticationResults())});
  }
}

Verifier::Verifier(const dkim::VerifierOptions& options, WallTime received_at) : state_(std::make_unique<State>()) {
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
  if (state_->live) state_->body.append(octets);
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

bool Verifier::wants_input() const noexcept { return !state_->ended && (!state_->fields || state_->live); }

const Chain& Verifier::chain() const noexcept {
  assert(state_->settled);
  return state_->chain;
}

const Set* oldest_trusted_set(const Chain& chain, std::span<const std::string> trusted_sealers) noexcept {
  if (chain.status != ChainStatus::pass) return nullptr;
  const Set* oldest = nullptr;
  for (auto set = chain.sets.rbegin(); set != chain.sets.rend(); ++set) {
    const auto is_sealer = [&](const std::string& domain) { return iequals(domain, set->sealer); };
    if (std::ranges::none_of(trusted_sealers, is_sealer)) break;
    oldest = &*set;
  }
  return oldest;
}

MethodResult method_result(const Chain& chain) {
  MethodResult out{.method = "arc", .result = std::string(to_string(chain.status)), .comment = {}, .reason = chain.reason,
                   .properties = {}};
  if (!chain.sets.empty()) out.comment = format("i={} sealed by {}", chain.sets.size(), chain.sets.back().sealer);
  return out;
}

}  // namespace keystonemail::mailauth::arc
