// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// ServerEngine: what ServerSession forwards to. Framing and bookkeeping are here and in server_engine.cpp; each
// command has its file in command/; what comes after DATA and BDAT is in server_message.cpp.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "keystonemail/smtp/server_session.hpp"
#include "smtp/message_scanner.hpp"
#include "smtp/transitions.hpp"

namespace keystonemail::smtp {

class ServerEngine {
 public:
  ServerEngine(const ServerOptions& options, Instant now);

  std::size_t receive(std::string_view octets, Instant now);
  void receive_end(Instant now);
  void expire(Instant now);
  std::optional<Instant> deadline() const noexcept;
  ServerEvent next_event();
  void decide(Accept, Instant now);
  void decide(const Reply& answer, Instant now);
  void decide(const AuthChallenge& answer, Instant now);
  void decide(const AuthSuccess& answer, Instant now);
  void decide(AuthFailure, Instant now);
  void decide(std::span<const Reply> answers, Instant now);
  void refuse_message(Reply reply);
  void tls_established(std::string_view auth_mechanisms, Instant now);
  void end(const Reply& reply);
  std::string_view pending_output() const noexcept { return std::string_view(output_).substr(output_begin_); }
  void consume_output(std::size_t octets);

  bool secure() const noexcept { return secure_; }
  std::string_view hello_name() const noexcept { return hello_name_; }
  std::string_view authenticated() const noexcept { return identity_; }
  std::uint32_t recipients() const noexcept { return recipients_; }
  std::string_view with_protocol() const noexcept;

 private:
  enum class Question : std::uint8_t { none, connected, hello, auth, starttls, mail, rcpt, message_begin, message_end, unknown };
  enum class Carry : std::uint8_t { may_pipeline, must_wait };  // whether more may follow before our reply is read

  // One row for each command.
  struct Command {
    std::string_view name;
    Verb verb;
    void (ServerEngine::*run)(std::string_view argument);
    bool junk;     // counts as doing nothing for mail
    Carry carry;
  };
  struct CommandTable;  // server_dispatch.cpp
  static bool is_allowed_before_tls(Verb verb) noexcept;

  // command/*.cpp
  void run_mail(std::string_view argument);
  void run_rcpt(std::string_view argument);
  void run_data(std::string_view argument);
  void run_bdat(std::string_view argument);
  void run_helo(std::string_view argument);
  void run_ehlo(std::string_view argument);
  void run_lhlo(std::string_view argument);
  void run_hello(HelloVerb verb, std::string_view argument);
  void run_starttls(std::string_view argument);
  void run_auth(std::string_view argument);
  void run_rset(std::string_view argument);
  void run_noop(std::string_view argument);
  void run_quit(std::string_view argument);
  void run_vrfy(std::string_view argument);
  void run_help(std::string_view argument);
  void run_not_implemented(std::string_view argument);

  // Lines
  std::size_t receive_line(std::string_view octets);
  void take_line(std::string_view line);
  std::size_t line_limit(std::string_view line) const noexcept;
  void dispatch(std::string_view line);
  bool within_ceilings(const Command* command);
  PeerFault out_of_sequence(Verb verb) const noexcept;

  // EHLO
  void accept_hello();
  bool note_domain(std::string_view domain);

  // AUTH
  std::string_view offered_mechanisms() const noexcept;
  void take_auth_response(std::string_view line);
  void abort_auth(PeerFault fault);
  void count_auth_failure();

  // The message (server_message.cpp)
  std::size_t receive_message(std::string_view octets);
  std::size_t receive_chunk(std::string_view octets);
  void take_step(const MessageScanner::Step& step);
  void give_octets(std::string_view octets);
  void begin_message(MessageScanner::Mode mode);
  void abort_message(PeerFault fault);
  void finish_message();
  void finish_chunk();
  void refuse_chunk(PeerFault fault);
  void accept_message_begin();
  void start_transfer() noexcept;
  void finish_transaction(std::uint16_t code, EnhancedStatus status, std::string_view text);
  void count_message(bool accepted) noexcept;
  void end_transaction();
  bool is_lmtp() const noexcept { return options_->protocol == Protocol::lmtp; }

  // Output
  void reply(std::uint16_t code, EnhancedStatus status, std::string_view text,
             EnhancedCodes codes = EnhancedCodes::include);
  void reply(const Reply& answer);
  void fault(PeerFault fault);
  void check_errors();
  void close(CloseReason reason, std::optional<PeerFault> fault = std::nullopt);
  void close_with(PeerFault fault);
  Carry usual_carry() const noexcept;

  // Events
  void ask(Question question, ServerEvent event);
  void tell(ServerEvent event);
  Question settle(Instant now);  // the question that is being answered; none when the session has closed
  void accept(Question question, const Reply* own);
  void refuse(Question question, const Reply& answer);
  bool may(Verb verb);  // whether the table lets it; the fault is written when not
  void step(Verb verb);
  bool take_nothing() const noexcept;
  void advance(Instant now) noexcept;
  Instant data_deadline() const noexcept;

  const ServerOptions* options_;
  State state_ = State::connected;
  Question question_ = Question::none;
  bool event_ready_ = false;
  bool reset_due_ = false;              // a Reset goes before the event
  std::optional<PeerFault> abort_due_;  // a MessageAborted goes after the event
  ServerEvent event_;
  Closed closed_{};

  std::string line_;        // the command line so far; the whole of it while its event is open
  bool line_taken_ = false;  // line_ may be dropped
  bool overlong_ = false;    // the rest of the line is dropped
  char last_octet_ = '\0';   // of the line so far

  std::string output_;
  std::size_t output_begin_ = 0;
  std::uint64_t output_queued_ = 0;    // octets ever
  std::uint64_t output_consumed_ = 0;
  std::uint64_t barrier_ = 0;          // input is early until so much output was consumed
  Carry carry_ = Carry::must_wait;     // of the command under way

  // The session
  bool secure_ = false;
  bool extended_ = false;  // EHLO or LHLO
  bool authenticated_ = false;
  HelloVerb hello_verb_ = HelloVerb::helo;
  std::string hello_name_;
  std::string hello_pending_;          // of a HELO not yet answered
  std::string tls_mechanisms_;
  std::string identity_;
  std::uint32_t transactions_ = 0;
  std::uint32_t errors_ = 0;
  std::uint32_t junk_commands_ = 0;
  std::uint32_t commands_ = 0;
  std::uint32_t auth_failures_ = 0;

  // The transaction
  BodyType body_ = BodyType::seven_bit;
  bool smtputf8_ = false;
  std::uint32_t recipients_ = 0;
  std::uint32_t recipients_refused_ = 0;
  std::uint32_t recipients_over_ = 0;
  std::vector<std::string> domains_;   // kept only when they are counted
  std::string rcpt_domain_;

  // The message
  MessageScanner scanner_;
  std::optional<Reply> refusal_;       // what the end of the message or chunk will be answered
  std::uint64_t message_octets_ = 0;
  std::uint64_t line_octets_ = 0;      // of the message's line under way
  bool in_chunk_ = false;
  bool chunk_last_ = false;
  std::uint64_t chunk_left_ = 0;

  // Times
  Instant now_;
  Instant connected_;
  Instant waiting_since_;              // for a command
  Instant transaction_since_{};
  Instant data_since_{};
  Instant data_last_{};
  std::uint64_t data_received_ = 0;
};

}  // namespace keystonemail::smtp
