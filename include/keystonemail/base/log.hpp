// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Log: structured events. The library reports what happened; the embedder decides where it goes.
#pragma once

#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <variant>

#include "keystonemail/base/time.hpp"

namespace keystonemail {

enum class LogLevel : std::uint8_t { debug, info, warning, error };

[[nodiscard]] std::string_view to_string(LogLevel level) noexcept;

// One name and value of an event. Values are raw, as the peer sent them: escaping is the formatter's work.
// Never a secret: no password, key, token or message content.
struct LogField {
  std::string_view name;
  std::variant<std::string_view, std::int64_t, std::uint64_t, bool> value;

  LogField(std::string_view field, std::string_view text) : name(field), value(text) {}
  LogField(std::string_view field, const std::string& text) : name(field), value(std::string_view(text)) {}
  LogField(std::string_view field, const char* text) : name(field), value(std::string_view(text)) {}
  LogField(std::string_view field, bool flag) : name(field), value(flag) {}
  LogField(std::string_view field, std::signed_integral auto number)
      : name(field), value(static_cast<std::int64_t>(number)) {}
  LogField(std::string_view field, std::unsigned_integral auto number)
      : name(field), value(static_cast<std::uint64_t>(number)) {}
};

// Threads: write() may be called from any thread at once. It must not block for long and must not throw.
class Log {
 public:
  virtual ~Log() = default;
  // Whether events of this level are wanted: lets callers skip the work of making one.
  [[nodiscard]] virtual bool wants(LogLevel level) const noexcept = 0;
  // Records one event. `event` is a fixed dotted name such as "smtp.accepted"; views live for the call only.
  virtual void write(LogLevel level, std::string_view event, std::span<const LogField> fields) noexcept = 0;

  void event(LogLevel level, std::string_view name, std::initializer_list<LogField> fields) noexcept {
    if (wants(level)) write(level, name, {fields.begin(), fields.size()});
  }
};

// Discards everything.
class NullLog final : public Log {
 public:
  [[nodiscard]] bool wants(LogLevel) const noexcept override { return false; }
  void write(LogLevel, std::string_view, std::span<const LogField>) noexcept override {}
};

enum class LogFormat : std::uint8_t { logfmt, json };

// One line for one event, newline included. Control characters, quotes, bidirectional overrides and invalid
// UTF-8 in values are escaped, so that a value can neither start a line nor drive a terminal.
[[nodiscard]] std::string format_log_line(LogFormat format, WallTime time, LogLevel level, std::string_view event,
                                          std::span<const LogField> fields);

}  // namespace keystonemail
