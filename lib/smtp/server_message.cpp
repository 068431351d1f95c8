// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// What comes after DATA and BDAT, up to its true end.
#include <algorithm>
#include <cassert>
#include <utility>

#include "smtp/server_engine.hpp"

namespace keystonemail::smtp {

void ServerEngine::accept_message_begin() {
  if (!in_chunk_) {
    step(Verb::data);
    begin_message(MessageScanner::Mode::dot_stuffed);
    carry_ = Carry::must_wait;  // RFC 2920 §3.1: nothing of the message before our 354
    reply(354, {}, "End data with <CR><LF>.<CR><LF>");
    return;
  }
  step(Verb::bdat);
  begin_message(body_ == BodyType::binary_mime ? MessageScanner::Mode::binary : MessageScanner::Mode::text);
}

void ServerEngine::begin_message(MessageScanner::Mode mode) {
  scanner_.start(mode);
  refusal_.reset();
  message_octets_ = 0;
  line_octets_ = 0;
  start_transfer();
}

void ServerEngine::start_transfer() noexcept {
  data_since_ = now_;
  data_last_ = now_;
  data_received_ = 0;
}

// DATA. Taking no more than one longest line at a time keeps a line of any slice within the limit but the first.
std::size_t ServerEngine::receive_message(std::string_view octets) {
  octets = octets.substr(0, options_->message_line_octets_max);
  data_last_ = now_;
  std::size_t taken = 0;
  while (taken < octets.size() && state_ == State::data && !event_ready_) {
    const MessageScanner::Step step = scanner_.step(octets.substr(taken));
    taken += step.taken;
    take_step(step);
    if (question_ != Question::none) break;
  }
  data_received_ += taken;
  return taken;
}

// BDAT. What is to be refused is counted off without looking at it.
std::size_t ServerEngine::receive_chunk(std::string_view octets) {
  data_last_ = now_;
  octets = octets.substr(0, std::min(chunk_left_, std::uint64_t{SIZE_MAX}));
  std::size_t taken = refusal_ ? octets.size() : 0;
  octets = octets.substr(0, refusal_ ? octets.size() : options_->message_line_octets_max);
  while (taken < octets.size() && !event_ready_) {
    const MessageScanner::Step step = scanner_.step(octets.substr(taken));
    taken += step.taken;
    take_step(step);
  }
  chunk_left_ -= taken;
  data_received_ += taken;
  return taken;
}

void ServerEngine::take_step(const MessageScanner::Step& step) {
  switch (step.found) {
    case MessageScanner::Found::end: return finish_message();
    case MessageScanner::Found::fault: return abort_message(step.fault);
    case MessageScanner::Found::octets:
      if (!step.octets.empty() && !refusal_) give_octets(step.octets);
  }
}

// Cuts at the exact octet that passes a ceiling, wherever reads are split.
void ServerEngine::give_octets(std::string_view octets) {
  std::optional<PeerFault> over;
  if (const std::uint64_t room = options_->message_octets_max - message_octets_; octets.size() > room) {
    octets = octets.substr(0, room);
    over = PeerFault::message_too_large;
  }
  const std::size_t line_end = octets.find('\n');
  const std::uint64_t line_room = options_->message_line_octets_max - line_octets_;
  if (std::min(line_end, octets.size()) > line_room) {
    octets = octets.substr(0, line_room);
    over = PeerFault::message_line_too_long;
  }
  const std::size_t last_end = line_end == std::string_view::npos ? line_end : octets.rfind('\n');
  line_octets_ = last_end == std::string_view::npos ? line_octets_ + octets.size() : octets.size() - last_end - 1;
  message_octets_ += octets.size();
  assert(message_octets_ <= options_->message_octets_max);
  if (octets.empty()) {
    abort_message(*over);
    return;
  }
  tell(MessageChunk{octets});
  if (!over) return;
  abort_message(*over);
}

// The message is lost, but its end is still to be found (attack A1).
void ServerEngine::abort_message(PeerFault fault) {
  if (refusal_) return;
  const FaultReply answer = reply_for(fault);
  refusal_ = Reply{answer.code, answer.status, std::string(answer.text)};
  abort_due_ = fault;
}

void ServerEngine::refuse_message(Reply reply) {
  if (state_ == State::closed || refusal_) return;
  assert(state_ == State::data || state_ == State::chunks);
  assert(!reply.positive());
  refusal_ = std::move(reply);
  abort_due_.reset();
}

// CRLF "." CRLF was read.
void ServerEngine::finish_message() {
  carry_ = usual_carry();
  waiting_since_ = now_;
  if (!refusal_) return ask(Question::message_end, MessageEnd{message_octets_});
  const Reply answer = *std::exchange(refusal_, std::nullopt);
  finish_transaction(answer.code, answer.status, answer.text);
}

// All octets of a BDAT were read.
void ServerEngine::finish_chunk() {
  in_chunk_ = false;
  waiting_since_ = now_;
  const bool belongs = state_ == State::recipients || state_ == State::chunks || state_ == State::chunks_failed;
  if (state_ == State::chunks && chunk_last_ && scanner_.ends_in_cr() && !refusal_) {
    abort_message(PeerFault::message_bare_carriage_return);
    tell(MessageAborted{*std::exchange(abort_due_, std::nullopt)});
  }
  if (!refusal_) {
    assert(state_ == State::chunks);
    if (chunk_last_) return ask(Question::message_end, MessageEnd{message_octets_});
    return reply(250, {2, 0, 0}, "Chunk received");
  }
  const Reply answer = *std::exchange(refusal_, std::nullopt);
  if (belongs && chunk_last_) return finish_transaction(answer.code, answer.status, answer.text);
  reply(answer);
  if (belongs) state_ = State::chunks_failed;
}

// The message was accepted or refused as a whole; in LMTP each recipient is told (RFC 2033 §4.2).
void ServerEngine::finish_transaction(std::uint16_t code, EnhancedStatus status, std::string_view text) {
  const std::uint32_t times = is_lmtp() ? recipients_ : 1;
  for (std::uint32_t i = 0; i < times; ++i) reply(code, status, text);
  if (code >= 500) ++errors_;
  count_message(code < 400);
  end_transaction();
}

void ServerEngine::count_message(bool accepted) noexcept {
  if (!accepted) return;
  errors_ = 0;
  junk_commands_ = 0;
  commands_ = 0;
  recipients_over_ = 0;
}

void ServerEngine::end_transaction() {
  if (in_transaction(state_)) state_ = State::ready;
  body_ = BodyType::seven_bit;
  smtputf8_ = false;
  recipients_ = 0;
  recipients_refused_ = 0;
  domains_.clear();
  refusal_.reset();
}

}  // namespace keystonemail::smtp
