// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "keystonemail/backends/lmdb/library_name.hpp"

#include <lmdb.h>

#include "base/format.hpp"

namespace keystonemail::lmdb {

std::string library_name() {
  return format("LMDB {}.{}.{}", MDB_VERSION_MAJOR, MDB_VERSION_MINOR, MDB_VERSION_PATCH);
}

}  // namespace keystonemail::lmdb
