// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// The change log of a mailbox: for each modseq at which flags changed or messages went, which UIDs. Arrivals are not
// in it: a message knows the modseq it came with, and those ascend with the UID.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "service/mailstore/store_core.hpp"

namespace keystonemail::service {

using Uids = std::vector<mailstore::Uid>;  // ascending, without duplicates

struct LogEntry {
  Uids changed, expunged;

  [[nodiscard]] std::string encode() const;
  // A few octets may name millions of UIDs: damage must not cost memory.
  static constexpr std::size_t uids_max = 4'000'000;
  [[nodiscard]] static std::optional<LogEntry> read(std::string_view row, std::size_t uids_at_most = uids_max);
};

// Notes a change; forgets the oldest entries where there are too many. The caller puts `row`.
[[nodiscard]] Task<Result<void>> add_log_entry(kv::Transaction& t, const StoreCore& core, mailstore::AccountId account,
                                               mailstore::MailboxId mailbox, MailboxRow& row, mailstore::ModSeq modseq,
                                               const LogEntry& entry);

// All that was noted after `since`, each list ascending. REQUIRES: since >= row.log_floor.
[[nodiscard]] Task<Result<LogEntry>> read_log(kv::Reader& reader, const StoreCore& core, mailstore::AccountId account,
                                              mailstore::MailboxId mailbox, mailstore::ModSeq since);

void sort_unique(Uids& uids);

}  // namespace keystonemail::service
