// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "service/mailstore/change_log.hpp"

#include <algorithm>
#include <numeric>

#include "base/record.hpp"

namespace keystonemail::service {

namespace {

// Runs of UIDs: how many, then for each the gap to the one before and its length.
void encode_uids(RecordWriter& writer, const Uids& uids) {
  std::vector<std::pair<mailstore::Uid, std::uint32_t>> runs;
  for (const auto uid : uids) {
    if (!runs.empty() && runs.back().first + runs.back().second == uid) {
      ++runs.back().second;
    } else {
      runs.emplace_back(uid, 1);
    }
  }
  writer.number(runs.size());
  mailstore::Uid at = 0;
  for (const auto& [first, length] : runs) {
    writer.number(first - at).number(length);
    at = first + length;
  }
}

bool decode_uids(RecordReader& reader, Uids& uids, std::size_t uids_max) {
  const std::uint64_t runs = reader.number();
  std::uint64_t at = 0;
  for (std::uint64_t i = 0; i < runs && reader.ok(); ++i) {
    const std::uint64_t gap = reader.number();
    if (gap > UINT32_MAX) return false;
    at += gap;
    const std::uint64_t length = reader.number();
    if (length > uids_max - std::min(uids.size(), uids_max) || at + length > UINT32_MAX) return false;
    uids.resize(uids.size() + length);
    std::iota(uids.end() - static_cast<std::ptrdiff_t>(length), uids.end(), static_cast<mailstore::Uid>(at));
    at += length;
  }
  return reader.ok();
}

Task<Result<void>> prune(kv::Transaction& t, const StoreCore& core, mailstore::AccountId account,
                         mailstore::MailboxId mailbox, MailboxRow& row) {
  const Key first(account, mailbox), end = first.after_prefix();
  const kv::Range range{.first = first, .end = end, .rows_max = core.options.log_rows_max / 20 + 1};
  KM_CO_TRY(const auto rows, co_await t.scan(core.tables.log, range));
  std::vector<std::uint64_t> modseqs;
  for (const kv::Row& entry : rows) modseqs.push_back(key_number(entry.key, 8, 8));
  for (const auto modseq : modseqs) t.erase(core.tables.log, Key(account, mailbox, modseq));
  if (modseqs.empty()) co_return Result<void>();
  row.log_floor = modseqs.back();
  row.log_rows -= std::min(row.log_rows, static_cast<std::uint32_t>(modseqs.size()));
  co_return Result<void>();
}

}  // namespace

void sort_unique(Uids& uids) {
  if (std::ranges::is_sorted(uids, std::ranges::less_equal{})) {
    if (std::ranges::adjacent_find(uids) == uids.end()) return;
  }
  std::ranges::sort(uids);
  uids.erase(std::unique(uids.begin(), uids.end()), uids.end());
}

std::string LogEntry::encode() const {
  RecordWriter writer;
  writer.octet(row_version);
  encode_uids(writer, changed);
  encode_uids(writer, expunged);
  return writer.take();
}

std::optional<LogEntry> LogEntry::read(std::string_view row, std::size_t uids_at_most) {
  RecordReader reader(row);
  LogEntry entry;
  if (reader.octet() != row_version || !decode_uids(reader, entry.changed, uids_at_most) ||
      !decode_uids(reader, entry.expunged, uids_at_most) || !reader.at_end()) {
    return std::nullopt;
  }
  return entry;
}

Task<Result<void>> add_log_entry(kv::Transaction& t, const StoreCore& core, mailstore::AccountId account,
                                 mailstore::MailboxId mailbox, MailboxRow& row, mailstore::ModSeq modseq,
                                 const LogEntry& entry) {
  t.put(core.tables.log, Key(account, mailbox, modseq), entry.encode());
  if (++row.log_rows > core.options.log_rows_max) KM_CO_CHECK(co_await prune(t, core, account, mailbox, row));
  co_return Result<void>();
}

Task<Result<LogEntry>> read_log(kv::Reader& reader, const StoreCore& core, mailstore::AccountId account,
                                mailstore::MailboxId mailbox, mailstore::ModSeq since) {
  LogEntry all;
  Key first(account, mailbox, since + 1);
  const Key end = Key(account, mailbox).after_prefix();
  for (;;) {
    const kv::Range range{.first = first, .end = end};
    KM_CO_TRY(const auto rows, co_await reader.scan(core.tables.log, range));
    for (const kv::Row& row : rows) {
      const auto entry = LogEntry::read(row.value);
      if (!entry) co_return damaged("change log");
      all.changed.insert(all.changed.end(), entry->changed.begin(), entry->changed.end());
      all.expunged.insert(all.expunged.end(), entry->expunged.begin(), entry->expunged.end());
    }
    if (rows.size() < range.rows_max) break;
    first = Key(account, mailbox, key_number(rows.back().key, 8, 8) + 1);
  }
  sort_unique(all.changed);
  sort_unique(all.expunged);
  co_return all;
}

}  // namespace keystonemail::service
