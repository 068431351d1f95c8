// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "keystonemail/mime/content_type.hpp"

#include <algorithm>
#include <array>
#include <optional>

#include "keystonemail/base/text.hpp"
#include "keystonemail/codec/charset.hpp"
#include "keystonemail/codec/hex.hpp"
#include "keystonemail/mime/encoded_word.hpp"
#include "keystonemail/mime/limits.hpp"
#include "mime/parameter_reader.hpp"
#include "mime/scanner.hpp"

namespace keystonemail::mime {
namespace {

// LENIENT: malformed escapes stay as they are.
std::string decode_percent_leniently(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool escape = text[i] == '%' && text.size() - i > 2 && codec::hex_digit(text[i + 1]) >= 0 &&
                        codec::hex_digit(text[i + 2]) >= 0;
    if (escape) {
      out.push_back(static_cast<char>(codec::hex_digit(text[i + 1]) << 4 | codec::hex_digit(text[i + 2])));
      i += 2;
    } else {
      out.push_back(text[i]);
    }
  }
  return out;
}

void replace_controls(std::string& text) {
  for (char& c : text)
    if (static_cast<unsigned char>(c) < ' ') c = ' ';
}

}  // namespace

std::string decode_parameter(std::string_view value, bool extended) {
  std::string out;
  if (extended) {  // RFC 2231 §4: charset'language'text
    const std::size_t first = value.find('\'');
    const std::size_t second = first == std::string_view::npos ? first : value.find('\'', first + 1);
    if (second == std::string_view::npos) out = codec::to_utf8(decode_percent_leniently(value), "utf-8");
    else out = codec::to_utf8(decode_percent_leniently(value.substr(second + 1)), value.substr(0, first));
  } else {
    // LENIENT: RFC 2047 §5 forbids encoded words here, and most mail programs write file names so.
    out = decode_text(value);
  }
  replace_controls(out);
  return out;
}

std::string Parameter::decoded() const { return decode_parameter(value, extended); }

const Parameter* find_parameter(const Parameters& parameters, std::string_view name) noexcept {
  const auto found = std::ranges::find(parameters, name, &Parameter::name);
  return found == parameters.end() ? nullptr : &*found;
}

bool ContentType::is(std::string_view full_type) const noexcept {
  return full_type.size() == type.size() + 1 + subtype.size() && full_type.starts_with(type) &&
         full_type[type.size()] == '/' && full_type.ends_with(subtype);
}

ContentType parse_content_type(std::string_view value) {
  ContentType result;
  Scanner scanner(value);
  scanner.skip_cfws();
  const auto type = scanner.take_until(token_ends);
  scanner.skip_cfws();
  const bool slash = scanner.take('/');
  scanner.skip_cfws();
  const auto subtype = scanner.take_until(token_ends);
  if (type.empty() || !slash || subtype.empty()) return result;  // RFC 2045 §5.2: text/plain
  result.type = to_lower(type);
  result.subtype = to_lower(subtype);
  result.valid = true;
  result.parameters = read_parameters(scanner, result.ambiguous);
  return result;
}

ContentDisposition parse_content_disposition(std::string_view value) {
  ContentDisposition result;
  Scanner scanner(value);
  scanner.skip_cfws();
  result.type = to_lower(scanner.take_until(token_ends));
  result.parameters = read_parameters(scanner, result.ambiguous);
  return result;
}

std::vector<std::string> parse_content_language(std::string_view value) {
  std::vector<std::string> languages;
  Scanner scanner(value);
  while (languages.size() < limits::parameters_max) {
    scanner.skip_cfws();
    while (scanner.take(',')) scanner.skip_cfws();
    const auto language = scanner.take_until(token_ends);
    if (language.empty()) break;
    languages.emplace_back(language);
  }
  return languages;
}

namespace {
constexpr std::array<std::string_view, 6> encoding_names = {"7BIT", "8BIT", "BINARY", "QUOTED-PRINTABLE", "BASE64", ""};
}

TransferEncoding parse_transfer_encoding(std::string_view value) noexcept {
  value = trim(value);
  for (std::size_t i = 0; i < 5; ++i)
    if (iequals(value, encoding_names[i])) return static_cast<TransferEncoding>(i);
  // With comments, or followed by something: only the token counts.
  Scanner scanner(value);
  scanner.skip_cfws();
  const auto token = scanner.take_until(token_ends);
  for (std::size_t i = 0; i < 5; ++i)
    if (iequals(token, encoding_names[i])) return static_cast<TransferEncoding>(i);
  return TransferEncoding::unknown;
}

std::string_view to_string(TransferEncoding encoding) noexcept {
  return encoding_names[static_cast<std::size_t>(encoding)];
}

}  // namespace keystonemail::mime
