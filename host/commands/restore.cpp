// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include <cstdio>

#include "base/format.hpp"
#include "commands/commands.hpp"
#include "operations/backup.hpp"
#include "operations/offline.hpp"

namespace keystonemail::host {

int run_restore(const std::string& config, const std::string& from, bool force, Output output) {
  const int status = with_config(config, output, [&](const Config& read) {
    Progress progress;
    const auto restored = restore(from, read.data_directory, force ? Force::yes : Force::no, progress);
    progress.end();
    if (!restored) return report_error(output, error_text(restored.error()));
    if (output == Output::text)
      std::fputs(format("restored {}: {} files, {}\n", restored->directory, restored->files, octets_text(restored->octets)).c_str(), stdout);
    return 0;
  });
  return status == 0 ? run_verify(config, Repair::no, output) : status;
}

}  // namespace keystonemail::host
