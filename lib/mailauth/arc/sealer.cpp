// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "keystonemail/mailauth/arc/sealer.hpp"

#include <algorithm>
#include <cassert>

#include "base/format.hpp"
#include "base/try.hpp"
#include "keystonemail/base/text.hpp"
#include "keystonemail/codec/base64.hpp"
#include "mailauth/arc/sets.hpp"
#include "mailauth/dkim/body_hash.hpp"
#include "mailauth/dkim/sign.hpp"
#include "mailauth/message_intake.hpp"

namespace keystonemail::mailauth::arc {
namespace {

constexpr auto form = dkim::Canonicalization::relaxed;

std::uint64_t seconds_of(WallTime now) {
  return static_cast<std::uint64_t>(std::chrono::floor<std::chrono::seconds>(now).time_since_epoch().count());
}

}  // namespace

std::vector<dkim::SignedField> default_sealed_fields() {
  auto fields = dkim::default_signed_fields();
  for (dkim::SignedField& field : fields) field.rule = dkim::FieldRule::when_present;
  fields.push_back({"DKIM-Signature", dkim::FieldRule::when_present});  // RFC 8617 §4.1.2
  return fields;
}

Result<void> check_options(const SealerOptions& options) {
  const auto is_from = [](const dkim::SignedField& field) { return iequals(field.name, "from"); };
  const auto is_arc = [](const dkim::SignedField& field) {
    return istarts_with(field.name, "arc-") || iequals(field.name, "authentication-results");
  };
  if (std::ranges::none_of(options.fields, is_from)) return fail(ErrorKind::invalid, "The From field must be signed");
  if (std::ranges::any_of(options.fields, is_arc)) return fail(ErrorKind::invalid, "RFC 8617 forbids signing the fields of ARC");
  return dkim::check_key(options.key);
}

struct Sealer::State {
  const SealerOptions& options;
  MessageIntake intake;
  dkim::BodyHashes body;

  [[nodiscard]] Result<std::string> seal(ChainStatus status, AuthenticationResults results, WallTime now) const;
  [[nodiscard]] Result<std::string> message_signature(const HeaderFields& fields, unsigned instance, WallTime now) const;
  [[nodiscard]] Result<std::string> seal_field(const Collection& collection, ChainStatus status, const std::string& results,
                                               const std::string& message_signature, unsigned instance, WallTime now) const;
};

Result<std::string> Sealer::State::message_signature(const HeaderFields& fields, unsigned instance, WallTime now) const {
  dkim::Signature draft;
  draft.algorithm = dkim::algorithm_name(options.key.key.type());
  draft.header = form;
  draft.body = form;
  draft.domain = dkim::ascii_name(options.key.domain);
  draft.selector = dkim::ascii_name(options.key.selector);
  draft.fields = dkim::names_to_sign(fields, options.fields);
  const auto is_from = [](const std::string& name) { return iequals(name, "from"); };
  if (std::ranges::none_of(draft.fields, is_from)) draft.fields.emplace_back("From");  // there is none, and h= must name it
  draft.signed_at = seconds_of(now);
  const auto hash = *body.of(form).value(std::nullopt);
  draft.body_hash.assign(hash.begin(), hash.end());
  return dkim::write_signature("ARC-Message-Signature", format("i={}", instance), draft, fields, options.key.key);
}

Result<std::string> Sealer::State::seal_field(const Collection& collection, ChainStatus status, const std::string& results,
                                              const std::string& message_signature, unsigned instance, WallTime now) const {
  FoldedField out("ARC-Seal");
  out.word(format("i={};", instance));
  out.word(format("a={};", dkim::algorithm_name(options.key.key.type())));
  out.word(format("t={};", seconds_of(now)));
  out.word(format("cv={};", to_string(status)));
  out.word(format("d={};", dkim::ascii_name(options.key.domain)));
  out.word(format("s={};", dkim::ascii_name(options.key.selector)));
  out.word("b=");
  dkim::Signature own;
  own.header = form;
  const mime::Field field = dkim::field_of(out.text());
  own.value_begin = own.value_end = field.value.size();
  SealDigests digests;
  // RFC 8617 §5.1.2: of a chain that failed, only what is added now is signed.
  if (status == ChainStatus::pass) {
    for (const SetFields& set : collection.sets) {
      (void)digests.next(*set.results, *set.message_signature, *set.seal, set.sealing);
    }
  }
  const auto digest = digests.next(dkim::field_of(results), dkim::field_of(message_signature), field, own);
  KM_TRY(const std::string signature, options.key.key.sign_digest(digest));
  out.run(codec::encode_base64(signature));
  return out.take();
}

Result<std::string> Sealer::State::seal(ChainStatus status, AuthenticationResults results, WallTime now) const {
  const HeaderFields fields(intake.header());
  if (intake.overflowed() || fields.overflowed()) return fail(ErrorKind::too_large, "The header is too large to be sealed");
  KM_CHECK(dkim::check_top(intake.header()));
  const Collection collection = collect(fields);
  if (collection.sealed_as_failed) return std::string();
  if (collection.highest == limits::sets_max) return fail(ErrorKind::too_large, "The ARC chain is full");
  if (!collection.any) {
    status = ChainStatus::none;
  } else if (status != ChainStatus::pass || !collection.problem.empty()) {
    status = ChainStatus::fail;
  }
  results.instance = collection.highest + 1;
  const std::string results_field = format_authentication_results(results);
  KM_TRY(const std::string signature, message_signature(fields, results.instance, now));
  KM_TRY(const std::string seal, seal_field(collection, status, results_field, signature, results.instance, now));
  return seal + signature + results_field;
}

Sealer::Sealer(const SealerOptions& options) : state_(new State{options, {}, {}}) {
  assert(check_options(options));
  state_->body.want(form, std::nullopt);
}

Sealer::~Sealer() = default;
Sealer::Sealer(Sealer&&) noexcept = default;
Sealer& Sealer::operator=(Sealer&&) noexcept = default;

void Sealer::receive(std::string_view octets) {
  state_->intake.receive(octets);
  state_->body.append(octets);
}

Result<std::string> Sealer::receive_end(ChainStatus status, const AuthenticationResults& results, WallTime now) {
  state_->intake.complete();
  state_->body.finish();
  return state_->seal(status, results, now);
}

}  // namespace keystonemail::mailauth::arc
