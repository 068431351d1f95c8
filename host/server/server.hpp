// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// The server: listeners, services, signals; from the configuration to the last session.
#pragma once

#include <string>

#include "commands/commands.hpp"
#include "config/config.hpp"

namespace keystonemail::host {

// Serves until SIGTERM or SIGINT, then drains. SIGHUP reads `config_path` again. Returns the program's exit status.
// With Output::json the log is in JSON, whatever the configuration says.
[[nodiscard]] int serve(Config config, const std::string& config_path, Output output);

}  // namespace keystonemail::host
