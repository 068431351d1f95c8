// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#pragma once

#include <string>

namespace keystonemail::libuv {

// The library underneath with the version it was built with, as "libuv 1.44.2": for --version. Threads: any.
[[nodiscard]] std::string library_name();

}  // namespace keystonemail::libuv
