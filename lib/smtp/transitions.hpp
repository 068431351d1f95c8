// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Legal steps of a session (RFC 5321 §4.1.4) in one table. lib/smtp/README.md draws it.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

namespace keystonemail::smtp {

enum class State : std::uint8_t {
  connected,      // the greeting is not yet decided
  refused,        // greeted with 554: QUIT, or nothing (RFC 5321 §3.1)
  start,          // greeted by us, EHLO not yet seen
  ready,          // between transactions
  sender,         // MAIL accepted
  recipients,     // at least one RCPT accepted
  data,           // 354 was said: the message comes
  chunks,         // between or in the chunks of a message
  chunks_failed,  // a chunk failed: RSET, or what is left of the pipeline (RFC 3030 §2)
  auth,           // 334 was said: a response comes
  tls,            // 220 was said to STARTTLS: the handshake comes
  closed,
};

enum class Verb : std::uint8_t {
  mail, rcpt, data, bdat, quit, rset, ehlo, helo, lhlo, noop, starttls, auth, vrfy, expn, help, etrn, unknown,
  end_of_message,  // not a command: the message is complete
};

struct Transition {
  State from;
  Verb verb;
  State to;  // after a positive answer; after a negative one the state stays
};

// QUIT, NOOP, RSET, HELP, VRFY, EXPN and ETRN are legal wherever a command is, and are not listed:
// RSET leads from sender, recipients, chunks and chunks_failed to ready, QUIT to closed, the rest stay.
inline constexpr std::array transitions{
    Transition{State::start, Verb::ehlo, State::ready},
    Transition{State::start, Verb::helo, State::ready},
    Transition{State::start, Verb::lhlo, State::ready},
    Transition{State::ready, Verb::ehlo, State::ready},
    Transition{State::ready, Verb::helo, State::ready},
    Transition{State::ready, Verb::lhlo, State::ready},
    Transition{State::ready, Verb::starttls, State::tls},
    Transition{State::ready, Verb::auth, State::ready},
    Transition{State::ready, Verb::mail, State::sender},
    Transition{State::sender, Verb::rcpt, State::recipients},
    Transition{State::sender, Verb::ehlo, State::ready},
    Transition{State::sender, Verb::helo, State::ready},
    Transition{State::sender, Verb::lhlo, State::ready},
    Transition{State::recipients, Verb::rcpt, State::recipients},
    Transition{State::recipients, Verb::data, State::data},
    Transition{State::recipients, Verb::bdat, State::chunks},
    Transition{State::recipients, Verb::ehlo, State::ready},
    Transition{State::recipients, Verb::helo, State::ready},
    Transition{State::recipients, Verb::lhlo, State::ready},
    Transition{State::data, Verb::end_of_message, State::ready},
    Transition{State::chunks, Verb::bdat, State::chunks},
    Transition{State::chunks, Verb::end_of_message, State::ready},
    Transition{State::chunks, Verb::ehlo, State::ready},
    Transition{State::chunks, Verb::helo, State::ready},
    Transition{State::chunks, Verb::lhlo, State::ready},
    Transition{State::chunks_failed, Verb::end_of_message, State::ready},
    Transition{State::chunks_failed, Verb::ehlo, State::ready},
    Transition{State::chunks_failed, Verb::helo, State::ready},
    Transition{State::chunks_failed, Verb::lhlo, State::ready},
};

[[nodiscard]] constexpr std::optional<State> next_state(State from, Verb verb) noexcept {
  for (const Transition& step : transitions) {
    if (step.from == from && step.verb == verb) return step.to;
  }
  return std::nullopt;
}

[[nodiscard]] constexpr bool in_transaction(State state) noexcept {
  return state == State::sender || state == State::recipients || state == State::data || state == State::chunks ||
         state == State::chunks_failed;
}

}  // namespace keystonemail::smtp
