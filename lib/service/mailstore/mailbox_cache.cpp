// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "service/mailstore/mailbox_cache.hpp"

namespace keystonemail::service {

namespace {
constexpr std::size_t rows_min = 500;  // smaller mailboxes are as quick to scan
}

std::size_t MailboxListing::octets() const noexcept {
  std::size_t sum = sizeof *this + rows.capacity() * sizeof(mailstore::MessageRow);
  for (const auto& row : rows) sum += row.keywords.numbers().capacity() * sizeof(mailstore::KeywordNumber);
  return sum;
}

std::shared_ptr<const MailboxListing> MailboxCache::find(mailstore::AccountId account, mailstore::MailboxId mailbox) {
  const std::scoped_lock lock(mutex_);
  const auto at = by_name_.find({account, mailbox});
  if (at == by_name_.end()) return nullptr;
  entries_.splice(entries_.begin(), entries_, at->second);
  return at->second->listing;
}

void MailboxCache::keep(mailstore::AccountId account, mailstore::MailboxId mailbox,
                        std::shared_ptr<const MailboxListing> listing) {
  const std::size_t octets = listing->octets();
  if (listing->rows.size() < rows_min || octets > octets_max_) return;
  const std::scoped_lock lock(mutex_);
  const Name name{account, mailbox};
  if (const auto at = by_name_.find(name); at != by_name_.end()) {
    const MailboxListing& kept = *at->second->listing;
    if (kept.uid_validity == listing->uid_validity && kept.modseq >= listing->modseq) return;
    octets_ -= at->second->octets;
    entries_.erase(at->second);
    by_name_.erase(at);
  }
  entries_.push_front({name, std::move(listing), octets});
  by_name_[name] = entries_.begin();
  octets_ += octets;
  while (octets_ > octets_max_) {
    octets_ -= entries_.back().octets;
    by_name_.erase(entries_.back().name);
    entries_.pop_back();
  }
}

}  // namespace keystonemail::service
