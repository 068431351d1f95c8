// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "keystonemail/base/log.hpp"

#include <algorithm>

#include "base/format.hpp"
#include "keystonemail/base/text.hpp"

namespace keystonemail {
namespace {

// Characters that change how text around them is displayed (Unicode TR 36 §2.10, "Trojan Source").
bool is_display_control(char32_t c) {
  return (c >= 0x80 && c <= 0x9f) || c == 0x61c || (c >= 0x200b && c <= 0x200f) || (c >= 0x2028 && c <= 0x202e) ||
         (c >= 0x2066 && c <= 0x2069) || c == 0xfeff;
}

// Appends `text` with everything unsafe written as \uXXXX or \xXX (logfmt) or \uXXXX (JSON).
void append_escaped(std::string& out, std::string_view text, LogFormat format) {
  while (!text.empty()) {
    const auto decoded = decode_utf8(text);
    if (!decoded) {
      const auto octet = static_cast<unsigned char>(text.front());
      if (format == LogFormat::json) {
        format_to(out, "\\ufffd");  // JSON cannot carry the octet itself
      } else {
        format_to(out, "\\x{:02x}", octet);
      }
      text.remove_prefix(1);
      continue;
    }
    const auto [c, length] = *decoded;
    if (c == '"' || c == '\\') {
      out.push_back('\\');
      out.push_back(static_cast<char>(c));
    } else if (c < 0x20 || c == 0x7f || is_display_control(c)) {
      format_to(out, "\\u{:04x}", static_cast<unsigned>(c));
    } else {
      out.append(text.substr(0, length));
    }
    text.remove_prefix(length);
  }
}

bool needs_quotes(std::string_view text) {
  return text.empty() || !std::ranges::all_of(text, [](char c) {
    return (c > ' ' && c < 0x7f && c != '"' && c != '\\' && c != '=');
  });
}

void append_value(std::string& out, const LogField& field, LogFormat format) {
  if (const auto* text = std::get_if<std::string_view>(&field.value)) {
    if (format == LogFormat::logfmt && !needs_quotes(*text)) {
      out.append(*text);
      return;
    }
    out.push_back('"');
    append_escaped(out, *text, format);
    out.push_back('"');
  } else if (const auto* flag = std::get_if<bool>(&field.value)) {
    out.append(*flag ? "true" : "false");
  } else if (const auto* number = std::get_if<std::int64_t>(&field.value)) {
    format_to(out, "{}", *number);
  } else {
    format_to(out, "{}", std::get<std::uint64_t>(field.value));
  }
}

}  // namespace

std::string_view to_string(LogLevel level) noexcept {
  switch (level) {
    case LogLevel::debug: return "debug";
    case LogLevel::info: return "info";
    case LogLevel::warning: return "warning";
    case LogLevel::error: return "error";
  }
  return "error";
}

std::string format_log_line(LogFormat format, WallTime time, LogLevel level, std::string_view event,
                            std::span<const LogField> fields) {
  const auto day = std::chrono::floor<std::chrono::days>(time);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss clock(time - day);
  std::string stamp;
  format_to(stamp, "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z", static_cast<int>(date.year()),
            static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()), clock.hours().count(),
            clock.minutes().count(), clock.seconds().count(), clock.subseconds().count());

  std::string line;
  if (format == LogFormat::json) {
    format_to(line, R"({{"time":"{}","level":"{}","event":"{}")", stamp, to_string(level), event);
    for (const LogField& field : fields) {
      format_to(line, ",\"{}\":", field.name);
      append_value(line, field, format);
    }
    line.append("}\n");
    return line;
  }
  format_to(line, "time={} level={} event={}", stamp, to_string(level), event);
  for (const LogField& field : fields) {
    format_to(line, " {}=", field.name);
    append_value(line, field, format);
  }
  line.push_back('\n');
  return line;
}

}  // namespace keystonemail
