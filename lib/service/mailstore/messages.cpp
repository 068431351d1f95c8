// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include <algorithm>

#include "service/mailstore/append.hpp"
#include "service/mailstore/content.hpp"
#include "service/mailstore/mailbox_tree.hpp"
#include "service/mailstore/message_rows.hpp"
#include "service/mailstore/staged_message.hpp"
#include "service/mailstore/store_impl.hpp"

namespace keystonemail::service {

namespace {

using Rows = std::vector<mailstore::MessageRow>;

constexpr std::size_t kept_rows_min = 500;  // smaller mailboxes are as quick to scan

// All rows in `uids` that changed after `since`, by one scan.
Task<Result<Rows>> scan_messages(kv::Reader& reader, const StoreCore& core, mailstore::AccountId account,
                                 mailstore::MailboxId mailbox, mailstore::UidRange uids, mailstore::ModSeq since,
                                 std::size_t expected) {
  Rows rows;
  rows.reserve(expected);
  Key first(account, mailbox, uids.first);
  const Key end = uids.last == UINT32_MAX ? Key(account, mailbox).after_prefix() : Key(account, mailbox, uids.last + 1);
  for (;;) {
    const kv::Range range{.first = first, .end = end, .rows_max = scan_rows};
    KM_CO_TRY(const auto batch, co_await reader.scan(core.tables.message, range));
    for (const kv::Row& row : batch) {
      const auto record = MessageRecord::read(row.value);
      if (!record) co_return damaged("message");
      if (record->modseq > since) {
        rows.push_back(to_message_row(static_cast<mailstore::Uid>(key_number(row.key, 8, 4)), *record));
      }
    }
    if (batch.size() < range.rows_max) co_return rows;
    first = Key(account, mailbox, static_cast<mailstore::Uid>(key_number(batch.back().key, 8, 4)) + 1);
  }
}

// The rows that came after `since`: from the end, as UIDs and the modseqs they came with ascend together. Descending.
Task<Result<Rows>> scan_arrivals(kv::Reader& reader, const StoreCore& core, mailstore::AccountId account,
                                 mailstore::MailboxId mailbox, mailstore::ModSeq since) {
  Rows rows;
  const Key first(account, mailbox);
  Key end = first.after_prefix();
  std::size_t batch_rows = 16;
  for (;;) {
    const kv::Range range{.first = first, .end = end, .direction = kv::Direction::backward, .rows_max = batch_rows};
    KM_CO_TRY(const auto batch, co_await reader.scan(core.tables.message, range));
    for (const kv::Row& row : batch) {
      const auto record = MessageRecord::read(row.value);
      if (!record) co_return damaged("message");
      if (record->created <= since) co_return rows;
      rows.push_back(to_message_row(static_cast<mailstore::Uid>(key_number(row.key, 8, 4)), *record));
    }
    if (batch.size() < batch_rows) co_return rows;
    end = Key(account, mailbox, static_cast<mailstore::Uid>(key_number(batch.back().key, 8, 4)));
    batch_rows = std::min(batch_rows * 4, scan_rows);
  }
}

Rows within(Rows rows, mailstore::UidRange uids) {
  std::erase_if(rows, [uids](const auto& row) { return row.uid < uids.first || row.uid > uids.last; });
  return rows;
}

// The rows that changed after `since`, by the log. REQUIRES: since >= row.log_floor.
Task<Result<Rows>> changed_messages(kv::Reader& reader, const StoreCore& core, mailstore::AccountId account,
                                    mailstore::MailboxId mailbox, mailstore::ModSeq since, const LogEntry& log) {
  KM_CO_TRY(Rows arrivals, co_await scan_arrivals(reader, core, account, mailbox, since));
  std::span<const mailstore::Uid> older(log.changed);
  if (!arrivals.empty()) {
    const auto end = std::ranges::lower_bound(log.changed, arrivals.back().uid);
    older = older.first(static_cast<std::size_t>(end - log.changed.begin()));
  }
  KM_CO_TRY(const auto held, co_await read_messages(reader, core, account, mailbox, older));
  Rows rows;
  rows.reserve(held.size() + arrivals.size());
  for (const HeldMessage& message : held) {
    if (message.record.modseq > since) rows.push_back(to_message_row(message.uid, message.whole()));
  }
  std::ranges::reverse_copy(arrivals, std::back_inserter(rows));
  co_return rows;
}

// `kept` with the changes put in and the expunged taken out. All lists ascend.
Rows merge(const Rows& kept, Rows changed, const Uids& expunged) {
  Rows rows;
  rows.reserve(kept.size() + changed.size());
  auto next = changed.begin();
  auto gone = expunged.begin();
  for (const auto& row : kept) {
    while (gone != expunged.end() && *gone < row.uid) ++gone;
    if (gone != expunged.end() && *gone == row.uid) continue;
    if (next != changed.end() && next->uid == row.uid) {
      rows.push_back(std::move(*next++));
    } else {
      rows.push_back(row);
    }
  }
  std::move(next, changed.end(), std::back_inserter(rows));
  return rows;
}

}  // namespace

StoreImpl::Answer<std::shared_ptr<const MailboxListing>> StoreImpl::listing(kv::Reader& reader, AccountId account,
                                                                            MailboxId mailbox, const MailboxRow& row) {
  auto kept = core_.listings.find(account, mailbox);
  if (kept && kept->uid_validity == row.uid_validity && kept->modseq == row.highest_modseq) co_return kept;
  auto made = std::make_shared<MailboxListing>();
  made->uid_validity = row.uid_validity;
  made->modseq = row.highest_modseq;
  if (kept && kept->uid_validity == row.uid_validity && kept->modseq >= row.log_floor && kept->modseq < made->modseq) {
    KM_CO_TRY(const LogEntry log, co_await read_log(reader, core_, account, mailbox, kept->modseq));
    KM_CO_TRY(auto changed, co_await changed_messages(reader, core_, account, mailbox, kept->modseq, log));
    made->rows = merge(kept->rows, std::move(changed), log.expunged);
  } else {
    KM_CO_TRY(made->rows, co_await scan_messages(reader, core_, account, mailbox, {}, 0, row.messages));
  }
  if (made->rows.size() >= kept_rows_min) core_.listings.keep(account, mailbox, made);
  co_return made;
}

StoreImpl::Answer<std::vector<mailstore::MessageRow>> StoreImpl::messages(AccountId account, MailboxId mailbox,
                                                                          mailstore::UidRange uids, ModSeq since,
                                                                          Context context) {
  KM_CO_TRY(const auto snapshot, co_await core_.kv.snapshot(context));
  KM_CO_TRY(const MailboxRow row, co_await get_mailbox(*snapshot, core_, account, mailbox));
  if (row.highest_modseq <= since || uids.first > uids.last) co_return Rows();
  if (since == 0 && uids.first <= 1 && uids.last >= row.uid_next - 1) {
    KM_CO_TRY(const auto all, co_await listing(*snapshot, account, mailbox, row));
    co_return all->rows;
  }
  if (since < row.log_floor || since == 0) {
    const std::size_t expected = std::min<std::size_t>(row.messages, uids.last - uids.first);
    co_return co_await scan_messages(*snapshot, core_, account, mailbox, uids, since, since == 0 ? expected : 0);
  }
  KM_CO_TRY(const LogEntry log, co_await read_log(*snapshot, core_, account, mailbox, since));
  KM_CO_TRY(auto rows, co_await changed_messages(*snapshot, core_, account, mailbox, since, log));
  co_return within(std::move(rows), uids);
}

StoreImpl::Answer<std::vector<mailstore::Uid>> StoreImpl::expunged(AccountId account, MailboxId mailbox, ModSeq since,
                                                                   Context context) {
  KM_CO_TRY(const auto snapshot, co_await core_.kv.snapshot(context));
  KM_CO_TRY(const MailboxRow row, co_await get_mailbox(*snapshot, core_, account, mailbox));
  if (row.highest_modseq <= since) co_return Uids();
  if (since < row.log_floor) co_return fail(ErrorKind::not_found, "changes that old are forgotten");
  KM_CO_TRY(auto log, co_await read_log(*snapshot, core_, account, mailbox, since));
  co_return std::move(log.expunged);
}

StoreImpl::Answer<std::vector<std::string>> StoreImpl::summaries(AccountId account, std::span<const EmailId> emails,
                                                                 Context context) {
  std::vector<std::string> all;
  all.reserve(emails.size());
  KM_CO_TRY(const auto snapshot, co_await core_.kv.snapshot(context));
  for (const EmailId email : emails) {
    KM_CO_TRY(const auto value, co_await snapshot->get(core_.tables.email, Key(account, email)));
    const auto record = value ? EmailRecord::read(*value) : std::nullopt;
    if (value && !record) co_return damaged("email");
    all.emplace_back(record ? record->summary : std::string_view());
  }
  co_return all;
}

StoreImpl::Answer<std::unique_ptr<mailstore::MessageReader>> StoreImpl::open(AccountId account, EmailId email,
                                                                             Context context) {
  KM_CO_TRY(const auto snapshot, co_await core_.kv.snapshot(context));
  KM_CO_TRY(const auto value, co_await snapshot->get(core_.tables.email, Key(account, email)));
  if (!value) co_return fail(ErrorKind::not_found, "no such message");
  const auto record = EmailRecord::read(*value);
  if (!record) co_return damaged("email");
  std::string_view stored = record->content;
  if (record->content_apart) {
    KM_CO_TRY(const auto apart, co_await snapshot->get(core_.tables.content, Key(account, email)));
    if (!apart) co_return damaged("message content is missing");
    stored = *apart;
  }
  KM_CO_TRY(auto content, Content::decode(stored));
  if (content.octets() != record->size) co_return damaged("message size");
  co_return make_content_reader(core_.kv, core_.blobs, std::move(content));
}

Result<std::unique_ptr<mailstore::MessageWriter>> StoreImpl::create_message() {
  return std::make_unique<KvMessageWriter>(core_);
}

StoreImpl::Answer<mailstore::Appended> StoreImpl::append(AccountId account, MailboxId mailbox,
                                                         std::span<const mailstore::NewMessage> messages,
                                                         Context context) {
  AppendPlan plan{.account = account, .mailbox = mailbox};
  plan.now = to_milliseconds(context.executor->wall_now());
  Whereabouts where{.account = account};
  {
    KM_CO_TRY(const auto snapshot, co_await core_.kv.snapshot(context));
    KM_CO_TRY(where.mailbox, co_await mailbox_path(*snapshot, core_, account, mailbox));
  }
  for (const auto& message : messages) {
    auto* staged = dynamic_cast<KvStagedMessage*>(message.message.get());
    if (!staged) co_return fail(ErrorKind::invalid, "message of another store");
    AppendItem item;
    item.received = message.received ? to_milliseconds(*message.received) : plan.now;
    where.received = item.received;
    KM_CO_TRY(item.email, co_await staged->prepare({}, where, context));
    item.system = message.keywords.system_bits();
    item.deleted = message.deleted;
    if (message.keywords.numbers().size() > mailstore::limits::keywords_per_email_max) {
      co_return fail(ErrorKind::too_large, "too many keywords");
    }
    item.numbers = encode_numbers(message.keywords);
    plan.items.push_back(std::move(item));
  }
  KM_CO_CHECK(co_await core_.kv.transact([&](kv::Transaction& t) { return apply_append(t, core_, plan); }, core_.adds(),
                                         context));
  core_.notifier.notify(account, plan.appended.modseq);
  co_return std::move(plan.appended);
}

}  // namespace keystonemail::service
