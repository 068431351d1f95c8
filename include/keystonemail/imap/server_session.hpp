// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// ServerSession: the server side of one IMAP4rev1 and IMAP4rev2 connection (RFC 3501, RFC 9051; extensions in
// lib/docs/rfc.tsv). It does no I/O and reads no clock: octets and times go in, events and response octets come out.
//
//   for (;;) {
//     write(session.pending_output()); session.consume_output(all of it);
//     if (input.empty()) input = read();
//     const std::size_t taken = session.receive(input, now);
//     while (the event of session.next_event() is not NeedInput) handle it; complete() or decide() where it asks;
//     input.remove_prefix(taken);   // only now: AppendChunk points into it
//   }
//
// Commands are pipelined by clients and handed out one at a time, in order; the next is read once complete() is called.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>

#include "keystonemail/base/time.hpp"
#include "keystonemail/imap/features.hpp"
#include "keystonemail/imap/response.hpp"
#include "keystonemail/imap/response_code.hpp"
#include "keystonemail/imap/server_event.hpp"
#include "keystonemail/imap/server_options.hpp"

namespace keystonemail::imap {

class ServerEngine;  // private

enum class SessionState : std::uint8_t { not_authenticated, authenticated, selected, logout };  // RFC 9051 §3

// Ownership: borrows `options`, which must outlive it.
// Threads: not synchronised. Sessions share nothing but their options.
// Errors: a misbehaving peer is answered or closed. Breaking a REQUIRES is a defect of the caller, and asserted.
// Limits: those of limits.hpp. Idle, a session holds no buffers.
class ServerSession {
 public:
  // The greeting is in the output at once.
  ServerSession(const ServerOptions& options, Instant now);
  ServerSession(ServerSession&&) noexcept;
  ServerSession& operator=(ServerSession&&) noexcept;
  ~ServerSession();

  // Takes octets from the peer, up to the next event, and says how many. Takes none while an event or a question is
  // open, or output above limits::pending_output_octets_max waits: that is back-pressure.
  // REQUIRES: `now` never goes back between calls.
  [[nodiscard]] std::size_t receive(std::string_view octets, Instant now);
  // The peer closed its side. Void for a session that is closed.
  void receive_end(Instant now);
  // Call once deadline() has passed: BYE and Closed. Void before that.
  void expire(Instant now);
  // When to call expire(); nothing while a question is open, since then it is not the peer that is slow.
  [[nodiscard]] std::optional<Instant> deadline() const noexcept;

  [[nodiscard]] ServerEvent next_event();

  // Writes the tagged response of the open command and moves the state: OK to LOGIN or AUTHENTICATE authenticates
  // (CAPABILITY is added), OK to SELECT selects, and so on. REQUIRES: a question is open, no FETCH is.
  // `text` is one line.
  void complete(StatusKind kind, const ResponseCode& code, std::string_view text, Instant now);
  void decide(AppendAccept answer, Instant now);           // REQUIRES: AppendBegin is open
  void decide(const AuthChallenge& answer, Instant now);   // REQUIRES: AuthStart or AuthResponse is open
  // Gives up on an APPEND under way between AppendBegin and AppendEnd, say because there is no room: NO now, the
  // rest is read and dropped. AppendAborted does not follow.
  void refuse_append(const ResponseCode& code, std::string_view text, Instant now);
  // TLS is there, after StartTls. `auth_mechanisms` is space-separated and may be empty.
  void tls_established(std::string_view auth_mechanisms, Instant now);
  // A stream is compressed from here on: COMPRESS is no longer offered.
  void compression_started() noexcept;
  // The mailbox selected is gone or was closed by us: back to the authenticated state.
  void unselect() noexcept;
  // Ends the session from our side with BYE, as when shutting down.
  void end(const ResponseCode& code, std::string_view text);

  // Untagged responses. REQUIRES: not closed. Between commands only during IDLE (RFC 9051 §5.3, §7).
  [[nodiscard]] ResponseWriter& responses() noexcept;
  [[nodiscard]] std::string_view pending_output() const noexcept;
  void consume_output(std::size_t octets);  // REQUIRES: no more than is pending

  [[nodiscard]] SessionState state() const noexcept;
  [[nodiscard]] const Features& features() const noexcept;
  [[nodiscard]] std::string_view tag() const noexcept;     // of the open command
  [[nodiscard]] bool secure() const noexcept;
  [[nodiscard]] std::size_t memory_octets() const noexcept;  // this object and its buffers

 private:
  std::unique_ptr<ServerEngine> engine_;
};

}  // namespace keystonemail::imap
