// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// policies: what a stranger may call itself (RFC 5321 §4.1.1.1, §4.1.4).
#pragma once

#include <vector>

#include "keystonemail/policy/policy.hpp"

namespace keystonemail::policies {

struct HeloOptions {
  bool refuse_own_name = true;   // our hostname, or the literal of our address
  bool require_syntax = false;   // a domain name or an address literal
  bool require_qualified = false;  // besides: with a dot in it
  std::vector<IpNetwork> exempt = {};
};

// Whether the name leads to the address is not asked: RFC 5321 §4.1.4 forbids to refuse for that.
//
// Threads: as Policy.
class HeloRules final : public policy::Rule {
 public:
  explicit HeloRules(HeloOptions options = {}) : options_(std::move(options)) {}
  [[nodiscard]] std::string_view name() const noexcept override { return "helo"; }
  [[nodiscard]] bool concerns(const policy::Connection& connection) const noexcept override;
  [[nodiscard]] Task<Result<policy::Decision>> judge(policy::Stage stage, const policy::Facts& facts, Context context) override;

 private:
  const HeloOptions options_;
};

}  // namespace keystonemail::policies
