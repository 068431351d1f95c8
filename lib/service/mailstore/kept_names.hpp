// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Names of an account that are subscribed to though no mailbox has them. A subscription is to a name (RFC 3501 §6.3.9): when
// DELETE or RENAME takes the mailbox away, the name is kept until UNSUBSCRIBE, or until a mailbox has it again.
#pragma once

#include <functional>
#include <map>
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
  KeptNames(const StoreCore& core, mailstore::AccountId account) : core_(&core), account_(account) {}
  void add(std::string key, std::string path);

  const StoreCore* core_;
  mailstore::AccountId account_;
  // By what each is looked up: RENAME takes and keeps a name for each of thousands of mailboxes, with all other writers waiting.
  std::map<std::string, std::string> paths_;               // by key: the one kept longest first
  std::map<std::string, std::string, std::less<>> keys_;   // by path
};

}  // namespace keystonemail::service
