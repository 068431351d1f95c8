// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "mime/parameter_reader.hpp"

#include <algorithm>
#include <cstdint>
#include <span>
#include <tuple>
#include <utility>
#include <vector>

#include "keystonemail/base/text.hpp"
#include "keystonemail/codec/hex.hpp"
#include "keystonemail/mime/limits.hpp"

namespace keystonemail::mime {
namespace {

constexpr std::uint64_t section_max = 9'999;

// In the order of preference.
enum class Form : std::uint8_t { extended, continued, plain };

struct RawParameter {
  std::string name;
  Form form = Form::plain;
  bool percent_encoded = false;
  std::uint32_t section = 0;
  std::uint32_t order = 0;
  std::string value;
};

// RFC 2231 §7: name*, name*N, name*N*. A name of another shape stays as it is.
void read_name(std::string_view text, RawParameter& raw) {
  raw.name = to_lower(text);
  if (text.ends_with('*')) {
    text.remove_suffix(1);
    raw.percent_encoded = true;
  }
  const std::size_t star = text.find('*');
  if (star == std::string_view::npos) {
    if (!raw.percent_encoded || text.empty()) return;
    raw.form = Form::extended;
    raw.name = to_lower(text);
    return;
  }
  const auto digits = text.substr(star + 1);
  const auto section = parse_decimal(digits, section_max);
  if (!section || star == 0 || (digits.size() > 1 && digits.front() == '0')) {
    raw.percent_encoded = false;
    return;
  }
  raw.form = Form::continued;
  raw.section = static_cast<std::uint32_t>(*section);
  raw.name = to_lower(text.substr(0, star));
}

// LENIENT: what is neither token nor quoted string goes up to the next ';': "name=My File.pdf", "boundary==_x/y".
void read_value(Scanner& scanner, RawParameter& raw) {
  scanner.skip_cfws();
  if (scanner.peek() == '"') return scanner.take_quoted(raw.value);
  const std::size_t begin = scanner.position();
  const auto token = scanner.take_until(token_ends);
  scanner.skip_cfws();
  if (scanner.at_end() || scanner.peek() == ';') {
    raw.value = token;
    return;
  }
  while (!scanner.at_end() && scanner.peek() != ';') scanner.move_to(scanner.position() + 1);
  for (const char c : trim(scanner.between(begin, scanner.position())))
    if (c != '\r' && c != '\n') raw.value.push_back(c);
}

// To the next ';', past quoted strings and comments; whether there was more than comments.
bool skip_to_semicolon(Scanner& scanner) {
  std::string ignored;
  scanner.skip_cfws();
  const bool more = !scanner.at_end() && scanner.peek() != ';';
  while (!scanner.at_end() && scanner.peek() != ';') {
    if (scanner.peek() == '"') scanner.take_quoted(ignored);
    else if (scanner.peek() == '(') scanner.skip_cfws();
    else scanner.move_to(scanner.position() + 1);
  }
  return more;
}

std::vector<RawParameter> read_raw(Scanner& scanner, bool& ambiguous) {
  std::vector<RawParameter> raws;
  while (raws.size() < limits::parameters_max) {
    if (skip_to_semicolon(scanner)) ambiguous = true;  // text that belongs to no parameter
    if (!scanner.take(';')) break;
    scanner.skip_cfws();
    const auto name = scanner.take_until(token_ends);
    scanner.skip_cfws();
    if (name.empty() || !scanner.take('=')) continue;
    RawParameter& raw = raws.emplace_back();
    raw.order = static_cast<std::uint32_t>(raws.size());
    read_name(name, raw);
    read_value(scanner, raw);
  }
  return raws;
}

void append_percent_encoded(std::string& out, std::string_view text) {
  out += codec::encode_percent(text, " !#$&+^`{|}@,;:/[]?=<>()\"\\");
}

// RFC 2231 §3 and §4.1: the sections from 0 up to the first gap. REQUIRES: sorted by section.
Parameter join_sections(std::span<const RawParameter> sections, bool& ambiguous) {
  Parameter joined{sections.front().name, {}, false};
  std::size_t count = 0;
  std::uint32_t next = 0;
  for (const RawParameter& section : sections) {
    if (section.section + 1 == next) {  // the second of two with one number
      ambiguous = true;
      continue;
    }
    if (section.section != next) break;
    joined.extended = joined.extended || section.percent_encoded;
    ++next;
  }
  const std::uint32_t end = next;
  if (sections.back().section >= end) ambiguous = true;
  if (joined.extended && !sections.front().percent_encoded) joined.value = "''";
  next = 0;
  for (; count < sections.size() && next < end; ++count) {
    const RawParameter& section = sections[count];
    if (section.section != next) continue;
    if (joined.extended && !section.percent_encoded) append_percent_encoded(joined.value, section.value);
    else joined.value += section.value;
    ++next;
  }
  return joined;
}

// `same`: all that have one name, sorted by form, section and order.
void add_parameter(std::span<const RawParameter> same, Parameters& parameters, bool& ambiguous) {
  const Form form = same.front().form;
  const auto others = std::ranges::find_if(same, [form](const RawParameter& raw) { return raw.form != form; });
  const std::span preferred(same.begin(), others);
  if (form == Form::continued) {
    Parameter joined = join_sections(preferred, ambiguous);
    if (preferred.front().section == 0) return parameters.push_back(std::move(joined));
    ambiguous = true;
    if (others == same.end()) return;  // no beginning, and nothing else
    return parameters.push_back({others->name, others->value, false});
  }
  if (preferred.size() > 1) ambiguous = true;
  parameters.push_back({same.front().name, same.front().value, form == Form::extended});
}

}  // namespace

Parameters read_parameters(Scanner& scanner, bool& ambiguous) {
  std::vector<RawParameter> raws = read_raw(scanner, ambiguous);
  Parameters parameters;
  if (raws.size() == 1 && raws.front().form == Form::plain) {  // nearly always
    parameters.push_back({std::move(raws.front().name), std::move(raws.front().value), false});
    return parameters;
  }
  std::ranges::sort(raws, [](const RawParameter& a, const RawParameter& b) {
    return std::tie(a.name, a.form, a.section, a.order) < std::tie(b.name, b.form, b.section, b.order);
  });
  std::vector<std::pair<std::uint32_t, Parameter>> ordered;
  for (std::size_t begin = 0; begin < raws.size();) {
    std::size_t end = begin;
    std::uint32_t first = UINT32_MAX;
    while (end < raws.size() && raws[end].name == raws[begin].name) first = std::min(first, raws[end++].order);
    Parameters one;
    add_parameter(std::span(raws).subspan(begin, end - begin), one, ambiguous);
    for (Parameter& parameter : one) ordered.emplace_back(first, std::move(parameter));
    begin = end;
  }
  std::ranges::sort(ordered, {}, [](const auto& entry) { return entry.first; });
  for (auto& [order, parameter] : ordered) parameters.push_back(std::move(parameter));
  return parameters;
}

}  // namespace keystonemail::mime
