// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// FetchItem: one thing FETCH asks of each message (RFC 9051 §6.4.5; RFC 3516, 7162, 8474, 8514, 8970).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace keystonemail::imap {

enum class FetchAttribute : std::uint8_t {
  uid, flags, internal_date, rfc822_size, envelope, modseq, email_id, thread_id, save_date, preview,
  body,            // BODY: the structure without extension data
  body_structure,
  section,         // BODY[...], RFC822, RFC822.HEADER, RFC822.TEXT
  binary,          // BINARY[...]: decoded
  binary_size,
};

enum class SectionPart : std::uint8_t { all, header, header_fields, header_fields_not, text, mime };

struct Section {
  std::vector<std::uint32_t> path;     // empty: the message itself
  SectionPart part = SectionPart::all;
  std::vector<std::string> fields;     // of header_fields and header_fields_not, as the client wrote them
  friend bool operator==(const Section&, const Section&) = default;
};

// "<offset.octets>"
struct Partial {
  std::uint64_t offset = 0, octets = 0;
  friend bool operator==(const Partial&, const Partial&) = default;
};

// How the client named a section, since the answer repeats it (RFC 3501 §7.4.2).
enum class SectionName : std::uint8_t { body, rfc822, rfc822_header, rfc822_text };

struct FetchItem {
  FetchAttribute attribute = FetchAttribute::flags;
  bool peek = false;                   // does not set \Seen: .PEEK, RFC822.HEADER, BINARY.SIZE
  bool lazy = false;                   // PREVIEW (LAZY)
  SectionName name = SectionName::body;
  Section section = {};
  std::optional<Partial> partial = {};

  [[nodiscard]] bool sets_seen() const noexcept {
    return (attribute == FetchAttribute::section || attribute == FetchAttribute::binary) && !peek;
  }
  friend bool operator==(const FetchItem&, const FetchItem&) = default;
};

}  // namespace keystonemail::imap
