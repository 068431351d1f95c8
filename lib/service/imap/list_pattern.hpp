// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// ListPattern: the mailbox names that a LIST pattern means (RFC 9051 §6.3.9).
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace keystonemail::service::imap {

namespace limits {
inline constexpr std::size_t list_pattern_octets_max = 1024;  // longer ones match nothing
}

// `*` stands for anything, `%` for anything without a hierarchy separator. All places in the pattern that a prefix of
// the name can have reached are tracked at once, a bit each, so that no pattern makes the match go back.
//
// Limits: O(name × pattern / 64) whatever the pattern.
class ListPattern {
 public:
  explicit ListPattern(std::string_view pattern);
  [[nodiscard]] bool matches(std::string_view path) const;
  // Steps for each octet of a name.
  [[nodiscard]] std::size_t work() const noexcept { return words_; }

 private:
  using Words = std::vector<std::uint64_t>;
  void skip_wildcards(Words& places) const noexcept;

  bool impossible_ = false;
  std::size_t length_ = 0;   // places 0..length_
  std::size_t words_ = 0;
  std::size_t fixed_ = 0;    // octets that are no wildcards
  Words literals_;           // for each of 256 octets, the places that it advances
  Words any_, any_but_separator_;
};

}  // namespace keystonemail::service::imap
