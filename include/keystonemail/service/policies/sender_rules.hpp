// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// policies: whether a stranger's sender can be one.
#pragma once

#include <chrono>
#include <functional>
#include <string_view>
#include <vector>

#include "keystonemail/policy/policy.hpp"
#include "keystonemail/resolver/resolver.hpp"

namespace keystonemail::policies {

struct SenderOptions {
  bool require_domain = true;    // the sender's domain must take mail: MX, A or AAAA, and no null MX (RFC 7505)
  bool refuse_own_domain = false;  // nobody outside sends as us; forwarders and lists do, so DMARC is the better judge
  std::chrono::milliseconds time_max{10'000};  // of the DNS
  std::vector<IpNetwork> exempt = {};
};

// Whether a domain is ours.
using OwnDomain = std::function<Task<Result<bool>>(std::string_view domain, Context context)>;

// The null sender and address literals are not asked about. A DNS that cannot answer defers, and never rejects.
//
// Threads: as Policy. Ownership: borrows the resolver.
class SenderRules final : public policy::Rule {
 public:
  SenderRules(resolver::Resolver& resolver, OwnDomain own, SenderOptions options = {})
      : resolver_(resolver), own_(std::move(own)), options_(std::move(options)) {}
  [[nodiscard]] std::string_view name() const noexcept override { return "sender"; }
  [[nodiscard]] bool concerns(const policy::Connection& connection) const noexcept override;
  [[nodiscard]] Task<Result<policy::Decision>> judge(policy::Stage stage, const policy::Facts& facts, Context context) override;

 private:
  [[nodiscard]] Task<Result<policy::Decision>> check_domain(const dns::Name& domain, const Context& context);

  resolver::Resolver& resolver_;
  const OwnDomain own_;
  const SenderOptions options_;
};

}  // namespace keystonemail::policies
