// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "mime/preview.hpp"

#include <algorithm>

#include "keystonemail/base/text.hpp"
#include "keystonemail/mime/limits.hpp"
#include "keystonemail/mime/section.hpp"
#include "mime/scanner.hpp"

namespace keystonemail::mime {
namespace {

constexpr std::size_t plain_octets_max = 8 * 1024;   // read for a preview
constexpr std::size_t plain_octets_once = 1024;      // of ASCII, where no decoding is needed
constexpr std::size_t html_octets_max = 128 * 1024;  // style sheets come first

bool is_plain(TransferEncoding encoding) {
  return encoding == TransferEncoding::seven_bit || encoding == TransferEncoding::eight_bit;
}

bool is_ascii_superset(std::string_view charset) {
  return charset.empty() || iequals(charset, "us-ascii") || iequals(charset, "utf-8") ||
         istarts_with(charset, "iso-8859-") || istarts_with(charset, "windows-125");
}

// The first code points of `text`, runs of blanks and controls as one blank.
std::string shorten(std::string_view text) {
  std::string out;
  out.reserve(limits::preview_characters);
  std::size_t characters = 0;
  for (std::size_t i = 0; i < text.size() && characters < limits::preview_characters;) {
    const auto c = static_cast<unsigned char>(text[i]);
    if (c <= ' ' || c == 0x7f) {
      ++i;
      if (out.empty() || out.back() == ' ') continue;
      out.push_back(' ');
    } else if (c < 0x80) {
      out.push_back(text[i++]);
    } else {
      const auto decoded = decode_utf8(text.substr(i));
      const std::size_t octets = decoded ? decoded->octets : 1;
      if (decoded) out += text.substr(i, octets);
      i += octets;
    }
    ++characters;
  }
  if (out.ends_with(' ')) out.pop_back();
  return out;
}

}  // namespace

void PreviewMaker::consider(const Part& part, const ContentType& type) {
  const bool plain = type.is("text/plain");
  const bool html = type.is("text/html");
  if (part.kind != PartKind::leaf || part.opaque || (!plain && !html)) return;
  if (text_ != nullptr && (!is_html_ || html)) return;
  const auto disposition = message_.value(part, FieldName::content_disposition);
  if (disposition && istarts_with(trim(*disposition), "attachment")) return;
  if (std::ranges::all_of(message_.body(part).substr(0, 64), is_blank)) return;  // an empty alternative
  text_ = &part;
  is_html_ = html;
  const Parameter* charset = find_parameter(type.parameters, "charset");
  charset_ = charset != nullptr ? charset->value : std::string();
}

std::string PreviewMaker::make() const {
  if (text_ == nullptr) return {};
  const auto body = message_.body(*text_).substr(0, is_html_ ? html_octets_max : plain_octets_max);
  const auto beginning = body.substr(0, plain_octets_once);
  if (!is_html_ && is_plain(text_->encoding) && is_ascii_superset(charset_) && is_ascii(beginning))
    return shorten(beginning);
  TextDecoder decoder(text_->encoding, charset_);
  std::string text;
  decoder.append(text, body);  // not finished: the end may have been cut inside a sequence
  return shorten(is_html_ ? html_to_text(text, limits::preview_characters * 4) : text);
}

}  // namespace keystonemail::mime
