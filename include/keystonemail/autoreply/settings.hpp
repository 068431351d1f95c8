// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// autoreply: automatic answers in the name of somebody who is absent (RFC 3834, RFC 5230 §4): what he wants said, whether a
// message gets it, and the answer itself.
#pragma once

#include <cstddef>
#include <optional>
#include <string>

#include "keystonemail/base/result.hpp"
#include "keystonemail/base/time.hpp"

namespace keystonemail::autoreply {

namespace limits {
inline constexpr std::size_t text_octets_max = 8 * 1024;    // RFC 3834 §2, §3.2: brief, as whoever asks may not be who he says
inline constexpr std::size_t subject_octets_max = 500;
inline constexpr unsigned days_min = 1;                      // RFC 5230 §4.1
inline constexpr unsigned days_usual = 7;                    // and RFC 3834 §2
inline constexpr unsigned days_max = 31;                     // "SHOULD be greater than 30"
}  // namespace limits

// Ownership: a value.
struct Settings {
  bool enabled = false;
  std::optional<WallTime> from = {};    // messages get an answer from then on; none: at once
  std::optional<WallTime> until = {};   // and before that; none: for good
  std::string subject = {};             // UTF-8, one line; empty: "Auto: " and that of the message (RFC 5230 §5.3)
  std::string text = {};                // UTF-8; empty: a sentence of ours, unless there is HTML
  std::string html = {};                // UTF-8, beside it; usually empty (RFC 3834 §3.2)
  std::string address = {};             // in From; empty: the one that the message was for
  unsigned days = limits::days_usual;   // for so long nobody gets the same answer again

  friend bool operator==(const Settings&, const Settings&) = default;
};

// Errors: invalid (what is not UTF-8, a subject of several lines, an address that is none, a time that ends before it begins, days),
// too_large. Threads: pure functions, these and the others of this module.
[[nodiscard]] Result<void> check_settings(const Settings& settings);

// Tells one answer from another that the same person may be given as well (RFC 5230 §4.2): a digest of what it says.
[[nodiscard]] std::string response_name(const Settings& settings);

}  // namespace keystonemail::autoreply
