// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "keystonemail/mailauth/mta_sts/policy.hpp"

#include <algorithm>
#include <optional>
#include <utility>

#include "keystonemail/base/text.hpp"

namespace keystonemail::mailauth::mta_sts {

namespace {

constexpr std::uint64_t ten_digits_max = 9'999'999'999;
constexpr std::size_t name_octets_max = 32;

bool is_field_name(std::string_view name) noexcept {
  const auto alphanumeric = [](char c) { return is_alpha(c) || is_digit(c); };
  return !name.empty() && name.size() <= name_octets_max && alphanumeric(name.front()) &&
         std::ranges::all_of(name, [&](char c) { return alphanumeric(c) || c == '_' || c == '-' || c == '.'; });
}

bool is_field_value(std::string_view value) noexcept {
  return !value.empty() && is_utf8(value) &&
         std::ranges::none_of(value, [](char c) { return static_cast<unsigned char>(c) < ' ' || c == '\x7f'; });
}

// sts-policy-mx-value = ["*."] Domain, in A-labels
std::optional<std::string> parse_pattern(std::string_view value) {
  const bool wildcard = value.starts_with("*.");
  const std::string_view domain = value.substr(wildcard ? 2 : 0);
  if (!is_ascii(domain)) return std::nullopt;
  const auto name = dns::Name::from_domain(domain);
  if (!name || name->is_root()) return std::nullopt;
  return (wildcard ? "*." : "") + name->text();
}

std::optional<Mode> parse_mode(std::string_view value) noexcept {
  for (const Mode mode : {Mode::none, Mode::testing, Mode::enforce}) {
    if (value == to_string(mode)) return mode;
  }
  return std::nullopt;
}

struct Fields {
  std::optional<std::string_view> version, mode, max_age;
  std::vector<std::string> patterns;
};

std::optional<PolicyFault> take_field(Fields& fields, std::string_view name, std::string_view value) {
  const auto first = [&](std::optional<std::string_view>& field) {
    if (!field) field = value;
  };
  if (name == "version") first(fields.version);
  else if (name == "mode") first(fields.mode);
  else if (name == "max_age") first(fields.max_age);
  if (name != "mx") return std::nullopt;
  auto pattern = parse_pattern(value);
  if (!pattern || fields.patterns.size() == limits::patterns_max) return PolicyFault::patterns;
  fields.patterns.push_back(*std::move(pattern));
  return std::nullopt;
}

}  // namespace

std::string_view to_string(Mode mode) noexcept {
  switch (mode) {
    case Mode::none: return "none";
    case Mode::testing: return "testing";
    case Mode::enforce: return "enforce";
  }
  __builtin_unreachable();
}

std::string_view to_string(PolicyFault fault) noexcept {
  switch (fault) {
    case PolicyFault::too_large: return "larger than 64 KiB";
    case PolicyFault::malformed: return "a line that is no field";
    case PolicyFault::version: return "no version STSv1";
    case PolicyFault::mode: return "no mode, or an unknown one";
    case PolicyFault::max_age: return "no max_age, or none that is a number";
    case PolicyFault::patterns: return "no mx, too many, or one that is no host name";
  }
  __builtin_unreachable();
}

// sts-policy-record = sts-policy-field *WSP *(sts-policy-term sts-policy-field *WSP) [sts-policy-term]
std::expected<Policy, PolicyFault> parse_policy(std::string_view text) {
  if (text.size() > limits::policy_octets_max) return std::unexpected(PolicyFault::too_large);
  Fields fields;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.ends_with('\r')) line.remove_suffix(1);
    while (line.ends_with(' ') || line.ends_with('\t')) line.remove_suffix(1);
    if (line.empty()) continue;  // LENIENT: files that were written by hand end in several line ends
    const std::size_t colon = line.find(':');
    if (colon == std::string_view::npos) return std::unexpected(PolicyFault::malformed);
    const std::string_view name = line.substr(0, colon);
    std::string_view value = line.substr(colon + 1);
    while (value.starts_with(' ') || value.starts_with('\t')) value.remove_prefix(1);
    if (!is_field_name(name) || !is_field_value(value)) return std::unexpected(PolicyFault::malformed);
    if (const auto fault = take_field(fields, name, value)) return std::unexpected(*fault);
  }
  if (fields.version != "STSv1") return std::unexpected(PolicyFault::version);
  const auto mode = parse_mode(fields.mode.value_or(""));
  if (!mode) return std::unexpected(PolicyFault::mode);
  const auto max_age = parse_decimal(fields.max_age.value_or(""), ten_digits_max);
  if (!max_age || fields.max_age->size() > 10) return std::unexpected(PolicyFault::max_age);
  if (*mode != Mode::none && fields.patterns.empty()) return std::unexpected(PolicyFault::patterns);
  Policy policy{.mode = *mode, .max_age = {}, .patterns = std::move(fields.patterns)};
  policy.max_age = std::min(std::chrono::seconds(static_cast<std::int64_t>(*max_age)), limits::max_age_max);
  return policy;
}

std::vector<std::string> Policy::lines() const {
  std::vector<std::string> lines{"version: STSv1", "mode: " + std::string(to_string(mode))};
  for (const std::string& pattern : patterns) lines.push_back("mx: " + pattern);
  lines.push_back("max_age: " + std::to_string(max_age.count()));
  return lines;
}

std::string Policy::text() const {
  std::string text;
  for (const std::string& line : lines()) text += line + "\r\n";
  return text;
}

bool Policy::allows(const dns::Name& host) const {
  if (host.is_root()) return false;
  const std::string& name = host.text();
  const std::string above = host.parent().text();
  return std::ranges::any_of(patterns, [&](std::string_view pattern) {
    return pattern.starts_with("*.") ? pattern.substr(2) == above : pattern == name;
  });
}

}  // namespace keystonemail::mailauth::mta_sts
