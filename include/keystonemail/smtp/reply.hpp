// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Reply: what an SMTP server answers (RFC 5321 §4.2), with an enhanced status code (RFC 3463).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace keystonemail::smtp {

// RFC 3463 §2: class.subject.detail. All zero stands for "none given".
struct EnhancedStatus {
  std::uint8_t category = 0;  // 2 success, 4 temporary, 5 permanent
  std::uint16_t subject = 0;
  std::uint16_t detail = 0;

  [[nodiscard]] bool given() const noexcept { return category != 0; }
  [[nodiscard]] std::string to_string() const;
  friend bool operator==(const EnhancedStatus&, const EnhancedStatus&) = default;
};

// Ownership: a value. `text` is one or more lines divided by LF; whatever else is not printable is replaced
// when it goes out, so a text may hold what a peer sent.
struct Reply {
  std::uint16_t code = 250;
  EnhancedStatus status;  // absent: derived from the code (2.0.0, 4.0.0, 5.0.0)
  std::string text;

  [[nodiscard]] bool positive() const noexcept { return code < 400; }
  [[nodiscard]] bool temporary() const noexcept { return code >= 400 && code < 500; }
  [[nodiscard]] std::string to_string() const;  // "550 5.1.1 No such user", lines joined by LF; for logs and tests
  friend bool operator==(const Reply&, const Reply&) = default;
};

enum class EnhancedCodes : std::uint8_t { omit, include };

// Appends the reply as it goes over the wire, every line of it ended by CRLF. Codes 3yz never carry a status.
void append_reply(std::string& out, std::uint16_t code, EnhancedStatus status, std::string_view text,
                  EnhancedCodes codes = EnhancedCodes::include);

}  // namespace keystonemail::smtp
