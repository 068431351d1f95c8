// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Summary: what IMAP and JMAP want to know of a message without reading it: ENVELOPE, BODYSTRUCTURE, where each
// section lies, message ids, a preview. It is encoded once, from a parse, into a few hundred octets that are kept
// with the email and read in place. The format is described in lib/mime/SUMMARY.md.
//
//   std::string kept = mime::encode_summary(mime::Message::parse(raw));
//   mime::Summary summary(kept);
//   summary.envelope().subject
//
// Ownership: a Summary, and all it gives, are views into the encoded octets, which must outlive them.
// Threads: immutable. Errors: damaged octets give fewer, shorter or empty values, never a read outside them;
//   valid() tells whether the frame is whole. Limits: those of limits.hpp. Reading one thing costs that thing only.
#pragma once

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "keystonemail/mime/address_list.hpp"
#include "keystonemail/mime/content_type.hpp"
#include "keystonemail/mime/date.hpp"
#include "keystonemail/mime/message.hpp"

namespace keystonemail::mime {

[[nodiscard]] std::string encode_summary(const Message& message);
void append_summary(std::string& out, const Message& message);

// The summary of the same message with `octets` octets of trace fields before it (whole fields that no summary shows:
// Return-Path, Received and such). REQUIRES: takes_trace(message), for the message that `summary` was made of.
[[nodiscard]] std::string summary_behind_trace(std::string_view summary, std::size_t octets);
// Whether trace fields of up to limits::trace_octets_max octets (no more than 5,000 of them) put before `message` change
// nothing else of it.
[[nodiscard]] bool takes_trace(const Message& message) noexcept;

// An address as ENVELOPE has it. For group_begin the group's name is in local_part, as RFC 9051 §7.5.2 has it.
struct EnvelopeAddress {
  AddressKind kind = AddressKind::mailbox;
  std::string_view name, route, local_part, domain;  // empty: NIL, but for the domain of a mailbox
};

class EnvelopeAddresses {
 public:
  class Iterator {
   public:
    using value_type = EnvelopeAddress;
    using difference_type = std::ptrdiff_t;
    using iterator_category = std::input_iterator_tag;

    Iterator() = default;
    explicit Iterator(std::string_view rest) noexcept : rest_(rest) { ++*this; }
    [[nodiscard]] const EnvelopeAddress& operator*() const noexcept { return current_; }
    [[nodiscard]] const EnvelopeAddress* operator->() const noexcept { return &current_; }
    Iterator& operator++() noexcept;
    void operator++(int) noexcept { ++*this; }
    friend bool operator==(const Iterator& it, std::default_sentinel_t) noexcept { return it.done_; }

   private:
    std::string_view rest_;
    EnvelopeAddress current_;
    bool done_ = false;
  };

  EnvelopeAddresses() = default;
  explicit EnvelopeAddresses(std::string_view encoded) noexcept : encoded_(encoded) {}
  [[nodiscard]] bool empty() const noexcept { return encoded_.empty(); }  // NIL
  [[nodiscard]] Iterator begin() const noexcept { return Iterator(encoded_); }
  [[nodiscard]] std::default_sentinel_t end() const noexcept { return {}; }

 private:
  std::string_view encoded_;
};

// Texts are unfolded, otherwise as they stand: encoded words are not decoded, and octets need not be UTF-8.
struct Envelope {
  std::optional<std::string_view> date, subject, in_reply_to, message_id;  // absent: NIL
  EnvelopeAddresses from, sender, reply_to, to, cc, bcc;  // sender and reply_to default to from (RFC 9051 §7.5.2)
};

struct SummaryParameter {
  std::string_view name;   // lower case, without asterisk
  std::string_view value;  // when extended: charset'language'percent-encoded
  bool extended = false;   // IMAP shows the name with a '*' then (RFC 2231 §6)

  [[nodiscard]] std::string decoded() const;
};

struct SummaryPart {
  // Where it lies in the message, as in Part.
  std::uint32_t header_begin = 0, body_begin = 0, body_end = 0, lines = 0;
  std::uint32_t parent = no_part, child_count = 0;
  PartKind kind = PartKind::leaf;
  TransferEncoding encoding = TransferEncoding::seven_bit;
  bool opaque = false;

  std::string_view type, subtype;          // lower case
  std::vector<SummaryParameter> parameters;
  std::optional<std::string_view> id, description, md5, location;
  std::optional<std::string_view> encoding_name;  // what it calls itself when encoding is unknown
  std::optional<std::string_view> disposition;    // lower case
  std::vector<SummaryParameter> disposition_parameters;
  std::vector<std::string_view> languages;
  std::string_view envelope;               // encoded; of the message that this entity is, when inside another

  [[nodiscard]] std::uint32_t header_octets() const noexcept { return body_begin - header_begin; }
  [[nodiscard]] std::uint32_t body_octets() const noexcept { return body_end - body_begin; }
  [[nodiscard]] bool is(std::string_view full_type) const noexcept;  // "text/plain"
  [[nodiscard]] const SummaryParameter* find_parameter(std::string_view name) const noexcept;
  // The file name, decoded, from Content-Disposition or else Content-Type; empty when there is none.
  [[nodiscard]] std::string file_name() const;
};

class Summary {
 public:
  Summary() = default;
  explicit Summary(std::string_view encoded) noexcept;

  // Whether the frame could be read: a known version and sizes that fit.
  [[nodiscard]] bool valid() const noexcept { return valid_; }
  [[nodiscard]] bool ambiguous() const noexcept;
  // A part that is neither inline text nor the body of the message: JMAP hasAttachment (RFC 8621 §4.1.4).
  [[nodiscard]] bool has_attachment() const noexcept;
  // Whether NUL stands anywhere in the message: what may not be sent as IMAP text (RFC 9051 §4.3). True when that was not looked for.
  [[nodiscard]] bool may_hold_nul() const noexcept;
  [[nodiscard]] std::uint64_t message_octets() const noexcept { return octets_; }

  // The Date field; nothing when absent or unreadable.
  [[nodiscard]] std::optional<ZonedTime> date() const noexcept;
  [[nodiscard]] Envelope envelope() const noexcept;
  // Identifiers without brackets.
  [[nodiscard]] std::optional<std::string_view> message_id() const noexcept;
  [[nodiscard]] std::vector<std::string_view> in_reply_to() const;
  [[nodiscard]] std::vector<std::string_view> references() const;
  // Up to limits::preview_characters of the text, UTF-8, blanks collapsed.
  [[nodiscard]] std::string_view preview() const noexcept;
  // In the order of Message::parts().
  [[nodiscard]] std::vector<SummaryPart> parts() const;
  // The first of them alone: header and body of the message, cheaper than parts().
  [[nodiscard]] SummaryPart root() const;

 private:
  std::string_view envelope_, references_, preview_, parts_;
  std::uint64_t octets_ = 0;
  std::int64_t date_ = 0;   // seconds since 1970
  std::int16_t zone_ = 0;   // minutes east of UTC
  std::uint8_t flags_ = 0;
  std::uint32_t part_count_ = 0;
  bool valid_ = false;
};

// The envelope of a message inside a message, from SummaryPart::envelope.
[[nodiscard]] Envelope decode_envelope(std::string_view encoded) noexcept;

}  // namespace keystonemail::mime
