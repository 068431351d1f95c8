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
    if (output == Output::text) {
      std::string text = format("restored {}: {} files, {}\n", restored->directory, restored->files, octets_text(restored->octets));
      if (restored->has_own_certificates) text += "The certificates of the backup have expired: those that were there already are in use.\n";
      if (!restored->moved_aside.empty()) text += format("What is not in use any more was moved to {}.\n", restored->moved_aside);
      std::fputs(text.c_str(), stdout);
    }
    return 0;
  });
  return status == 0 ? run_verify(config, Repair::no, output) : status;
}

}  // namespace keystonemail::host
