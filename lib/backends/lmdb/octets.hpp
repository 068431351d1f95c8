// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#pragma once

#include <lmdb.h>

#include <string_view>

namespace keystonemail::lmdb {

// LMDB asks for a pointer that could be written through, and never does.
[[nodiscard]] inline MDB_val to_val(std::string_view octets) noexcept {
  return {octets.size(), const_cast<char*>(octets.data())};
}

}  // namespace keystonemail::lmdb
