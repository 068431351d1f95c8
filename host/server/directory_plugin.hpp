// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// [directory] type = "plugin": accounts from a shared object.
#pragma once

#include <memory>

#include "config/config.hpp"
#include "keystonemail/base/log.hpp"
#include "keystonemail/directory/directory.hpp"

namespace keystonemail::host {

// Reads what the plugin is to be given, so that it can be opened by a user who may not read it: done while still root.
// Errors: those of read_secret.
[[nodiscard]] Result<DirectoryConfig> with_options_read(DirectoryConfig directory);

// The plugin that the configuration names; null when accounts are internal. Ownership: borrows `log`.
// Errors: those of plugin::open_directory, read_secret and find_user.
[[nodiscard]] Result<std::unique_ptr<directory::Directory>> open_plugin(const Config& config, Log& log);

}  // namespace keystonemail::host
