// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "smtp/server_engine.hpp"

#include <algorithm>
#include <cassert>
#include <cstring>
#include <utility>

#include "keystonemail/base/text.hpp"
#include "keystonemail/smtp/limits.hpp"

namespace keystonemail::smtp {

ServerEngine::ServerEngine(const ServerOptions& options, Instant now)
    : options_(&options), now_(now), connected_(now), waiting_since_(now) {
  ask(Question::connected, Connected{});
}

// --- Input ---

std::size_t ServerEngine::receive(std::string_view octets, Instant now) {
  advance(now);
  if (octets.empty() || state_ == State::closed) return 0;
  const bool greets = state_ == State::start || state_ == State::refused;
  if (state_ == State::connected || (greets && output_consumed_ == 0 && output_queued_ > 0)) {
    output_.clear();  // a greeting that was not written must not follow what did not wait for it
    output_begin_ = 0;
    close_with(PeerFault::early_talker);
    return octets.size();
  }
  if (take_nothing()) return 0;
  if (std::exchange(line_taken_, false)) {
    line_.clear();
    if (line_.capacity() > limits::command_line_octets_max) line_.shrink_to_fit();
  }
  std::size_t taken = octets.size();
  if (output_consumed_ < barrier_) {
    close_with(PeerFault::unauthorized_pipelining);
  } else if (state_ == State::tls) {
    close(CloseReason::input_before_tls);
  } else if (state_ == State::data) {
    taken = receive_message(octets);
  } else if (in_chunk_) {
    taken = receive_chunk(octets);
  } else {
    taken = receive_line(octets);
  }
  check_errors();
  assert(taken <= octets.size());
  return taken;
}

bool ServerEngine::take_nothing() const noexcept {
  if (event_ready_ || reset_due_ || abort_due_ || question_ != Question::none) return true;
  return (in_chunk_ && chunk_left_ == 0) || pending_output().size() > limits::pending_output_octets_max;
}

std::size_t ServerEngine::line_limit(std::string_view line) const noexcept {
  const bool sasl = state_ == State::auth || istarts_with(line, "AUTH ");
  return sasl ? limits::auth_line_octets_max : limits::command_line_octets_max;
}

// A line that is there as a whole is read in place; otherwise it gathers in line_, as far as the limit.
std::size_t ServerEngine::receive_line(std::string_view octets) {
  const void* const found = std::memchr(octets.data(), '\n', octets.size());
  const std::string_view piece =
      found == nullptr ? octets : std::string_view(octets.data(), static_cast<const char*>(found) + 1);
  const char before_end = piece.size() > 1 ? piece[piece.size() - 2] : last_octet_;
  last_octet_ = found == nullptr ? piece.back() : '\0';
  const bool in_place = line_.empty() && found != nullptr && !overlong_;
  if (!in_place && !overlong_) line_.append(piece.substr(0, limits::auth_line_octets_max + 1 - line_.size()));
  const std::string_view line = in_place ? piece : std::string_view(line_);
  overlong_ = overlong_ || line.size() > line_limit(line);
  if (overlong_) line_.clear();
  if (found == nullptr) return piece.size();

  line_taken_ = !in_place;
  waiting_since_ = now_;
  if (state_ != State::auth) carry_ = usual_carry();
  if (before_end != '\r') {
    close_with(PeerFault::bare_line_feed);  // RFC 5321 §2.3.8: no line end, and what follows is not to be trusted
  } else if (std::exchange(overlong_, false)) {
    if (state_ == State::auth) {
      abort_auth(PeerFault::auth_line_too_long);
    } else {
      fault(PeerFault::line_too_long);
    }
  } else {
    take_line(line.substr(0, line.size() - 2));
  }
  return piece.size();
}

void ServerEngine::take_line(std::string_view line) {
  if (state_ == State::auth) {
    take_auth_response(line);
  } else if (line.contains('\r')) {
    fault(PeerFault::bare_carriage_return);
  } else {
    dispatch(line);
  }
}

void ServerEngine::receive_end(Instant now) {
  advance(now);
  if (state_ != State::closed) close(CloseReason::peer_closed);
}

// --- Time ---

void ServerEngine::advance(Instant now) noexcept {
  assert(now >= now_);
  now_ = now;
}

std::optional<Instant> ServerEngine::deadline() const noexcept {
  if (state_ == State::closed || state_ == State::connected) return std::nullopt;
  if (event_ready_ || reset_due_ || abort_due_ || question_ != Question::none) return std::nullopt;
  const bool octets_come = state_ == State::data || in_chunk_;
  Instant due = octets_come ? data_deadline() : waiting_since_ + options_->command_timeout;
  if (in_transaction(state_)) due = std::min(due, transaction_since_ + options_->transaction_time_max);
  if (state_ == State::refused) due = std::min(due, connected_ + options_->refused_time_max);
  if (options_->require_auth && !authenticated_) due = std::min(due, connected_ + options_->pre_auth_time_max);
  return due;
}

Instant ServerEngine::data_deadline() const noexcept {
  const Instant silent = data_last_ + options_->data_timeout;
  if (options_->data_rate_min == 0) return silent;
  const auto earned = std::chrono::seconds(data_received_ / options_->data_rate_min);
  return std::min(silent, data_since_ + options_->data_rate_grace + earned);
}

void ServerEngine::expire(Instant now) {
  advance(now);
  const auto due = deadline();
  if (!due || now < *due) return;
  const bool slow = (state_ == State::data || in_chunk_) && now < data_last_ + options_->data_timeout;
  close_with(slow ? PeerFault::too_slow : PeerFault::timed_out);
}

// --- Events ---

void ServerEngine::tell(ServerEvent event) {
  assert(!event_ready_);
  event_ = std::move(event);
  event_ready_ = true;
}

void ServerEngine::ask(Question question, ServerEvent event) {
  assert(question_ == Question::none);
  tell(std::move(event));
  question_ = question;
}

ServerEvent ServerEngine::next_event() {
  if (std::exchange(reset_due_, false)) return Reset{};
  if (std::exchange(event_ready_, false)) return std::move(event_);
  if (const auto due = std::exchange(abort_due_, std::nullopt)) return MessageAborted{*due};
  if (in_chunk_ && chunk_left_ == 0 && question_ == Question::none) {
    finish_chunk();
    check_errors();
    if (std::exchange(event_ready_, false)) return std::move(event_);
  }
  if (state_ == State::closed) return closed_;
  return NeedInput{};
}

// --- Answers ---

ServerEngine::Question ServerEngine::settle(Instant now) {
  advance(now);
  waiting_since_ = now;
  if (state_ == State::closed) return Question::none;
  assert(question_ != Question::none);
  assert(!event_ready_);
  return std::exchange(question_, Question::none);
}

void ServerEngine::decide(Accept, Instant now) {
  if (const Question question = settle(now); question != Question::none) accept(question, nullptr);
  check_errors();
}

void ServerEngine::decide(const Reply& answer, Instant now) {
  const Question question = settle(now);
  if (question == Question::none) return;
  if (answer.code == 421) {
    end(answer);
  } else if (answer.positive()) {
    accept(question, &answer);
  } else {
    refuse(question, answer);
  }
  check_errors();
}

// `own` is what the caller wants said in place of the engine's words.
void ServerEngine::accept(Question question, const Reply* own) {
  const auto say = [&](std::uint16_t code, EnhancedStatus status, std::string_view text) {
    own != nullptr ? reply(*own) : reply(code, status, text);
  };
  switch (question) {
    case Question::connected:
      state_ = State::start;
      reply(220, {}, options_->hostname + (is_lmtp() ? " LMTP " : " ESMTP ") + options_->greeting, EnhancedCodes::omit);
      return;
    case Question::hello: return accept_hello();
    case Question::starttls:
      step(Verb::starttls);
      return say(220, {2, 0, 0}, "Ready to start TLS");
    case Question::mail:
      step(Verb::mail);
      ++transactions_;
      transaction_since_ = now_;
      return say(250, {2, 1, 0}, "Sender OK");
    case Question::rcpt:
      step(Verb::rcpt);
      ++recipients_;
      if (!rcpt_domain_.empty()) domains_.push_back(std::move(rcpt_domain_));
      rcpt_domain_.clear();
      return say(250, {2, 1, 5}, "Recipient OK");
    case Question::message_begin: return accept_message_begin();
    case Question::message_end:
      if (own != nullptr) return finish_transaction(own->code, own->status, own->text);
      return finish_transaction(250, {2, 0, 0}, "Message accepted");
    case Question::unknown: return fault(PeerFault::unknown_command);
    case Question::auth:
    case Question::none: break;
  }
  assert(!"the question takes another answer");
}

void ServerEngine::refuse(Question question, const Reply& answer) {
  switch (question) {
    case Question::connected:
      state_ = State::refused;
      return reply(answer);
    case Question::rcpt:
      ++recipients_refused_;
      return reply(answer);
    case Question::message_begin:
      if (in_chunk_) {
        refusal_ = answer;  // RFC 3030 §2: its octets come first
        return;
      }
      return reply(answer);
    case Question::message_end: return finish_transaction(answer.code, answer.status, answer.text);
    case Question::auth:
      state_ = State::ready;
      reply(answer);
      return answer.temporary() ? void() : count_auth_failure();
    case Question::unknown:
      if (answer.temporary()) ++errors_;  // no command is an error, whoever answers it and how
      return reply(answer);
    case Question::hello:
    case Question::starttls:
    case Question::mail: return reply(answer);
    case Question::none: break;
  }
  assert(!"no question is open");
}

// RFC 2033 §4.2: one reply for each recipient, in order.
void ServerEngine::decide(std::span<const Reply> answers, Instant now) {
  const Question question = settle(now);
  if (question == Question::none) return;
  assert(question == Question::message_end);
  assert(is_lmtp());
  assert(answers.size() == recipients_);
  bool accepted = false;
  for (const Reply& answer : answers) {
    assert(answer.code != 421);
    accepted = accepted || answer.positive();
    reply(answer.code, answer.status, answer.text);
  }
  count_message(accepted);
  end_transaction();
  check_errors();
}

void ServerEngine::tls_established(std::string_view auth_mechanisms, Instant now) {
  advance(now);
  if (state_ == State::closed) return;
  assert(state_ == State::tls || state_ == State::connected);
  assert(!secure_);
  secure_ = true;
  tls_mechanisms_ = auth_mechanisms;
  if (state_ == State::connected) return;
  // RFC 3207 §4.2: what was learned before the handshake is not to be relied upon.
  state_ = State::start;
  extended_ = false;
  hello_name_.clear();
  authenticated_ = false;
  identity_.clear();
  line_.clear();
  waiting_since_ = now;
}

void ServerEngine::end(const Reply& answer) {
  if (state_ == State::closed) return;
  reply(answer.code, answer.status, answer.text);
  close(CloseReason::refused);
}

// --- Output ---

void ServerEngine::reply(std::uint16_t code, EnhancedStatus status, std::string_view text, EnhancedCodes codes) {
  const std::size_t before = output_.size();
  append_reply(output_, code, status, text, codes);
  output_queued_ += output_.size() - before;
  if (carry_ == Carry::must_wait) barrier_ = output_queued_;
}

void ServerEngine::reply(const Reply& answer) {
  reply(answer.code, answer.status, answer.text);
  if (answer.code >= 500) ++errors_;
}

void ServerEngine::fault(PeerFault fault) {
  const FaultReply answer = reply_for(fault);
  reply(answer.code, answer.status, answer.text);
  if (answer.code >= 500) ++errors_;
}

void ServerEngine::check_errors() {
  if (state_ != State::closed && errors_ >= options_->errors_max) close_with(PeerFault::too_many_errors);
}

// RFC 2920 §3.1: a client may run ahead only where we said so.
ServerEngine::Carry ServerEngine::usual_carry() const noexcept {
  return extended_ && options_->offer_pipelining ? Carry::may_pipeline : Carry::must_wait;
}

void ServerEngine::close_with(PeerFault fault) {
  const FaultReply answer = reply_for(fault);
  reply(answer.code, answer.status, answer.text);
  close(CloseReason::fault, fault);
}

void ServerEngine::close(CloseReason reason, std::optional<PeerFault> fault) {
  assert(state_ != State::closed);
  state_ = State::closed;
  closed_ = {reason, fault};
  question_ = Question::none;
  event_ready_ = false;
  reset_due_ = false;
  abort_due_.reset();
  in_chunk_ = false;
  line_.clear();
}

void ServerEngine::consume_output(std::size_t octets) {
  assert(octets <= pending_output().size());
  output_begin_ += octets;
  output_consumed_ += octets;
  if (output_begin_ < output_.size()) return;
  output_.clear();
  output_begin_ = 0;
  constexpr std::size_t kept = 4'096;  // an idle session holds no more
  if (output_.capacity() > kept) output_.shrink_to_fit();
}

// RFC 3848; RFC 6531 §4.3; HELO knows none of it.
std::string_view ServerEngine::with_protocol() const noexcept {
  static constexpr std::string_view names[2][2][4] = {
      {{"ESMTP", "ESMTPA", "ESMTPS", "ESMTPSA"}, {"UTF8SMTP", "UTF8SMTPA", "UTF8SMTPS", "UTF8SMTPSA"}},
      {{"LMTP", "LMTPA", "LMTPS", "LMTPSA"}, {"UTF8LMTP", "UTF8LMTPA", "UTF8LMTPS", "UTF8LMTPSA"}}};
  if (!extended_) return "SMTP";
  return names[is_lmtp() ? 1 : 0][smtputf8_ ? 1 : 0][(secure_ ? 2 : 0) + (authenticated_ ? 1 : 0)];
}

}  // namespace keystonemail::smtp
