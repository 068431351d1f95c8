// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "keystonemail/imap/sequence_set.hpp"

#include <algorithm>
#include <cassert>
#include <charconv>

namespace keystonemail::imap {

std::vector<NumberRange> SequenceSet::resolve(std::uint32_t largest) const {
  assert(!saved_result);
  std::vector<NumberRange> sorted;
  sorted.reserve(ranges.size());
  for (auto range : ranges) {
    if (range.first == largest_number) range.first = largest;
    if (range.last == largest_number) range.last = largest;
    if (range.first > range.last) std::swap(range.first, range.last);
    if (range.last == 0) continue;                  // "*" of an empty mailbox
    if (range.first == 0) range.first = range.last;
    sorted.push_back(range);
  }
  std::ranges::sort(sorted, {}, &NumberRange::first);
  std::size_t kept = 0;
  for (const auto& range : sorted) {
    if (kept > 0 && (sorted[kept - 1].last == UINT32_MAX || range.first <= sorted[kept - 1].last + 1)) {
      sorted[kept - 1].last = std::max(sorted[kept - 1].last, range.last);
    } else {
      sorted[kept++] = range;
    }
  }
  sorted.resize(kept);
  return sorted;
}

std::vector<NumberRange> to_ranges(std::span<const std::uint32_t> ascending) {
  std::vector<NumberRange> ranges;
  for (const auto number : ascending) {
    if (!ranges.empty() && ranges.back().last + 1 == number) {
      ranges.back().last = number;
    } else {
      assert(ranges.empty() || ranges.back().last < number);
      ranges.push_back({number, number});
    }
  }
  return ranges;
}

void append_ranges(std::string& out, std::span<const NumberRange> ranges) {
  char text[24];
  for (std::size_t i = 0; i < ranges.size(); ++i) {
    char* end = text;
    if (i > 0) *end++ = ',';
    end = std::to_chars(end, text + sizeof text, ranges[i].first).ptr;
    if (ranges[i].last != ranges[i].first) {
      *end++ = ':';
      end = std::to_chars(end, text + sizeof text, ranges[i].last).ptr;
    }
    out.append(text, end);
  }
}

bool contains(std::span<const NumberRange> ranges, std::uint32_t number) noexcept {
  const auto after = std::ranges::upper_bound(ranges, number, {}, &NumberRange::first);
  return after != ranges.begin() && std::prev(after)->last >= number;
}

}  // namespace keystonemail::imap
