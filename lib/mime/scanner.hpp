// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Scanner: the lexical tokens that structured header fields share (RFC 5322 §3.2, RFC 2045 §5.1), read leniently.
#pragma once

#include <array>
#include <cstddef>
#include <string>
#include <string_view>

namespace keystonemail::mime {

// A set of characters that answers at once.
class CharacterSet {
 public:
  constexpr explicit CharacterSet(std::string_view members) {
    for (const char c : members) member_[static_cast<unsigned char>(c)] = true;
  }
  [[nodiscard]] constexpr CharacterSet with_controls_and_blank() const {
    CharacterSet set = *this;
    for (unsigned c = 0; c <= ' '; ++c) set.member_[c] = true;
    set.member_[0x7f] = true;
    return set;
  }
  [[nodiscard]] constexpr bool has(char c) const noexcept { return member_[static_cast<unsigned char>(c)]; }

 private:
  std::array<bool, 256> member_{};
};

// What ends a token (RFC 2045 §5.1), and an atom but for the dot that obsolete phrases have (RFC 5322 §3.2.3, §4.1).
inline constexpr auto token_ends = CharacterSet("()<>@,;:\\\"/[]?=").with_controls_and_blank();
inline constexpr auto atom_ends = CharacterSet("()<>[]:;@\\,\"").with_controls_and_blank();

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
  // Characters up to one of `ends`.
  [[nodiscard]] std::string_view take_until(const CharacterSet& ends) noexcept {
    const std::size_t begin = position_;
    while (position_ < text_.size() && !ends.has(text_[position_])) ++position_;
    return between(begin, position_);
  }
  // A quoted string without its quoting, appended. An unclosed one ends with the text. REQUIRES: peek() == '"'.
  void take_quoted(std::string& out);

 private:
  void skip_comment(std::string* comment);

  std::string_view text_;
  std::size_t position_ = 0;
};

[[nodiscard]] constexpr bool is_blank(char c) noexcept { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

}  // namespace keystonemail::mime
