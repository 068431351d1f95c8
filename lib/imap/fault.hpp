// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Fault: what a client did wrong. The only path from a fault to the wire is reply_for().
#pragma once

#include <cstdint>
#include <expected>
#include <string_view>

#include "keystonemail/imap/response_code.hpp"

namespace keystonemail::imap {

enum class Fault : std::uint8_t {
  incomplete,             // ends in a literal that has not come; never told
  expected_space, expected_end, expected_atom, expected_string, expected_number, expected_nonzero_number,
  number_too_large, expected_open, expected_close, bad_quoted, bad_literal, null_octet, not_utf8,
  literal8_not_here, bad_tag, unknown_command, wrong_state, already_authenticated, bad_mailbox_name, bad_new_name, bad_flag,
  too_many_flags, bad_date, bad_sequence_set, sequence_set_too_long, bad_fetch_item, bad_section, bad_partial,
  too_many_fetch_items, bad_modifier, duplicate_modifier, vanished_needs_qresync, resync_not_enabled,
  bad_search_key, too_many_search_keys, nesting_too_deep, bad_return_option, bad_charset, charset_with_utf8,
  bad_status_item, bad_list_option, too_many_patterns, bad_special_use, bad_id, bad_store_action, bad_sort,
  bad_thread_algorithm, bad_compression, line_too_long, command_too_long, literal_too_large, bare_line_feed,
  literal_minus_too_large, message_too_large, empty_message, tls_unavailable, privacy_required, bad_mechanism,
  bad_base64, authentication_cancelled, expected_done,
};

template <class T>
using Parsed = std::expected<T, Fault>;

struct FaultReply { StatusKind kind; std::string_view code, text; };  // code without brackets, or empty

[[nodiscard]] FaultReply reply_for(Fault fault) noexcept;

}  // namespace keystonemail::imap
