// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "keystonemail/codec/idna.hpp"

#include <idn2.h>

#include <algorithm>

#include "keystonemail/base/text.hpp"

namespace keystonemail::codec {
namespace {

constexpr std::size_t domain_octets_max = 255;  // RFC 1035 §2.3.4
constexpr std::size_t label_octets_max = 63;

bool is_label(std::string_view label) {
  if (label.empty() || label.size() > label_octets_max || label.starts_with('-') || label.ends_with('-')) return false;
  return std::ranges::all_of(label, [](char c) { return is_alpha(c) || is_digit(c) || c == '-' || c == '_'; });
}

bool is_ascii_domain(std::string_view domain) {
  while (true) {
    const std::size_t dot = domain.find('.');
    if (!is_label(domain.substr(0, dot))) return false;
    if (dot == std::string_view::npos) return true;
    domain.remove_prefix(dot + 1);
  }
}

// The libidn2 conversions share this shape.
using Conversion = int (*)(const char*, char**, int);
std::optional<std::string> convert(Conversion conversion, const std::string& domain) {
  char* converted = nullptr;
  if (conversion(domain.c_str(), &converted, IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL) != IDN2_OK) return std::nullopt;
  std::string out(converted);
  idn2_free(converted);
  return out;
}

}  // namespace

std::optional<std::string> to_ascii_domain(std::string_view domain) {
  if (domain.ends_with('.')) domain.remove_suffix(1);
  if (domain.empty() || domain.size() > domain_octets_max || domain.find('\0') != std::string_view::npos)
    return std::nullopt;
  std::string ascii = to_lower(domain);
  if (!is_ascii(domain)) {
    if (!is_utf8(domain)) return std::nullopt;
    auto converted = convert(idn2_to_ascii_8z, std::string(domain));
    if (!converted) return std::nullopt;
    ascii = to_lower(*converted);
  }
  if (ascii.size() > domain_octets_max - 2 || !is_ascii_domain(ascii)) return std::nullopt;
  return ascii;
}

std::string to_unicode_domain(std::string_view ascii_domain) {
  std::string domain(ascii_domain);
  if (domain.find("xn--") == std::string::npos || domain.find('\0') != std::string::npos) return domain;
  const auto converted = convert(idn2_to_unicode_8z8z, domain);
  // Only when it leads back here: a label that decodes to something else must not be shown as that.
  return converted && to_ascii_domain(*converted) == domain ? *converted : domain;
}

}  // namespace keystonemail::codec
