// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "mailauth/spf/record.hpp"

#include <algorithm>
#include <cassert>
#include <utility>

#include "keystonemail/base/text.hpp"

namespace keystonemail::mailauth::spf {
namespace {

constexpr std::string_view version = "v=spf1";

struct MechanismName {
  std::string_view name;
  Mechanism mechanism;
};
constexpr std::array mechanism_names{
    MechanismName{"all", Mechanism::all}, MechanismName{"include", Mechanism::include}, MechanismName{"a", Mechanism::a},
    MechanismName{"mx", Mechanism::mx},   MechanismName{"ptr", Mechanism::ptr},         MechanismName{"ip4", Mechanism::ip4},
    MechanismName{"ip6", Mechanism::ip6}, MechanismName{"exists", Mechanism::exists}};

std::optional<Mechanism> mechanism_of(std::string_view name) {
  for (const auto& entry : mechanism_names) {
    if (iequals(entry.name, name)) return entry.mechanism;
  }
  return std::nullopt;
}

// §4.6.1  qualifier = "+" / "-" / "?" / "~"
Outcome take_qualifier(std::string_view& term) {
  const char c = term.empty() ? '\0' : term.front();
  const bool is_qualifier = c == '+' || c == '-' || c == '?' || c == '~';
  if (is_qualifier) term.remove_prefix(1);
  return c == '-' ? Outcome::fail : c == '~' ? Outcome::softfail : c == '?' ? Outcome::neutral : Outcome::pass;
}

// §4.6.1  name = ALPHA *( ALPHA / DIGIT / "-" / "_" / "." )
bool is_modifier_name(std::string_view name) {
  return !name.empty() && is_alpha(name.front()) && std::ranges::all_of(name, [](char c) {
    return is_alpha(c) || is_digit(c) || c == '-' || c == '_' || c == '.';
  });
}

// §5.6  "0" / %x31-39 0*2DIGIT, up to `limit`
std::optional<unsigned> parse_prefix(std::string_view digits, unsigned limit) {
  if (digits.size() > 1 && digits.front() == '0') return std::nullopt;
  const auto value = parse_decimal(digits, limit);
  return value ? std::optional(static_cast<unsigned>(*value)) : std::nullopt;
}

// Takes `mark` and the digits behind it off the end of `text`. False: they are there and are no prefix length.
bool take_prefix(std::string_view& text, std::string_view mark, unsigned limit, unsigned& out) {
  const std::size_t at = text.rfind(mark);
  if (at == std::string_view::npos) return true;
  const auto digits = text.substr(at + mark.size());
  if (!std::ranges::all_of(digits, is_digit)) return true;  // part of the domain-spec, which will say
  const auto value = parse_prefix(digits, limit);
  if (!value) return false;
  out = *value;
  text = text.substr(0, at);
  return true;
}

// §5.6  dual-cidr-length = [ ip4-cidr-length ] [ "/" ip6-cidr-length ]
bool take_prefixes(std::string_view& text, Directive& out) {
  return take_prefix(text, "//", 128, out.prefix6) && take_prefix(text, "/", 32, out.prefix4);
}

bool read_network4(std::string_view text, Directive& out) {
  if (!take_prefix(text, "/", 32, out.prefix4)) return false;
  const auto address = IpAddress::parse(text);
  if (!address || text.find(':') != std::string_view::npos) return false;
  out.network = {address->octets(), IpAddress::Family::v4};
  return true;
}

// An IPv4-mapped network is one of IPv6: it matches no IPv4 client.
bool read_network6(std::string_view text, Directive& out) {
  if (!take_prefix(text, "/", 128, out.prefix6)) return false;
  const auto address = IpAddress::parse(text);
  if (!address || text.find(':') == std::string_view::npos) return false;
  out.network = {address->octets(), IpAddress::Family::v6};
  if (address->family() == IpAddress::Family::v4) {
    out.network.octets = {};
    out.network.octets[10] = out.network.octets[11] = 0xff;
    std::copy_n(address->octets().begin(), 4, out.network.octets.begin() + 12);
  }
  return true;
}

enum class Argument : std::uint8_t { optional, required };

// [ ":" domain-spec ]
bool read_target(std::string_view text, Argument argument, Directive& out) {
  if (text.empty()) return argument == Argument::optional;
  if (text.front() != ':') return false;
  out.target = parse_domain_spec(text.substr(1));
  return out.target.has_value();
}

bool read_arguments(std::string_view text, Directive& out) {
  switch (out.mechanism) {
    case Mechanism::all: return text.empty();
    case Mechanism::include:
    case Mechanism::exists: return read_target(text, Argument::required, out);
    case Mechanism::ptr: return read_target(text, Argument::optional, out);
    case Mechanism::a:
    case Mechanism::mx: return take_prefixes(text, out) && read_target(text, Argument::optional, out);
    case Mechanism::ip4: return text.starts_with(':') && read_network4(text.substr(1), out);
    case Mechanism::ip6: return text.starts_with(':') && read_network6(text.substr(1), out);
  }
  return false;
}

bool read_directive(std::string_view term, Record& record) {
  Directive out;
  out.text = term;
  out.on_match = take_qualifier(term);
  const std::size_t name_end = std::min(term.find_first_of(":/"), term.size());
  const auto mechanism = mechanism_of(term.substr(0, name_end));
  if (!mechanism) return false;
  out.mechanism = *mechanism;
  if (!read_arguments(term.substr(name_end), out)) return false;
  record.has_all |= out.mechanism == Mechanism::all;
  record.directives.push_back(std::move(out));
  return true;
}

// §6: redirect and exp may stand once each; others are ignored, but must be well-formed.
bool read_modifier(std::string_view name, std::string_view value, Record& record) {
  if (!is_modifier_name(name)) return false;
  auto* known = iequals(name, "redirect") ? &record.redirect : iequals(name, "exp") ? &record.explanation : nullptr;
  if (known == nullptr) return parse_macro_string(value, MacroSet::explanation).has_value();
  if (known->has_value()) return false;
  *known = parse_domain_spec(value);
  return known->has_value();
}

// A term with '=' before any ':' or '/' is a modifier.
bool read_term(std::string_view term, Record& record) {
  const std::size_t mark = term.find_first_of("=:/");
  if (mark == std::string_view::npos || term[mark] != '=') return read_directive(term, record);
  return read_modifier(term.substr(0, mark), term.substr(mark + 1), record);
}

}  // namespace

bool is_record(std::string_view text) noexcept {
  return istarts_with(text, version) && (text.size() == version.size() || text[version.size()] == ' ');
}

std::expected<Record, std::string> parse_record(std::string_view text) {
  assert(is_record(text));
  Record out;
  text.remove_prefix(version.size());
  while (!text.empty()) {
    const std::size_t end = std::min(text.find(' '), text.size());
    const auto term = text.substr(0, end);
    if (!term.empty() && !read_term(term, out)) return std::unexpected(std::string(term));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return out;
}

}  // namespace keystonemail::mailauth::spf
