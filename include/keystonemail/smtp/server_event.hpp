// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// ServerEvent: what a ServerSession wants done. Those marked "asks" wait for ServerSession::decide().
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "keystonemail/smtp/fault.hpp"
#include "keystonemail/smtp/parameters.hpp"
#include "keystonemail/smtp/path.hpp"

namespace keystonemail::smtp {

// Nothing to do: give input, or write pending output when receive() took nothing.
struct NeedInput {};

// Asks: greet this peer? Accept; 421, after which the session closes; or 554, after which it takes QUIT alone (RFC 5321 §3.1).
struct Connected {};

enum class HelloVerb : std::uint8_t { helo, ehlo, lhlo };
// Asks: Accept (the engine writes the keywords), or a Reply of 4yz or 5yz.
struct Helo {
  HelloVerb verb;
  std::string_view name;  // a domain, an address literal, or any other printable word
};

// Asks: AuthChallenge, AuthSuccess, AuthFailure, or a Reply of 4yz or 5yz.
struct AuthStart {
  std::string_view mechanism;                   // upper case, one of those offered
  std::optional<std::string> initial_response;  // decoded; empty for "="
};
// Asks the same. Follows an AuthChallenge.
struct AuthResponse {
  std::string data;  // decoded
};
// The exchange ended without an answer asked for: cancelled, not base64, or too long. The reply is written.
struct AuthAborted {
  PeerFault fault;
};

// Asks: Accept, or a Reply. After Accept write pending_output(), do the handshake, and call tls_established();
// when it fails drop the connection. What receive() gets before that call ends the session.
struct StartTls {};

// Asks: Accept or a Reply.
struct MailFrom {
  Path sender;
  MailParameters parameters;
};
// Asks: Accept or a Reply. An accepted recipient counts for MessageEnd of LMTP, in order.
struct RcptTo {
  Path recipient;
  RcptParameters parameters;
};

enum class Transfer : std::uint8_t { data, chunks };
// Asks before the first octet: Accept, or a Reply of 4yz or 5yz; a refused chunk is read and dropped.
struct MessageBegin {
  Transfer transfer;
};
// A part of the message, without dot-stuffing, in order. A view of the octets given to receive().
struct MessageChunk {
  std::string_view octets;
};
// Asks: the whole message is there and its framing was sound. Accept or a Reply; in LMTP also one Reply for each
// accepted recipient. A 2yz reply says that the message is safe.
struct MessageEnd {
  std::uint64_t octets;
};
// The message under way will be refused by the engine: throw it away. No MessageEnd follows.
struct MessageAborted {
  PeerFault fault;
};

// Asks, where ServerOptions::asks_of_unknown_commands is set: a line that is no command. Accept means the engine's own 500; a
// Reply of 4yz or 5yz stands in its place.
struct UnknownCommand {
  std::string_view line;  // without its end
};

// The transaction was dropped by the peer (RSET, EHLO). Follows MailFrom that was accepted.
struct Reset {};

enum class CloseReason : std::uint8_t {
  quit,
  peer_closed,       // without QUIT; whatever was under way is void
  refused,           // a 421, by decide() or end()
  fault,             // see `fault`
  input_before_tls,  // octets between STARTTLS and the handshake (RFC 3207 §4.2): nothing more is said
};
// The last event, again and again: write what is pending and close.
struct Closed {
  CloseReason reason;
  std::optional<PeerFault> fault;
};

using ServerEvent = std::variant<NeedInput, Connected, Helo, AuthStart, AuthResponse, AuthAborted, StartTls, MailFrom,
                                 RcptTo, MessageBegin, MessageChunk, MessageEnd, MessageAborted, UnknownCommand, Reset, Closed>;

// Answers.
struct Accept {};  // go on, with the engine's own reply
struct AuthChallenge {
  std::string data;  // not yet encoded
};
struct AuthSuccess {
  std::string identity;
};
struct AuthFailure {};  // 535 5.7.8; counted

}  // namespace keystonemail::smtp
