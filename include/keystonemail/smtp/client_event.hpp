// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// ClientEvent: what a ClientSession has to tell, and what it sends.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "keystonemail/smtp/parameters.hpp"
#include "keystonemail/smtp/path.hpp"
#include "keystonemail/smtp/reply.hpp"

namespace keystonemail::smtp {

// What a server does wrong. Each ends the session.
enum class ServerFault : std::uint8_t {
  malformed_reply,     // RFC 5321 §4.2: not three digits and a text, or lines of one reply that disagree
  reply_too_long,      // limits.hpp
  unexpected_reply,    // a reply that no command asked for, or that came before its command was sent
  input_before_tls,    // octets between the 220 of STARTTLS and the handshake (RFC 3207 §4.2)
  tls_not_offered,     // TLS is required
  tls_refused,         // TLS is required
  hello_refused,
  timed_out,
};
[[nodiscard]] std::string_view to_string(ServerFault fault) noexcept;

// What EHLO told.
struct Capabilities {
  bool extended = false;  // EHLO or LHLO worked
  bool pipelining = false;
  bool eight_bit_mime = false;
  bool smtputf8 = false;
  bool chunking = false;
  bool dsn = false;
  bool starttls = false;
  bool require_tls = false;
  bool enhanced_status_codes = false;
  bool mt_priority = false;
  std::optional<std::uint64_t> deliver_by;   // DELIVERBY; the least time it promises, in seconds (RFC 2852 §2)
  std::optional<std::uint64_t> size;         // without a value: no fixed maximum (RFC 1870 §4)
  std::vector<std::string> auth_mechanisms;  // upper case
};

struct ClientRecipient {
  Path path;
  RcptParameters parameters;  // sent when DSN is offered
};

// One message to send. The size and what the body is made of are known beforehand.
struct ClientEnvelope {
  Path sender;
  std::vector<ClientRecipient> recipients;  // at least one
  std::uint64_t octets = 0;                 // SIZE=; zero: not known
  bool eight_bit = false;                   // the message has octets above 127
  bool binary = false;                      // kept for the caller: the message is not in lines; never sent so
  bool require_tls = false;                 // RFC 8689: refused unless the session is secure and the server offers it
  bool smtputf8 = false;                    // the message needs SMTPUTF8 (RFC 6531); addresses are looked at as well
  DsnReturn dsn_return = DsnReturn::unspecified;
  std::string envelope_id;
  std::optional<DeliverBy> deliver_by;      // sent when it is offered; `within` is what is left of it now
  int priority = 0;                         // RFC 6710: likewise; zero is not sent
};

// What recipients get who were not answered when a session ended.
[[nodiscard]] const Reply& connection_lost_reply() noexcept;

// Nothing to do: write pending output, then read.
struct ClientNeedInput {};
// The session is open for authenticate(), send() or quit(). Again after each of them is done.
struct ClientReady {};
// Do the handshake now, then tls_established(). What the server sends before that ends the session.
struct ClientStartTls {};
// Answer with respond() or cancel_authentication().
struct ClientAuthChallenge {
  std::string data;  // decoded
};
// The exchange ended: a reply of 2yz is success.
struct ClientAuthDone {
  Reply reply;
};
// At least one recipient was accepted and the server waits: give_message() as often as needed, then end_message().
// Comes again whenever what was given has been written.
struct ClientNeedMessage {};
// The message is dealt with: one reply for each recipient, in order. Positive: the server has taken it on.
struct ClientMessageDone {
  std::vector<Reply> replies;
  bool is_unsaid = false;  // the words are ours: the server cannot take it, and was not asked
};
enum class ClientCloseReason : std::uint8_t { quit, peer_closed, refused, fault };
// The last event, again and again. `reply` is that of a server that sent us away.
struct ClientClosed {
  ClientCloseReason reason = ClientCloseReason::quit;
  std::optional<ServerFault> fault;
  std::optional<Reply> reply;
};

using ClientEvent = std::variant<ClientNeedInput, ClientReady, ClientStartTls, ClientAuthChallenge, ClientAuthDone,
                                 ClientNeedMessage, ClientMessageDone, ClientClosed>;

}  // namespace keystonemail::smtp
