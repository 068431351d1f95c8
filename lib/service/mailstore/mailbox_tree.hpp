// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// The mailboxes of an account as a tree, and the names they may have.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "service/mailstore/store_core.hpp"

namespace keystonemail::service {

// The levels of a path, checked: UTF-8 without control characters (RFC 9051 §5.1), within the limits; "INBOX" in any case
// as the first level is "INBOX". Errors: invalid, too_large.
[[nodiscard]] Result<std::vector<std::string>> split_path(std::string_view path);

struct MailboxTree {
  std::vector<mailstore::Mailbox> mailboxes;  // by path

  [[nodiscard]] const mailstore::Mailbox* find(mailstore::MailboxId id) const noexcept;
  [[nodiscard]] const mailstore::Mailbox* find_path(std::string_view path) const noexcept;
  [[nodiscard]] const mailstore::Mailbox* find_role(mailstore::Role role) const noexcept;
  [[nodiscard]] bool has_children(mailstore::MailboxId id) const noexcept;
};

// Errors: not_found (the account), corrupt.
[[nodiscard]] Task<Result<MailboxTree>> read_tree(kv::Reader& reader, const StoreCore& core, mailstore::AccountId account);

// The same, but paths alone.
[[nodiscard]] Task<Result<std::shared_ptr<const MailboxPaths>>> read_paths(kv::Reader& reader, const StoreCore& core,
                                                                           mailstore::AccountId account);

// The path of one mailbox; empty where there is no such one.
[[nodiscard]] Task<Result<std::string>> mailbox_path(kv::Reader& reader, const StoreCore& core, mailstore::AccountId account,
                                                     mailstore::MailboxId mailbox);

// Makes what is missing of a path; returns the last. Errors: conflict, too_large.
struct MailboxRequest {
  std::span<const std::string> levels;
  mailstore::Role role = mailstore::Role::none;
  bool subscribed = true;  // as are those whose names are kept
  std::int64_t now = 0;
};
[[nodiscard]] Task<Result<mailstore::Mailbox>> make_mailbox(kv::Transaction& t, const StoreCore& core,
                                                            mailstore::AccountId account_id, AccountRow& account,
                                                            MailboxRequest request);

[[nodiscard]] mailstore::Mailbox to_mailbox(mailstore::MailboxId id, const MailboxObject& object, const MailboxRow& row);
void put_object(kv::Transaction& t, const StoreCore& core, mailstore::AccountId account, mailstore::MailboxId mailbox,
                const MailboxObject& object);
[[nodiscard]] MailboxObject to_object(const mailstore::Mailbox& mailbox);
// A UIDVALIDITY that no mailbox of the account had before (RFC 9051 §2.3.1.1).
[[nodiscard]] std::uint32_t next_uid_validity(AccountRow& account, std::int64_t now) noexcept;

}  // namespace keystonemail::service
