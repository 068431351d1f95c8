// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "keystonemail/mailauth/mta_sts/record.hpp"

#include <algorithm>

#include "keystonemail/base/text.hpp"

namespace keystonemail::mailauth::mta_sts {

namespace {

constexpr std::string_view version = "v=STSv1";
constexpr std::size_t ext_name_octets_max = 32;

bool is_alphanumeric(char c) noexcept { return is_alpha(c) || is_digit(c); }

std::string_view trim_blanks(std::string_view text) noexcept {
  while (text.starts_with(' ') || text.starts_with('\t')) text.remove_prefix(1);
  while (text.ends_with(' ') || text.ends_with('\t')) text.remove_suffix(1);
  return text;
}

// sts-ext-name = (ALPHA / DIGIT) *31(ALPHA / DIGIT / "_" / "-" / ".")
bool is_name(std::string_view name) noexcept {
  return !name.empty() && name.size() <= ext_name_octets_max && is_alphanumeric(name.front()) &&
         std::ranges::all_of(name, [](char c) { return is_alphanumeric(c) || c == '_' || c == '-' || c == '.'; });
}

// sts-ext-value = 1*(%x21-3A / %x3C / %x3E-7E)
bool is_value(std::string_view value) noexcept {
  return !value.empty() && std::ranges::all_of(value, [](char c) { return c > ' ' && c <= '~' && c != ';' && c != '='; });
}

}  // namespace

// sts-text-record = sts-version 1*(sts-field-delim sts-field) [sts-field-delim]; sts-field-delim = *WSP ";" *WSP
std::optional<Record> parse_record(std::string_view text) {
  if (!text.starts_with(version)) return std::nullopt;
  text = trim_blanks(text.substr(version.size()));
  if (!text.starts_with(';')) return std::nullopt;
  std::optional<Record> record;
  while (!text.empty()) {
    text.remove_prefix(1);  // the semicolon
    const std::size_t end = std::min(text.find(';'), text.size());
    const std::string_view field = trim_blanks(text.substr(0, end));
    text.remove_prefix(end);
    if (field.empty() && text.empty()) break;  // the delimiter at the end
    const std::size_t equals = std::min(field.find('='), field.size());
    const std::string_view name = field.substr(0, equals);
    const std::string_view value = field.substr(std::min(equals + 1, field.size()));
    if (!is_name(name) || !is_value(value)) return std::nullopt;
    if (name != "id" || record) continue;
    if (value.size() > limits::id_octets_max || !std::ranges::all_of(value, is_alphanumeric)) return std::nullopt;
    record = Record{std::string(value)};
  }
  return record;
}

std::optional<Record> choose_record(std::span<const std::string> texts) {
  const std::string* only = nullptr;
  for (const std::string& text : texts) {
    if (!text.starts_with("v=STSv1;")) continue;
    if (only != nullptr) return std::nullopt;
    only = &text;
  }
  return only == nullptr ? std::nullopt : parse_record(*only);
}

}  // namespace keystonemail::mailauth::mta_sts
