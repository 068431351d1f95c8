// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "keystonemail/mime/reencode.hpp"

#include <algorithm>

#include "keystonemail/base/text.hpp"
#include "keystonemail/codec/base64.hpp"
#include "keystonemail/codec/quoted_printable.hpp"
#include "keystonemail/mime/message.hpp"

namespace keystonemail::mime {

namespace {

constexpr std::size_t base64_line_octets = 57;  // 76 characters (RFC 2045 §6.8)

std::string base64_lines(std::string_view octets) {
  std::string out;
  for (; !octets.empty(); octets.remove_prefix(std::min(octets.size(), base64_line_octets)))
    out += codec::encode_base64(octets.substr(0, base64_line_octets)) + "\r\n";
  return out;
}

bool is_not_encoded(TransferEncoding encoding) noexcept {
  return encoding == TransferEncoding::seven_bit || encoding == TransferEncoding::eight_bit || encoding == TransferEncoding::binary;
}

// What a part's transfer encoding becomes; the one it has when it can stay.
using NewEncoding = TransferEncoding (*)(const Message& message, const Part& part);

TransferEncoding for_seven_bit(const Message& message, const Part& part) {
  if (!is_not_encoded(part.encoding) && part.encoding != TransferEncoding::unknown) return part.encoding;
  if (part.kind != PartKind::leaf) return TransferEncoding::seven_bit;  // RFC 2045 §6.4: nothing else may stand there
  const std::string_view body = message.body(part);
  if (part.encoding == TransferEncoding::binary) return TransferEncoding::base64;
  if (is_ascii(body)) return part.encoding == TransferEncoding::eight_bit ? TransferEncoding::seven_bit : part.encoding;
  return message.content_type(part).type == "text" ? TransferEncoding::quoted_printable : TransferEncoding::base64;
}

TransferEncoding without_nul(const Message& message, const Part& part) {
  if (part.kind != PartKind::leaf || !is_not_encoded(part.encoding)) return part.encoding;
  if (message.body(part).find('\0') == std::string_view::npos) return part.encoding;
  // RFC 2045 §6.4: these are never encoded, nor is what only says that it is one of them.
  const std::string_view type = trim(message.value(part, FieldName::content_type).value_or(""));
  const bool composite = istarts_with(type, "multipart") || istarts_with(type, "message");
  return composite ? part.encoding : TransferEncoding::base64;
}

void write_header(std::string& out, const Message& message, const Part& part, TransferEncoding encoding) {
  bool typed = false;
  for (const Field& field : message.fields(part)) {
    typed = typed || field.id == FieldName::content_type;
    if (field.id != FieldName::content_transfer_encoding) out += field.raw;
  }
  if (!out.empty() && !out.ends_with('\n')) out += "\r\n";
  const bool is_mime = message.value(message.root(), FieldName::mime_version).has_value();
  if (&part == &message.root() && !is_mime) out += "MIME-Version: 1.0\r\n";
  if (&part == &message.root() && !typed) out += "Content-Type: text/plain; charset=unknown-8bit\r\n";  // RFC 1428 §3
  out.append("Content-Transfer-Encoding: ").append(to_lower(to_string(encoding))).append("\r\n\r\n");
}


std::string reencode(std::string_view raw, NewEncoding new_encoding) {
  const auto message = Message::parse(raw);
  std::string out;
  out.reserve(raw.size() + raw.size() / 4);
  std::size_t at = 0;  // of raw, copied so far
  for (const Part& part : message.parts()) {
    const TransferEncoding encoding = new_encoding(message, part);
    if (encoding == part.encoding) continue;
    out += raw.substr(at, part.header_begin - at);
    write_header(out, message, part, encoding);
    at = part.body_begin;
    if (part.kind != PartKind::leaf || encoding == TransferEncoding::seven_bit) continue;
    const std::string_view body = message.body(part);
    out += encoding == TransferEncoding::base64 ? base64_lines(body) : codec::encode_quoted_printable(body);
    at = part.body_end;
  }
  out += raw.substr(at);
  return out;
}

}  // namespace

std::string to_seven_bit(std::string_view raw) { return reencode(raw, for_seven_bit); }

std::string encode_nul(std::string_view raw) { return reencode(raw, without_nul); }

}  // namespace keystonemail::mime
