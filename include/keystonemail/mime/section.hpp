// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Where the sections of IMAP lie in a message (RFC 9051 §6.4.5.1: BODY[], BODY[1.2.MIME], BODY[TEXT], ...), and what
// they hold once decoded (BINARY, RFC 3516; text for SEARCH).
//
// Ownership: spans are offsets; nothing is borrowed but for the call. Threads: pure functions; a decoder is for one
// thread. Errors: std::nullopt for a section the message does not have. Limits: linear time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "keystonemail/codec/base64.hpp"
#include "keystonemail/codec/charset.hpp"
#include "keystonemail/codec/quoted_printable.hpp"
#include "keystonemail/mime/summary.hpp"

namespace keystonemail::mime {

struct Span {
  std::uint32_t offset = 0, octets = 0;

  // The octets themselves, cut where `raw` is shorter than the summary says.
  [[nodiscard]] std::string_view of(std::string_view raw) const noexcept;
  friend bool operator==(const Span&, const Span&) = default;
};

// header also serves HEADER.FIELDS and HEADER.FIELDS.NOT: give the octets of the span to filter_header().
enum class SectionText : std::uint8_t { all, header, text, mime };

// BODY[path.text]; an empty path is the message itself. `mime` needs a path (§6.4.5.1).
[[nodiscard]] std::optional<Span> find_section(std::span<const SummaryPart> parts, std::span<const std::uint32_t> path,
                                               SectionText text);

// The index of the entity a path names: what BODY[path] holds is its body, path.MIME its header.
[[nodiscard]] std::optional<std::size_t> find_part(std::span<const SummaryPart> parts,
                                                   std::span<const std::uint32_t> path);

// Undoes a transfer encoding, in pieces of any size.
class ContentDecoder {
 public:
  explicit ContentDecoder(TransferEncoding encoding) noexcept : encoding_(encoding) {}
  void append(std::string& out, std::string_view piece);
  void finish(std::string& out);

 private:
  TransferEncoding encoding_;
  codec::Base64Decoder base64_;
  codec::QuotedPrintableDecoder quoted_printable_;
};

[[nodiscard]] std::string decode_content(TransferEncoding encoding, std::string_view body);

// Undoes the transfer encoding and converts the charset to UTF-8, in pieces of any size and with little memory.
class TextDecoder {
 public:
  TextDecoder(TransferEncoding encoding, std::string_view charset) : content_(encoding), charset_(charset) {}
  explicit TextDecoder(const SummaryPart& part);
  void append(std::string& out, std::string_view piece);
  void finish(std::string& out);

 private:
  ContentDecoder content_;
  codec::CharsetDecoder charset_;
  std::string octets_;
};

// HTML as the text a reader sees, for previews and search: tags, scripts and styles gone, entities decoded, blanks
// collapsed. Linear, without recursion (attack C7); stops once `characters_max` code points are out.
[[nodiscard]] std::string html_to_text(std::string_view html, std::size_t characters_max = SIZE_MAX);

}  // namespace keystonemail::mime
