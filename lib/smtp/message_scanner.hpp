// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// MessageScanner finds the end of a message and everything in it that is not allowed, without copying.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "keystonemail/smtp/fault.hpp"

namespace keystonemail::smtp {

enum class Dots : std::uint8_t { ignored, notable };

// The first octet from index 1 on that needs a second look, given the octet before it: CR and LF that do not go
// together, NUL, and a dot after LF where dots are notable. The size when there is none.
[[nodiscard]] std::size_t find_notable(std::string_view text, Dots dots) noexcept;

// Ownership: holds no octets. Limits: a few bytes of state; linear time, 16 octets at a time.
class MessageScanner {
 public:
  enum class Mode : std::uint8_t {
    dot_stuffed,  // DATA: ends at CRLF "." CRLF and nothing else (RFC 5321 §4.1.1.4)
    text,         // BDAT of a 7BIT or 8BITMIME message
    binary,       // BDAT of a BINARYMIME message: anything goes
  };
  enum class Found : std::uint8_t { octets, end, fault };
  struct Step {
    std::size_t taken;        // of the input
    std::string_view octets;  // a part of the message, or empty
    Found found = Found::octets;
    PeerFault fault{};        // with Found::fault
  };

  void start(Mode mode) noexcept;
  // Takes from the front of `input` up to something notable. After a fault scanning may go on, so that the true end
  // is found. REQUIRES: `input` is not empty.
  [[nodiscard]] Step step(std::string_view input) noexcept;
  // Whether the text stopped after a CR: a fault when nothing follows.
  [[nodiscard]] bool ends_in_cr() const noexcept { return at_ == At::cr; }

 private:
  enum class At : std::uint8_t { inside, cr, line_start, dot, dot_cr };

  [[nodiscard]] Step step_bulk(std::string_view input) noexcept;
  [[nodiscard]] Step fault(PeerFault fault, std::size_t taken) noexcept;

  Mode mode_ = Mode::dot_stuffed;
  At at_ = At::line_start;
};

}  // namespace keystonemail::smtp
