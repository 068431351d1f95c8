// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Flags and keywords of a message as IMAP tells them (RFC 9051 §2.3.2).
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace keystonemail::imap {

enum class SystemFlag : std::uint8_t { seen = 1, answered = 2, flagged = 4, draft = 8, deleted = 16 };

// From a client. Keywords are atoms, first spelling kept, each once whatever its case.
struct FlagSet {
  std::uint8_t system = 0;            // SystemFlag bits
  std::vector<std::string> keywords;

  [[nodiscard]] bool has(SystemFlag flag) const noexcept { return (system & static_cast<std::uint8_t>(flag)) != 0; }
  void set(SystemFlag flag) noexcept { system |= static_cast<std::uint8_t>(flag); }
  [[nodiscard]] bool empty() const noexcept { return system == 0 && keywords.empty(); }
  friend bool operator==(const FlagSet&, const FlagSet&) = default;
};

// To a client. Borrowed for the call.
struct FlagView {
  std::uint8_t system = 0;
  std::span<const std::string_view> keywords = {};
  bool recent = false;                // written for IMAP4rev1 only
};

}  // namespace keystonemail::imap
