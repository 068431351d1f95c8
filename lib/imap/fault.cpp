// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "imap/fault.hpp"

namespace keystonemail::imap {
namespace {

constexpr FaultReply bad(std::string_view text) noexcept { return {StatusKind::bad, {}, text}; }
constexpr FaultReply no(std::string_view code, std::string_view text) noexcept { return {StatusKind::no, code, text}; }

}  // namespace

FaultReply reply_for(Fault fault) noexcept {
  switch (fault) {
    case Fault::incomplete: return bad("Command incomplete");
    case Fault::expected_space: return bad("Expected a space");
    case Fault::expected_end: return bad("Unexpected text at the end");
    case Fault::expected_atom: return bad("Expected an atom");
    case Fault::expected_string: return bad("Expected a string");
    case Fault::expected_number: return bad("Expected a number");
    case Fault::expected_nonzero_number: return bad("Expected a number above zero");
    case Fault::number_too_large: return bad("Number too large");
    case Fault::expected_open: return bad("Expected an opening parenthesis");
    case Fault::expected_close: return bad("Expected a closing parenthesis");
    case Fault::bad_quoted: return bad("Malformed quoted string");
    case Fault::bad_literal: return bad("Malformed literal");
    case Fault::null_octet: return bad("NUL is not allowed here");
    case Fault::not_utf8: return bad("Text is not UTF-8");
    case Fault::literal8_not_here: return bad("A binary literal is not allowed here");
    case Fault::bad_tag: return bad("Malformed tag");
    case Fault::unknown_command: return bad("Unknown command");
    case Fault::wrong_state: return bad("Command not allowed in this state");
    case Fault::already_authenticated: return bad("Already authenticated");
    case Fault::bad_mailbox_name: return bad("Mailbox name is not modified UTF-7");
    case Fault::bad_new_name: return no("CANNOT", "Mailbox name is not modified UTF-7");
    case Fault::bad_flag: return bad("Malformed or unknown flag");
    case Fault::too_many_flags: return bad("Too many flags");
    case Fault::bad_date: return bad("Malformed date");
    case Fault::bad_sequence_set: return bad("Malformed sequence set");
    case Fault::sequence_set_too_long: return bad("Sequence set too long");
    case Fault::bad_fetch_item: return bad("Unknown FETCH item");
    case Fault::bad_section: return bad("Malformed section");
    case Fault::bad_partial: return bad("Malformed partial range");
    case Fault::too_many_fetch_items: return bad("Too many FETCH items");
    case Fault::bad_modifier: return bad("Unknown modifier");
    case Fault::duplicate_modifier: return bad("Modifier given twice");
    case Fault::vanished_needs_qresync: return bad("VANISHED needs UID FETCH, CHANGEDSINCE and QRESYNC enabled");
    case Fault::resync_not_enabled: return bad("QRESYNC is not enabled");
    case Fault::bad_search_key: return bad("Unknown search key");
    case Fault::too_many_search_keys: return bad("Too many search keys");
    case Fault::nesting_too_deep: return bad("Nested too deeply");
    case Fault::bad_return_option: return bad("Unknown return option");
    case Fault::bad_charset: return no("BADCHARSET (US-ASCII UTF-8)", "Unknown charset");
    case Fault::charset_with_utf8: return bad("The charset is UTF-8 once UTF-8 is enabled");
    case Fault::bad_status_item: return bad("Unknown STATUS item");
    case Fault::bad_list_option: return bad("Unknown or misplaced LIST option");
    case Fault::too_many_patterns: return bad("Too many patterns");
    case Fault::bad_special_use: return no("USEATTR", "Unknown special use");
    case Fault::bad_id: return bad("Malformed ID parameters");
    case Fault::bad_store_action: return bad("Expected FLAGS, +FLAGS or -FLAGS");
    case Fault::bad_sort: return bad("Unknown sort criterion");
    case Fault::bad_thread_algorithm: return bad("Unknown threading algorithm");
    case Fault::bad_compression: return bad("Unknown compression mechanism");
    case Fault::line_too_long: return bad("Line too long");
    case Fault::command_too_long: return {StatusKind::bad, "TOOBIG", "Command too long"};
    case Fault::literal_too_large: return {StatusKind::bad, "TOOBIG", "Literal too large"};
    case Fault::bare_line_feed: return bad("Lines end in CR LF");
    case Fault::literal_minus_too_large: return {StatusKind::bad, "TOOBIG", "Non-synchronizing literal above 4096 octets"};
    case Fault::message_too_large: return no("TOOBIG", "Message too large");
    case Fault::empty_message: return no("CANNOT", "A message cannot be empty");
    case Fault::tls_unavailable: return bad("STARTTLS is not available");
    case Fault::privacy_required: return no("PRIVACYREQUIRED", "Start TLS first");
    case Fault::bad_mechanism: return no("CANNOT", "Mechanism not offered");
    case Fault::bad_base64: return bad("Malformed base64");
    case Fault::authentication_cancelled: return bad("Authentication cancelled");
    case Fault::expected_done: return bad("Expected DONE");
  }
  return bad("Error");
}

}  // namespace keystonemail::imap
