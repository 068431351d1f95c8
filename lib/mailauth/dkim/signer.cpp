// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "keystonemail/mailauth/dkim/signer.hpp"

#include <algorithm>
#include <cassert>

#include "base/try.hpp"
#include "keystonemail/base/text.hpp"
#include "mailauth/dkim/body_hash.hpp"
#include "mailauth/dkim/sign.hpp"
#include "mailauth/message_intake.hpp"

namespace keystonemail::mailauth::dkim {

std::vector<SignedField> default_signed_fields() {
  std::vector<SignedField> fields;
  for (const char* name : {"From", "To", "Cc", "Subject", "Date", "Message-ID", "Reply-To", "In-Reply-To", "References",
                           "MIME-Version", "Content-Type", "Content-Transfer-Encoding", "List-Id", "List-Unsubscribe",
                           "List-Unsubscribe-Post", "List-Post", "List-Archive", "List-Help", "List-Subscribe", "List-Owner"}) {
    fields.push_back({name, FieldRule::oversigned});
  }
  // A list or a resender may add these and leave the message as it was.
  for (const char* name : {"Sender", "Content-ID", "Content-Description", "Content-Disposition", "Resent-Date", "Resent-From",
                           "Resent-To", "Resent-Cc", "Autocrypt", "Auto-Submitted"}) {
    fields.push_back({name, FieldRule::when_present});
  }
  return fields;
}

Result<void> check_options(const SignerOptions& options) {
  if (options.keys.empty() || options.keys.size() > limits::signing_keys_max) {
    return fail(ErrorKind::invalid, "A message is signed with one to eight keys");
  }
  for (const SigningKey& key : options.keys) KM_CHECK(check_key(key));
  const auto is_from = [](const SignedField& field) { return iequals(field.name, "from"); };
  if (std::ranges::none_of(options.fields, is_from)) return fail(ErrorKind::invalid, "The From field must be signed");
  return {};
}

struct Signer::State {
  const SignerOptions& options;
  MessageIntake intake;
  BodyHashes body;

  [[nodiscard]] Signature draft(const SigningKey& key, const HeaderFields& fields, WallTime now) const;
  [[nodiscard]] Result<std::string> sign(WallTime now) const;
};

Signature Signer::State::draft(const SigningKey& key, const HeaderFields& fields, WallTime now) const {
  Signature draft;
  draft.algorithm = algorithm_name(key.key.type());
  draft.header = options.header;
  draft.body = options.body;
  draft.domain = ascii_name(key.domain);
  draft.selector = ascii_name(key.selector);
  draft.identity = options.identity;
  draft.fields = names_to_sign(fields, options.fields);
  const auto seconds = std::chrono::floor<std::chrono::seconds>(now).time_since_epoch();
  draft.signed_at = static_cast<std::uint64_t>(seconds.count());
  if (options.lifetime.count() > 0) draft.expires_at = static_cast<std::uint64_t>((seconds + options.lifetime).count());
  const auto hash = *body.of(options.body).value(std::nullopt);
  draft.body_hash.assign(hash.begin(), hash.end());
  return draft;
}

Result<std::string> Signer::State::sign(WallTime now) const {
  const HeaderFields fields(intake.header());
  if (intake.overflowed() || fields.overflowed()) return fail(ErrorKind::too_large, "The header is too large to be signed");
  KM_CHECK(check_top(intake.header()));
  if (fields.named("from").size() != 1) return fail(ErrorKind::invalid, "A message has exactly one From field");
  std::string out;
  for (const SigningKey& key : options.keys) {
    KM_TRY(const std::string field, write_signature("DKIM-Signature", "v=1", draft(key, fields, now), fields, key.key));
    out += field;
  }
  return out;
}

Signer::Signer(const SignerOptions& options) : state_(new State{options, {}, {}}) {
  assert(check_options(options));
  state_->body.want(options.body, std::nullopt);
}

Signer::~Signer() = default;
Signer::Signer(Signer&&) noexcept = default;
Signer& Signer::operator=(Signer&&) noexcept = default;

void Signer::receive(std::string_view octets) {
  state_->intake.receive(octets);
  state_->body.append(octets);
}

Result<std::string> Signer::receive_end(WallTime now) {
  state_->intake.complete();
  state_->body.finish();
  return state_->sign(now);
}

}  // namespace keystonemail::mailauth::dkim
