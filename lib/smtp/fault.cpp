// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "keystonemail/smtp/fault.hpp"

namespace keystonemail::smtp {

FaultReply reply_for(PeerFault fault) noexcept {
  switch (fault) {
    case PeerFault::line_too_long: return {500, {5, 5, 2}, "Line too long"};
    case PeerFault::bare_line_feed: return {500, {5, 5, 2}, "Bare LF: lines end in CR LF"};
    case PeerFault::bare_carriage_return: return {500, {5, 5, 2}, "Bare CR: lines end in CR LF"};
    case PeerFault::early_talker: return {554, {5, 5, 0}, "Wait for the greeting"};
    case PeerFault::unauthorized_pipelining: return {554, {5, 5, 0}, "Wait for the reply"};
    case PeerFault::unknown_command: return {500, {5, 5, 1}, "Command not recognized"};
    case PeerFault::not_implemented: return {502, {5, 5, 1}, "Command not implemented"};
    case PeerFault::syntax: return {501, {5, 5, 2}, "Syntax error"};
    case PeerFault::no_argument_expected: return {501, {5, 5, 4}, "No argument expected"};
    case PeerFault::argument_missing: return {501, {5, 5, 4}, "Argument missing"};
    case PeerFault::bad_hello_name: return {501, {5, 5, 4}, "Not a domain or address literal"};
    case PeerFault::bad_sequence: return {503, {5, 5, 1}, "Bad sequence of commands"};
    case PeerFault::nested_mail: return {503, {5, 5, 1}, "Sender already given"};
    case PeerFault::hello_first: return {503, {5, 5, 1}, "Introduce yourself first"};
    case PeerFault::mail_first: return {503, {5, 5, 1}, "Need MAIL first"};
    case PeerFault::recipient_first: return {503, {5, 5, 1}, "Need RCPT first"};
    case PeerFault::no_valid_recipients: return {554, {5, 5, 1}, "No valid recipients"};
    case PeerFault::tls_unavailable: return {502, {5, 5, 1}, "STARTTLS not offered"};
    case PeerFault::tls_already_active: return {503, {5, 5, 1}, "TLS is already active"};
    case PeerFault::tls_required: return {530, {5, 7, 0}, "Issue STARTTLS first"};
    case PeerFault::bad_sender: return {501, {5, 1, 7}, "Bad sender address syntax"};
    case PeerFault::bad_recipient: return {501, {5, 1, 3}, "Bad recipient address syntax"};
    case PeerFault::not_utf8: return {501, {5, 5, 2}, "Not valid UTF-8"};
    case PeerFault::utf8_not_announced: return {553, {5, 6, 7}, "Address needs SMTPUTF8"};
    case PeerFault::unknown_parameter: return {555, {5, 5, 4}, "Parameter not recognized"};
    case PeerFault::bad_parameter: return {501, {5, 5, 4}, "Bad parameter value"};
    case PeerFault::repeated_parameter: return {501, {5, 5, 4}, "Parameter given twice"};
    case PeerFault::binary_needs_bdat: return {503, {5, 5, 1}, "BINARYMIME needs BDAT"};
    case PeerFault::too_many_recipients: return {452, {4, 5, 3}, "Too many recipients"};
    case PeerFault::too_many_domains: return {452, {4, 5, 3}, "Too many recipient domains"};
    case PeerFault::too_many_transactions: return {452, {4, 5, 3}, "Too many messages in this session"};
    case PeerFault::auth_required: return {530, {5, 7, 0}, "Authentication required"};
    case PeerFault::auth_unavailable: return {502, {5, 5, 1}, "AUTH not offered"};
    case PeerFault::auth_needs_tls: return {530, {5, 7, 0}, "Issue STARTTLS first"};
    case PeerFault::auth_already_done: return {503, {5, 5, 1}, "Already authenticated"};
    case PeerFault::auth_in_transaction: return {503, {5, 5, 1}, "Not during a mail transaction"};
    case PeerFault::auth_mechanism_unknown: return {504, {5, 5, 4}, "Mechanism not offered"};
    case PeerFault::auth_not_base64: return {501, {5, 5, 2}, "Not valid base64"};
    case PeerFault::auth_line_too_long: return {500, {5, 5, 6}, "Authentication line too long"};
    case PeerFault::auth_cancelled: return {501, {5, 7, 0}, "Authentication cancelled"};
    case PeerFault::auth_failed: return {535, {5, 7, 8}, "Authentication credentials invalid"};
    case PeerFault::too_many_auth_failures: return {421, {4, 7, 0}, "Too many authentication failures"};
    case PeerFault::message_too_large: return {552, {5, 3, 4}, "Message too large"};
    case PeerFault::message_bare_line_feed: return {550, {5, 5, 2}, "Message contains bare LF"};
    case PeerFault::message_bare_carriage_return: return {550, {5, 5, 2}, "Message contains bare CR"};
    case PeerFault::message_nul: return {550, {5, 6, 0}, "Message contains NUL"};
    case PeerFault::message_line_too_long: return {550, {5, 6, 0}, "Message contains an overlong line"};
    case PeerFault::bad_chunk_size: return {501, {5, 5, 4}, "Bad chunk size"};
    case PeerFault::chunk_after_failure: return {503, {5, 5, 1}, "An earlier chunk failed: RSET first"};
    case PeerFault::too_many_errors: return {421, {4, 7, 0}, "Too many errors"};
    case PeerFault::too_many_junk_commands: return {421, {4, 7, 0}, "Too many commands without mail"};
    case PeerFault::too_many_commands: return {421, {4, 7, 0}, "Too many commands without mail"};
    case PeerFault::timed_out: return {421, {4, 4, 2}, "Timed out"};
    case PeerFault::too_slow: return {421, {4, 4, 2}, "Too slow"};
  }
  __builtin_unreachable();
}

}  // namespace keystonemail::smtp
