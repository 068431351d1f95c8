// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// ServerEngine: what a ServerSession is. Input is taken in steps, each by the mode that what came before has set.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "imap/command/parse.hpp"
#include "imap/cursor.hpp"
#include "imap/fault.hpp"
#include "imap/verb_table.hpp"
#include "keystonemail/imap/server_session.hpp"

namespace keystonemail::imap {

class ServerEngine {
 public:
  ServerEngine(const ServerOptions& options, Instant now);

  std::size_t receive(std::string_view octets, Instant now);
  void receive_end(Instant now);
  void expire(Instant now);
  std::optional<Instant> deadline() const noexcept;
  ServerEvent next_event();

  void complete(StatusKind kind, const ResponseCode& code, std::string_view text, Instant now);
  void accept_append(Instant now);
  void challenge(std::string_view data, Instant now);
  void refuse_append(const ResponseCode& code, std::string_view text, Instant now);
  void tls_established(std::string_view auth_mechanisms, Instant now);
  void compression_started() noexcept { compressing_ = true; }
  void unselect() noexcept;
  void end(const ResponseCode& code, std::string_view text);

  ResponseWriter& responses() noexcept { return responses_; }
  std::string_view pending_output() const noexcept { return std::string_view(output_).substr(responses_.consumed_); }
  void consume_output(std::size_t octets);

  SessionState state() const noexcept { return state_; }
  const Features& features() const noexcept { return features_; }
  std::string_view tag() const noexcept { return tag_; }
  bool secure() const noexcept { return secure_; }
  std::size_t memory_octets() const noexcept;

 private:
  enum class Mode : std::uint8_t {
    command,        // lines of a command
    literal,        // due_ octets of an argument
    auth,           // a line of SASL
    idle,           // DONE
    message,        // due_ octets of a message of APPEND
    after_message,  // the rest of the line after one
    drain_literal,  // due_ octets of something refused
    drain_line,     // the rest of a line refused
    tls,            // all is forgotten
  };
  enum class Question : std::uint8_t { none, command, auth, append_begin, append_end, idle };

  // server_input.cpp: from octets to lines and literals.
  std::size_t step(std::string_view octets);
  std::size_t step_line(std::string_view octets);
  std::size_t step_drain_line(std::string_view octets);
  void finish_line(std::string_view all, std::size_t begin);
  void finish_command_line(std::string_view text);
  void begin_literal(std::string_view text, const LiteralMark& mark);
  void refuse_literal(const LiteralMark& mark);
  void remember_tag(std::string_view text);
  bool is_open() const noexcept { return pending_ || message_end_due_ || question_ != Question::none || closed_; }
  std::size_t line_octets_max() const noexcept;
  std::size_t command_octets_max() const noexcept;
  std::size_t literal_octets_max() const noexcept;
  void release_buffer();

  // server_engine.cpp: what a whole command means.
  Parsed<const VerbEntry*> read_verb(Cursor& cursor, NumberKind& numbers);
  Parsed<void> run_command(std::string_view text);
  Parsed<void> run_own(const VerbEntry& entry, Cursor& cursor);
  Parsed<void> run_enable(Cursor& cursor);
  Parsed<void> run_authenticate(Cursor& cursor);
  Parsed<void> run_starttls();
  void run_logout();
  bool note_condstore(const CommandVariant& command) noexcept;
  void finish_auth_line(std::string_view line);
  void finish_idle_line(std::string_view line);

  // server_append.cpp
  enum class Next : std::uint8_t { argument, message };
  Parsed<Next> begin_append(std::string_view text, const LiteralMark& mark);
  Parsed<void> offer_message(AppendMessage message, std::string mailbox, const LiteralMark& mark);
  void finish_after_message(std::string_view line);
  void abort_append(Fault fault);
  std::size_t step_message(std::string_view octets);
  void expect_literal(std::uint64_t octets) noexcept;

  void write_tagged(StatusKind kind, std::string_view code, std::string_view text);
  void write_fault(Fault fault);
  void write_bye(std::string_view code, std::string_view text);
  void close(CloseReason reason);
  void authenticated_now(Instant now);

  const ServerOptions& options_;
  std::string output_;
  Features features_;
  ResponseWriter responses_{output_, features_};
  std::string buffer_;                 // of the command under way, literals included; or the tail of a drained line
  std::size_t line_begin_ = 0;         // in buffer_
  std::uint64_t due_ = 0;
  std::uint64_t literal_octets_ = 0;   // of the one under way, of which due_ are still to come
  std::string tag_;
  std::string auth_mechanisms_;
  std::optional<ServerEvent> pending_;
  std::optional<CloseReason> closed_;
  LiteralMark append_mark_;
  Instant begun_, active_;
  Instant literal_since_{};
  std::uint32_t append_index_ = 0;
  unsigned errors_ = 0, auth_failures_ = 0;
  SessionState state_ = SessionState::not_authenticated;
  Mode mode_ = Mode::command;
  Question question_ = Question::none;
  Verb verb_ = Verb::plain;            // of the open command
  std::optional<Fault> idle_fault_;
  bool secure_, compressing_ = false;
  bool gathering_ = false;             // buffer_ waits for more of its command
  bool message_end_due_ = false;
  bool append_told_ = false;           // AppendBegin was given and neither AppendEnd nor AppendAborted
  bool append_utf8_ = false;           // ")" follows the message
  bool close_told_ = false;
};

}  // namespace keystonemail::imap
