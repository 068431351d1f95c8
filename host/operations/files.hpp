// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#pragma once

#include <filesystem>

#include "keystonemail/base/result.hpp"
#include "operations/mail_file.hpp"

namespace keystonemail::host {

// What the system says of a file, by errno: conflict when it is there already, not_found, unavailable.
[[nodiscard]] std::unexpected<Error> file_error(const std::filesystem::path& path, int code);
// A new file for writing, mode 0600. Errors: conflict, unavailable.
[[nodiscard]] Result<File> create_file(const std::filesystem::path& path);
[[nodiscard]] Result<void> make_directories(const std::filesystem::path& path);

}  // namespace keystonemail::host
