// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include <algorithm>
#include <cassert>

#include "base/try.hpp"
#include "imap/server_engine.hpp"

namespace keystonemail::imap {

// `text` is the command up to the mark of a literal, which is a message, or the mailbox name.
Parsed<ServerEngine::Next> ServerEngine::begin_append(std::string_view text, const LiteralMark& mark) {
  Cursor cursor(text, features_);
  NumberKind numbers = NumberKind::sequence;
  KM_CHECK(read_verb(cursor, numbers));
  auto mailbox = parse_append_mailbox(cursor);
  if (!mailbox && mailbox.error() == Fault::incomplete) return Next::argument;
  if (!mailbox) return std::unexpected(mailbox.error());
  KM_TRY(auto message, parse_append_message(cursor));
  append_index_ = 0;
  KM_CHECK(offer_message(std::move(message), *std::move(mailbox), mark));
  return Next::message;
}

Parsed<void> ServerEngine::offer_message(AppendMessage message, std::string mailbox, const LiteralMark& mark) {
  if (mark.octets > options_.append_octets_max) return std::unexpected(Fault::message_too_large);
  if (mark.octets == 0) return std::unexpected(Fault::empty_message);  // RFC 3502 §6.3.11
  if (!mark.synchronizing && options_.literals == LiteralPolicy::minus &&
      mark.octets > limits::nonsync_literal_octets_max) {
    return std::unexpected(Fault::literal_minus_too_large);
  }
  append_mark_ = mark;
  append_utf8_ = message.utf8;
  append_told_ = true;
  pending_ = AppendBegin{.mailbox = std::move(mailbox), .flags = std::move(message.flags), .date = message.date,
                         .octets = mark.octets, .index = append_index_++, .binary = mark.binary, .utf8 = message.utf8};
  question_ = Question::append_begin;
  return {};
}

void ServerEngine::accept_append(Instant now) {
  assert(question_ == Question::append_begin && !pending_);
  active_ = now;
  question_ = Question::none;
  if (append_mark_.synchronizing) output_ += "+ OK\r\n";
  expect_literal(append_mark_.octets);
  mode_ = Mode::message;
}

std::size_t ServerEngine::step_message(std::string_view octets) {
  const auto part = octets.substr(0, static_cast<std::size_t>(std::min<std::uint64_t>(due_, octets.size())));
  pending_ = AppendChunk{part};
  due_ -= part.size();
  if (due_ == 0) {
    message_end_due_ = true;
    mode_ = Mode::after_message;
  }
  return part.size();
}

// The rest of the line after a message: the end of the command, or another message (RFC 3502).
void ServerEngine::finish_after_message(std::string_view line) {
  mode_ = Mode::command;
  if (append_utf8_ && !line.starts_with(')')) return abort_append(Fault::expected_close);
  if (append_utf8_) line.remove_prefix(1);
  if (line.empty()) {
    append_told_ = false;
    pending_ = AppendEnd{};
    question_ = Question::append_end;
    return;
  }
  LiteralMark mark;
  const bool marked = find_literal_mark(line, mark) == MarkKind::literal;
  Cursor cursor(line, features_);
  auto message = parse_append_message(cursor);
  const auto offered = message ? offer_message(*std::move(message), {}, mark) : Parsed<void>(std::unexpected(message.error()));
  if (offered) return;
  abort_append(offered.error());
  if (marked) refuse_literal(mark);
}

void ServerEngine::abort_append(Fault fault) {
  assert(append_told_);
  if (mode_ == Mode::after_message) mode_ = Mode::command;
  append_told_ = false;
  pending_ = AppendAborted{};
  write_fault(fault);
}

void ServerEngine::refuse_append(const ResponseCode& code, std::string_view text, Instant now) {
  if (!append_told_) return;  // closed meanwhile
  assert(question_ == Question::none);
  active_ = now;
  append_told_ = false;
  pending_.reset();
  message_end_due_ = false;
  write_tagged(StatusKind::no, code.text(), text);
  if (mode_ == Mode::message) mode_ = Mode::drain_literal;
  else if (mode_ == Mode::after_message) mode_ = Mode::drain_line;
}

}  // namespace keystonemail::imap
