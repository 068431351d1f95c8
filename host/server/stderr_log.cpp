// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "server/stderr_log.hpp"

#include <unistd.h>

namespace keystonemail::host {

void StderrLog::write(LogLevel level, std::string_view event, std::span<const LogField> fields) noexcept {
  try {
    const std::string line = format_log_line(format_.load(), clock_.wall_now(), level, event, fields);
    (void)!::write(STDERR_FILENO, line.data(), line.size());
  } catch (...) {  // no memory for a log line is no reason to end
  }
}

}  // namespace keystonemail::host
