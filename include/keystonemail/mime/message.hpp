// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Message: a message taken apart (RFC 5322, RFC 2045, 2046, 2049, RFC 6532) without changing or copying an octet.
//
// One reading for all: IMAP, filters and policies see the parts found here. Where other software may see different
// ones, ambiguous() says so (attack C5).
//
// Ownership: borrows the raw text, which must outlive the message and all views from it.
// Threads: immutable once made. Errors: none: any octets are a message; what is wrong is listed as defects.
// Limits: those of limits.hpp; time linear in the text, no recursion (attacks C1, C2). Beyond a limit a part is a
//   leaf whose content is opaque.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "keystonemail/mime/content_type.hpp"
#include "keystonemail/mime/header.hpp"

namespace keystonemail::mime {

enum class DefectKind : std::uint8_t {
  header_line_malformed,       // neither field nor continuation
  header_without_end,          // no empty line
  header_too_large,            // beyond limits; the rest of it is not looked at
  duplicate_field,             // of those that may stand once (RFC 5322 §3.6, RFC 2045)
  blank_before_colon,
  bare_cr,
  bare_lf,                     // the message has LF line ends
  nul,                         // in a header
  eight_bit_header,            // octets that are not UTF-8 (RFC 6532)
  content_type_invalid,
  parameter_ambiguous,         // twice, RFC 2231 continuations that overlap or leave gaps, or text beside them
  transfer_encoding_unknown,
  transfer_encoding_on_multipart,  // or message/rfc822: other than 7bit, 8bit, binary (RFC 2045 §6.4, RFC 2046 §5.2.1)
  boundary_missing,
  boundary_invalid,            // empty, too long, or in characters RFC 2046 does not have
  boundary_prefix_line,        // a line begins with a boundary and goes on
  boundary_reused,             // a part has the boundary of a part around it
  multipart_without_end,       // no closing delimiter
  multipart_empty,             // no delimiter at all
  too_deep,
  too_many_parts,
  too_large,                   // beyond limits::message_octets_max
};

[[nodiscard]] std::string_view to_string(DefectKind kind) noexcept;
// Whether software is known to disagree on such a message.
[[nodiscard]] bool is_ambiguous(DefectKind kind) noexcept;

struct Defect {
  DefectKind kind;
  std::uint32_t offset;
};

enum class PartKind : std::uint8_t { leaf, multipart, message };

inline constexpr std::uint32_t no_part = 0xffff'ffff;

// One entity: the message itself, a part of a multipart, or the message inside a message/rfc822. Offsets count from
// the start of the whole text. Its header is [header_begin, body_begin), with the empty line; its body is
// [body_begin, body_end), without the line end that belongs to the next delimiter.
struct Part {
  std::uint32_t header_begin = 0;
  std::uint32_t body_begin = 0;
  std::uint32_t body_end = 0;
  std::uint32_t lines = 0;         // of the body; a last line without end counts
  std::uint32_t parent = no_part;  // index of the entity around it
  std::uint32_t child_count = 0;   // direct ones: those of a multipart, or 1 for a message
  std::uint32_t first_field = 0;
  std::uint32_t field_count = 0;
  PartKind kind = PartKind::leaf;
  TransferEncoding encoding = TransferEncoding::seven_bit;
  bool digest_child = false;       // of multipart/digest: message/rfc822 unless it says otherwise (RFC 2046 §5.1.5)
  bool opaque = false;             // a limit was met: not to be looked into

  [[nodiscard]] std::uint32_t header_octets() const noexcept { return body_begin - header_begin; }
  [[nodiscard]] std::uint32_t body_octets() const noexcept { return body_end - body_begin; }
};

class Message {
 public:
  [[nodiscard]] static Message parse(std::string_view raw);

  [[nodiscard]] std::string_view raw() const noexcept { return raw_; }
  // In the order they stand: a part comes before those in it. parts()[0] is the message itself.
  [[nodiscard]] std::span<const Part> parts() const noexcept { return parts_; }
  [[nodiscard]] const Part& root() const noexcept { return parts_.front(); }
  [[nodiscard]] std::span<const Defect> defects() const noexcept { return defects_; }
  [[nodiscard]] bool has_defect(DefectKind kind) const noexcept;
  [[nodiscard]] bool ambiguous() const noexcept { return ambiguous_; }

  [[nodiscard]] std::span<const Field> fields(const Part& part) const noexcept {
    return std::span(fields_).subspan(part.first_field, part.field_count);
  }
  // The first field of that name; the raw value.
  [[nodiscard]] std::optional<std::string_view> value(const Part& part, FieldName name) const noexcept;
  [[nodiscard]] std::string_view header(const Part& part) const noexcept {
    return raw_.substr(part.header_begin, part.header_octets());
  }
  [[nodiscard]] std::string_view body(const Part& part) const noexcept {
    return raw_.substr(part.body_begin, part.body_octets());
  }
  // With the default that stands where the field is absent or unreadable.
  [[nodiscard]] ContentType content_type(const Part& part) const;

 private:
  friend class MessageParser;
  Message() = default;

  std::string_view raw_;
  std::vector<Part> parts_;
  std::vector<Field> fields_;
  std::vector<Defect> defects_;
  bool ambiguous_ = false;
};

}  // namespace keystonemail::mime
