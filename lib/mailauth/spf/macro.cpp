// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "mailauth/spf/macro.hpp"

#include <algorithm>
#include <span>

#include "base/format.hpp"
#include "keystonemail/base/text.hpp"
#include "keystonemail/codec/hex.hpp"
#include "keystonemail/mailauth/spf/evaluation.hpp"

namespace keystonemail::mailauth::spf {
namespace {

constexpr std::string_view delimiter_characters = ".-+,/_=";
constexpr std::string_view term_letters = "slodiphv";
constexpr std::string_view explanation_letters = "slodiphvcrt";
constexpr std::size_t name_text_octets_max = 253;  // §7.3

bool is_alphanumeric(char c) { return is_alpha(c) || is_digit(c); }

// §7.1  macro-expand = "%{" macro-letter transformers *delimiter "}"; `text` begins behind the brace.
std::optional<Macro> parse_macro(std::string_view& text, MacroSet set) {
  const std::size_t end = text.find('}');
  if (end == std::string_view::npos || end == 0) return std::nullopt;
  std::string_view body = text.substr(0, end);
  text.remove_prefix(end + 1);
  Macro out;
  out.letter = to_lower(body.front());
  out.is_escaped = out.letter != body.front();
  const auto letters = set == MacroSet::explanation ? explanation_letters : term_letters;
  if (letters.find(out.letter) == std::string_view::npos) return std::nullopt;
  body.remove_prefix(1);
  const std::size_t digits = std::min(body.find_first_not_of("0123456789"), body.size());
  if (digits > 0) {
    // More parts than a name can have labels are all of them (§7.3 asks for at least 127).
    const auto count = parse_decimal(body.substr(0, digits));
    if (count == 0U) return std::nullopt;
    out.parts_kept = static_cast<std::uint8_t>(std::min<std::uint64_t>(count.value_or(255), 255));
    body.remove_prefix(digits);
  }
  if (!body.empty() && to_lower(body.front()) == 'r') {
    out.is_reversed = true;
    body.remove_prefix(1);
  }
  if (body.find_first_not_of(delimiter_characters) != std::string_view::npos) return std::nullopt;
  out.delimiters = body;
  return out;
}

// Builds the parts, with neighbouring literals as one.
class Builder {
 public:
  void literal(std::string_view text) {
    if (parts_.empty() || !std::holds_alternative<std::string>(parts_.back())) parts_.emplace_back(std::string());
    std::get<std::string>(parts_.back()) += text;
  }
  void macro(Macro macro) { parts_.emplace_back(std::move(macro)); }
  MacroString finish() && { return {std::move(parts_)}; }

