// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "keystonemail/mime/builder.hpp"

#include <algorithm>
#include <span>

#include "keystonemail/base/text.hpp"
#include "keystonemail/codec/base64.hpp"
#include "keystonemail/codec/hex.hpp"
#include "keystonemail/codec/quoted_printable.hpp"
#include "keystonemail/mime/content_type.hpp"
#include "keystonemail/mime/encoded_word.hpp"
#include "mime/one_line.hpp"

namespace keystonemail::mime {
namespace {

constexpr std::size_t column_max = 78;        // RFC 5322 §2.1.1, wished
constexpr std::size_t line_octets_max = 998;  // and required
constexpr codec::Base64Layout base64_layout{76, codec::Base64Layout::LineEnd::crlf, 1};

struct Entity {
  std::string header;  // content fields, folded, without the empty line
  std::string body;
};

std::string with_crlf(std::string_view text) {
  std::string out;
  out.reserve(text.size() + text.size() / 32);
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\n' && (i == 0 || text[i - 1] != '\r')) out.push_back('\r');
    out.push_back(text[i]);
  }
  return out;
}

// Whether it can go as it is, 7bit (RFC 2045 §2.7).
bool is_seven_bit(std::string_view text) {
  if (!is_ascii(text) || text.find('\0') != std::string_view::npos) return false;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const auto line = text.substr(0, end);
    const std::size_t cr = line.find('\r');
    if (line.size() > line_octets_max || (cr != std::string_view::npos && cr + 1 != line.size())) return false;
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return true;
}

Entity text_entity(std::string_view subtype, std::string_view utf8) {
  Entity entity;
  std::string text = with_crlf(utf8);
  const std::string charset = is_ascii(text) ? "us-ascii" : "utf-8";
  append_folded_field(entity.header, "Content-Type", "text/" + std::string(subtype) + "; charset=" + charset);
  if (is_seven_bit(text)) {
    entity.body = std::move(text);
    return entity;
  }
  entity.body = codec::encode_quoted_printable(text);
  const bool use_base64 = entity.body.size() > text.size() * 3 / 2;
  if (use_base64) entity.body = codec::encode_base64(text, base64_layout);
  append_folded_field(entity.header, "Content-Transfer-Encoding", use_base64 ? "base64" : "quoted-printable");
  return entity;
}

std::string quote(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out.push_back('\\');
    out.push_back(c);
  }
  return out += '"';
}

// RFC 2231 §3 and §4: ASCII as a quoted string, the rest percent-encoded and in pieces that fit a line.
std::string parameter(std::string_view name, std::string_view value) {
  constexpr std::size_t piece_octets_max = 50;
  const std::string text = one_line(value);
  if (is_ascii(text) && text.size() <= piece_octets_max) return "; " + std::string(name) + '=' + quote(text);
  std::string rest = "utf-8''" + codec::encode_percent(text);
  if (rest.size() <= piece_octets_max) return "; " + std::string(name) + "*=" + rest;
  std::string out;
  for (unsigned section = 0; !rest.empty(); ++section) {
    std::size_t octets = std::min(piece_octets_max, rest.size());
    const std::size_t escape = rest.find('%', octets < 2 ? 0 : octets - 2);
    if (escape < octets && octets < rest.size()) octets = escape;  // an escape stays whole
    out += "; " + std::string(name) + '*' + std::to_string(section) + "*=" + rest.substr(0, octets);
    rest.erase(0, octets);
  }
  return out;
}

Entity attachment_entity(const Attachment& attachment) {
  Entity entity;
  std::string type = one_line(attachment.content_type);
  const ContentType read = parse_content_type(type);
  if (!read.valid || read.ambiguous) type = "application/octet-stream";  // readers would not agree on it
  std::string disposition = one_line(attachment.disposition);
  if (parse_content_disposition(disposition).ambiguous) disposition = "attachment";
  if (!attachment.file_name.empty()) {
    type += parameter("name", attachment.file_name);
    disposition += parameter("filename", attachment.file_name);
  }
  append_folded_field(entity.header, "Content-Type", type);
  append_folded_field(entity.header, "Content-Disposition", disposition);
  if (istarts_with(type, "message/")) {  // RFC 2046 §5.2.1: no encoding of what holds a message
    entity.body = with_crlf(attachment.octets);
    if (!is_ascii(entity.body)) append_folded_field(entity.header, "Content-Transfer-Encoding", "8bit");
    return entity;
  }
  append_folded_field(entity.header, "Content-Transfer-Encoding", "base64");
  entity.body = codec::encode_base64(attachment.octets, base64_layout);
  return entity;
}

// "=_" occurs neither in base64 nor in quoted-printable (RFC 2046 §5.1.1); parts given whole are searched.
std::string choose_boundary(std::span<const Entity> parts, std::uint64_t seed) {
  for (;; ++seed) {
    std::string octets;
    for (unsigned shift = 0; shift < 64; shift += 8) octets.push_back(static_cast<char>(seed >> shift));
    const std::string boundary = "=_" + codec::encode_hex(octets);
    const auto has_it = [&](const Entity& part) {
      return part.body.find(boundary) != std::string::npos || part.header.find(boundary) != std::string::npos;
    };
    if (std::ranges::none_of(parts, has_it)) return boundary;
  }
}

