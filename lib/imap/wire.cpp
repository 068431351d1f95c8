// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "imap/wire.hpp"

#include <algorithm>
#include <array>

#include "imap/cursor.hpp"
#include "keystonemail/base/text.hpp"
#include "keystonemail/codec/modified_utf7.hpp"

namespace keystonemail::imap {
namespace {

constexpr std::size_t quoted_octets_max = 1024;  // longer ones as literals: some clients read lines into small buffers

struct FlagsText { char text[48]; std::uint8_t octets; };

constexpr std::array<FlagsText, 32> make_system_flags() {
  constexpr std::array<std::string_view, 5> names{"\\Seen", "\\Answered", "\\Flagged", "\\Draft", "\\Deleted"};
  std::array<FlagsText, 32> table{};
  for (std::size_t bits = 0; bits < table.size(); ++bits) {
    auto& entry = table[bits];
    for (std::size_t flag = 0; flag < names.size(); ++flag) {
      if ((bits >> flag & 1) == 0) continue;
      if (entry.octets > 0) entry.text[entry.octets++] = ' ';
      for (const char c : names[flag]) entry.text[entry.octets++] = c;
    }
  }
  return table;
}
constexpr auto system_flags = make_system_flags();

bool fits_quoted(std::string_view text, const Features& features) {
  if (text.size() > quoted_octets_max) return false;
  bool eight_bit = false;
  for (const char c : text) {
    const auto octet = static_cast<unsigned char>(c);
    if (octet < 0x20 || octet == 0x7f) return false;
    eight_bit |= octet > 0x7f;
  }
  return !eight_bit || (features.utf8() && is_utf8(text));
}

void append_quoted(std::string& out, std::string_view text) {
  out += '"';
  for (std::size_t at; (at = text.find_first_of("\"\\")) != std::string_view::npos; text.remove_prefix(at + 1)) {
    out.append(text.substr(0, at));
    out += '\\';
    out += text[at];
  }
  out.append(text);
  out += '"';
}

void append_literal(std::string& out, std::string_view text) {
  out += '{';
  append_number(out, text.size());
  out += "}\r\n";
  const auto begin = out.size();
  out.append(text);
  std::replace(out.begin() + static_cast<std::ptrdiff_t>(begin), out.end(), '\0', '?');
}

}  // namespace

std::string_view system_flags_text(std::uint8_t bits) noexcept {
  const auto& entry = system_flags[bits & 31];
  return {entry.text, entry.octets};
}

void append_string(std::string& out, std::string_view text, const Features& features) {
  if (fits_quoted(text, features)) append_quoted(out, text);
  else append_literal(out, text);
}

void append_nstring(std::string& out, std::optional<std::string_view> text, const Features& features) {
  if (text) append_string(out, *text, features);
  else out += "NIL";
}

void append_astring(std::string& out, std::string_view text, const Features& features) {
  const bool atom = !text.empty() && std::ranges::all_of(text, [](char c) { return is_atom_char(c) || c == ']'; });
  if (atom && !iequals(text, "NIL")) out.append(text);
  else append_string(out, text, features);
}

void append_mailbox(std::string& out, std::string_view utf8, const Features& features) {
  if (features.utf8() || (is_ascii(utf8) && utf8.find('&') == std::string_view::npos)) {
    append_astring(out, utf8, features);
  } else {
    append_astring(out, codec::encode_modified_utf7(utf8).value_or("?"), features);
  }
}

void append_flags(std::string& out, FlagView flags, const Features& features) {
  out.append(system_flags_text(flags.system));
  bool first = (flags.system & 31) == 0;
  if (flags.recent && !features.imap4rev2) {
    out += first ? "\\Recent" : " \\Recent";
    first = false;
  }
  for (const auto keyword : flags.keywords) {
    if (!first) out += ' ';
    out.append(keyword);
    first = false;
  }
}

void append_text(std::string& out, std::string_view text, const Features& features) {
  const bool eight_bit = features.utf8() && is_utf8(text);
  for (const char c : text) {
    const auto octet = static_cast<unsigned char>(c);
    out += octet < 0x20 || octet == 0x7f || (octet > 0x7f && !eight_bit) ? '?' : c;
  }
}

}  // namespace keystonemail::imap
