// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// SequenceSet: message numbers or UIDs as a client names them (RFC 9051 §9 sequence-set).
//
// Ownership: values. Threads: no shared state. Limits: limits::sequence_ranges_max ranges from a client.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace keystonemail::imap {

// Both ends included, first <= last once resolved. Zero stands for "*" until then.
struct NumberRange {
  std::uint32_t first = 1, last = 1;
  friend bool operator==(const NumberRange&, const NumberRange&) = default;
};

inline constexpr std::uint32_t largest_number = 0;  // "*"

struct SequenceSet {
  std::vector<NumberRange> ranges;  // in the order given
  bool saved_result = false;        // "$" (RFC 5182); ranges is empty then

  // Ascending, disjoint, adjacent ranges joined; "*" replaced by `largest` ("5:*" holds it even when it is less,
  // RFC 9051 §9). When `largest` is 0, "*" stands for nothing. REQUIRES: not saved_result.
  [[nodiscard]] std::vector<NumberRange> resolve(std::uint32_t largest) const;
  friend bool operator==(const SequenceSet&, const SequenceSet&) = default;
};

// The numbers of an ascending list as ranges.
[[nodiscard]] std::vector<NumberRange> to_ranges(std::span<const std::uint32_t> ascending);
// "1:3,7" — nothing for no ranges.
void append_ranges(std::string& out, std::span<const NumberRange> ranges);
// Whether ascending, disjoint ranges hold `number`. Logarithmic.
[[nodiscard]] bool contains(std::span<const NumberRange> ranges, std::uint32_t number) noexcept;

}  // namespace keystonemail::imap
