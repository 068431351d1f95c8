// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "mime/scanner.hpp"

#include <cassert>

#include "keystonemail/mime/limits.hpp"

namespace keystonemail::mime {

void Scanner::skip_blanks() noexcept {
  while (!at_end() && is_blank(text_[position_])) ++position_;
}

void Scanner::skip_cfws(std::string* comment) {
  skip_blanks();
  while (peek() == '(') {
    skip_comment(comment);
    skip_blanks();
  }
}

// RFC 5322 §3.2.2  comment = "(" *([FWS] ccontent) [FWS] ")". One that is not closed ends with the text, whether
// or not a backslash is its last octet (attack C4). Nesting is counted, not recursed into.
void Scanner::skip_comment(std::string* comment) {
  assert(peek() == '(');
  if (comment != nullptr) comment->clear();
  std::size_t depth = 0;
  while (!at_end()) {
    char c = text_[position_++];
    if (c == '\\' && !at_end()) {
      c = text_[position_++];
    } else if (c == '(' && depth < limits::comment_depth_max) {
      if (depth++ == 0) continue;
    } else if (c == ')' && --depth == 0) {
      return;
    }
    if (comment != nullptr && c != '\r' && c != '\n') comment->push_back(c);
  }
}

void Scanner::take_quoted(std::string& out) {
  assert(peek() == '"');
  ++position_;
  while (!at_end()) {
    char c = text_[position_++];
    if (c == '"') return;
    if (c == '\\' && !at_end()) c = text_[position_++];
    if (c != '\r' && c != '\n') out.push_back(c);  // folding inside it (RFC 5322 §3.2.4)
  }
}

}  // namespace keystonemail::mime
