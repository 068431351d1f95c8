// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// The change log of a mailbox: for each modseq at which flags changed or messages went, which UIDs. Arrivals are not
// in it: a message knows the modseq it came with, and those ascend with the UID.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "service/mailstore/store_core.hpp"

namespace keystonemail::service {

using Uids = std::vector<mailstore::Uid>;  // ascending, without duplicates

// Flags of a message: those that a change has turned, or that somebody asks about.
struct FlagNames {
  std::uint8_t system = 0;   // SystemKeyword bits
  bool deleted = false;
  std::vector<mailstore::KeywordNumber> numbers = {};  // ascending

  [[nodiscard]] bool empty() const noexcept { return system == 0 && !deleted && numbers.empty(); }
  [[nodiscard]] bool meets(const FlagNames& other) const noexcept;
  void merge(const FlagNames& other);
  friend bool operator==(const FlagNames&, const FlagNames&) = default;
};

// Messages of which the same flags were turned.
struct TurnedFlags {
  FlagNames flags;
  Uids uids;                 // unsorted until the entry is made
};

struct LogEntry {
  Uids changed, expunged;
  // Which flags `changed` is about. Empty: not known, it may be any (entries made before this was noted).
  std::vector<TurnedFlags> turned = {};

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

// The messages, of `uids`, of which any of `flags` was turned after `since` (RFC 7162 §3.1.12).
struct Turned {
  Uids uids;
  bool whole = true;         // false: so much has changed, or is forgotten, that it may be any of them
};
[[nodiscard]] Task<Result<Turned>> read_turned(kv::Reader& reader, const StoreCore& core, mailstore::AccountId account,
                                               mailstore::MailboxId mailbox, const MailboxRow& row, mailstore::ModSeq since,
                                               const FlagNames& flags, std::span<const mailstore::Uid> uids);

// Gathers who changed, and in which flags, for an entry: a few groups, the rest told together.
class TurnedGroups {
 public:
  void add(mailstore::Uid uid, const FlagNames& flags);
  [[nodiscard]] bool empty() const noexcept { return groups_.empty(); }
  [[nodiscard]] LogEntry take() &&;

 private:
  std::vector<TurnedFlags> groups_;
};

void sort_unique(Uids& uids);

}  // namespace keystonemail::service
