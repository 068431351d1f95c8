// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Trace: all that was said and logged in a run. Two runs of one seed have the same.
#pragma once

#include <cstdint>
#include <cstdio>
#include <span>
#include <string>
#include <string_view>

#include "keystonemail/base/log.hpp"

namespace keystonemail::sim {

// Everything that was seen, in order, as one number.
class Trace final : public Log {
 public:
  explicit Trace(bool show) : show_(show) {}
  void note(std::string_view what) noexcept {
    for (const char c : what) hash_ = (hash_ ^ static_cast<unsigned char>(c)) * 0x100000001b3;  // FNV-1a
    hash_ = (hash_ ^ 0xff) * 0x100000001b3;
    if (show_) std::printf("%.*s\n", static_cast<int>(what.size()), what.data());
  }
  [[nodiscard]] bool wants(LogLevel) const noexcept override { return true; }
  void write(LogLevel level, std::string_view event, std::span<const LogField> fields) noexcept override {
    note(format_log_line(LogFormat::logfmt, WallTime{}, level, event, fields));
  }
  [[nodiscard]] std::uint64_t hash() const noexcept { return hash_; }

 private:
  std::uint64_t hash_ = 0xcbf29ce484222325;
  bool show_;
};

}  // namespace keystonemail::sim
