// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// What an administrator decides about reports.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace keystonemail::reporting {

enum class FailureUse : std::uint8_t {
  off,
  redacted,  // the header without people and subject
  full,      // the whole header
};

// Ownership: a value.
struct Options {
  std::string hostname;                          // ours, for what is told to people
  std::string organization;                      // who reports
  std::string contact;                           // an address: the author of reports, whose domain signs them
  // Where reports for us come in; empty: postmaster of any domain.
  std::string dmarc_address, tls_address;
  std::chrono::days keep{90};                    // what came in
  FailureUse failures = FailureUse::off;

  // Reports of a day go out after it ends, at a moment of our own within the jitter (RFC 8460 §4.1), and are tried for so long.
  std::chrono::minutes send_after{10};
  std::chrono::minutes send_jitter{230};
  std::chrono::hours retry_first{1};             // then twice as long each time
  std::chrono::hours give_up_after{24};          // RFC 8460 §5.5
  std::chrono::seconds flush_interval{5};        // counts in memory go into the store
  std::size_t pending_rows_max = 20'000;         // counts in memory
  std::size_t incoming_octets_max = 15U << 20;   // of a message with reports
  std::size_t incoming_total_max = 64U << 20;    // of all that are being read
  std::size_t posted_octets_max = 1U << 20;      // of a TLS report that is posted to us
  std::uint32_t posts_per_hour_max = 30;         // of one IPv4 address or IPv6 /64; of the networks around it, as access::network_ladder says
  bool posts_to_private = false;                 // TLS reports go to private networks and this host too, when a domain's record leads there
  std::size_t failures_per_hour_max = 100;       // failure reports that we send
  std::size_t failures_per_domain_max = 10;      // of them, for one domain
  std::size_t failures_per_domain_day_max = 50;  // the same in a day (UTC)
};

// Where TLS reports are posted to, below the server's own name (RFC 8460 §5.4).
inline constexpr std::string_view tls_report_path = "/tls-reports";

// Whether reports for us come in at `address`.
[[nodiscard]] bool is_report_address(const Options& options, std::string_view address);

}  // namespace keystonemail::reporting
