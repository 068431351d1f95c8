// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "service/relay/seven_bit.hpp"

#include "keystonemail/base/text.hpp"
#include "keystonemail/codec/base64.hpp"
#include "keystonemail/codec/quoted_printable.hpp"
#include "keystonemail/mime/message.hpp"

namespace keystonemail::relay {

namespace {

using mime::TransferEncoding;

constexpr std::size_t base64_line_octets = 57;  // 76 characters (RFC 2045 §6.8)

std::string base64_lines(std::string_view octets) {
  std::string out;
  for (; !octets.empty(); octets.remove_prefix(std::min(octets.size(), base64_line_octets)))
    out += codec::encode_base64(octets.substr(0, base64_line_octets)) + "\r\n";
  return out;
}

// What a part's transfer encoding becomes; nothing when it can stay.
TransferEncoding new_encoding(const mime::Message& message, const mime::Part& part) {
  const bool identity = part.encoding == TransferEncoding::seven_bit || part.encoding == TransferEncoding::eight_bit ||
                        part.encoding == TransferEncoding::binary || part.encoding == TransferEncoding::unknown;
  if (!identity) return part.encoding;
  if (part.kind != mime::PartKind::leaf) return TransferEncoding::seven_bit;  // RFC 2045 §6.4: nothing else may stand there
  const std::string_view body = message.body(part);
  if (part.encoding == TransferEncoding::binary) return TransferEncoding::base64;
  if (is_ascii(body)) return part.encoding == TransferEncoding::eight_bit ? TransferEncoding::seven_bit : part.encoding;
  return message.content_type(part).type == "text" ? TransferEncoding::quoted_printable : TransferEncoding::base64;
}

void write_header(std::string& out, const mime::Message& message, const mime::Part& part, TransferEncoding encoding) {
  bool typed = false;
  for (const mime::Field& field : message.fields(part)) {
    typed = typed || field.id == mime::FieldName::content_type;
    if (field.id != mime::FieldName::content_transfer_encoding) out += field.raw;
  }
  if (!out.empty() && !out.ends_with('\n')) out += "\r\n";
  const bool is_mime = message.value(message.root(), mime::FieldName::mime_version).has_value();
  if (&part == &message.root() && !is_mime) out += "MIME-Version: 1.0\r\n";
  if (&part == &message.root() && !typed) out += "Content-Type: text/plain; charset=unknown-8bit\r\n";  // RFC 1428 §3
  out.append("Content-Transfer-Encoding: ").append(to_lower(to_string(encoding))).append("\r\n\r\n");
}

}  // namespace

std::string to_seven_bit(std::string_view raw) {
  const auto message = mime::Message::parse(raw);
  std::string out;
  out.reserve(raw.size() + raw.size() / 4);
  std::size_t at = 0;  // of raw, copied so far
  for (const mime::Part& part : message.parts()) {
    const TransferEncoding encoding = new_encoding(message, part);
    if (encoding == part.encoding) continue;
    out += raw.substr(at, part.header_begin - at);
    write_header(out, message, part, encoding);
    at = part.body_begin;
    if (part.kind != mime::PartKind::leaf || encoding == TransferEncoding::seven_bit) continue;
    const std::string_view body = message.body(part);
    out += encoding == TransferEncoding::base64 ? base64_lines(body) : codec::encode_quoted_printable(body);
    at = part.body_end;
  }
  out += raw.substr(at);
  return out;
}

}  // namespace keystonemail::relay
