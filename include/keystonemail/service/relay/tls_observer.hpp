// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// TlsObserver: hears how the encryption of each outgoing session turned out, as TLS reports count it (RFC 8460).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "keystonemail/base/ip_address.hpp"
#include "keystonemail/base/time.hpp"

namespace keystonemail::relay {

// What the domain had asked for (RFC 8460 §4.4: "policy-type").
enum class TlsPolicyType : std::uint8_t { sts, tlsa, no_policy_found };

// What came of it (RFC 8460 §4.3: "result-type", and success).
enum class TlsResult : std::uint8_t {
  success,
  // Of the session (§4.3.1)
  starttls_not_supported,
  certificate_host_mismatch,
  certificate_expired,          // or not yet valid
  certificate_not_trusted,
  validation_failure,           // anything else
  // Of DANE (§4.3.2.1)
  tlsa_invalid,                 // none of the records fits the certificate
  dnssec_invalid,               // the resolver calls the records bogus
  dane_required,                // demanded by configuration (RFC 7672 §6), and there was none
  // Of MTA-STS (§4.3.2.2)
  sts_policy_fetch_error,
  sts_policy_invalid,
  sts_webpki_invalid,           // the certificate of the policy's web server
};

// The words of RFC 8460: "tlsa", "starttls-not-supported".
[[nodiscard]] std::string_view to_string(TlsPolicyType type) noexcept;
[[nodiscard]] std::string_view to_string(TlsResult result) noexcept;

// One attempt at a session, or at finding out what it must be like. A session that several policies speak of is told
// once for each of them.
//
// Ownership: a value.
struct TlsSession {
  WallTime when{};
  std::string policy_domain = {};           // that mail was for: A-labels, lower case
  TlsPolicyType policy_type = TlsPolicyType::no_policy_found;
  std::vector<std::string> policy_strings = {};  // the lines of the MTA-STS policy; the TLSA records as a zone file has them
  std::vector<std::string> mx_patterns = {};  // of the MTA-STS policy; the mail exchanger with DANE
  std::string mx_host = {};                 // empty: no host was come to
  std::optional<IpAddress> receiving_ip = {};
  std::optional<IpAddress> sending_ip = {};
  TlsResult result = TlsResult::success;
  std::string detail = {};                  // for people: RFC 8460 §4.4 "failure-reason-code"
};

// Threads: called on the relay's executor; does its work elsewhere if that takes time.
class TlsObserver {
 public:
  virtual ~TlsObserver() = default;
  // A session was encrypted as `session` says, or should have been. Sessions by routes of the configuration (smarthosts,
  // LMTP) are not told: no policy of the domain's is asked for there.
  virtual void observed(const TlsSession& session) noexcept = 0;
};

}  // namespace keystonemail::relay
