// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "service/reception/header_edits.hpp"

#include <algorithm>
#include <cstdint>
#include <map>

#include "keystonemail/base/text.hpp"
#include "keystonemail/mime/header.hpp"

namespace keystonemail::reception {
namespace {

// RFC 5322 §2.2: printable ASCII but for the colon.
bool is_field_name(std::string_view name) noexcept {
  return !name.empty() && name.size() <= 77 && std::ranges::all_of(name, [](char c) { return c > ' ' && c < 0x7f && c != ':'; });
}

// RFC 5322 §2.2.3: line ends only where a blank follows, and something to read behind them.
bool is_field_value(std::string_view value) noexcept {
  for (std::size_t i = 0; i < value.size(); ++i) {
    if (value[i] == '\0' || value[i] == '\n') return false;
    if (value[i] != '\r') continue;
    const auto rest = value.substr(i + 1);
    if (rest.size() < 3 || rest[0] != '\n' || (rest[1] != ' ' && rest[1] != '\t')) return false;
    const auto text = rest.find_first_not_of(" \t", 1);
    if (text == std::string_view::npos || rest[text] == '\r') return false;
    i += 2;
  }
  return true;
}

void append_field(std::string& out, const policy::AddHeader& field) {
  if (!is_field_name(field.name) || !is_field_value(field.value)) return;
  out.append(field.name).append(": ").append(field.value).append("\r\n");
}

bool removes(std::span<const policy::Edit> edits, std::string_view name, std::uint32_t occurrence) noexcept {
  return std::ranges::any_of(edits, [&](const policy::Edit& edit) {
    const auto* removal = std::get_if<policy::RemoveHeader>(&edit);
    return removal && iequals(removal->name, name) &&
           (removal->occurrence == 0 || removal->occurrence == occurrence);
  });
}

}  // namespace

std::string added_on_top(std::span<const policy::Edit> edits) {
  std::string out;
  for (const auto& edit : edits) {
    if (const auto* field = std::get_if<policy::AddHeader>(&edit); field && field->place == policy::Place::top) append_field(out, *field);
  }
  return out;
}

bool rewrites_header(std::span<const policy::Edit> edits) noexcept {
  return std::ranges::any_of(edits, [](const policy::Edit& edit) {
    const auto* field = std::get_if<policy::AddHeader>(&edit);
    return std::holds_alternative<policy::RemoveHeader>(edit) || (field && field->place == policy::Place::bottom);
  });
}

std::string rewritten_header(std::string_view header, std::span<const policy::Edit> edits) {
  std::string out;
  out.reserve(header.size());
  std::map<std::string, std::uint32_t, std::less<>> seen;
  mime::HeaderReader reader(header);
  while (const auto field = reader.next()) {
    if (!removes(edits, field->name, ++seen[to_lower(field->name)])) out.append(field->raw);
  }
  if (!out.empty() && !out.ends_with('\n')) out.append("\r\n");
  for (const auto& edit : edits) {
    if (const auto* field = std::get_if<policy::AddHeader>(&edit); field && field->place == policy::Place::bottom) append_field(out, *field);
  }
  if (reader.ended()) out.append("\r\n");
  return out;
}

}  // namespace keystonemail::reception
