// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "keystonemail/mime/section.hpp"

#include <algorithm>

namespace keystonemail::mime {
namespace {

// The index of the `number`th child, counted from 1.
std::optional<std::size_t> child_of(std::span<const SummaryPart> parts, std::size_t parent, std::uint32_t number) {
  for (std::size_t i = parent + 1; i < parts.size(); ++i)
    if (parts[i].parent == parent && --number == 0) return i;
  return std::nullopt;
}

Span between(std::uint32_t begin, std::uint32_t end) { return {begin, end > begin ? end - begin : 0}; }

}  // namespace

std::string_view Span::of(std::string_view raw) const noexcept {
  return offset < raw.size() ? raw.substr(offset, octets) : std::string_view();
}

// RFC 9051 §6.4.5.1: the parts of a multipart are numbered; a message that is no multipart has one part, itself; the
// numbers below a message/rfc822 part are those of the message in it.
std::optional<std::size_t> find_part(std::span<const SummaryPart> parts, std::span<const std::uint32_t> path) {
  if (parts.empty()) return std::nullopt;
  std::size_t current = 0;      // the entity found so far
  bool at_message = true;       // whether its own numbers begin here: the message, or one in a message/rfc822
  for (const std::uint32_t number : path) {
    if (number == 0) return std::nullopt;
    if (!at_message && parts[current].kind == PartKind::message) {
      const auto inner = child_of(parts, current, 1);
      if (!inner) return std::nullopt;
      current = *inner;
      at_message = true;
    }
    if (parts[current].kind == PartKind::multipart) {
      const auto child = child_of(parts, current, number);
      if (!child) return std::nullopt;
      current = *child;
    } else if (!at_message || number != 1) {
      return std::nullopt;
    }
    at_message = false;
  }
  return current;
}

std::optional<Span> find_section(std::span<const SummaryPart> parts, std::span<const std::uint32_t> path,
                                 SectionText text) {
  const auto found = find_part(parts, path);
  if (!found) return std::nullopt;
  const SummaryPart* part = &parts[*found];
  if (text == SectionText::mime) {
    if (path.empty()) return std::nullopt;
    return between(part->header_begin, part->body_begin);
  }
  if (path.empty() && text == SectionText::all) return between(part->header_begin, part->body_end);
  if (text == SectionText::all) return between(part->body_begin, part->body_end);
  if (!path.empty()) {  // HEADER and TEXT are those of the message in a message/rfc822
    if (part->kind != PartKind::message) return std::nullopt;
    const auto inner = child_of(parts, *found, 1);
    if (!inner) return std::nullopt;
    part = &parts[*inner];
  }
  return text == SectionText::header ? between(part->header_begin, part->body_begin)
                                     : between(part->body_begin, part->body_end);
}

void ContentDecoder::append(std::string& out, std::string_view piece) {
  if (encoding_ == TransferEncoding::base64) base64_.append(out, piece);
  else if (encoding_ == TransferEncoding::quoted_printable) quoted_printable_.append(out, piece);
  else out += piece;
}

void ContentDecoder::finish(std::string& out) {
  if (encoding_ == TransferEncoding::base64) base64_.finish(out);
  else if (encoding_ == TransferEncoding::quoted_printable) quoted_printable_.finish(out);
}

std::string decode_content(TransferEncoding encoding, std::string_view body) {
  std::string out;
  ContentDecoder decoder(encoding);
  decoder.append(out, body);
  decoder.finish(out);
  return out;
}

TextDecoder::TextDecoder(const SummaryPart& part)
    : TextDecoder(part.encoding, [&part] {
        const SummaryParameter* charset = part.find_parameter("charset");
        return charset != nullptr ? charset->value : std::string_view();
      }()) {}

void TextDecoder::append(std::string& out, std::string_view piece) {
  octets_.clear();
  content_.append(octets_, piece);
  charset_.append(out, octets_);
}

void TextDecoder::finish(std::string& out) {
  octets_.clear();
  content_.finish(octets_);
  charset_.append(out, octets_);
  charset_.finish(out);
}

}  // namespace keystonemail::mime
