// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// From a line to the command that runs it, and the ceilings that all commands share.
#include <algorithm>
#include <array>
#include <cassert>

#include "keystonemail/base/text.hpp"
#include "smtp/server_engine.hpp"

namespace keystonemail::smtp {

// RFC 2920 §3.1 lists what must be the last of a group. It is enforced where running ahead could change what octets
// mean; DATA waits once it is accepted, STARTTLS has its own rule.
struct ServerEngine::CommandTable {
  static constexpr bool junk = true;
  static constexpr auto pipelined = Carry::may_pipeline;
  static constexpr auto last = Carry::must_wait;
  static constexpr std::array rows{
      Command{"MAIL", Verb::mail, &ServerEngine::run_mail, !junk, pipelined},
      Command{"RCPT", Verb::rcpt, &ServerEngine::run_rcpt, !junk, pipelined},
      Command{"DATA", Verb::data, &ServerEngine::run_data, !junk, pipelined},
      Command{"BDAT", Verb::bdat, &ServerEngine::run_bdat, !junk, pipelined},
      Command{"QUIT", Verb::quit, &ServerEngine::run_quit, !junk, pipelined},
      Command{"RSET", Verb::rset, &ServerEngine::run_rset, junk, pipelined},
      Command{"EHLO", Verb::ehlo, &ServerEngine::run_ehlo, !junk, last},
      Command{"HELO", Verb::helo, &ServerEngine::run_helo, !junk, last},
      Command{"LHLO", Verb::lhlo, &ServerEngine::run_lhlo, !junk, last},
      Command{"NOOP", Verb::noop, &ServerEngine::run_noop, junk, pipelined},
      Command{"STARTTLS", Verb::starttls, &ServerEngine::run_starttls, !junk, pipelined},
      Command{"AUTH", Verb::auth, &ServerEngine::run_auth, !junk, last},
      Command{"VRFY", Verb::vrfy, &ServerEngine::run_vrfy, junk, pipelined},
      Command{"EXPN", Verb::expn, &ServerEngine::run_not_implemented, junk, pipelined},
      Command{"HELP", Verb::help, &ServerEngine::run_help, junk, pipelined},
      Command{"ETRN", Verb::etrn, &ServerEngine::run_not_implemented, junk, pipelined}};

  static const Command* find(std::string_view name) noexcept {
    const auto same = [name](const Command& row) { return row.name.size() == name.size() && iequals(row.name, name); };
    const auto found = std::ranges::find_if(rows, same);
    return found == rows.end() ? nullptr : &*found;
  }
};

// RFC 5321 §2.4: verbs in any case. LENIENT: spaces after a command are passed over (§4.1.1 asks for it).
void ServerEngine::dispatch(std::string_view line) {
  const std::size_t space = line.find(' ');
  const Command* const command = CommandTable::find(line.substr(0, space));
  if (command != nullptr && command->carry == Carry::must_wait) carry_ = Carry::must_wait;
  if (!within_ceilings(command)) return;
  if (state_ == State::refused && (command == nullptr || command->verb != Verb::quit)) return fault(PeerFault::bad_sequence);
  if (command == nullptr) {
    if (!options_->asks_of_unknown_commands) return fault(PeerFault::unknown_command);
    return ask(Question::unknown, UnknownCommand{line});
  }
  if (options_->require_tls && !secure_ && !is_allowed_before_tls(command->verb)) return fault(PeerFault::tls_required);
  (this->*command->run)(space == std::string_view::npos ? std::string_view() : trim(line.substr(space)));
}

// RFC 3207 §4.
bool ServerEngine::is_allowed_before_tls(Verb verb) noexcept {
  return verb == Verb::ehlo || verb == Verb::helo || verb == Verb::lhlo || verb == Verb::noop || verb == Verb::quit ||
         verb == Verb::starttls || verb == Verb::bdat;  // BDAT: for its octets; it has no transaction to go to
}

bool ServerEngine::within_ceilings(const Command* command) {
  const bool counted = command == nullptr || (command->verb != Verb::rcpt && command->verb != Verb::bdat);
  if (counted && ++commands_ > options_->commands_max) {
    close_with(PeerFault::too_many_commands);
  } else if (command != nullptr && command->junk && ++junk_commands_ > options_->junk_commands_max) {
    close_with(PeerFault::too_many_junk_commands);
  }
  return state_ != State::closed;
}

bool ServerEngine::may(Verb verb) {
  if (next_state(state_, verb)) return true;
  fault(out_of_sequence(verb));
  return false;
}

PeerFault ServerEngine::out_of_sequence(Verb verb) const noexcept {
  if (state_ == State::start) return PeerFault::hello_first;
  if (state_ == State::chunks_failed && verb == Verb::bdat) return PeerFault::chunk_after_failure;
  if (state_ == State::chunks || state_ == State::chunks_failed) return PeerFault::bad_sequence;
  if (verb == Verb::mail) return PeerFault::nested_mail;
  if (state_ == State::ready) return PeerFault::mail_first;
  if (verb == Verb::auth) return PeerFault::auth_in_transaction;
  if (verb == Verb::starttls) return PeerFault::bad_sequence;
  // RFC 5321 §3.3 leaves the choice of 554; RFC 2033 §4.2 asks for 503.
  return recipients_refused_ > 0 && !is_lmtp() ? PeerFault::no_valid_recipients : PeerFault::recipient_first;
}

void ServerEngine::step(Verb verb) {
  const auto next = next_state(state_, verb);
  assert(next);
  state_ = *next;
}

}  // namespace keystonemail::smtp
