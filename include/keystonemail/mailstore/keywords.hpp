// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// KeywordSet: the flags and keywords of an email (RFC 9051 §2.3.2, RFC 8621 §4.1.1).
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace keystonemail::mailstore {

namespace limits {
inline constexpr std::size_t keyword_octets_max = 255;        // RFC 8621 §4.1.1
inline constexpr std::size_t keywords_per_account_max = 4096;  // distinct user-defined names
inline constexpr std::size_t keywords_per_email_max = 128;
}  // namespace limits

// System keywords: IMAP \Seen is JMAP $seen, and so on. The order is part of the stored format.
enum class SystemKeyword : std::uint8_t { seen, answered, flagged, draft };

// A user-defined keyword's number within its account; the store keeps the names (case-insensitive, first spelling kept).
using KeywordNumber = std::uint16_t;

// Small and cheap to copy as long as nothing but system keywords is in it.
class KeywordSet {
 public:
  [[nodiscard]] bool has(SystemKeyword keyword) const noexcept { return (system_ >> bit(keyword) & 1U) != 0; }
  void set(SystemKeyword keyword, bool on = true) noexcept {
    const auto mask = static_cast<std::uint8_t>(1U << bit(keyword));
    system_ = static_cast<std::uint8_t>(on ? system_ | mask : system_ & ~mask);
  }
  [[nodiscard]] std::uint8_t system_bits() const noexcept { return system_; }
  void set_system_bits(std::uint8_t bits) noexcept { system_ = bits; }

  [[nodiscard]] const std::vector<KeywordNumber>& numbers() const noexcept { return numbers_; }  // ascending
  [[nodiscard]] bool has(KeywordNumber number) const noexcept {
    return std::binary_search(numbers_.begin(), numbers_.end(), number);
  }
  void add(KeywordNumber number) {
    const auto at = std::lower_bound(numbers_.begin(), numbers_.end(), number);
    if (at == numbers_.end() || *at != number) numbers_.insert(at, number);
  }
  void remove(KeywordNumber number) {
    const auto at = std::lower_bound(numbers_.begin(), numbers_.end(), number);
    if (at != numbers_.end() && *at == number) numbers_.erase(at);
  }
  friend bool operator==(const KeywordSet&, const KeywordSet&) = default;

 private:
  static unsigned bit(SystemKeyword keyword) noexcept { return static_cast<unsigned>(keyword); }
  std::uint8_t system_ = 0;
  std::vector<KeywordNumber> numbers_;
};

}  // namespace keystonemail::mailstore
