// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// MTA-STS policies (RFC 8461 §3.2): which hosts take a domain's mail, and what to do about others.
//
// Ownership: values. Threads: pure functions. Errors: a PolicyFault. Limits: mta_sts::limits; linear.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <string>
#include <string_view>
#include <vector>

#include "keystonemail/dns/name.hpp"

namespace keystonemail::mailauth::mta_sts {

namespace limits {
inline constexpr std::size_t policy_octets_max = 64U << 10;          // RFC 8461 §3.3 suggests it
inline constexpr std::size_t patterns_max = 256;                     // beyond the hosts that any domain has
inline constexpr std::chrono::seconds max_age_max{31'557'600};       // RFC 8461 §3.2
}  // namespace limits

enum class Mode : std::uint8_t {
  none,     // as though there were no policy
  testing,  // what does not fit is reported, and delivered all the same
  enforce,  // what does not fit gets no mail
};

struct Policy {
  Mode mode = Mode::none;
  std::chrono::seconds max_age{0};
  std::vector<std::string> patterns;  // "mail.example.com", "*.example.net": A-labels, lower case; none with Mode::none alone
  friend bool operator==(const Policy&, const Policy&) = default;

  // As a policy file, which parse_policy() reads back; and its lines without their ends, for reports (RFC 8460 §4.4).
  [[nodiscard]] std::string text() const;
  [[nodiscard]] std::vector<std::string> lines() const;
  // RFC 8461 §4.1: a wildcard stands for one whole label, the leftmost.
  [[nodiscard]] bool allows(const dns::Name& host) const;
};

enum class PolicyFault : std::uint8_t { too_large, malformed, version, mode, max_age, patterns };

[[nodiscard]] std::string_view to_string(Mode mode) noexcept;
[[nodiscard]] std::string_view to_string(PolicyFault fault) noexcept;

// Reads a policy file; unknown fields are passed over, and of fields that come again the first counts.
[[nodiscard]] std::expected<Policy, PolicyFault> parse_policy(std::string_view text);

}  // namespace keystonemail::mailauth::mta_sts
