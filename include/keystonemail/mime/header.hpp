// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Header fields of RFC 5322 §2.2, read as they stand: every octet of a header belongs to exactly one field or to
// the empty line that ends it.
//
// Ownership: views into the text given; it must outlive them. Threads: pure functions; a reader is for one thread.
// Errors: none. A line that is no field is one with an empty name. Limits: linear time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace keystonemail::mime {

// The fields this module and its callers look for.
enum class FieldName : std::uint8_t {
  other, malformed,
  bcc, cc, comments, content_description, content_disposition, content_id, content_language, content_location,
  content_md5, content_transfer_encoding, content_type, date, delivered_to, dkim_signature, from, in_reply_to,
  list_id, message_id, mime_version, received, references, reply_to, resent_bcc, resent_cc, resent_date, resent_from,
  resent_message_id, resent_sender, resent_to, return_path, sender, subject, to,
};

[[nodiscard]] FieldName field_name(std::string_view name) noexcept;

struct Field {
  FieldName id = FieldName::other;
  std::string_view name;   // as written, without blanks before the colon; empty when malformed
  std::string_view value;  // after the colon, folding included, without the last line end; not trimmed
  std::string_view raw;    // the whole field, last line end included
};

// The fields of a header, in order, up to the empty line or the end of the text.
class HeaderReader {
 public:
  explicit HeaderReader(std::string_view text) noexcept : text_(text) {}
  [[nodiscard]] std::optional<Field> next() noexcept;
  // Octets read so far: after the last field, the size of the header with its empty line.
  [[nodiscard]] std::size_t octets() const noexcept { return position_; }
  // Whether an empty line ended the header.
  [[nodiscard]] bool ended() const noexcept { return ended_; }

 private:
  std::string_view text_;
  std::size_t position_ = 0;
  bool ended_ = false;
};

// Finds the end of a header that arrives in pieces of any size. CRLF and bare LF both end lines.
class HeaderEndFinder {
 public:
  // The octets of `piece` that belong to the header, its empty line included, once that has been seen.
  [[nodiscard]] std::optional<std::size_t> find(std::string_view piece) noexcept;

 private:
  bool at_line_start_ = true;
  bool after_cr_ = false;
};

// Octets of the header at the start of `message`, empty line included; all of it when there is no empty line.
[[nodiscard]] std::size_t header_octets(std::string_view message) noexcept;

// The first field of that name, compared without case.
[[nodiscard]] std::optional<Field> find_field(std::string_view header, std::string_view name) noexcept;
[[nodiscard]] std::optional<Field> find_field(std::string_view header, FieldName name) noexcept;

// `value` without the line ends of its folding (RFC 5322 §2.2.3), blanks at both ends gone.
[[nodiscard]] std::string unfold(std::string_view value);
void append_unfolded(std::string& out, std::string_view value);

enum class FieldFilter : std::uint8_t { only, except };

// The fields named, or all others, each as it stands, and an empty line (IMAP HEADER.FIELDS, RFC 9051 §6.4.5.1).
[[nodiscard]] std::string filter_header(std::string_view header, FieldFilter filter,
                                        std::span<const std::string_view> names);

}  // namespace keystonemail::mime
