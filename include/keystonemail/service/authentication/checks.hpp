// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// authentication: the policy that finds out who vouches for a message from outside: SPF, DKIM, ARC and DMARC.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "keystonemail/base/ip_address.hpp"
#include "keystonemail/base/random.hpp"
#include "keystonemail/mailauth/dkim/verifier.hpp"
#include "keystonemail/mailauth/dmarc/evaluation.hpp"
#include "keystonemail/mailauth/iprev/evaluation.hpp"
#include "keystonemail/mailauth/spf/evaluation.hpp"
#include "keystonemail/policy/policy.hpp"
#include "keystonemail/resolver/budget.hpp"
#include "keystonemail/service/authentication/dmarc_observer.hpp"

namespace keystonemail::authentication {

// What to do with what DMARC says.
enum class DmarcUse : std::uint8_t {
  enforce,  // reject in session, quarantine into Junk, defer what cannot be decided for want of an answer
  observe,  // write it down
};

struct CheckOptions {
  mailauth::spf::Options spf = {};
  mailauth::dkim::VerifierOptions dkim = {};
  mailauth::dmarc::Options dmarc = {};
  mailauth::iprev::Options iprev = {};
  resolver::BudgetOptions budget = {};         // of one message
  DmarcUse dmarc_use = DmarcUse::enforce;
  // Forwarders whose word is taken: a message that passed DMARC with them, by an ARC chain that holds, is not refused.
  std::vector<std::string> trusted_sealers;    // A-labels, lower case
  std::vector<IpNetwork> exempt;               // whose mail is not looked at: what has no name in the DNS anyway
  DmarcObserver* observer = nullptr;           // borrowed; null: nobody is told
};

// Finds out by iprev, SPF, DKIM, ARC and DMARC who vouches for a message; writes it into Authentication-Results (RFC 8601) and
// the tags "iprev", "spf", "dkim", "dkim-domains" (whose signatures count), "tlsrpt-domains" (whose count for TLS reports alone),
// "arc" and "dmarc"; takes out such fields as claim to be ours. Mail of those who logged in, of exempt networks and by LMTP is not
// looked at; that of the last two keeps such fields, as it may have been here before.
//
// Threads: as Policy. Ownership: borrows resolver and random. Errors: a DNS that cannot answer is a temporary result, which is
// written down and never rejects. Limits: CheckOptions.
class Checks final : public policy::Policy {
 public:
  Checks(resolver::Resolver& resolver, Random& random, CheckOptions options = {})
      : resolver_(resolver), random_(random), options_(std::move(options)) {}
  [[nodiscard]] std::string_view name() const noexcept override { return "authentication"; }
  [[nodiscard]] std::unique_ptr<policy::Inspector> inspect(const policy::Connection& connection) override;

 private:
  resolver::Resolver& resolver_;
  Random& random_;
  const CheckOptions options_;
};

}  // namespace keystonemail::authentication