 private:
  std::vector<std::variant<std::string, Macro>> parts_;
};

// §7.1  domain-end = ( "." toplabel [ "." ] ) / macro-expand
bool has_domain_end(std::string_view text) {
  for (const std::string_view expansion : {"}", "%%", "%_", "%-"}) {
    if (text.ends_with(expansion)) return true;  // a lone '}' cannot be: it was checked as a macro-string before
  }
  if (text.ends_with('.')) text.remove_suffix(1);
  const std::size_t dot = text.rfind('.');
  if (dot == std::string_view::npos) return false;
  const auto label = text.substr(dot + 1);
  if (label.empty() || !is_alphanumeric(label.front()) || !is_alphanumeric(label.back())) return false;
  if (!std::ranges::all_of(label, [](char c) { return is_alphanumeric(c) || c == '-'; })) return false;
  return !std::ranges::all_of(label, is_digit);
}

// %{i} of IPv6: every nibble, with dots. The case is left open (§7.3), and shows in explanations only: as others write it.
std::string dotted(const IpAddress& address) {
  if (address.family() == IpAddress::Family::v4) return address.to_string();
  std::string out;
  for (const auto octet : address.octets()) format_to(out, "{}{:X}.{:X}", out.empty() ? "" : ".", octet >> 4U, octet & 15U);
  return out;
}

std::string value_of(char letter, const MacroValues& values) {
  switch (letter) {
    case 's': return values.local_part + "@" + values.sender_domain;
    case 'l': return values.local_part;
    case 'o': return values.sender_domain;
    case 'd': return values.domain;
    case 'i': return dotted(values.client);
    case 'p': return values.validated_name;
    case 'v': return values.client.family() == IpAddress::Family::v4 ? "in-addr" : "ip6";
    case 'h': return values.helo;
    case 'c': return values.client.to_string();
    case 'r': return values.receiver;
    default: return std::to_string(std::chrono::duration_cast<std::chrono::seconds>(values.now.time_since_epoch()).count());
  }
}

// §7.3: split at the delimiters, reverse, keep the right-hand parts, join with dots.
std::string transform(std::string_view value, const Macro& macro) {
  if (macro.parts_kept == 0 && !macro.is_reversed && macro.delimiters.empty()) return std::string(value);
  const std::string_view delimiters = macro.delimiters.empty() ? std::string_view(".") : macro.delimiters;
  std::vector<std::string_view> pieces;
  for (std::size_t start = 0; start <= value.size();) {
    const std::size_t end = std::min(value.find_first_of(delimiters, start), value.size());
    pieces.push_back(value.substr(start, end - start));
    start = end + 1;
  }
  if (macro.is_reversed) std::ranges::reverse(pieces);
  std::span<const std::string_view> kept(pieces);
  if (macro.parts_kept > 0 && macro.parts_kept < kept.size()) kept = kept.last(macro.parts_kept);
  std::string out;
  for (const auto piece : kept) {
    if (piece.data() != kept.front().data()) out += '.';
    out += piece;
  }
  return out;
}

}  // namespace

bool MacroString::uses(char letter) const noexcept {
  return std::ranges::any_of(parts, [letter](const auto& part) {
    const auto* macro = std::get_if<Macro>(&part);
    return macro != nullptr && macro->letter == letter;
  });
}

std::optional<MacroString> parse_macro_string(std::string_view text, MacroSet set) {
  Builder out;
  while (!text.empty()) {
    const char c = text.front();
    if (c != '%') {
      // §7.1  macro-literal = %x21-24 / %x26-7E
      const bool is_literal = (c > 0x20 && c < 0x7f) || (c == ' ' && set == MacroSet::explanation);
      if (!is_literal) return std::nullopt;
      out.literal(text.substr(0, 1));
      text.remove_prefix(1);
      continue;
    }
    const char kind = text.size() > 1 ? text[1] : '\0';
    text.remove_prefix(std::min<std::size_t>(2, text.size()));
    if (kind == '%') out.literal("%");
    else if (kind == '_') out.literal(" ");
    else if (kind == '-') out.literal("%20");
    else if (kind != '{') return std::nullopt;
    else if (auto macro = parse_macro(text, set)) out.macro(*std::move(macro));
    else return std::nullopt;
  }
  return std::move(out).finish();
}

std::optional<MacroString> parse_domain_spec(std::string_view text) {
  auto out = parse_macro_string(text, MacroSet::terms);
  const bool ends_in_brace = text.ends_with('}');
  // A literal brace may stand at the end of a macro-string; a domain-spec ends in one only as a macro's.
  if (!out || out->parts.empty() || !has_domain_end(text)) return std::nullopt;
  if (ends_in_brace && !std::holds_alternative<Macro>(out->parts.back())) return std::nullopt;
  return out;
}

std::optional<std::string> expand(const MacroString& macro_string, const MacroValues& values) {
  std::string out;
  for (const auto& part : macro_string.parts) {
    if (const auto* literal = std::get_if<std::string>(&part)) {
      out += *literal;
    } else {
      const auto& macro = std::get<Macro>(part);
      const std::string value = transform(value_of(macro.letter, values), macro);
      out += macro.is_escaped ? codec::encode_percent(value) : value;
    }
    if (out.size() > limits::expansion_octets_max) return std::nullopt;
  }
  return out;
}

std::optional<dns::Name> to_target_name(std::string_view expansion) {
  if (expansion.ends_with('.')) expansion.remove_suffix(1);
  while (expansion.size() > name_text_octets_max) {
    const std::size_t dot = expansion.find('.');
    if (dot == std::string_view::npos) return std::nullopt;
    expansion.remove_prefix(dot + 1);
  }
  if (!std::ranges::all_of(expansion, [](char c) { return c >= 0x20 && c < 0x7f; })) return std::nullopt;
  std::vector<std::string_view> labels;
  for (std::size_t start = 0; start <= expansion.size();) {
    const std::size_t end = std::min(expansion.find('.', start), expansion.size());
    labels.push_back(expansion.substr(start, end - start));
    start = end + 1;
  }
  return dns::Name::from_labels(labels);
}

}  // namespace keystonemail::mailauth::spf
