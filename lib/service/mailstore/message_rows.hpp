// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Reading, and doing away with, the messages of a mailbox.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "service/mailstore/change_log.hpp"
#include "service/mailstore/store_core.hpp"

namespace keystonemail::service {

inline constexpr std::size_t scan_rows = 4096;  // a batch of message rows
inline constexpr std::size_t memberships_max = 1'000;  // of one email: bounds what changing its keywords costs

// A message row that outlives its view.
struct HeldMessage {
  mailstore::Uid uid = 0;
  MessageRecord record;  // but for numbers
  std::string numbers;

  [[nodiscard]] MessageRecord whole() const noexcept {
    MessageRecord r = record;
    r.numbers = numbers;
    return r;
  }
};

[[nodiscard]] HeldMessage hold(mailstore::Uid uid, const MessageRecord& record);

// Those of `uids` (ascending) that are there. Errors: corrupt.
[[nodiscard]] Task<Result<std::vector<HeldMessage>>> read_messages(kv::Reader& reader, const StoreCore& core,
                                                                   mailstore::AccountId account, mailstore::MailboxId mailbox,
                                                                   std::span<const mailstore::Uid> uids);
// One, or nothing.
[[nodiscard]] Task<Result<std::optional<HeldMessage>>> read_message(kv::Reader& reader, const StoreCore& core,
                                                                    mailstore::AccountId account, mailstore::MailboxId mailbox,
                                                                    mailstore::Uid uid);

struct Membership {
  mailstore::MailboxId mailbox{};
  mailstore::Uid uid = 0;
};
// Where a `listed` email is. At most `rows_max`.
[[nodiscard]] Task<Result<std::vector<Membership>>> read_memberships(kv::Reader& reader, const StoreCore& core,
                                                                     mailstore::AccountId account, std::uint64_t email,
                                                                     std::size_t rows_max);

// Erases the row of a message, and its email with all that belongs to it when this was its last mailbox. Counts are
// the caller's. Damage does not stop it.
[[nodiscard]] Task<Result<void>> erase_message(kv::Transaction& t, const StoreCore& core, mailstore::AccountId account,
                                               mailstore::MailboxId mailbox, const HeldMessage& message);
[[nodiscard]] Task<Result<void>> erase_email(kv::Transaction& t, const StoreCore& core, mailstore::AccountId account,
                                             std::uint64_t email);

// Takes a message that goes out of the counts.
void uncount(MailboxRow& mailbox, const MessageRecord& record) noexcept;
void count(MailboxRow& mailbox, const MessageRecord& record) noexcept;

}  // namespace keystonemail::service
