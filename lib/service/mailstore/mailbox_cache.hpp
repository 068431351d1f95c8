// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// MailboxCache keeps what was read of mailboxes, so that a new session's first look is a copy and not a scan. What is kept
// is good for the HIGHESTMODSEQ it was made at; a later one is made from it and what changed since.
#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "keystonemail/mailstore/mailstore.hpp"

namespace keystonemail::service {

// All rows at one state; shared, never changed.
struct MailboxListing {
  std::uint32_t uid_validity = 0;
  mailstore::ModSeq modseq = 0;
  std::vector<mailstore::MessageRow> rows;

  [[nodiscard]] std::size_t octets() const noexcept;
};

// All UIDs at one state; shared, never changed. Eight octets for each run of consecutive UIDs.
struct MailboxUidList {
  std::uint32_t uid_validity = 0;
  mailstore::ModSeq modseq = 0;
  std::vector<mailstore::UidRange> uids;  // ascending, none touching the next
  mailstore::Uid first_unseen = 0;        // 0: all are seen

  [[nodiscard]] std::size_t octets() const noexcept { return sizeof *this + uids.capacity() * sizeof(mailstore::UidRange); }
};

// The paths of an account's mailboxes; kept under no mailbox. `modseq` is the account's tree_modseq.
struct MailboxPaths {
  static constexpr std::uint32_t uid_validity = 0;
  mailstore::ModSeq modseq = 0;
  std::vector<std::pair<std::string, mailstore::MailboxId>> paths;  // by path

  [[nodiscard]] std::size_t octets() const noexcept;
};

// Threads: any. Limits: the octets of all that is kept; the least recently used go first.
template <class Kept>
class MailboxCache {
 public:
  explicit MailboxCache(std::size_t octets_max) noexcept : octets_max_(octets_max) {}

  [[nodiscard]] std::shared_ptr<const Kept> find(mailstore::AccountId account, mailstore::MailboxId mailbox) {
    const std::scoped_lock lock(mutex_);
    const auto at = by_name_.find({account, mailbox});
    if (at == by_name_.end()) return nullptr;
    entries_.splice(entries_.begin(), entries_, at->second);
    return at->second->kept;
  }

  // Keeps `made` unless a later one is kept already.
  void keep(mailstore::AccountId account, mailstore::MailboxId mailbox, std::shared_ptr<const Kept> made) {
    const std::size_t octets = made->octets() + sizeof(Entry);
    if (octets > octets_max_) return;
    const std::scoped_lock lock(mutex_);
    const Name name{account, mailbox};
    if (const auto at = by_name_.find(name); at != by_name_.end()) {
      const Kept& kept = *at->second->kept;
      if (kept.uid_validity == made->uid_validity && kept.modseq >= made->modseq) return;
      drop(at->second);
    }
    entries_.push_front({name, std::move(made), octets});
    by_name_[name] = entries_.begin();
    octets_ += octets;
    while (octets_ > octets_max_) drop(std::prev(entries_.end()));
  }

  // For an account that goes, as its number may be used again.
  void forget(mailstore::AccountId account) {
    const std::scoped_lock lock(mutex_);
    auto at = by_name_.lower_bound({account, mailstore::MailboxId{0}});
    while (at != by_name_.end() && at->first.first == account) drop((at++)->second);
  }

 private:
  using Name = std::pair<mailstore::AccountId, mailstore::MailboxId>;
  struct Entry {
    Name name;
    std::shared_ptr<const Kept> kept;
    std::size_t octets;
  };

  void drop(typename std::list<Entry>::iterator entry) {
    octets_ -= entry->octets;
    by_name_.erase(entry->name);
    entries_.erase(entry);
  }

  const std::size_t octets_max_;
  std::mutex mutex_;
  std::list<Entry> entries_;                              // guarded by mutex_; most recently used first
  std::map<Name, typename std::list<Entry>::iterator> by_name_;
  std::size_t octets_ = 0;
};

}  // namespace keystonemail::service
