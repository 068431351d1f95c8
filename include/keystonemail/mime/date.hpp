// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Dates of RFC 5322 §3.3 (obsolete forms of §4.3 and those seen in the wild) and IMAP date-times (RFC 9051 §9).
//
// Ownership: values. Threads: pure functions; no locale and no time zone database is used. Errors: std::nullopt.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "keystonemail/base/time.hpp"

namespace keystonemail::mime {

// A moment, and the zone it was told in.
struct ZonedTime {
  WallTime time{};
  std::chrono::minutes offset{};  // east of UTC; within one day

  friend bool operator==(const ZonedTime&, const ZonedTime&) = default;
  // The calendar day in that zone, at midnight UTC: IMAP SENTON and friends compare it (RFC 9051 §6.4.4).
  [[nodiscard]] std::chrono::sys_days day() const noexcept { return std::chrono::floor<std::chrono::days>(time + offset); }
};

// The value of a Date field. A wrong day of the week is ignored, a missing or unknown zone is taken as UTC.
[[nodiscard]] std::optional<ZonedTime> parse_date(std::string_view value);
// "Fri, 21 Nov 1997 09:55:06 -0600".
[[nodiscard]] std::string format_date(const ZonedTime& when);

// "17-Jul-1996 02:44:25 -0700", without quotes; a blank or a digit first.
[[nodiscard]] std::optional<ZonedTime> parse_internal_date(std::string_view text);
[[nodiscard]] std::string format_internal_date(const ZonedTime& when);
void append_internal_date(std::string& out, const ZonedTime& when);
// "17-Jul-1996" or "7-Jul-1996", without quotes: an IMAP SEARCH date.
[[nodiscard]] std::optional<std::chrono::sys_days> parse_imap_date(std::string_view text);

}  // namespace keystonemail::mime
