// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "service/mailstore/message_rows.hpp"

#include <algorithm>

#include "service/mailstore/content.hpp"

namespace keystonemail::service {

namespace {

std::uint32_t less(std::uint32_t value, std::uint32_t by) noexcept { return value - std::min(value, by); }

}  // namespace

HeldMessage hold(mailstore::Uid uid, const MessageRecord& record) {
  HeldMessage held{uid, record, std::string(record.numbers)};
  held.record.numbers = {};
  return held;
}

Task<Result<std::optional<HeldMessage>>> read_message(kv::Reader& reader, const StoreCore& core,
                                                      mailstore::AccountId account, mailstore::MailboxId mailbox,
                                                      mailstore::Uid uid) {
  KM_CO_TRY(const auto value, co_await reader.get(core.tables.message, Key(account, mailbox, uid)));
  if (!value) co_return std::optional<HeldMessage>();
  const auto record = MessageRecord::read(*value);
  if (!record) co_return damaged("message");
  co_return std::optional<HeldMessage>(hold(uid, *record));
}

Task<Result<std::vector<HeldMessage>>> read_messages(kv::Reader& reader, const StoreCore& core,
                                                     mailstore::AccountId account, mailstore::MailboxId mailbox,
                                                     std::span<const mailstore::Uid> uids) {
  std::vector<HeldMessage> held;
  if (uids.empty()) co_return held;
  held.reserve(uids.size());
  const std::uint64_t span = std::uint64_t{uids.back()} - uids.front() + 1;
  if (span / 4 > uids.size()) {  // few and far between
    for (const auto uid : uids) {
      KM_CO_TRY(auto message, co_await read_message(reader, core, account, mailbox, uid));
      if (message) held.push_back(*std::move(message));
    }
    co_return held;
  }
  Key first(account, mailbox, uids.front());
  const Key end = uids.back() == UINT32_MAX ? Key(account, mailbox).after_prefix() : Key(account, mailbox, uids.back() + 1);
  auto wanted = uids.begin();
  for (;;) {
    const kv::Range range{.first = first, .end = end, .rows_max = scan_rows};
    KM_CO_TRY(const auto rows, co_await reader.scan(core.tables.message, range));
    for (const kv::Row& row : rows) {
      const auto uid = static_cast<mailstore::Uid>(key_number(row.key, 8, 4));
      while (wanted != uids.end() && *wanted < uid) ++wanted;
      if (wanted == uids.end()) break;
      if (*wanted != uid) continue;
      const auto record = MessageRecord::read(row.value);
      if (!record) co_return damaged("message");
      held.push_back(hold(uid, *record));
    }
    if (rows.size() < range.rows_max || wanted == uids.end()) co_return held;
    first = Key(account, mailbox, static_cast<mailstore::Uid>(key_number(rows.back().key, 8, 4)) + 1);
  }
}

Task<Result<std::vector<Membership>>> read_memberships(kv::Reader& reader, const StoreCore& core,
                                                       mailstore::AccountId account, std::uint64_t email,
                                                       std::size_t rows_max) {
  const Key first(account, email), end = first.after_prefix();
  const kv::Range range{.first = first, .end = end, .rows_max = rows_max};
  KM_CO_TRY(const auto rows, co_await reader.scan(core.tables.membership, range));
  std::vector<Membership> memberships;
  memberships.reserve(rows.size());
  for (const kv::Row& row : rows) {
    memberships.push_back({mailstore::MailboxId{static_cast<std::uint32_t>(key_number(row.key, 12, 4))},
                           static_cast<mailstore::Uid>(key_number(row.key, 16, 4))});
  }
  co_return memberships;
}

Task<Result<void>> erase_email(kv::Transaction& t, const StoreCore& core, mailstore::AccountId account,
                               std::uint64_t email) {
  const Key key(account, email);
  KM_CO_TRY(const auto value, co_await t.get(core.tables.email, key));
  const auto record = value ? EmailRecord::read(*value) : std::nullopt;
  if (record) {
    std::string_view content = record->content;
    if (record->content_apart) {
      KM_CO_TRY(const auto apart, co_await t.get(core.tables.content, key));
      content = apart.value_or(std::string_view());
    }
    const auto blobs = Content::decode_blobs(content);
    const auto hashes = record->hashes;
    const auto hash_count = record->hash_count;
    const bool content_apart = record->content_apart;
    // The record is a view into the transaction: nothing of it may be used from here on.
    if (content_apart) t.erase(core.tables.content, key);
    for (std::size_t i = 0; i < hash_count; ++i) {
      if (hashes[i] == 0) continue;
      const Key thread_key(account, hashes[i]);
      KM_CO_TRY(const auto thread, co_await t.get(core.tables.thread, thread_key));
      const auto row = thread ? read_row<ThreadRow>(*thread) : std::nullopt;
      if (row && row->email == email) t.erase(core.tables.thread, thread_key);
    }
    if (blobs) {
      for (const BlobUse& use : *blobs) KM_CO_CHECK(co_await core.blobs.release(t, use.id));
    }
  }
  t.erase(core.tables.email, key);
  co_return Result<void>();
}

Task<Result<void>> erase_message(kv::Transaction& t, const StoreCore& core, mailstore::AccountId account,
                                 mailstore::MailboxId mailbox, const HeldMessage& message) {
  t.erase(core.tables.message, Key(account, mailbox, message.uid));
  if (message.record.listed) {
    t.erase(core.tables.membership, Key(account, message.record.email, mailbox, message.uid));
    KM_CO_TRY(const auto others, co_await read_memberships(t, core, account, message.record.email, 1));
    if (!others.empty()) co_return Result<void>();
  }
  co_return co_await erase_email(t, core, account, message.record.email);
}

void uncount(MailboxRow& mailbox, const MessageRecord& record) noexcept {
  mailbox.messages = less(mailbox.messages, 1);
  if (!record.seen()) mailbox.unseen = less(mailbox.unseen, 1);
  if (record.deleted) mailbox.deleted = less(mailbox.deleted, 1);
  mailbox.octets_total -= std::min<std::uint64_t>(mailbox.octets_total, record.size);
}

void count(MailboxRow& mailbox, const MessageRecord& record) noexcept {
  mailbox.messages += 1;
  if (!record.seen()) mailbox.unseen += 1;
  if (record.deleted) mailbox.deleted += 1;
  mailbox.octets_total += record.size;
}

}  // namespace keystonemail::service
