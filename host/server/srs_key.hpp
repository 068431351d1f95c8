// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// The secret that senders of forwarded mail are rewritten with: a file of the data directory, readable by its owner alone.
#pragma once

#include <string>
#include <vector>

#include "keystonemail/base/random.hpp"
#include "keystonemail/base/result.hpp"

namespace keystonemail::host {

// The secrets in `directory`, one a line, the one in use first; a file with one is made where there is none. Another line put on
// top takes its place, and the ones below it are still good to read what was made with them.
// Errors: unavailable (the file), denied (others can read it), corrupt (no secret in it).
[[nodiscard]] Result<std::vector<std::string>> srs_secrets(const std::string& directory, Random& random);

}  // namespace keystonemail::host
