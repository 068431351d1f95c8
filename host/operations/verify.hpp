// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "keystonemail/base/executor.hpp"
#include "keystonemail/base/result.hpp"
#include "keystonemail/base/task.hpp"
#include "operations/progress.hpp"

namespace keystonemail::host {

class Stores;

struct Verified {
  std::uint64_t rows = 0;               // of the index, each with its checksum
  std::uint64_t accounts = 0, mailboxes = 0, messages = 0, octets = 0;
  std::uint64_t records = 0;            // of the segment files
  std::vector<std::string> findings;    // damage; empty: all is well
  std::vector<std::string> notes;       // what nothing refers to: the traces of a crash, which are collected in time
};

// Reads everything there is and holds it against everything else: each row's checksum, rows against rows, each message's
// and queue entry's content against its digest, each record of the segment files.
// REQUIRES: nothing changes the stores meanwhile.
[[nodiscard]] Task<Verified> verify(Stores& stores, Progress& progress, Context context);

// Of an index whose structure is damaged, so that it cannot be opened.
[[nodiscard]] Verified damaged_index(const std::vector<std::string>& damage);

// The same for stores that are at work, by a copy of the index and links to the segments in a directory beside them, that
// is removed afterwards. Blocks. What was being written at that moment is left out of the notes.
// Errors: those of making and opening the copy. REQUIRES: nothing collects segments meanwhile.
[[nodiscard]] Task<Result<Verified>> verify_copy(Stores& stores, Progress& progress, Context context);

}  // namespace keystonemail::host
