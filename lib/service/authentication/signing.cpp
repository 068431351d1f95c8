// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "keystonemail/service/authentication/signing.hpp"

#include <optional>

#include "base/try.hpp"
#include "service/authentication/fields.hpp"

namespace keystonemail::authentication {
namespace {

constexpr std::size_t piece_octets = 64 * 1024;

class SigningInspector final : public policy::Inspector {
 public:
  explicit SigningInspector(const KeyProvider& keys) : keys_(keys) {}

  Task<Result<policy::Decision>> judge(policy::Stage stage, const policy::Facts& facts, Context) override {
    if (stage == policy::Stage::headers) begin(facts);
    if (stage != policy::Stage::submit || !signer_) co_return policy::Decision::proceed();
    if (facts.revision != revision_) KM_CO_CHECK(begin_again(facts));
    if (!signer_) co_return policy::Decision::proceed();
    const auto fields = signer_->receive_end(facts.time);
    signer_.reset();
    policy::Decision decision;
    if (!fields) {
      decision.reason = "not signed: " + fields.error().describe();
    } else {
      decision.edits = additions(*fields);
    }
    co_return decision;
  }
  Task<Result<void>> receive(std::string_view octets, Context) override {
    if (signer_) signer_->receive(octets);
    co_return Result<void>();
  }
  void reset() noexcept override { signer_.reset(); }

 private:
  void begin(const policy::Facts& facts) {
    signer_.reset();
    if (facts.login.empty()) return;
    const auto domain = author_domain(facts.header);
    if (!domain) return;
    options_ = keys_(*domain);
    if (!options_ || options_->keys.empty()) return;
    signer_.emplace(*options_);
    signer_->receive(facts.header);
    revision_ = facts.revision;
  }
  // The message was changed since it passed by.
  Result<void> begin_again(const policy::Facts& facts) {
    begin(facts);
    if (!signer_ || !facts.body) return {};
    std::string piece;
    for (std::uint64_t at = 0; at < facts.body->octets(); at += piece.size()) {
      piece.clear();
      KM_CHECK(facts.body->read(at, piece_octets, piece));
      if (piece.empty()) return fail(ErrorKind::unavailable, {}, "a body came back short");
      signer_->receive(piece);
    }
    return {};
  }

  const KeyProvider& keys_;
  std::shared_ptr<const mailauth::dkim::SignerOptions> options_;  // what the signer borrows
  std::optional<mailauth::dkim::Signer> signer_;
  std::uint32_t revision_ = 0;                                    // of the message that it was given
};

}  // namespace

std::unique_ptr<policy::Inspector> Signing::inspect(const policy::Connection& connection) {
  if (connection.service == "lmtp") return nullptr;  // nobody logs in there
  return std::make_unique<SigningInspector>(keys_);
}

}  // namespace keystonemail::authentication
