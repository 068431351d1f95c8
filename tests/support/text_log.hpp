// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Keeps all that is logged, a line an event.
#pragma once

#include <string>

#include "keystonemail/base/log.hpp"

namespace keystonemail::test {

class TextLog final : public Log {
 public:
  std::string text;
  [[nodiscard]] bool wants(LogLevel) const noexcept override { return true; }
  void write(LogLevel level, std::string_view event, std::span<const LogField> fields) noexcept override {
    text += format_log_line(LogFormat::logfmt, WallTime{}, level, event, fields);
  }
};

}  // namespace keystonemail::test
