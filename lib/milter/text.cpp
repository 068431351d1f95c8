// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "milter/text.hpp"

#include <algorithm>

#include "keystonemail/base/text.hpp"
#include "keystonemail/milter/limits.hpp"

namespace keystonemail::milter {
namespace {

bool is_control(char c) noexcept { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }
bool is_blank(char c) noexcept { return c == ' ' || c == '\t'; }

// The first line of `text`, taken off it; CRLF, LF and CR end lines.
std::string_view take_line(std::string_view& text) noexcept {
  const auto end = text.find_first_of("\r\n");
  const std::string_view line = text.substr(0, end);
  text.remove_prefix(std::min(line.size() + 1, text.size()));
  if (end != std::string_view::npos && text.data()[-1] == '\r' && text.starts_with('\n')) text.remove_prefix(1);
  return line;
}

void append_clean(std::string& out, std::string_view line) {
  for (const char c : line) out += is_control(c) && c != '\t' ? ' ' : c;
}

// RFC 3463 §2: class "." subject "." detail, and the blank behind it, taken off `text`.
std::string take_status(std::string_view& text) {
  const std::string_view word = text.substr(0, text.find(' '));
  const auto first = word.find('.'), second = word.find('.', 2);
  const auto number = [](std::string_view digits) { return digits.size() <= 3 && parse_decimal(digits).has_value(); };
  if (first != 1 || second == std::string_view::npos || word.find_first_of("245") != 0) return {};
  if (!number(word.substr(2, second - 2)) || !number(word.substr(second + 1))) return {};
  text.remove_prefix(std::min(word.size() + 1, text.size()));
  return std::string(word);
}

// libmilter has replies be formats, in which a percent sign is doubled.
void append_reply_text(std::string& out, std::string_view text) {
  for (std::size_t i = 0; i < text.size(); ++i) {
    out += is_control(text[i]) ? ' ' : text[i];
    if (text.substr(i).starts_with("%%")) ++i;
  }
}

}  // namespace

bool is_field_name(std::string_view name) noexcept {
  return !name.empty() && name.size() <= 77 && std::ranges::all_of(name, [](char c) { return c > ' ' && c < 0x7f && c != ':'; });
}

std::string field_value(std::string_view raw) {
  std::string value;
  append_clean(value, take_line(raw));
  while (!raw.empty()) {
    const std::string_view line = take_line(raw);
    if (std::ranges::all_of(line, [](char c) { return is_control(c) || c == ' '; })) continue;
    value += is_blank(line.front()) ? "\r\n" : "\r\n\t";
    append_clean(value, line);
  }
  while (!value.empty() && is_blank(value.back())) value.pop_back();
  return value;
}

std::string value_for_filter(std::string_view value, bool keep_leading_space) {
  std::string out;
  if (!keep_leading_space) value.remove_prefix(std::min(value.find_first_not_of(" \t"), value.size()));
  while (!value.empty()) {
    const std::string_view line = take_line(value);
    std::ranges::replace_copy(line, std::back_inserter(out), '\0', ' ');
    if (!value.empty()) out += '\n';
  }
  return out;
}

std::optional<std::string> address(std::string_view raw) {
  raw = trim(raw);
  if (raw.size() >= 2 && raw.front() == '<' && raw.back() == '>') raw = raw.substr(1, raw.size() - 2);
  if (raw.size() > limits::address_octets_max || std::ranges::any_of(raw, is_control)) return std::nullopt;
  return std::string(raw);
}

std::string printable(std::string_view raw, std::size_t octets_max) {
  std::string out;
  append_reply_text(out, raw.substr(0, octets_max));
  return out;
}

std::optional<Answer> parse_reply(std::string_view raw) {
  if (raw.size() > limits::reply_octets_max) return std::nullopt;
  Answer answer{.response = Response::reply, .code = 0, .status = {}, .text = {}};
  std::size_t lines = 0;
  while (!raw.empty() || lines == 0) {
    std::string_view line = take_line(raw);
    const auto code = parse_decimal(line.substr(0, 3), 599);
    if (line.size() < 3 || !code || *code < 400 || (line.size() > 3 && line[3] != ' ' && line[3] != '-')) return std::nullopt;
    if (++lines > limits::reply_lines_max || (lines > 1 && *code != answer.code)) return std::nullopt;
    answer.code = static_cast<std::uint16_t>(*code);
    line.remove_prefix(std::min<std::size_t>(line.size(), 4));
    const std::string status = take_status(line);
    if (lines == 1 && !status.empty() && status[0] == static_cast<char>('0' + *code / 100)) answer.status = status;
    if (lines > 1) answer.text += '\n';
    append_reply_text(answer.text, line);
  }
  return answer;
}

}  // namespace keystonemail::milter
