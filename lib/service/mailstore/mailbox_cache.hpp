// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// MailboxCache keeps whole listings of large mailboxes, so that a new session's first listing is a copy and not a scan.
// A listing is good for the HIGHESTMODSEQ it was made at; a later one is made from it and what changed since.
#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "keystonemail/mailstore/mailstore.hpp"

namespace keystonemail::service {

// A listing at one state; shared, never changed.
struct MailboxListing {
  std::uint32_t uid_validity = 0;
  mailstore::ModSeq modseq = 0;
  std::vector<mailstore::MessageRow> rows;

  [[nodiscard]] std::size_t octets() const noexcept;
};

// Threads: any. Limits: the octets of all listings kept; the least recently used go first.
class MailboxCache {
 public:
  explicit MailboxCache(std::size_t octets_max) noexcept : octets_max_(octets_max) {}

  [[nodiscard]] std::shared_ptr<const MailboxListing> find(mailstore::AccountId account, mailstore::MailboxId mailbox);
  // Keeps `listing` unless a later one is kept already.
  void keep(mailstore::AccountId account, mailstore::MailboxId mailbox, std::shared_ptr<const MailboxListing> listing);

 private:
  using Name = std::pair<mailstore::AccountId, mailstore::MailboxId>;
  struct Entry {
    Name name;
    std::shared_ptr<const MailboxListing> listing;
    std::size_t octets;
  };

  const std::size_t octets_max_;
  std::mutex mutex_;
  std::list<Entry> entries_;                              // guarded by mutex_; most recently used first
  std::map<Name, std::list<Entry>::iterator> by_name_;
  std::size_t octets_ = 0;
};

}  // namespace keystonemail::service
