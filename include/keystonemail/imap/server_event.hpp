// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// What a ServerSession has for its owner to do.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "keystonemail/base/time.hpp"
#include "keystonemail/imap/command.hpp"

namespace keystonemail::imap {

struct NeedInput {};

// Asks for complete(). CAPABILITY, LOGOUT and whatever is wrong in syntax or state are answered by the session.
// `condstore_began`: it is the first that enables CONDSTORE, other than SELECT: with a mailbox selected its HIGHESTMODSEQ has
// to be told (RFC 7162 §3.1).
struct Command { CommandVariant command; bool condstore_began = false; };

// AUTHENTICATE. Asks for decide(AuthChallenge) or complete().
struct AuthStart { std::string mechanism; std::optional<std::string> initial_response; };
// Decoded from base64. Asks for the same.
struct AuthResponse { std::string data; };
// The client called it off, or sent what is not base64. Answered already.
struct AuthCancelled {};

// "OK" is in the output, and all input until tls_established() is forgotten. Flush, then negotiate.
struct StartTls {};

// APPEND (RFC 9051 §6.3.12, RFC 3502). For each message AppendBegin, any number of AppendChunk, AppendMessageEnd;
// then AppendEnd, or AppendAborted in place of all that is left.
//
// Asks for decide(AppendAccept), or complete() with NO (TRYCREATE, OVERQUOTA, TOOBIG): then nothing more comes of
// this command. It comes before the client is told to send a synchronising literal.
struct AppendBegin {
  std::string mailbox;
  FlagSet flags;
  std::optional<WallTime> date;
  std::uint64_t octets = 0;
  std::uint32_t index = 0;      // 0 for the first message of the command
  bool binary = false;          // literal8: NUL may occur (RFC 3516 §4.4)
  bool utf8 = false;            // RFC 6855 §4
};
// A piece of the message, never copied: a view into the octets given to receive(), good until they are dropped.
struct AppendChunk { std::string_view octets; };
struct AppendMessageEnd {};
// Asks for complete(): commit all messages of the command or none.
struct AppendEnd {};
// Nothing of this command may be kept. The client has been answered, or is gone.
struct AppendAborted {};

// The continuation is in the output. Untagged responses may be written at any time until IdleDone.
struct IdleStart {};
// Asks for complete(). Also when IDLE ended with something else than DONE: the session then says BAD.
struct IdleDone {};

enum class CloseReason : std::uint8_t { logout, peer_closed, timeout, too_many_errors, too_many_auth_failures, ended };
// The last event. Flush the output and close.
struct Closed { CloseReason reason; };

using ServerEvent = std::variant<NeedInput, Command, AuthStart, AuthResponse, AuthCancelled, StartTls, AppendBegin,
                                 AppendChunk, AppendMessageEnd, AppendEnd, AppendAborted, IdleStart, IdleDone, Closed>;

struct AppendAccept {};
struct AuthChallenge { std::string_view data; };  // not encoded

}  // namespace keystonemail::imap
