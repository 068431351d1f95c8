// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "service/mailstore/append.hpp"

#include <array>
#include <cassert>

#include "service/mailstore/message_rows.hpp"

namespace keystonemail::service {

namespace {

// RFC 8621 §3: emails are of one thread when they share a message id and the base subject. New threads also note the
// ids they refer to, so that answers to a message that never came still find each other.
Task<Result<std::uint64_t>> place_in_thread(kv::Transaction& t, const StoreCore& core, mailstore::AccountId account,
                                            const PreparedEmail& email, std::uint64_t id) {
  std::uint64_t thread = 0;
  std::array<bool, thread_hashes_max> known{};
  for (std::size_t i = 0; i < email.hash_count && thread == 0; ++i) {
    if (email.hashes[i] == 0) continue;
    KM_CO_TRY(const auto value, co_await t.get(core.tables.thread, Key(account, email.hashes[i])));
    const auto row = value ? read_row<ThreadRow>(*value) : std::nullopt;
    known[i] = row.has_value();
    if (row && row->subject == email.subject) thread = row->thread;
  }
  const bool fresh = thread == 0;
  if (fresh) thread = id;
  const auto row = encode_row(ThreadRow{thread, id, email.subject});
  for (std::size_t i = 0; i < email.hash_count; ++i) {
    if (email.hashes[i] == 0) continue;
    if (i == 0 || (fresh && !known[i])) t.put(core.tables.thread, Key(account, email.hashes[i]), row);
  }
  co_return thread;
}

Task<Result<void>> append_one(kv::Transaction& t, const StoreCore& core, AppendPlan& plan, AppendItem& item,
                              AccountRow& account, MailboxRow& mailbox, mailstore::MailboxId mailbox_id) {
  if (mailbox.uid_next == UINT32_MAX) co_return fail(ErrorKind::too_large, "mailbox has used up its numbers");
  const mailstore::Uid uid = mailbox.uid_next++;
  const std::uint64_t id = ++account.email_last;
  KM_CO_TRY(const std::uint64_t thread, co_await place_in_thread(t, core, plan.account, item.email, id));
  EmailRecord::place(item.email.row, thread, static_cast<std::uint32_t>(mailbox_id), uid, item.received);
  t.put(core.tables.email, Key(plan.account, id), item.email.row);
  if (!item.email.content.empty()) t.put(core.tables.content, Key(plan.account, id), item.email.content);
  for (const auto& staged : item.email.blobs) KM_CO_CHECK(co_await core.blobs.add_reference(t, *staged));

  MessageRecord record;
  record.email = id;
  record.thread = thread;
  record.modseq = record.created = account.modseq;
  record.received = item.received;
  record.saved = plan.now;
  record.size = item.email.octets;
  record.system = item.system;
  record.deleted = item.deleted;
  record.numbers = item.numbers;
  t.put(core.tables.message, Key(plan.account, mailbox_id, uid), record.encode());

  count(mailbox, record);
  plan.appended.uids.push_back(uid);
  plan.appended.emails.push_back(mailstore::EmailId{id});
  co_return Result<void>();
}

}  // namespace

Result<void> check_quota(const AccountRow& account, std::uint64_t octets, std::uint64_t messages) {
  const bool octets_fit = account.octets_limit == 0 || account.octets_used + octets <= account.octets_limit;
  const bool messages_fit = account.messages_limit == 0 || account.messages_used + messages <= account.messages_limit;
  if (!octets_fit || !messages_fit) return fail(ErrorKind::over_quota, "mailbox full");
  return {};
}

Task<Result<void>> apply_append(kv::Transaction& t, const StoreCore& core, AppendPlan& plan) {
  plan.appended = {};
  KM_CO_TRY(AccountRow account, co_await get_account(t, core, plan.account));
  mailstore::MailboxId mailbox_id = plan.mailbox;
  auto found = co_await get_mailbox(t, core, plan.account, mailbox_id);
  if (!found && found.error().kind() == ErrorKind::not_found && plan.or_inbox) {
    mailbox_id = inbox_id;
    found = co_await get_mailbox(t, core, plan.account, mailbox_id);
  }
  if (!found) co_return std::unexpected(std::move(found).error());
  MailboxRow mailbox = *found;

  std::uint64_t octets = 0;
  for (const AppendItem& item : plan.items) octets += item.email.octets;
  KM_CO_CHECK(check_quota(account, octets, plan.items.size()));
  account.octets_used += octets;
  account.messages_used += plan.items.size();
  mailbox.highest_modseq = ++account.modseq;
  plan.appended.uid_validity = mailbox.uid_validity;
  plan.appended.modseq = account.modseq;
  for (AppendItem& item : plan.items) {
    KM_CO_CHECK(co_await append_one(t, core, plan, item, account, mailbox, mailbox_id));
  }
  put_account(t, core, plan.account, account);
  put_mailbox(t, core, plan.account, mailbox_id, mailbox);
  co_return Result<void>();
}

}  // namespace keystonemail::service
