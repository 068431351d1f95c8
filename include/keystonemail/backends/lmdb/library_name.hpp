// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#pragma once

#include <string>

namespace keystonemail::lmdb {

// The library underneath with the version it was built with, as "LMDB 0.9.24": for --version. Threads: any.
[[nodiscard]] std::string library_name();

}  // namespace keystonemail::lmdb
