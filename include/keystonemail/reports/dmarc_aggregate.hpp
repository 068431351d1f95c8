// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// DMARC aggregate reports: what a receiver saw of a domain's mail in a day (RFC 9990; RFC 7489 §7.2 and appendix C).
//
// Ownership: values. Threads: pure functions. Errors: invalid (no such report), too_large. Limits: reports::limits; linear.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "keystonemail/base/ip_address.hpp"
#include "keystonemail/base/result.hpp"
#include "keystonemail/base/time.hpp"

namespace keystonemail::reports {

// "local_policy", "trusted_forwarder", ... and what more there is to say.
struct OverrideReason {
  std::string type;
  std::string comment;
  friend bool operator==(const OverrideReason&, const OverrideReason&) = default;
};

struct DkimResult {
  std::string domain;
  std::string selector;
  std::string result;        // the words of RFC 8601 §2.7.1
  std::string human_result;
  friend bool operator==(const DkimResult&, const DkimResult&) = default;
};

struct SpfResult {
  std::string domain;
  std::string scope;         // "mfrom", "helo"; empty: not said
  std::string result;        // the words of RFC 8601 §2.7.2
  std::string human_result;
  friend bool operator==(const SpfResult&, const SpfResult&) = default;
};

// Messages that are alike in all of this.
struct AggregateRecord {
  IpAddress source;
  std::uint64_t count = 0;
  std::string disposition;   // "none", "pass", "quarantine", "reject"
  bool dkim_aligned = false; // passed, for a domain that stands for the author's
  bool spf_aligned = false;
  std::vector<OverrideReason> reasons;
  std::string header_from;
  std::string envelope_from;
  std::string envelope_to;   // empty: not said
  std::vector<DkimResult> dkim;
  std::vector<SpfResult> spf;

  [[nodiscard]] bool passes() const noexcept { return dkim_aligned || spf_aligned; }
  friend bool operator==(const AggregateRecord&, const AggregateRecord&) = default;
};

// The policy as the receiver found it. Empty: not said.
struct PublishedPolicy {
  std::string domain;
  std::string discovery_method;        // "treewalk", "psl"
  std::string policy;                  // p, sp and np: "none", "quarantine", "reject"
  std::string subdomain_policy;
  std::string missing_policy;
  std::string dkim_alignment;          // "r", "s"
  std::string spf_alignment;
  std::string failure_options;         // fo
  std::string testing;                 // t: "y", "n"
  std::optional<unsigned> percent;     // of RFC 7489 only
  friend bool operator==(const PublishedPolicy&, const PublishedPolicy&) = default;
};

struct AggregateReport {
  std::string organization;
  std::string email;
  std::string extra_contact;
  std::string report_id;
  std::string generator;
  WallTime begin{}, end{};             // whole seconds
  std::vector<std::string> errors;
  PublishedPolicy published;
  std::vector<AggregateRecord> records;
  std::uint64_t records_ignored = 0;   // read: beyond limits, or without a usable address or count
  friend bool operator==(const AggregateReport&, const AggregateReport&) = default;
};

enum class AggregateSchema : std::uint8_t { rfc7489, rfc9990 };

// The report as XML. REQUIRES: a record at least.
[[nodiscard]] std::string write_aggregate(const AggregateReport& report, AggregateSchema schema);

// Reads both schemas and those before them, whatever the namespace; elements that are not known are passed over. A report
// names a domain and a time. Limits: 64 MiB; texts are cut to limits::text_octets_max and hold no control characters.
[[nodiscard]] Result<AggregateReport> read_aggregate(std::string_view xml);

}  // namespace keystonemail::reports
