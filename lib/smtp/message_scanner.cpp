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

bool is_notable(char before, char c, bool dots) noexcept {
  return (c == '\n') != (before == '\r') || c == '\0' || (dots && c == '.' && before == '\n');
}

}  // namespace

std::size_t find_notable(std::string_view text, Dots dots) noexcept {
  const char* const data = text.data();
  const bool with_dots = dots == Dots::notable;
  const auto dot_mask = static_cast<std::uint8_t>(with_dots ? 0xff : 0);
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
  while (at < text.size() && !is_notable(data[at - 1], data[at], with_dots)) ++at;
  return at;
}

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
  const std::string_view sound = input.substr(0, find_notable(input, dots ? Dots::notable : Dots::ignored));
  at_ = sound.back() == '\r' ? At::cr : sound.back() == '\n' && dots ? At::line_start : At::inside;
  return {sound.size(), sound};
}

MessageScanner::Step MessageScanner::fault(PeerFault fault, std::size_t taken) noexcept {
  at_ = At::inside;
  return {taken, {}, Found::fault, fault};
}

}  // namespace keystonemail::smtp
