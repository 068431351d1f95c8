// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// DMARC policy records (RFC 7489 §6.3, RFC 9091, RFC 9989 §4.7).
//
// Ownership: values. Threads: pure functions. Errors: as said. Limits: dmarc::limits; linear.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace keystonemail::mailauth::dmarc {

namespace limits {
inline constexpr std::size_t report_addresses_max = 10;  // of rua, and of ruf
inline constexpr std::size_t record_octets_max = 64U << 10;
}  // namespace limits

enum class Policy : std::uint8_t { none, quarantine, reject };
[[nodiscard]] std::string_view to_string(Policy policy) noexcept;

enum class Alignment : std::uint8_t { relaxed, strict };
enum class PublicSuffix : std::uint8_t { unknown, no, yes };  // psd=u, n, y (RFC 9989)

// Where a report may go.
struct ReportAddress {
  std::string uri;                               // "mailto:reports@example.com"
  std::optional<std::uint64_t> octets_max;       // "!10m" (RFC 7489 §6.4); RFC 9989 ignores it
};

// fo= (RFC 7489 §6.3)
struct FailureReports {
  bool if_all_fail = true;                       // 0
  bool if_any_fails = false;                     // 1
  bool of_dkim = false;                          // d
  bool of_spf = false;                           // s
};

struct Record {
  Policy policy = Policy::none;                  // p
  bool has_policy = false;                       // p is there, as it should be but in a consent to reports (RFC 7489 §7.1)
  std::optional<Policy> subdomain_policy;        // sp
  std::optional<Policy> missing_policy;          // np: for names below it that do not exist
  Alignment dkim_alignment = Alignment::relaxed;
  Alignment spf_alignment = Alignment::relaxed;
  std::uint8_t percent = 100;                    // pct, of RFC 7489 only
  bool is_test = false;                          // t=y
  PublicSuffix public_suffix = PublicSuffix::unknown;
  FailureReports failure_reports;
  std::uint32_t report_interval = 86'400;        // ri, seconds, of RFC 7489 only
  std::vector<ReportAddress> aggregate_addresses;  // rua
  std::vector<ReportAddress> failure_addresses;    // ruf
};

// Whether a TXT record claims to be one: its first tag is v, with the value DMARC1.
[[nodiscard]] bool is_record(std::string_view text) noexcept;
// Reads one, as leniently as both RFCs ask: what is wrong in a tag leaves its default. Nothing when it is no record, or
// when p, sp or np is none of the policies and nobody is there to be told (rua): there is no policy then.
[[nodiscard]] std::optional<Record> parse_record(std::string_view text);

}  // namespace keystonemail::mailauth::dmarc
