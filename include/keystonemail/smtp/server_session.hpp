// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// ServerSession: the server side of one SMTP, submission or LMTP connection (RFC 5321, 6409, 2033, with 1870,
// 2034, 2920, 3030, 3207, 3461, 4954, 6152, 6531, 8689, 9422). It does no I/O and reads no clock: octets and
// times go in, events and reply octets come out.
//
//   for (;;) {
//     if (input.empty() || stuck) { write(session.pending_output()); input = read(); }
//     const std::size_t taken = session.receive(input, now);
//     while (the event of session.next_event() is not NeedInput) handle it, decide() where it asks;
//     input.remove_prefix(taken);   // only now: views of events point into it
//   }
//
// Written so, a pipelined batch is answered by one write. What arrives before the replies to EHLO, DATA and AUTH
// were written was sent without waiting for them, and ends the session (RFC 2920 §3.1).
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>

#include "keystonemail/base/time.hpp"
#include "keystonemail/smtp/reply.hpp"
#include "keystonemail/smtp/server_event.hpp"
#include "keystonemail/smtp/server_options.hpp"

namespace keystonemail::smtp {

class ServerEngine;  // private

// Ownership: borrows `options`, which must outlive it. Views inside an event live until the next receive(), and as
//   long as the octets given to the last one stay in place.
// Threads: not synchronised. Sessions share nothing but their options.
// Errors: a misbehaving peer is an event and a reply. Breaking a REQUIRES is a defect of the caller, and asserted.
// Limits: between calls holds at most one command line (limits.hpp) and pending_output_octets_max and one reply more.
class ServerSession {
 public:
  ServerSession(const ServerOptions& options, Instant now);
  ServerSession(ServerSession&&) noexcept;
  ServerSession& operator=(ServerSession&&) noexcept;
  ~ServerSession();

  // Takes octets from the peer up to the next event and says how many. Takes none while an event or a question is
  // open, or output above its ceiling waits: that is back-pressure. (Before the greeting is answered it does take
  // octets: they are an early talker's.) REQUIRES: `now` never goes back between calls.
  [[nodiscard]] std::size_t receive(std::string_view octets, Instant now);
  // The peer closed its side. Void for a session that is closed.
  void receive_end(Instant now);
  // Call once deadline() has passed: 421 and Closed. Void before that.
  void expire(Instant now);
  // When to call expire(); nothing while a question is open, since then it is not the peer that is slow.
  [[nodiscard]] std::optional<Instant> deadline() const noexcept;

  [[nodiscard]] ServerEvent next_event();

  // Answers the question of the last event. Void when the session has closed meanwhile. A Reply of 421 closes.
  // REQUIRES: a question is open that takes this answer.
  void decide(Accept answer, Instant now);
  void decide(const Reply& answer, Instant now);
  void decide(const AuthChallenge& answer, Instant now);
  void decide(const AuthSuccess& answer, Instant now);
  void decide(AuthFailure answer, Instant now);
  // For MessageEnd of LMTP. REQUIRES: one for each accepted recipient, in order, none 421.
  void decide(std::span<const Reply> answers, Instant now);

  // Refuses the message under way between MessageBegin and MessageEnd, say because there is no room: the rest is
  // read and dropped, and `reply` (4yz or 5yz) given at its end. Neither MessageEnd nor MessageAborted follows.
  void refuse_message(Reply reply);
  // TLS is established, after StartTls or, for implicit TLS, before the first next_event(). All that the peer said
  // before is forgotten (RFC 3207 §4.2). `auth_mechanisms` is space-separated and may be empty.
  void tls_established(std::string_view auth_mechanisms, Instant now);
  // Ends the session from our side, as when shutting down: 421 4.3.2 or any other reply.
  void end(const Reply& reply);

  [[nodiscard]] std::string_view pending_output() const noexcept;
  void consume_output(std::size_t octets);  // REQUIRES: no more than is pending

  // What the session knows, for policies and the Received field.
  [[nodiscard]] bool secure() const noexcept;
  [[nodiscard]] std::string_view hello_name() const noexcept;     // empty before HELO; views live until the next
  [[nodiscard]] std::string_view authenticated() const noexcept;  // identity of AuthSuccess, or empty
  [[nodiscard]] std::uint32_t recipients() const noexcept;        // accepted in this transaction
  // RFC 3848, RFC 6531 §4.3: the word after "with": SMTP, ESMTPSA, UTF8SMTPS, LMTPS ...
  [[nodiscard]] std::string_view with_protocol() const noexcept;

 private:
  std::unique_ptr<ServerEngine> engine_;
};

}  // namespace keystonemail::smtp
