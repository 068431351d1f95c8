// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Tag=value lists (RFC 6376 §3.2), which DKIM, ARC and DMARC write in header fields and TXT records.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "keystonemail/base/result.hpp"

namespace keystonemail::mailauth {

namespace limits {
inline constexpr std::size_t tag_list_octets_max = 64 * 1024;
inline constexpr std::size_t tags_max = 100;
}  // namespace limits

struct Tag {
  std::string_view name;            // case counts
  std::string_view value;           // without white space at its ends; folding inside is kept
  std::size_t raw_begin = 0;        // the value with all white space round it, as offsets in the text: what stands
  std::size_t raw_end = 0;          //   between "=" and ";"
};

// TagList is a list that keeps to the grammar: no tag twice, no octet that may not stand there. Octets above 0x7f
// are let in values when they are UTF-8 (RFC 8616 §5).
//
// Ownership: views into the text parsed, which must outlive it. Threads: immutable once made.
// Errors: invalid with the reason as text; too_large. Limits: mailauth::limits; n log n in the tags.
class TagList {
 public:
  [[nodiscard]] static Result<TagList> parse(std::string_view text);

  // In the order they stand.
  [[nodiscard]] const std::vector<Tag>& tags() const noexcept { return tags_; }
  [[nodiscard]] const Tag* find(std::string_view name) const noexcept;
  // The value; nothing when the tag is absent, which is not the same as empty.
  [[nodiscard]] std::optional<std::string_view> value(std::string_view name) const noexcept;

 private:
  std::vector<Tag> tags_;
};

// `value` without any white space, as base64 is read.
[[nodiscard]] std::string without_white_space(std::string_view value);
// The items of a list parted by colons, white space round them dropped; empty items are kept.
[[nodiscard]] std::vector<std::string_view> split_colons(std::string_view value);

}  // namespace keystonemail::mailauth
