// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Failure reports: what one message that failed looked like (RFC 6591 on RFC 5965, with the fields of RFC 9991 §4).
//
// Ownership: values. Threads: pure functions. Errors: as said. Limits: reports::limits; linear.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "keystonemail/base/ip_address.hpp"
#include "keystonemail/base/time.hpp"

namespace keystonemail::reports {

// Empty: not said.
struct FailureReport {
  std::string failure = "dmarc";       // Auth-Failure: "dmarc", "signature", "bodyhash", "spf", ...
  std::string domain;                  // Reported-Domain
  std::optional<IpAddress> source;
  std::optional<WallTime> arrived;
  std::string mail_from;
  std::string authentication_results;  // "mail.example.net; dmarc=fail header.from=example.com"
  std::string alignment;               // Identity-Alignment: the methods that failed for the author's domain, or "none"
  std::string delivery;                // "delivered", "spam", "policy", "reject", "other"
  std::string dkim_domain, dkim_identity, dkim_selector;
  std::string spf_dns;                 // `txt : example.com : "v=spf1 -all"`
  std::uint64_t incidents = 1;
  std::string header;                  // of the message
  friend bool operator==(const FailureReport&, const FailureReport&) = default;
};

// The fields of its message/feedback-report part.
[[nodiscard]] std::string write_feedback_fields(const FailureReport& report);
// The same back, with the header from the part behind them. Nothing when it reports no failed authentication.
[[nodiscard]] std::optional<FailureReport> read_feedback_fields(std::string_view fields, std::string_view header);

// A header that tells how a message travelled and not whom it was for or what it said (RFC 6590): local parts of addresses
// become the same word for the same address and `key`; the fields of the author, of signatures and of the way stay, others
// lose their value.
[[nodiscard]] std::string redact_header(std::string_view header, std::string_view key);
// `address` with such a local part. Empty of empty.
[[nodiscard]] std::string redact_address(std::string_view address, std::string_view key);

}  // namespace keystonemail::reports
