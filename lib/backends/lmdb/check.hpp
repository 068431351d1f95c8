// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// A walk over every row.
#pragma once

#include "backends/lmdb/environment.hpp"
#include "backends/lmdb/reader_pool.hpp"

namespace keystonemail::lmdb {

[[nodiscard]] Result<KvReport> check_rows(Environment& environment, ReaderPool& readers, const KvOptions& options);

}  // namespace keystonemail::lmdb
