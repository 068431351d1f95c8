// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// policies: rules by which addresses, domains and networks are let in or kept out.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "keystonemail/base/result.hpp"
#include "keystonemail/policy/policy.hpp"

namespace keystonemail::policies {

enum class AccessScope : std::uint8_t { client, helo, sender, recipient };

enum class AccessAction : std::uint8_t {
  allow,       // exempt from DNS lists, greylisting, rates, and the checks of HELO and sender
  reject,
  defer,
  discard,
  quarantine,
  redirect,    // to `target` in place of the recipient
};
[[nodiscard]] std::string_view to_string(AccessAction action) noexcept;

struct AccessRule {
  AccessAction action = AccessAction::allow;
  std::string status;   // of a refusal, "5.7.1"; empty: the usual one
  std::string text;     // of a refusal, for the peer; empty: the usual words
  std::string target;   // of redirect

  // "allow", "reject", "reject 5.1.6 This address has moved", "redirect other@example.org". Errors: invalid.
  [[nodiscard]] static Result<AccessRule> parse(std::string_view words);
};

// The rules in their four scopes.
//
// A client is an address or a network, and the narrowest network counts. HELO names are "host.example" or ".example" for all
// below it. Senders and recipients are "user@example.org", "user@" in any domain, "example.org", ".example.org" for all
// domains below it, and "<>" for the null sender; the first of that order that fits counts, with and then without "+detail".
class AccessTable {
 public:
  // Errors: invalid (the pattern), conflict (it is there).
  [[nodiscard]] Result<void> add(AccessScope scope, std::string_view pattern, AccessRule rule);
  // Null: none fits. `what` is an IP address, a HELO name or a mailbox.
  [[nodiscard]] const AccessRule* find(AccessScope scope, std::string_view what) const;
  [[nodiscard]] const AccessRule* find(const IpAddress& client) const noexcept;
  [[nodiscard]] bool empty() const noexcept { return networks_.empty() && names_.empty(); }

 private:
  [[nodiscard]] const AccessRule* find_name(AccessScope scope, std::string_view name) const;
  [[nodiscard]] const AccessRule* find_domain(AccessScope scope, std::string_view domain) const;

  std::vector<std::pair<IpNetwork, AccessRule>> networks_;  // narrowest first
  std::map<std::pair<AccessScope, std::string>, AccessRule, std::less<>> names_;
};

// Asks the table: the client as it connects, its HELO name, the sender at MAIL, each recipient at RCPT. The first rule that
// refuses is the answer. It says with a tag whether one allows. Not asked on LMTP.
//
// Threads: as Policy. Put it before those that it exempts from.
class AccessRules final : public policy::Policy {
 public:
  static constexpr std::string_view tag_name = "access", tag_allowed = "allow";

  explicit AccessRules(AccessTable table) : table_(std::move(table)) {}
  [[nodiscard]] std::string_view name() const noexcept override { return "access"; }
  [[nodiscard]] std::unique_ptr<policy::Inspector> inspect(const policy::Connection& connection) override;

 private:
  const AccessTable table_;
};

}  // namespace keystonemail::policies
