// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "operations/backup.hpp"

#include <cstdio>

#include "base/format.hpp"
#include "commands/commands.hpp"
#include "operations/offline.hpp"

namespace keystonemail::host {

namespace {

int print(const BackedUp& made, Output output) {
  const std::string text =
      output == Output::json
          ? format("{{\"ok\":true,\"directory\":{},\"files\":{},\"octets\":{},\"files_shared\":{}}}\n", json_text(made.directory),
                   made.files, made.octets, made.files_shared)
          : format("{}: {} files, {}, {} of them shared with an older backup\n", made.directory, made.files,
                   octets_text(made.octets), made.files_shared);
  std::fputs(text.c_str(), stdout);
  return 0;
}

}  // namespace

int run_backup(const std::string& config, const std::string& target, Output output) {
  return with_config(config, output, [&](const Config& read) {
    return run_offline(config, output, [&](Stores& stores, Context) -> Task<int> {
      Progress progress;
      const auto made = backup(stores, read.data_directory, target, progress);
      progress.end();
      co_return made ? print(*made, output) : report_error(output, error_text(made.error()));
    });
  });
}

}  // namespace keystonemail::host
