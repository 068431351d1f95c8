// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include <cstdio>
#include <exception>

#include "commands/commands.hpp"
#include "server/server.hpp"

namespace keystonemail::host {

int run_serve(const std::string& path, Output output) {
  auto reading = read_config_file(path);
  if (!reading) return report_error(output, reading.error().text());
  if (!reading->errors.empty() && output == Output::json) return report_error(output, describe(reading->errors, path));
  if (!reading->errors.empty()) {
    std::fputs(describe(reading->errors, path).c_str(), stderr);
    return 1;
  }
  return serve(std::move(reading->config), path, output);
}

}  // namespace keystonemail::host
