// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "smtp/message_scanner.hpp"

#include <bit>
#include <cassert>
#include <cstring>

namespace keystonemail::smtp {
namespace {

using Block [[gnu::vector_size(16)]] = std::uint8_t;
using Halves [[gnu::vector_size(16)]] = std::uint64_t;

Block load(const char* from) noexcept {
  Block block;
  std::memcpy(&block, from, sizeof block);
  return block;
}

bool any(Block mask) noexcept {
  const auto halves = std::bit_cast<Halves>(mask);
  return (halves[0] | halves[1]) != 0;
}

// What needs a second look, given the octet before it: CR and LF that do not go together, NUL, a dot after LF.
bool is_special(char before, char c, bool dots) noexcept {
  return (c == '\n') != (before == '\r') || c == '\0' || (dots && c == '.' && before == '\n');
}

// The first special octet from index 1 on, or the size.
std::size_t find_special(std::string_view text, bool dots) noexcept {
  const char* const data = text.data();
  const auto dot_mask = static_cast<std::uint8_t>(dots ? 0xff : 0);
  std::size_t at = 1;
  for (; at + sizeof(Block) <= text.size(); at += sizeof(Block)) {
    const Block here = load(data + at);
    const Block before = load(data + at - 1);
    const auto is_lf = std::bit_cast<Block>(here == '\n');
    const auto after_cr = std::bit_cast<Block>(before == '\r');
    const auto is_nul = std::bit_cast<Block>(here == 0);
    const auto dot = std::bit_cast<Block>(here == '.') & std::bit_cast<Block>(before == '\n') & dot_mask;
    if (any((is_lf ^ after_cr) | is_nul | dot)) break;
  }
  while (at < text.size() && !is_special(data[at - 1], data[at], dots)) ++at;
  return at;
}

}  // namespace

void MessageScanner::start(Mode mode) noexcept {
  mode_ = mode;
  at_ = mode == Mode::dot_stuffed ? At::line_start : At::inside;
}

// RFC 5321 §4.5.2: a dot at the start of a line is dropped, and alone on its line it is the end. A line starts after
// CRLF; LF alone starts none, so that no other sequence can pass for the end of a message (§4.1.1.4, attack A1).
MessageScanner::Step MessageScanner::step(std::string_view input) noexcept {
  assert(!input.empty());
  if (mode_ == Mode::binary) return {input.size(), input};
  const char first = input.front();
  switch (at_) {
    case At::dot_cr:
      if (first != '\n') return fault(PeerFault::message_bare_carriage_return, 0);
      at_ = At::inside;
      return {1, {}, Found::end};
    case At::cr:
      if (first != '\n') return fault(PeerFault::message_bare_carriage_return, 0);
      break;
    case At::dot:
      if (first == '\r') {
        at_ = At::dot_cr;
        return {1, {}};
      }
      [[fallthrough]];
    case At::inside:
      if (first == '\n') return fault(PeerFault::message_bare_line_feed, 1);
      break;
    case At::line_start:
      if (first == '.') {
        at_ = At::dot;
        return {1, {}};
      }
      if (first == '\n') return fault(PeerFault::message_bare_line_feed, 1);
      break;
  }
  if (first == '\0') return fault(PeerFault::message_nul, 1);
  return step_bulk(input);
}

// The first octet is sound; the rest is, up to the next special one, which the next step() judges.
MessageScanner::Step MessageScanner::step_bulk(std::string_view input) noexcept {
  const bool dots = mode_ == Mode::dot_stuffed;
  const std::string_view sound = input.substr(0, find_special(input, dots));
  at_ = sound.back() == '\r' ? At::cr : sound.back() == '\n' && dots ? At::line_start : At::inside;
  return {sound.size(), sound};
}

MessageScanner::Step MessageScanner::fault(PeerFault fault, std::size_t taken) noexcept {
  at_ = At::inside;
  return {taken, {}, Found::fault, fault};
}

}  // namespace keystonemail::smtp
