// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "service/mailstore/change_log.hpp"

#include <algorithm>
#include <cassert>
#include <iterator>
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

constexpr std::uint8_t turned_version = 2;       // of an entry that tells which flags
constexpr std::uint8_t deleted_bit = 0x10;       // beside the SystemKeyword bits
constexpr std::size_t turned_groups_max = 8;
constexpr std::size_t turned_rows_max = 1'000;   // looked at for one operation, which others wait for
constexpr std::size_t turned_uids_max = 1'000'000;
constexpr std::size_t sort_uids_min = 65'536;

void encode_flags(RecordWriter& writer, const FlagNames& flags) {
  writer.octet(static_cast<std::uint8_t>(flags.system | (flags.deleted ? deleted_bit : 0)));
  writer.number(flags.numbers.size());
  for (const auto number : flags.numbers) writer.number(number);
}

bool decode_flags(RecordReader& reader, FlagNames& flags) {
  const std::uint8_t bits = reader.octet();
  flags.deleted = (bits & deleted_bit) != 0;
  flags.system = static_cast<std::uint8_t>(bits & ~deleted_bit);
  const std::uint64_t numbers = reader.number();
  for (std::uint64_t i = 0; i < numbers && reader.ok(); ++i) {
    const std::uint64_t number = reader.number();
    if (number > UINT16_MAX || (i != 0 && number <= flags.numbers.back())) return false;
    flags.numbers.push_back(static_cast<mailstore::KeywordNumber>(number));
  }
  return reader.ok() && flags.system < deleted_bit;
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

// One group is of all that changed, and does not name them again.
bool decode_turned(RecordReader& reader, LogEntry& entry, std::size_t uids_max) {
  const std::uint64_t groups = reader.number();
  if (groups == 0 || groups > turned_groups_max) return false;
  std::size_t left = uids_max;
  for (std::uint64_t i = 0; i < groups; ++i) {
    TurnedFlags& group = entry.turned.emplace_back();
    if (!decode_flags(reader, group.flags)) return false;
    if (groups == 1) {
      group.uids = entry.changed;
    } else if (!decode_uids(reader, group.uids, left)) {
      return false;
    }
    left -= std::min(left, group.uids.size());
  }
  return true;
}

// Sorts a list that grows by pieces often enough to bound it, and seldom enough to cost little.
class Gathered {
 public:
  explicit Gathered(Uids& uids) noexcept : uids_(uids) {}
  void tidy() {
    if (uids_.size() < limit_) return;
    sort_unique(uids_);
    limit_ = std::max(sort_uids_min, 2 * uids_.size());
  }

 private:
  Uids& uids_;
  std::size_t limit_ = sort_uids_min;
};

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
  assert(turned.size() <= turned_groups_max);
  writer.octet(turned.empty() ? row_version : turned_version);
  encode_uids(writer, changed);
  encode_uids(writer, expunged);
  if (turned.empty()) return writer.take();
  writer.number(turned.size());
  for (const TurnedFlags& group : turned) {
    encode_flags(writer, group.flags);
    if (turned.size() > 1) encode_uids(writer, group.uids);
  }
  return writer.take();
}

std::optional<LogEntry> LogEntry::read(std::string_view row, std::size_t uids_at_most) {
  RecordReader reader(row);
  LogEntry entry;
  const std::uint8_t version = reader.octet();
  if ((version != row_version && version != turned_version) || !decode_uids(reader, entry.changed, uids_at_most) ||
      !decode_uids(reader, entry.expunged, uids_at_most)) {
    return std::nullopt;
  }
  if (version == turned_version && !decode_turned(reader, entry, uids_at_most)) return std::nullopt;
  if (!reader.at_end()) return std::nullopt;
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
  Gathered changed(all.changed), expunged(all.expunged);
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
      changed.tidy();
      expunged.tidy();
    }
    if (rows.size() < range.rows_max) break;
    first = Key(account, mailbox, key_number(rows.back().key, 8, 8) + 1);
  }
  sort_unique(all.changed);
  sort_unique(all.expunged);
  co_return all;
}

Task<Result<Turned>> read_turned(kv::Reader& reader, const StoreCore& core, mailstore::AccountId account,
                                 mailstore::MailboxId mailbox, const MailboxRow& row, mailstore::ModSeq since,
                                 const FlagNames& flags, std::span<const mailstore::Uid> uids) {
  Turned result;
  const Turned unknown{{}, false};
  if (since < row.log_floor) co_return unknown;
  Gathered gathered(result.uids);
  std::size_t rows_seen = 0, uids_seen = 0;
  Key first(account, mailbox, since + 1);
  const Key end = Key(account, mailbox).after_prefix();
  for (;;) {
    const kv::Range range{.first = first, .end = end};
    KM_CO_TRY(const auto rows, co_await reader.scan(core.tables.log, range));
    rows_seen += rows.size();
    if (rows_seen > turned_rows_max) co_return unknown;
    for (const kv::Row& log_row : rows) {
      const auto entry = LogEntry::read(log_row.value);
      if (!entry) co_return damaged("change log");
      uids_seen += entry->changed.size() + entry->expunged.size();
      if (uids_seen > turned_uids_max) co_return unknown;
      if (entry->turned.empty()) std::ranges::set_intersection(entry->changed, uids, std::back_inserter(result.uids));
      for (const TurnedFlags& group : entry->turned) {
        if (group.flags.meets(flags)) std::ranges::set_intersection(group.uids, uids, std::back_inserter(result.uids));
      }
      gathered.tidy();
    }
    if (rows.size() < range.rows_max) break;
    first = Key(account, mailbox, key_number(rows.back().key, 8, 8) + 1);
  }
  sort_unique(result.uids);
  co_return result;
}

bool FlagNames::meets(const FlagNames& other) const noexcept {
  if ((system & other.system) != 0 || (deleted && other.deleted)) return true;
  return std::ranges::any_of(numbers, [&](auto number) { return std::ranges::binary_search(other.numbers, number); });
}

void FlagNames::merge(const FlagNames& other) {
  system |= other.system;
  deleted = deleted || other.deleted;
  std::vector<mailstore::KeywordNumber> both;
  std::ranges::set_union(numbers, other.numbers, std::back_inserter(both));
  numbers = std::move(both);
}

void TurnedGroups::add(mailstore::Uid uid, const FlagNames& flags) {
  auto group = std::ranges::find(groups_, flags, &TurnedFlags::flags);
  if (group == groups_.end()) {
    if (groups_.size() < turned_groups_max) {
      group = groups_.insert(groups_.end(), TurnedFlags{flags, {}});
    } else {
      group = std::prev(groups_.end());
      group->flags.merge(flags);
    }
  }
  group->uids.push_back(uid);
}

LogEntry TurnedGroups::take() && {
  LogEntry entry;
  for (TurnedFlags& group : groups_) {
    sort_unique(group.uids);
    entry.changed.insert(entry.changed.end(), group.uids.begin(), group.uids.end());
  }
  sort_unique(entry.changed);
  entry.turned = std::move(groups_);
  if (entry.turned.size() == 1) entry.turned.front().uids = entry.changed;
  return entry;
}

}  // namespace keystonemail::service
