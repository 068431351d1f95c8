// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "keystonemail/backends/segments/library_name.hpp"

#include <lz4.h>

#include "base/format.hpp"

namespace keystonemail::segments {

std::string library_name() {
  return format("LZ4 {}.{}.{}", LZ4_VERSION_MAJOR, LZ4_VERSION_MINOR, LZ4_VERSION_RELEASE);
}

}  // namespace keystonemail::segments
