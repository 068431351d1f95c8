// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// SMTP TLS reports: how the encryption of a day's sessions with a domain turned out (RFC 8460).
//
// Ownership: values. Threads: pure functions. Errors: invalid (no such report), too_large. Limits: reports::limits; linear.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "keystonemail/base/result.hpp"
#include "keystonemail/base/time.hpp"

namespace keystonemail::reports {

// RFC 8460 §4.4 "failure-details". Empty: not said.
struct TlsFailure {
  std::string result_type;             // "certificate-expired", ...
  std::string sending_ip;
  std::string receiving_host;
  std::string receiving_helo;
  std::string receiving_ip;
  std::uint64_t sessions = 0;
  std::string additional_information;
  std::string reason;
  friend bool operator==(const TlsFailure&, const TlsFailure&) = default;
};

struct TlsPolicyReport {
  std::string type;                    // "sts", "tlsa", "no-policy-found"
  std::vector<std::string> strings;
  std::string domain;
  std::vector<std::string> hosts;      // "mx-host"
  std::uint64_t successful = 0;
  std::uint64_t failed = 0;
  std::vector<TlsFailure> failures;
  friend bool operator==(const TlsPolicyReport&, const TlsPolicyReport&) = default;
};

struct TlsReport {
  std::string organization;
  std::string contact;
  std::string report_id;
  WallTime begin{}, end{};             // whole seconds
  std::vector<TlsPolicyReport> policies;
  friend bool operator==(const TlsReport&, const TlsReport&) = default;
};

[[nodiscard]] std::string write_tls_report(const TlsReport& report);
// A report has a policy with a domain, and a time. Texts as those of read_aggregate().
[[nodiscard]] Result<TlsReport> read_tls_report(std::string_view json);

// Where a domain wants its reports: the URIs in rua= of its TXT record at _smtp._tls (RFC 8460 §3). Nothing: it is no such
// record.
[[nodiscard]] std::optional<std::vector<std::string>> parse_tls_record(std::string_view text);

}  // namespace keystonemail::reports
