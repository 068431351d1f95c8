// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// ClientSession: the client side of one SMTP, submission or LMTP connection (RFC 5321 §4.5.3.2, 6409, 2033, with
// 1870, 2920, 3030, 3207, 3461, 4954, 6152, 6531). No I/O and no clock: see ServerSession for the shape.
#pragma once

#include <chrono>
#include <cstddef>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "keystonemail/base/time.hpp"
#include "keystonemail/smtp/client_event.hpp"
#include "keystonemail/smtp/server_options.hpp"

namespace keystonemail::smtp {

class MessageCleaner;  // private

enum class TlsPolicy : std::uint8_t { never, opportunistic, required };

struct ClientOptions {
  Protocol protocol = Protocol::smtp;
  std::string hostname = "localhost";  // our name in EHLO
  TlsPolicy starttls = TlsPolicy::opportunistic;
  bool use_chunking = true;            // BDAT where it is offered
  // RFC 5321 §4.5.3.2.
  std::chrono::seconds greeting_timeout{300};
  std::chrono::seconds command_timeout{300};
  std::chrono::seconds data_timeout{120};         // for the reply to DATA
  std::chrono::seconds block_timeout{180};        // for our octets to be taken
  std::chrono::seconds end_of_data_timeout{600};  // for the reply to the end of the message
};

// Ownership: borrows `options`; owns all else.
// Threads: not synchronised.
// Errors: a server that breaks the protocol ends the session with ClientClosed; recipients of a message under way
//   that were not answered get 451 4.4.2 in a ClientMessageDone before it.
// Limits: one reply (limits.hpp), and what give_message() was given until it is written.
class ClientSession {
 public:
  ClientSession(const ClientOptions& options, Instant now);
  ClientSession(ClientSession&&) noexcept;
  ~ClientSession();

  // Takes octets up to the end of one reply. Takes none while an event is open.
  [[nodiscard]] std::size_t receive(std::string_view octets, Instant now);
  void receive_end(Instant now);
  void expire(Instant now);
  [[nodiscard]] std::optional<Instant> deadline() const noexcept;
  [[nodiscard]] ClientEvent next_event();

  // After ClientReady. REQUIRES: TLS, or a mechanism that shows no secret, unless the connection is local.
  void authenticate(std::string_view mechanism, std::optional<std::string_view> initial_response, Instant now);
  void respond(std::string_view data, Instant now);
  void cancel_authentication(Instant now);
  // After ClientReady. What the server cannot take is answered by ClientMessageDone without a word sent.
  void send(ClientEnvelope envelope, Instant now);
  // Line ends that are not CRLF become CRLF and dots are stuffed, so that nothing in the message can end it (attack A2).
  void give_message(std::string_view octets, Instant now);
  void end_message(Instant now);
  void quit(Instant now);
  // After ClientStartTls or, for implicit TLS, before anything else.
  void tls_established(Instant now);

  [[nodiscard]] std::string_view pending_output() const noexcept { return std::string_view(output_).substr(output_begin_); }
  void consume_output(std::size_t octets, Instant now);
  [[nodiscard]] const Capabilities& capabilities() const noexcept { return capabilities_; }
  [[nodiscard]] bool secure() const noexcept { return secure_; }

 private:
  enum class Expect : std::uint8_t {
    greeting, ehlo, helo, starttls, auth, mail, rcpt, data, chunk, end_of_message, rset, quit,
  };
  struct Expected {
    Expect what;
    std::size_t recipient;    // of Expect::rcpt and, in LMTP, end_of_message
    std::uint64_t sent_with;  // the output offset at which its command ends
  };

  // Replies
  bool take_line(std::string_view line);
  void take_reply();
  void on_greeting(const Reply& reply);
  void on_hello(Expect what, const Reply& reply);
  void on_starttls(const Reply& reply);
  void on_auth(const Reply& reply);
  void on_envelope(const Expected& expected, const Reply& reply);
  void on_data(const Reply& reply);
  void on_end_of_message(const Expected& expected, const Reply& reply);
  void read_capabilities(std::string_view text);
  // Sending
  void command(Expect what, std::string_view line, std::size_t recipient = 0);
  void say_hello();
  void be_ready();
  void send_next_rcpt();
  void envelope_answered();
  void start_body();
  enum class Words : std::uint8_t { theirs, ours };
  void finish_message(Words words = Words::theirs);
  void refuse_locally(const Reply& reply);
  void fail(ServerFault fault);
  void close(ClientClosed closed);
  void advance(Instant now) noexcept;

  const ClientOptions* options_;
  Instant now_;
  Instant waiting_since_;
  bool secure_ = false;
  bool tls_tried_ = false;
  bool awaiting_tls_ = false;
  bool closed_ = false;
  bool ready_ = false;                // between commands of the caller
  ClientClosed closing_;
  Capabilities capabilities_;
  std::deque<ClientEvent> events_;    // at most three
  std::deque<Expected> expected_;

  std::string line_;
  Reply reply_;
  std::size_t reply_lines_ = 0;
  std::size_t reply_octets_ = 0;

  std::string output_;
  std::size_t output_begin_ = 0;
  std::uint64_t output_queued_ = 0;
  std::uint64_t output_consumed_ = 0;

  // The message
  bool message_open_ = false;         // between send() and ClientMessageDone
  bool body_open_ = false;            // the server takes the message
  bool body_wanted_ = false;          // ClientNeedMessage is due
  bool chunked_ = false;
  bool chunk_failed_ = false;
  ClientEnvelope envelope_;
  std::vector<std::optional<Reply>> results_;
  std::optional<Reply> mail_refused_;
  std::size_t rcpt_sent_ = 0;
  std::unique_ptr<MessageCleaner> cleaner_;
};

}  // namespace keystonemail::smtp
