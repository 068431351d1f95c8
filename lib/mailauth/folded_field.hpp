// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Writing a field whose lines stay short. Private to lib/mailauth.
#pragma once

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>

namespace keystonemail::mailauth {

// Lines have at most 78 columns (RFC 5322 §2.1.1) where the words allow it; a fold is CRLF and a tab.
class FoldedField {
 public:
  explicit FoldedField(std::string_view name) : text_(name), column_(name.size() + 1) { text_ += ':'; }

  // After a blank, which a fold may replace.
  void word(std::string_view word) {
    if (column_ + 1 + word.size() > columns_max && column_ > tab_columns) return fold(word);
    text_ += ' ';
    append(word, word.size() + 1);
  }
  // With nothing before it; a fold where white space does no harm.
  void piece(std::string_view piece) {
    if (column_ + piece.size() > columns_max && column_ > tab_columns) return fold(piece);
    append(piece, piece.size());
  }
  // Text that may be folded anywhere, such as base64.
  void run(std::string_view text) {
    while (!text.empty()) {
      if (column_ >= columns_max) fold({});
      const std::string_view part = text.substr(0, columns_max - column_);
      append(part, part.size());
      text.remove_prefix(part.size());
    }
  }
  void fold(std::string_view word) {
    text_ += "\r\n\t";
    column_ = tab_columns;
    append(word, word.size());
  }

  [[nodiscard]] const std::string& text() const noexcept { return text_; }
  // With the line end.
  [[nodiscard]] std::string take() { return std::move(text_ += "\r\n"); }

 private:
  static constexpr std::size_t columns_max = 78;
  static constexpr std::size_t tab_columns = 8;

  void append(std::string_view text, std::size_t columns) {
    text_ += text;
    column_ += columns;
  }

  std::string text_;
  std::size_t column_;
};

}  // namespace keystonemail::mailauth
