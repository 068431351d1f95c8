// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// ResponseCode: what stands in brackets in a status response (RFC 9051 §7.1, and the extensions named).
#pragma once

#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "keystonemail/imap/flags.hpp"
#include "keystonemail/imap/sequence_set.hpp"

namespace keystonemail::imap {

enum class StatusKind : std::uint8_t { ok, no, bad };

// Codes without arguments.
enum class Code : std::uint8_t {
  alert, parse, read_only, read_write, try_create, uid_not_sticky, unavailable, authentication_failed,
  authorization_failed, expired, privacy_required, contact_admin, no_permission, in_use, expunge_issued, corruption,
  server_bug, client_bug, cannot, limit, over_quota, already_exists, nonexistent, not_saved, has_children, closed,
  unknown_cte, too_big, no_modseq, use_attribute, compression_active,
};

class ResponseCode {
 public:
  ResponseCode() = default;                      // none
  ResponseCode(Code code);                       // NOLINT: an atom is a code

  static ResponseCode uid_next(std::uint32_t uid);
  static ResponseCode uid_validity(std::uint32_t value);
  static ResponseCode unseen(std::uint32_t sequence_number);                     // IMAP4rev1
  static ResponseCode permanent_flags(FlagView flags, bool keywords_allowed);    // "\*"
  static ResponseCode highest_modseq(std::uint64_t modseq);
  static ResponseCode modified(std::span<const NumberRange> numbers);            // RFC 7162 §3.1.3
  static ResponseCode append_uid(std::uint32_t validity, std::span<const NumberRange> uids);  // RFC 4315, RFC 3502
  // The n-th source went to the n-th destination; lists of equal length, not sorted or joined here.
  static ResponseCode copy_uid(std::uint32_t validity, std::span<const std::pair<std::uint32_t, std::uint32_t>> uids);
  static ResponseCode mailbox_id(std::string_view id);                           // RFC 8474 §4.1
  static ResponseCode bad_charset(std::initializer_list<std::string_view> known);

  [[nodiscard]] std::string_view text() const noexcept { return text_; }         // without brackets; empty: none

 private:
  explicit ResponseCode(std::string text) noexcept : text_(std::move(text)) {}
  std::string text_;
};

}  // namespace keystonemail::imap
