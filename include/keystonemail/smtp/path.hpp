// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Path: the address of an SMTP envelope (RFC 5321 §4.1.2, RFC 6531 §3.3), read strictly.
#pragma once

#include <expected>
#include <string>
#include <string_view>

#include "keystonemail/smtp/fault.hpp"

namespace keystonemail::smtp {

// Ownership: a value.
struct Path {
  std::string local;   // without quotes or backslashes: `a b` for "a b"@example.org; valid UTF-8
  std::string domain;  // as sent, of any case; an address literal keeps its brackets; empty for <> and <Postmaster>

  [[nodiscard]] bool is_null() const noexcept { return local.empty() && domain.empty() && !quoted_empty; }
  // The mailbox as it is written, quoted where it must be; empty for the null path.
  [[nodiscard]] std::string to_string() const;
  [[nodiscard]] bool is_ascii() const noexcept;
  friend bool operator==(const Path&, const Path&) = default;

  bool quoted_empty = false;  // ""@example.org: a mailbox with an empty local part, not the null path
};

enum class PathKind : std::uint8_t { reverse, forward };  // <> for reverse alone, <Postmaster> for forward alone

// Takes a path in its brackets from the front of `rest`. A source route is read and dropped (RFC 5321 §4.1.1.3).
// Errors: bad_sender or bad_recipient; not_utf8.
// Limits: those of RFC 5321 §4.5.3.1; linear time.
[[nodiscard]] std::expected<Path, PeerFault> parse_path(std::string_view& rest, PathKind kind);
// A mailbox without brackets, the whole of `text`.
[[nodiscard]] std::expected<Path, PeerFault> parse_mailbox(std::string_view text);
// Whether `text` is a Domain or an address literal (RFC 5321 §4.1.2, §4.1.3; U-labels as RFC 6531 §3.3).
[[nodiscard]] bool is_domain(std::string_view text) noexcept;
[[nodiscard]] bool is_address_literal(std::string_view text) noexcept;

}  // namespace keystonemail::smtp
