// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "dns/zone_lexer.hpp"

#include <algorithm>

#include "base/format.hpp"
#include "base/try.hpp"
#include "keystonemail/dns/zone.hpp"

namespace keystonemail::dns {
namespace {
constexpr std::string_view word_ends = " \t\r\n;()\"";
}

std::unexpected<Error> ZoneLexer::failure(std::string_view what) const {
  return fail(ErrorKind::invalid, format("line {}: {}", line_, what));
}

void ZoneLexer::skip_comment() noexcept { at_ = std::min(text_.find('\n', at_), text_.size()); }

Result<ZoneToken> ZoneLexer::quoted() {
  const std::size_t start = ++at_;
  for (; at_ < text_.size() && text_[at_] != '"'; ++at_) {
    if (text_[at_] == '\n') return failure("a quoted string does not end");
    if (text_[at_] == '\\' && at_ + 1 < text_.size() && text_[at_ + 1] != '\n') ++at_;
  }
  if (at_ >= text_.size()) return failure("a quoted string does not end");
  return ZoneToken{text_.substr(start, at_++ - start), true};
}

ZoneToken ZoneLexer::word() {
  const std::size_t start = at_;
  while (at_ < text_.size() && word_ends.find(text_[at_]) == std::string_view::npos) {
    if (text_[at_] == '\\' && at_ + 1 < text_.size() && text_[at_ + 1] != '\n') ++at_;
    ++at_;
  }
  return ZoneToken{text_.substr(start, at_ - start), false};
}

Result<ZoneEntry> ZoneLexer::next() {
  ZoneEntry entry{.line = line_, .begins_with_blank = false, .tokens = {}};
  std::size_t depth = 0;
  bool at_line_start = true;
  while (at_ < text_.size()) {
    const char c = text_[at_];
    if (c == '\n') {
      ++at_;
      ++line_;
      if (depth > 0) continue;
      if (!entry.tokens.empty()) return entry;
      at_line_start = true;
      continue;
    }
    if (at_line_start) {
      entry.line = line_;
      entry.begins_with_blank = c == ' ' || c == '\t';
      at_line_start = false;
    }
    if (c == ' ' || c == '\t' || c == '\r') {
      ++at_;
    } else if (c == ';') {
      skip_comment();
    } else if (c == '(') {
      ++depth;
      ++at_;
    } else if (c == ')') {
      if (depth-- == 0) return failure("a closing parenthesis without an opening one");
      ++at_;
    } else {
      if (entry.tokens.size() == limits::zone_entry_tokens_max) return failure("an entry is too long");
      if (c == '"') {
        KM_TRY(auto token, quoted());
        entry.tokens.push_back(token);
      } else {
        entry.tokens.push_back(word());
      }
    }
  }
  if (depth > 0) return failure("a parenthesis is not closed");
  return entry;
}

}  // namespace keystonemail::dns
