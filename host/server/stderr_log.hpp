// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#pragma once

#include <atomic>

#include "keystonemail/base/log.hpp"

namespace keystonemail::host {

// Writes each event as one line to standard error, which journald, a container's runtime or a file collects.
//
// Threads: any. A line is one write(2), so lines of several threads do not mix.
class StderrLog final : public Log {
 public:
  StderrLog(LogFormat format, LogLevel level) : format_(format), level_(level) {}
  [[nodiscard]] bool wants(LogLevel level) const noexcept override { return level >= level_.load(std::memory_order_relaxed); }
  void write(LogLevel level, std::string_view event, std::span<const LogField> fields) noexcept override;
  void set(LogFormat format, LogLevel level) noexcept { format_ = format, level_ = level; }

 private:
  SystemClock clock_;
  std::atomic<LogFormat> format_;
  std::atomic<LogLevel> level_;
};

}  // namespace keystonemail::host
