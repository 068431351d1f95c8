// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "keystonemail/http/fields.hpp"

#include <algorithm>

#include "keystonemail/base/text.hpp"

namespace keystonemail::http {
namespace {

// RFC 9110 §5.6.2: "!" / "#" / "$" / "%" / "&" / "'" / "*" / "+" / "-" / "." / "^" / "_" / "`" / "|" / "~" / DIGIT / ALPHA
constexpr bool is_token_octet(char c) noexcept {
  return is_digit(c) || is_alpha(c) || (c != '\0' && std::string_view("!#$%&'*+-.^_`|~").contains(c));
}

}  // namespace

const std::string* find(const Fields& fields, std::string_view name) noexcept {
  const auto found = std::ranges::find_if(fields, [&](const Field& field) { return iequals(field.name, name); });
  return found == fields.end() ? nullptr : &found->value;
}

std::size_t count(const Fields& fields, std::string_view name) noexcept {
  return static_cast<std::size_t>(std::ranges::count_if(fields, [&](const Field& field) { return iequals(field.name, name); }));
}

bool is_token(std::string_view text) noexcept { return !text.empty() && std::ranges::all_of(text, is_token_octet); }

bool is_field_value(std::string_view text) noexcept {
  const bool clean = std::ranges::none_of(text, [](char c) { return (static_cast<unsigned char>(c) < 0x20 && c != '\t') || c == 0x7f; });
  return clean && trim(text).size() == text.size();
}

bool list_has(const Fields& fields, std::string_view name, std::string_view word) noexcept {
  for (const Field& field : fields) {
    if (!iequals(field.name, name)) continue;
    for (std::string_view rest = field.value; !rest.empty();) {
      const std::size_t comma = rest.find(',');
      if (iequals(trim(rest.substr(0, comma)), word)) return true;
      rest.remove_prefix(comma == std::string_view::npos ? rest.size() : comma + 1);
    }
  }
  return false;
}

std::string media_type(const Fields& fields) {
  const std::string* const value = find(fields, "Content-Type");
  return value == nullptr ? std::string() : to_lower(trim(std::string_view(*value).substr(0, value->find(';'))));
}

}  // namespace keystonemail::http
