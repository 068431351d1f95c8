// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "keystonemail/backends/libuv/library_name.hpp"

#include <uv.h>

#include "base/format.hpp"

namespace keystonemail::libuv {

std::string library_name() {
  return format("libuv {}.{}.{}", UV_VERSION_MAJOR, UV_VERSION_MINOR, UV_VERSION_PATCH);
}

}  // namespace keystonemail::libuv
