// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Cursor: reads the lexical elements of a whole command (RFC 9051 §9). Literals stand in the text as they came:
// "{5}", CR LF, five octets. Nothing here recurses, and everything is linear.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "imap/fault.hpp"
#include "keystonemail/imap/features.hpp"
#include "keystonemail/imap/flags.hpp"
#include "keystonemail/imap/sequence_set.hpp"

namespace keystonemail::imap {

class Cursor {
 public:
  // `text` without the CR LF that ends the command.
  Cursor(std::string_view text, Features features) noexcept : text_(text), features_(features) {}

  [[nodiscard]] bool at_end() const noexcept { return at_ == text_.size(); }
  [[nodiscard]] char peek() const noexcept { return at_end() ? '\0' : text_[at_]; }
  [[nodiscard]] std::string_view rest() const noexcept { return text_.substr(at_); }
  [[nodiscard]] const Features& features() const noexcept { return features_; }

  void skip_rest() noexcept { at_ = text_.size(); }
  bool take(char c) noexcept { return peek() == c && !at_end() ? (++at_, true) : false; }
  // A word of any case that ends where no letter, digit or "-._" follows.
  bool take_word(std::string_view word) noexcept;

  [[nodiscard]] Parsed<void> space() noexcept { return expect(' ', Fault::expected_space); }
  [[nodiscard]] Parsed<void> open() noexcept { return expect('(', Fault::expected_open); }
  [[nodiscard]] Parsed<void> close() noexcept { return expect(')', Fault::expected_close); }
  [[nodiscard]] Parsed<void> end() const noexcept;

  // Letters, digits and "-._": the names of commands, items and options.
  [[nodiscard]] std::string_view word() noexcept;
  [[nodiscard]] Parsed<std::string_view> tag() noexcept;
  [[nodiscard]] Parsed<std::string_view> atom() noexcept;
  [[nodiscard]] Parsed<std::uint32_t> number() noexcept;
  [[nodiscard]] Parsed<std::uint32_t> nonzero_number() noexcept;
  [[nodiscard]] Parsed<std::uint64_t> number64() noexcept;          // 63 bits
  [[nodiscard]] Parsed<std::uint64_t> nonzero_number64() noexcept;
  [[nodiscard]] Parsed<std::string> string();
  [[nodiscard]] Parsed<std::string> astring();
  // UTF-8, from modified UTF-7 unless UTF-8 is enabled; INBOX in capitals.
  [[nodiscard]] Parsed<std::string> mailbox();
  [[nodiscard]] Parsed<std::string> list_mailbox();
  [[nodiscard]] Parsed<SequenceSet> sequence_set();
  [[nodiscard]] Parsed<void> flag(FlagSet& into);
  [[nodiscard]] Parsed<FlagSet> flag_list();
  [[nodiscard]] Parsed<std::chrono::sys_days> date();

 private:
  Parsed<void> expect(char c, Fault fault) noexcept;
  Parsed<std::uint64_t> digits(std::uint64_t limit) noexcept;
  Parsed<std::string> quoted();
  Parsed<std::string> literal();
  Parsed<std::string> decode_mailbox(std::string name) const;
  Parsed<std::uint32_t> sequence_number() noexcept;

  std::string_view text_;
  std::size_t at_ = 0;
  Features features_;
};

// "{5}", "{5+}", "~{5}" at the end of a line.
struct LiteralMark {
  std::uint64_t octets = 0;
  bool synchronizing = true;
  bool binary = false;
  std::size_t begin = 0;  // of the mark, in the line
};
enum class MarkKind : std::uint8_t { none, literal, malformed };
// `line` without CR LF. Malformed: ends in braces with a number of more than 63 bits.
[[nodiscard]] MarkKind find_literal_mark(std::string_view line, LiteralMark& mark) noexcept;

[[nodiscard]] bool is_atom_char(char c) noexcept;

}  // namespace keystonemail::imap
