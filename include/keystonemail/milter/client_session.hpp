// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// milter::ClientSession: the mail server's side of one connection to a mail filter, protocol versions 2 to 6. No I/O and no
// clock: octets and times go in, octets and events come out.
//
//   session.begin(now);                      // then Answer, as to every command
//   session.connect(peer, macros, now);      // then helo, mail, rcpt ..., data, header ..., end_of_header, body ..., end_of_message
//   while (...) { write pending_output(); read; receive(); next_event() }
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "keystonemail/base/time.hpp"
#include "keystonemail/milter/client_event.hpp"
#include "keystonemail/milter/limits.hpp"
#include "keystonemail/milter/protocol.hpp"

namespace keystonemail::milter {

struct ClientOptions {
  std::uint32_t actions = milter::actions::all;
  std::uint32_t steps = milter::steps::all;
  std::uint64_t body_octets_max = 64U << 20;    // of a new body
  std::chrono::milliseconds send_timeout{30'000};    // for our octets to be taken
  std::chrono::milliseconds reply_timeout{30'000};   // to anything but
  std::chrono::milliseconds end_timeout{300'000};    // to the end of a message; begins anew with each sign of progress
};

// Every command is answered by exactly one Answer, at once where the filter need not be asked, or by Failed; the next one
// may be given after that. abort(), quit() and quit_new_connection() are not answered.
//
// Ownership: borrows `options`; owns all else. Threads: not synchronised.
// Errors: a filter that breaks the protocol is Failed, once; then nothing may be said to it any more.
// Limits: limits.hpp; buffers one answer, and what a command says until it is written.
class ClientSession {
 public:
  ClientSession(const ClientOptions& options, Instant now);

  // Takes octets up to the end of one answer. Takes none while an event is open.
  [[nodiscard]] std::size_t receive(std::string_view octets, Instant now);
  void receive_end(Instant now);                // does nothing while an event is open
  void expire(Instant now);                     // call once deadline() has passed
  [[nodiscard]] std::optional<Instant> deadline() const noexcept;
  [[nodiscard]] Event next_event();
  [[nodiscard]] std::string_view pending_output() const noexcept { return output_; }
  void consume_output(std::size_t octets, Instant now);

  // Negotiates. The first command, once a connection.
  void begin(Instant now);
  // Of `macros`, all that are known, each command passes on those that the filter wants at its stage.
  // REQUIRES: in the order of an SMTP session; the answer to the last one was taken.
  void connect(const Peer& peer, std::span<const Macro> macros, Instant now);
  void helo(std::string_view name, std::span<const Macro> macros, Instant now);
  // Arguments: the address in brackets, then the parameters.
  void mail(std::span<const std::string_view> arguments, std::span<const Macro> macros, Instant now);
  void rcpt(std::span<const std::string_view> arguments, std::span<const Macro> macros, Instant now);
  void data(std::span<const Macro> macros, Instant now);
  void unknown(std::string_view line, std::span<const Macro> macros, Instant now);
  // A field as it stands in the message, its value with the blank behind the colon. A longer one is cut off.
  void header(std::string_view name, std::string_view value, Instant now);
  void end_of_header(std::span<const Macro> macros, Instant now);
  // REQUIRES: at most limits::body_chunk_octets_max octets.
  void body(std::string_view octets, Instant now);
  void end_of_message(std::span<const Macro> macros, Instant now);
  // The message is given up, or over before its end; the connection stays as after HELO.
  void abort(Instant now);
  // This SMTP connection is over, and another may begin with connect(). REQUIRES: speaks_quit_new_connection().
  void quit_new_connection(Instant now);
  void quit(Instant now);

  // What both agreed on.
  [[nodiscard]] std::uint32_t version() const noexcept { return version_; }
  [[nodiscard]] std::uint32_t actions() const noexcept { return actions_; }
  [[nodiscard]] std::uint32_t steps() const noexcept { return steps_; }
  [[nodiscard]] bool speaks_quit_new_connection() const noexcept { return version_ >= 6; }
  // Whether body() would say anything: a filter may not want it, or have heard enough.
  [[nodiscard]] bool wants_body() const noexcept { return !(steps_ & milter::steps::no_body) && !body_skipped_; }
  [[nodiscard]] bool wants_headers() const noexcept { return !(steps_ & milter::steps::no_headers); }
  // Whether it wants to hear of recipients that were refused without it; its answer to them says nothing.
  [[nodiscard]] bool wants_rejected_recipients() const noexcept { return (steps_ & milter::steps::rejected_recipients) != 0; }
  [[nodiscard]] bool wants_unknown() const noexcept { return version_ >= 3 && !(steps_ & milter::steps::no_unknown); }
  // Whether values of fields come and go with the blank behind their colon.
  [[nodiscard]] bool keeps_leading_space() const noexcept { return (steps_ & milter::steps::leading_space) != 0; }

 private:
  enum class Asked : std::uint8_t { nothing, negotiation, command, body, end_of_message };

  // Saying
  void say(char command, std::string_view data);
  void say_macros(char command, MacroStage stage, std::span<const Macro> macros);
  void command(char command, std::string_view data, std::uint32_t unwanted, std::uint32_t quiet, MacroStage stage,
               std::span<const Macro> macros, Instant now);
  void ask(Asked what, Instant now);
  // Hearing
  void take_packet(char what, std::string_view data);
  void take_negotiation(std::string_view data);
  [[nodiscard]] bool take_edit(char what, std::string_view data);
  [[nodiscard]] bool take_header_edit(char what, std::string_view data);
  [[nodiscard]] bool take_recipient(char what, std::string_view data);
  void take_body_octets(std::string_view octets);
  void take_reply(std::string_view data);
  void answer(Answer answer);
  [[nodiscard]] bool may(std::uint32_t actions);
  [[nodiscard]] bool fail(Fault fault);         // false
  void advance(Instant now) noexcept;

  const ClientOptions* options_;
  Instant now_;
  Instant since_;                               // the last progress of what is waited for
  Asked asked_ = Asked::nothing;
  bool closed_ = false;
  bool body_skipped_ = false;
  std::optional<Event> event_;

  std::uint32_t version_ = version_most;
  std::uint32_t actions_ = 0, steps_ = 0;
  std::array<std::vector<std::string>, macro_stages> macros_;  // what it wants to know at each stage

  std::string input_;                           // of one answer: length, command, data
  std::size_t body_left_ = 0;                   // octets of a piece of a new body still to come
  std::uint64_t body_octets_ = 0;               // of the new body so far
  bool body_after_cr_ = false;
  std::string piece_;
  std::size_t edits_ = 0, header_edit_octets_ = 0;

  std::string output_;
};

}  // namespace keystonemail::milter
