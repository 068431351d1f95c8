// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// ZoneLexer: the tokens of a zone file, entry by entry (RFC 1035 §5.1).
#pragma once

#include <cstddef>
#include <string_view>
#include <vector>

#include "keystonemail/base/result.hpp"

namespace keystonemail::dns {

struct ZoneToken {
  std::string_view text;  // escapes as written, quotes removed
  bool is_quoted = false;
};

// One record or directive: what stands on a line, or on several within parentheses.
struct ZoneEntry {
  std::size_t line = 0;          // where it begins, from 1
  bool begins_with_blank = false;  // its owner is that of the entry before
  std::vector<ZoneToken> tokens;
};

// Ownership: borrows the text; tokens point into it. Errors: invalid, with the line.
class ZoneLexer {
 public:
  explicit ZoneLexer(std::string_view text) noexcept : text_(text) {}

  // The next entry that has tokens; one without any at the end.
  [[nodiscard]] Result<ZoneEntry> next();

 private:
  [[nodiscard]] Result<ZoneToken> quoted();
  [[nodiscard]] ZoneToken word();
  void skip_comment() noexcept;
  [[nodiscard]] std::unexpected<Error> failure(std::string_view what) const;

  std::string_view text_;
  std::size_t at_ = 0;
  std::size_t line_ = 1;
};

}  // namespace keystonemail::dns
