// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Copies of the data file while it is in use.
#pragma once

#include <lmdb.h>

#include <string>

#include "keystonemail/backends/lmdb/kv_store.hpp"

namespace keystonemail::lmdb {

// Writes `file` whole and durable, or not at all.
[[nodiscard]] Result<void> copy_environment(MDB_env* env, const std::string& file, Compaction compaction);

}  // namespace keystonemail::lmdb
