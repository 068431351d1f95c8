// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// recovery: a store's data file examined and made anew without opening it. LMDB has no repair of its own, and follows
// whatever a damaged page says.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "keystonemail/backends/lmdb/kv_store.hpp"

namespace keystonemail::lmdb {

enum class Examine : std::uint8_t { structure, rows_too };

// What is wrong with the data file: both meta pages, each page of each tree, the list of free pages. Empty: the file may
// be opened. Values are looked at only when asked for: KvStore::check() does that too.
//
// Threads: any. Blocks. REQUIRES: nothing writes to the file meanwhile. Errors: not_found, unavailable.
// Limits: reads with pread(2), so no damage can hurt the reader; one bit of memory a page, the first hundred findings.
[[nodiscard]] Result<std::vector<std::string>> examine(const KvOptions& options, Examine what = Examine::structure);

struct Recovered {
  bool is_whole = false;          // one state of the file was sound, so nothing is missing from it
  std::uint64_t rows = 0;         // in the new file
  std::uint64_t rows_damaged = 0;  // found, and left out
  std::uint64_t rows_found_loose = 0;  // of those, from pages that nothing led to any more
  std::string kept;               // what became of the damaged file
};

// Makes the data file anew from what can be read of it. Where only a meta page is damaged that is everything, by the
// other one. Else it is every row that the newest state still leads to, and of those that it no longer does the ones on
// pages that are not known to be free: what was deleted long ago does not come back, unless the list of free pages is
// damaged as well. A row that fails its check is left out. The damaged file is kept under another name.
//
// Threads: any. Blocks. Errors: not_found, unavailable (held by a process; no space), corrupt (nothing can be made of it).
[[nodiscard]] Result<Recovered> recover(const KvOptions& options);

}  // namespace keystonemail::lmdb
