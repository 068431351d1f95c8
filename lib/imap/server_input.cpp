// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include <algorithm>
#include <cassert>

#include "imap/server_engine.hpp"

namespace keystonemail::imap {
namespace {

constexpr std::size_t mark_octets_max = 64;  // kept of a line being drained, to see the literal it may end in

}  // namespace

std::size_t ServerEngine::line_octets_max() const noexcept {
  return state_ == SessionState::not_authenticated ? limits::preauth_line_octets_max : limits::line_octets_max;
}
std::size_t ServerEngine::command_octets_max() const noexcept {
  return state_ == SessionState::not_authenticated ? limits::preauth_command_octets_max : limits::command_octets_max;
}
std::size_t ServerEngine::literal_octets_max() const noexcept {
  return state_ == SessionState::not_authenticated ? limits::preauth_literal_octets_max : limits::literal_octets_max;
}

std::size_t ServerEngine::receive(std::string_view octets, Instant now) {
  if (closed_ || mode_ == Mode::tls) return octets.size();  // RFC 9051 §11.1, attack A3: never to be interpreted
  if (is_open() || responses_.octets_pending() > limits::pending_output_octets_max) return 0;
  if (!octets.empty()) active_ = now;
  std::size_t taken = 0;
  while (taken < octets.size() && !is_open()) taken += step(octets.substr(taken));
  if (mode_ == Mode::tls || closed_) return octets.size();
  return taken;
}

std::size_t ServerEngine::step(std::string_view octets) {
  const auto part = static_cast<std::size_t>(std::min<std::uint64_t>(due_, octets.size()));
  switch (mode_) {
    case Mode::command:
    case Mode::auth:
    case Mode::idle:
    case Mode::after_message: return step_line(octets);
    case Mode::drain_line: return step_drain_line(octets);
    case Mode::message: return step_message(octets);
    case Mode::literal:
      buffer_.append(octets.substr(0, part));
      due_ -= part;
      if (due_ == 0) {
        mode_ = Mode::command;
        line_begin_ = buffer_.size();
      }
      return part;
    case Mode::drain_literal:
      due_ -= part;
      if (due_ == 0) mode_ = Mode::drain_line;
      return part;
    case Mode::tls: break;
  }
  assert(false);
  return octets.size();
}

// Takes up to the end of a line. A whole command that came in one piece is read where it is, without a copy.
std::size_t ServerEngine::step_line(std::string_view octets) {
  const auto newline = octets.find('\n');
  const bool whole = newline != std::string_view::npos;
  const auto piece = octets.substr(0, whole ? newline + 1 : newline);
  const bool line_fits = buffer_.size() - line_begin_ + piece.size() <= line_octets_max();
  if (!line_fits || buffer_.size() + piece.size() > command_octets_max()) {
    remember_tag(buffer_.empty() ? piece : std::string_view(buffer_));
    const auto fault = line_fits ? Fault::command_too_long : Fault::line_too_long;
    std::string tail = buffer_.substr(std::max(line_begin_, buffer_.size() - std::min(buffer_.size(), mark_octets_max)));
    const auto mode = mode_;
    release_buffer();
    buffer_ = std::move(tail);
    mode_ = Mode::drain_line;
    if (mode == Mode::idle) {
      idle_fault_ = fault;
      pending_ = IdleDone{};
      question_ = Question::idle;
    } else if (mode == Mode::after_message) {
      abort_append(fault);
    } else {
      if (mode == Mode::auth) pending_ = AuthCancelled{};
      write_fault(fault);
    }
    return step_drain_line(octets);
  }
  if (!whole) {
    buffer_.append(piece);
    return piece.size();
  }
  gathering_ = false;
  if (buffer_.empty()) {
    finish_line(piece, 0);
  } else {
    buffer_.append(piece);
    finish_line(buffer_, line_begin_);
  }
  if (!gathering_) release_buffer();
  return piece.size();
}

// Drops a line. When it ends in the mark of a non-synchronizing literal, its octets are coming too (RFC 7888 §4).
std::size_t ServerEngine::step_drain_line(std::string_view octets) {
  const auto newline = octets.find('\n');
  const auto piece = octets.substr(0, newline == std::string_view::npos ? newline : newline + 1);
  buffer_.append(piece.substr(piece.size() - std::min(piece.size(), mark_octets_max)));
  if (buffer_.size() > mark_octets_max) buffer_.erase(0, buffer_.size() - mark_octets_max);
  if (newline == std::string_view::npos) return piece.size();
  LiteralMark mark;
  const bool crlf = buffer_.ends_with("\r\n");
  const auto found = crlf ? find_literal_mark(std::string_view(buffer_).substr(0, buffer_.size() - 2), mark) : MarkKind::none;
  release_buffer();
  mode_ = Mode::command;
  if (found == MarkKind::literal) refuse_literal(mark);
  return piece.size();
}

// `all` is what has come of a command, or of whatever else the mode has; its last line, from `begin`, ends in LF.
void ServerEngine::finish_line(std::string_view all, std::size_t begin) {
  auto line = all.substr(begin);
  const bool crlf = line.ends_with("\r\n");
  line.remove_suffix(crlf ? 2 : 1);
  if (mode_ == Mode::auth) return finish_auth_line(crlf ? line : "\n");
  if (mode_ == Mode::idle) return finish_idle_line(crlf ? line : "\n");
  if (!crlf) {
    if (mode_ == Mode::after_message) return abort_append(Fault::bare_line_feed);
    remember_tag(all);
    return write_fault(Fault::bare_line_feed);
  }
  if (mode_ == Mode::after_message) return finish_after_message(line);
  LiteralMark mark;
  switch (find_literal_mark(line, mark)) {
    case MarkKind::none: return finish_command_line(all.substr(0, all.size() - 2));
    case MarkKind::literal: return begin_literal(all, mark);
    case MarkKind::malformed:
      remember_tag(all);
      write_fault(Fault::bad_literal);
      // What follows cannot be told from commands.
      if (!mark.synchronizing && !closed_) {
        write_bye({}, "Cannot follow that literal");
        close(CloseReason::too_many_errors);
      }
  }
}

void ServerEngine::finish_command_line(std::string_view text) {
  if (auto done = run_command(text); !done) write_fault(done.error());
}

// A line of a command has ended in a literal's mark. `text` is all of the command so far.
void ServerEngine::begin_literal(std::string_view text, const LiteralMark& mark) {
  const auto fault = [&]() -> std::optional<Fault> {
    Cursor cursor(text.substr(0, text.size() - 2), features_);
    NumberKind numbers = NumberKind::sequence;
    const auto entry = read_verb(cursor, numbers);  // so that nobody is asked for what will be refused
    if (!entry) return entry.error();
    if ((*entry)->verb == Verb::append) {
      const auto next = begin_append(text.substr(0, text.size() - 2), mark);
      if (!next) return next.error();
      if (*next == Next::message) return std::nullopt;
    }
    if (mark.octets > literal_octets_max()) return Fault::literal_too_large;
    if (text.size() + mark.octets > command_octets_max()) return Fault::command_too_long;
    if (!mark.synchronizing && options_.literals == LiteralPolicy::minus &&
        mark.octets > limits::nonsync_literal_octets_max) {
      return Fault::literal_minus_too_large;
    }
    return std::nullopt;
  }();
  if (fault) {
    write_fault(*fault);
    refuse_literal(mark);
  } else if (!pending_) {
    if (buffer_.empty()) buffer_.assign(text);  // else it is there already
    gathering_ = true;
    line_begin_ = buffer_.size();
    expect_literal(mark.octets);
    if (mark.synchronizing) output_ += "+ OK\r\n";
    if (due_ > 0) mode_ = Mode::literal;
  }
}

// The client of a refused synchronizing literal does not send it; any other is on its way.
void ServerEngine::refuse_literal(const LiteralMark& mark) {
  if (mark.synchronizing || closed_) return;
  expect_literal(mark.octets);
  mode_ = due_ > 0 ? Mode::drain_literal : Mode::drain_line;
}

void ServerEngine::expect_literal(std::uint64_t octets) noexcept {
  due_ = octets;
  literal_octets_ = octets;
  literal_since_ = active_;
}

void ServerEngine::release_buffer() {
  std::string().swap(buffer_);
  line_begin_ = 0;
}

void ServerEngine::remember_tag(std::string_view text) {
  const auto tag = Cursor(text, features_).tag();
  tag_ = tag && *tag != text ? *tag : std::string_view();
}

}  // namespace keystonemail::imap
