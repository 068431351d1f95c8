// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// authentication: the policy that signs with DKIM what people here send (RFC 6376).
#pragma once

#include <functional>
#include <memory>
#include <string_view>

#include "keystonemail/mailauth/dkim/signer.hpp"
#include "keystonemail/policy/policy.hpp"

namespace keystonemail::authentication {

// The keys of a domain (A-labels, lower case). Null: mail from it is not signed. Asked once for each message.
using KeyProvider = std::function<std::shared_ptr<const mailauth::dkim::SignerOptions>(std::string_view domain)>;

// Signs messages of those who logged in, in the name of the domain in From, as the policies before it have left them. Put it
// last: what a policy changes after it breaks the signature. A message without exactly one From address goes unsigned.
//
// Threads: as Policy; the provider is called from any thread. Limits: those of dkim::Signer.
class Signing final : public policy::Policy {
 public:
  explicit Signing(KeyProvider keys) : keys_(std::move(keys)) {}
  [[nodiscard]] std::string_view name() const noexcept override { return "dkim-signing"; }
  [[nodiscard]] std::unique_ptr<policy::Inspector> inspect(const policy::Connection& connection) override;

 private:
  KeyProvider keys_;
};

}  // namespace keystonemail::authentication
