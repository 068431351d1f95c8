// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Names of an account that are subscribed to though no mailbox has them. A subscription is to a name (RFC 3501 §6.3.9): when
// DELETE or RENAME takes the mailbox away, the name is kept until UNSUBSCRIBE, or until a mailbox has it again.
#pragma once

#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "service/mailstore/store_core.hpp"

namespace keystonemail::service {

// Owned by one operation or reader's caller; borrows the core.
class KeptNames {
 public:
  // What cannot be read is passed over; verify() reports it.
  [[nodiscard]] static Task<Result<KeptNames>> read(kv::Reader& reader, const StoreCore& core, mailstore::AccountId account);

  // Ordered.
  [[nodiscard]] std::vector<std::string> paths() const;
  // Forgets a name; whether it was kept.
  [[nodiscard]] bool take(kv::Transaction& t, std::string_view path);
  // The one kept longest goes where there are too many. REQUIRES: one name for a mailbox and modseq.
  void keep(kv::Transaction& t, std::string path, mailstore::ModSeq modseq, mailstore::MailboxId mailbox);

 private:
  struct Row {
    std::string key;
    std::string path;
  };
  KeptNames(const StoreCore& core, mailstore::AccountId account) : core_(&core), account_(account) {}

  const StoreCore* core_;
  mailstore::AccountId account_;
  std::deque<Row> rows_;  // the one kept longest first
};

}  // namespace keystonemail::service
