// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// LMDB's data file read as a file, before it is mapped: LMDB itself trusts what it finds, and a page beyond the
// end of the file is a SIGBUS.
#pragma once

#include <string>

#include "keystonemail/base/result.hpp"

namespace keystonemail::lmdb {

// A missing file is sound. Errors: corrupt (no valid meta page, or pages in use lie beyond the end).
[[nodiscard]] Result<void> check_data_file(const std::string& file);

}  // namespace keystonemail::lmdb
