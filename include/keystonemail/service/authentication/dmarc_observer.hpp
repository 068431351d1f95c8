// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// DmarcObserver: hears how the DMARC evaluation of each message from outside turned out, as reports tell of it (RFC 9990,
// RFC 9991).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "keystonemail/base/ip_address.hpp"
#include "keystonemail/base/time.hpp"
#include "keystonemail/mailauth/dkim/verifier.hpp"
#include "keystonemail/mailauth/dmarc/evaluation.hpp"
#include "keystonemail/mailauth/spf/evaluation.hpp"
#include "keystonemail/policy/facts.hpp"

namespace keystonemail::authentication {

// Why less was done than the domain's policy asks for.
enum class DmarcOverride : std::uint8_t {
  none,
  sampled_out,        // pct (RFC 7489 §6.6.4)
  test_mode,          // t=y (RFC 9989 §4.7)
  trusted_forwarder,  // an ARC chain of a sealer we trust
  local_policy,       // we only observe
};

// One message. Views and references live for the call.
struct DmarcFinding {
  const policy::Connection& connection;
  const policy::Facts& facts;                    // sender, recipients, header, time
  const mailauth::dmarc::Verdict& verdict;       // with a record
  const mailauth::spf::Verdict& spf;             // of MAIL FROM, or of HELO where there is none
  const std::vector<mailauth::dkim::SignatureResult>& signatures;
  mailauth::dmarc::Policy applied = mailauth::dmarc::Policy::none;  // what was done, as far as DMARC goes
  DmarcOverride override = DmarcOverride::none;
  mailauth::dmarc::Discovery discovery = mailauth::dmarc::Discovery::tree_walk;
};

// Threads: called from any at once, while the message waits: it does its work elsewhere.
class DmarcObserver {
 public:
  virtual ~DmarcObserver() = default;
  // A message was evaluated for a domain that takes part. Not told of those that have to come again, for want of an answer.
  virtual void observed(const DmarcFinding& finding) noexcept = 0;
};

}  // namespace keystonemail::authentication
