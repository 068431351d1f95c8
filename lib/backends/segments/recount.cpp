// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "backends/segments/recount.hpp"

#include <algorithm>
#include <utility>
#include <vector>

#include "backends/segments/maintenance.hpp"
#include "base/try.hpp"

namespace keystonemail::segments {
namespace {

constexpr std::size_t rows_per_operation = 500;

struct Change {
  blob::BlobId id;
  std::string row;
};

// Corrects one row; what has one is struck from `references`. A count is never lowered: too high a one costs storage, too
// low a one costs mail.
std::optional<Change> correct(const blob::BlobId& id, std::string_view stored, References& references) {
  const auto wanted = references.find(id);
  auto row = decode_blob_row(stored);
  if (!row || wanted == references.end()) return std::nullopt;  // when it is wanted, its record is looked for
  const bool is_too_low = row->references < wanted->second;
  row->references = std::max(row->references, wanted->second);
  references.erase(wanted);
  return is_too_low ? std::optional(Change{id, encode(*row)}) : std::nullopt;
}

Task<Result<void>> apply(kv::Store& store, kv::Table blobs, const std::vector<Change>& changes, Context context) {
  if (changes.empty()) co_return Result<void>();
  kv::Operation change = [&](kv::Transaction& transaction) -> Task<Result<void>> {
    for (const Change& one : changes) transaction.put(blobs, one.id.key(), one.row);
    co_return Result<void>();
  };
  co_return co_await store.transact(std::move(change), {.growth = kv::Growth::frees}, std::move(context));
}

// Rows for what is referred to, has none, and is whole in a segment.
Result<std::vector<Change>> find_lost(const SegmentSet& segments, References& references) {
  std::vector<Change> found;
  KM_CHECK(list_records(segments, [&](const RecordInfo& record) {
    const auto wanted = references.find(record.id);
    const auto segment = segments.find(record.segment);
    const Location location{record.segment, record.offset, record.stored_octets};
    if (wanted == references.end() || segment == nullptr || !read_record(*segment, location, record.id, 0, record.octets)) return;
    found.push_back({record.id, encode(BlobRow{wanted->second, record.octets, location})});
    references.erase(wanted);
  }));
  return found;
}

}  // namespace

Task<Result<RecountReport>> recount_rows(kv::Store& store, const SegmentSet& segments, const BlobRows& rows,
                                         References references, Context context) {
  RecountReport report;
  std::string after;
  for (bool at_end = false; !at_end;) {
    std::vector<Change> changes;
    {
      KM_CO_TRY(auto snapshot, co_await store.snapshot(context));
      const kv::Range range{.first = after, .rows_max = rows_per_operation};
      KM_CO_TRY(const auto batch, co_await snapshot->scan(rows.blobs(), range));
      at_end = batch.size() < rows_per_operation;
      for (const kv::Row& row : batch) {
        blob::BlobId id;
        after = std::string(row.key) + '\0';
        if (row.key.size() != id.digest.size()) continue;
        std::copy(row.key.begin(), row.key.end(), reinterpret_cast<char*>(id.digest.data()));
        if (auto change = correct(id, row.value, references)) changes.push_back(*std::move(change));
      }
    }
    report.rows_corrected += changes.size();
    KM_CO_CHECK(co_await apply(store, rows.blobs(), changes, context));
  }
  if (references.empty()) co_return report;
  KM_CO_TRY(const auto found, find_lost(segments, references));
  KM_CO_CHECK(co_await apply(store, rows.blobs(), found, context));
  report.rows_found = found.size();
  report.lost = references.size();
  co_return report;
}

}  // namespace keystonemail::segments
