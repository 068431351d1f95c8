// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Appending: everything is prepared before; the operation gives numbers and writes rows.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "keystonemail/mailstore/mailstore.hpp"
#include "service/mailstore/staged_message.hpp"
#include "service/mailstore/store_core.hpp"

namespace keystonemail::service {

struct AppendItem {
  PreparedEmail email;
  std::uint8_t system = 0;
  bool deleted = false;
  std::string numbers;         // as MessageRecord::numbers
  std::int64_t received = 0;
};

struct AppendPlan {
  mailstore::AccountId account{};
  mailstore::MailboxId mailbox{};
  bool or_inbox = false;       // when the mailbox is gone
  std::int64_t now = 0;
  std::vector<AppendItem> items;
  mailstore::Appended appended;  // set anew by each run
};

// Errors: not_found, over_quota, too_large, corrupt.
[[nodiscard]] Task<Result<void>> apply_append(kv::Transaction& t, const StoreCore& core, AppendPlan& plan);

// Whether that much more may go into the account. Errors: over_quota.
[[nodiscard]] Result<void> check_quota(const AccountRow& account, std::uint64_t octets, std::uint64_t messages);

}  // namespace keystonemail::service
