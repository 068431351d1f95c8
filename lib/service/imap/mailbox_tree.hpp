// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Which mailboxes a LIST is about (RFC 9051 §6.3.9, RFC 5258, RFC 6154).
#pragma once

#include <span>
#include <string>
#include <vector>

#include "keystonemail/mailstore/mailstore.hpp"
#include "service/imap/list_pattern.hpp"

namespace keystonemail::service::imap {

struct ListSelection {
  bool subscribed = false;        // only those subscribed to
  bool special_use = false;       // only those with a special use
  bool recursive_match = false;   // also those that have such a mailbox below, unless all of these are listed themselves
};

struct ListedMailbox {
  const mailstore::Mailbox* mailbox;
  bool has_children = false;      // that exist
  bool selected = true;           // false: there only for what is below it
  bool selected_below = false;    // with recursive_match: CHILDINFO
};

// False for a name that is only subscribed to, and for what stands above it.
[[nodiscard]] inline bool exists(const mailstore::Mailbox& mailbox) noexcept { return mailbox.id != mailstore::MailboxId{}; }

// Puts names that are subscribed to though they are not there, and those above them that are not there either, in their places.
void add_names(std::vector<mailstore::Mailbox>& mailboxes, std::span<const std::string> names);

// The patterns of one LIST. INBOX is the same in any case, also as the parent of others (RFC 9051 §5.1).
class PatternSet {
 public:
  explicit PatternSet(std::span<const std::string> patterns);
  [[nodiscard]] bool matches(const mailstore::Mailbox& mailbox) const;
  // What it takes to try one octet of a name, in steps of a few nanoseconds.
  [[nodiscard]] std::size_t work() const noexcept { return work_; }

 private:
  std::vector<ListPattern> exact_, upper_;
  std::size_t work_ = 0;
};

// Those of `mailboxes` (parents before children) that are selected and match: `matching` has one entry for each. Each once.
[[nodiscard]] std::vector<ListedMailbox> list_mailboxes(std::span<const mailstore::Mailbox> mailboxes,
                                                        const std::vector<bool>& matching, ListSelection selection);

}  // namespace keystonemail::service::imap
