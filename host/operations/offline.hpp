// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#pragma once

#include <functional>
#include <string>

#include "commands/commands.hpp"
#include "keystonemail/base/task.hpp"

namespace keystonemail::host {

// What a command does with the stores; its value is the exit status.
using OfflineWork = std::function<Task<int>(Stores&, Context)>;

// Opens the stores that the configuration at `path` names, does the work, and closes them. What prevents it is printed.
// REQUIRES: no server runs on them.
[[nodiscard]] int run_offline(const std::string& path, Output output, const OfflineWork& work);

// The same for work that does without stores.
[[nodiscard]] int with_config(const std::string& path, Output output, const std::function<int(const Config&)>& work);

// What root made goes to whom the data belongs; `status`, or that of a failure to do so, which is printed.
[[nodiscard]] int report_given(const Config& config, Output output, int status);

// The error as a command prints it.
[[nodiscard]] std::string error_text(const Error& error);

}  // namespace keystonemail::host
