// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#pragma once

#include <string>

namespace keystonemail::segments {

// The library underneath with the version it was built with, as "LZ4 1.9.4": for --version. Threads: any.
[[nodiscard]] std::string library_name();

}  // namespace keystonemail::segments
