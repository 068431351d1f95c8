// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Scanner: the lexical tokens that structured header fields share (RFC 5322 §3.2, RFC 2045 §5.1), read leniently.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace keystonemail::mime {

class Scanner {
 public:
  explicit Scanner(std::string_view text) noexcept : text_(text) {}

  [[nodiscard]] bool at_end() const noexcept { return position_ >= text_.size(); }
  [[nodiscard]] char peek() const noexcept { return at_end() ? '\0' : text_[position_]; }
  [[nodiscard]] std::size_t position() const noexcept { return position_; }
  void move_to(std::size_t position) noexcept { position_ = position; }
  [[nodiscard]] std::string_view between(std::size_t begin, std::size_t end) const noexcept {
    return text_.substr(begin, end - begin);
  }
  bool take(char c) noexcept {
    if (at_end() || text_[position_] != c) return false;
    ++position_;
    return true;
  }

  void skip_blanks() noexcept;
  // Blanks and comments (RFC 5322 §3.2.2). The text of the last comment goes to `comment` when that is asked for.
  void skip_cfws(std::string* comment = nullptr);
  // Characters up to one of `ends`, a blank or a control; RFC 5322 atoms and RFC 2045 tokens.
  [[nodiscard]] std::string_view take_until(std::string_view ends) noexcept;
  // A quoted string without its quoting, appended. An unclosed one ends with the text. REQUIRES: peek() == '"'.
  void take_quoted(std::string& out);

 private:
  void skip_comment(std::string* comment);

  std::string_view text_;
  std::size_t position_ = 0;
};

[[nodiscard]] constexpr bool is_blank(char c) noexcept { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

}  // namespace keystonemail::mime