Entity multipart_entity(std::string_view subtype, std::span<const Entity> parts, std::uint64_t seed) {
  const std::string boundary = choose_boundary(parts, seed);
  Entity entity;
  append_folded_field(entity.header, "Content-Type",
                      "multipart/" + one_line(subtype) + "; boundary=" + quote(boundary));
  for (const Entity& part : parts) {
    entity.body += "--" + boundary + "\r\n" + part.header + "\r\n" + part.body + "\r\n";
  }
  entity.body += "--" + boundary + "--\r\n";
  return entity;
}

}  // namespace

MessageBuilder& MessageBuilder::date(const ZonedTime& when) { return raw_field("Date", format_date(when)); }
MessageBuilder& MessageBuilder::from(const NamedAddress& who) { return add_address("From", who); }
MessageBuilder& MessageBuilder::to(const NamedAddress& who) { return add_address("To", who); }
MessageBuilder& MessageBuilder::cc(const NamedAddress& who) { return add_address("Cc", who); }
MessageBuilder& MessageBuilder::subject(std::string_view utf8) { return field("Subject", utf8); }

MessageBuilder& MessageBuilder::message_id(std::string_view id) {
  return raw_field("Message-ID", '<' + std::string(id) + '>');
}

MessageBuilder& MessageBuilder::field(std::string_view name, std::string_view utf8) {
  fields_.emplace_back(name, encode_text(utf8));
  return *this;
}

MessageBuilder& MessageBuilder::raw_field(std::string_view name, std::string_view value) {
  fields_.emplace_back(name, one_line(value));
  return *this;
}

MessageBuilder& MessageBuilder::add_address(std::string_view name, const NamedAddress& who) {
  std::string text = one_line(who.address);
  if (!who.name.empty()) text = encode_phrase(who.name) + " <" + text + '>';
  const auto present = std::ranges::find(fields_, name, [](const auto& field) { return std::string_view(field.first); });
  if (present == fields_.end()) fields_.emplace_back(name, text);
  else present->second += ", " + text;
  return *this;
}

MessageBuilder& MessageBuilder::text(std::string_view utf8) {
  text_ = utf8;
  has_text_ = true;
  return *this;
}

MessageBuilder& MessageBuilder::html(std::string_view utf8) {
  html_ = utf8;
  has_html_ = true;
  return *this;
}

MessageBuilder& MessageBuilder::attach(Attachment attachment) {
  attachments_.push_back(std::move(attachment));
  return *this;
}

MessageBuilder& MessageBuilder::part(std::string_view content_type, std::string_view body) {
  raw_parts_.push_back({one_line(content_type), std::string(body)});
  return *this;
}

MessageBuilder& MessageBuilder::multipart(std::string_view subtype_and_parameters) {
  multipart_ = subtype_and_parameters;
  return *this;
}

std::string MessageBuilder::build(std::uint64_t seed) const {
  std::vector<Entity> parts;
  if (has_text_ || !has_html_) parts.push_back(text_entity("plain", text_));
  if (has_html_) parts.push_back(text_entity("html", html_));
  if (parts.size() == 2) parts = {multipart_entity("alternative", parts, seed)};
  if (!has_text_ && !has_html_ && !raw_parts_.empty()) parts.clear();
  for (const RawPart& raw : raw_parts_) {
    Entity& entity = parts.emplace_back();
    append_folded_field(entity.header, "Content-Type", raw.content_type);
    entity.body = raw.body;
  }
  for (const Attachment& attachment : attachments_) parts.push_back(attachment_entity(attachment));
  const bool whole = parts.size() == 1 && multipart_.empty();
  const Entity content = whole ? std::move(parts.front())
                               : multipart_entity(multipart_.empty() ? "mixed" : multipart_, parts, seed + 1);
  std::string out;
  for (const auto& [name, value] : fields_) append_folded_field(out, name, value);
  out += "MIME-Version: 1.0\r\n";
  return out + content.header + "\r\n" + content.body;
}

void append_folded_field(std::string& out, std::string_view name, std::string_view value) {
  for (const char c : name)
    if (c > ' ' && c < '\x7f' && c != ':') out.push_back(c);
  out.push_back(':');
  std::size_t column = name.size() + 1;
  const std::string text = ' ' + one_line(trim(value));
  std::string_view rest = text;
  while (!rest.empty()) {
    // A word with the blanks before it; the line is broken in front of these.
    const std::size_t word = std::min(rest.find_first_not_of(' '), rest.size());
    const std::size_t end = std::min(rest.find(' ', word), rest.size());
    if (column + end > column_max) {
      out += "\r\n";
      column = 0;
    }
    out += rest.substr(0, end);
    column += end;
    rest.remove_prefix(end);
  }
  out += "\r\n";
}

}  // namespace keystonemail::mime
