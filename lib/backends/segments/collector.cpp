// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "backends/segments/collector.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <utility>

#include "backends/segments/maintenance.hpp"
#include "base/try.hpp"

namespace keystonemail::segments {
namespace {

constexpr auto no_room_delay = std::chrono::seconds(30);
constexpr std::uint64_t unsealed_octets_min = 1U << 20;  // one that still grows is ended for this much
constexpr std::size_t rows_per_snapshot = 256;
constexpr std::size_t moves_per_commit = 64;
constexpr std::uint64_t moved_octets_per_commit = 4U << 20;

}  // namespace

Task<Result<CollectReport>> Collector::collect(Context context) {
  CollectReport report;
  if (options_.read_only) co_return report;
  KM_CO_CHECK(co_await remove_emptied(report, context));
  KM_CO_TRY(const auto segment, co_await choose(context));
  if (segment == nullptr) co_return report;
  looked_through_.insert(segment->number());
  KM_CO_TRY(auto live, co_await live_records(*segment, context));
  std::uint64_t live_octets = 0;
  for (const auto& record : live) live_octets += record.stored_octets;
  const std::uint64_t octets = segments_.octets(*segment);
  if (live_octets * 100 >= octets * options_.live_percent_min && !live.empty()) {
    KM_CO_CHECK(co_await set_dead(segment->number(), octets - std::min(octets, live_octets), context));
    co_return report;
  }
  if (!segments_.has_room_to_copy(live_octets)) {
    put_off_.insert_or_assign(segment->number(), clock_.now() + no_room_delay);
    co_return report;
  }
  if (!segments_.retire(*segment)) co_return report;  // pinned: another time
  if (auto emptied = co_await empty(*segment, std::move(live), report, context); !emptied) {
    segments_.restore(*segment);
    co_return std::unexpected(std::move(emptied).error());
  }
  KM_CO_CHECK(co_await set_dead(segment->number(), octets, context));
  emptied_.emplace(segment->number(), clock_.now());
  ++report.segments_emptied;
  co_return report;
}

std::vector<SegmentStat> Collector::stat() const {
  std::vector<SegmentStat> stats;
  const std::lock_guard lock(mutex_);
  for (const auto& segment : segments_.all()) {
    const auto dead = dead_.find(segment->number());
    stats.push_back({segment->number(), segments_.octets(*segment), dead == dead_.end() ? 0 : dead->second});
  }
  return stats;
}

Task<Result<void>> Collector::remove_emptied(CollectReport& report, Context context) {
  for (auto at = emptied_.begin(); at != emptied_.end();) {
    if (clock_.now() - at->second < options_.unlink_delay) {
      ++at;
      continue;
    }
    const std::uint32_t number = at->first;
    KM_CO_CHECK(segments_.unlink(number));
    at = emptied_.erase(at);
    ++report.segments_removed;
    kv::Operation forget = [this, number](kv::Transaction& transaction) -> Task<Result<void>> {
      rows_.forget(transaction, number);
      co_return Result<void>();
    };
    KM_CO_CHECK(co_await store_.transact(std::move(forget), {.growth = kv::Growth::frees}, context));
  }
  co_return Result<void>();
}

// The segment with the most dead octets of those that are mostly dead; else one that is old and was not yet looked
// through for orphans.
Task<Result<std::shared_ptr<Segment>>> Collector::choose(Context context) {
  KM_CO_TRY(auto snapshot, co_await store_.snapshot(std::move(context)));
  std::shared_ptr<Segment> chosen;
  std::uint64_t most_dead = 0;
  for (const auto& segment : segments_.all()) {
    if (emptied_.contains(segment->number())) continue;
    KM_CO_TRY(const auto dead, co_await rows_.dead_octets(*snapshot, segment->number()));
    {
      const std::lock_guard lock(mutex_);
      dead_[segment->number()] = dead;
    }
    if (segment->pins > 0 || put_off_until(segment->number()) > clock_.now()) continue;
    const auto octets = segments_.octets(*segment);
    const bool is_sealed = segments_.is_sealed(*segment);
    const bool mostly_dead = (is_sealed || octets >= unsealed_octets_min) &&
                             dead * 100 > octets * (100 - std::min(100U, options_.live_percent_min));
    const bool has_orphans = is_sealed && is_old(*segment) && !looked_through_.contains(segment->number());
    if (mostly_dead ? dead > most_dead : has_orphans && chosen == nullptr) {
      chosen = segment;
      most_dead = mostly_dead ? dead : 0;
    }
  }
  if (chosen != nullptr) segments_.seal(*chosen);
  co_return chosen;
}

Instant Collector::put_off_until(std::uint32_t segment) const {
  const auto found = put_off_.find(segment);
  return found == put_off_.end() ? Instant::min() : found->second;
}

// Those that a row names where they are.
Task<Result<std::vector<RecordInfo>>> Collector::live_records(const Segment& segment, Context context) {
  std::vector<RecordInfo> records;
  KM_CO_CHECK(list_records(segments_, segment, [&](const RecordInfo& record) { records.push_back(record); }));
  std::vector<RecordInfo> live;
  for (std::size_t first = 0; first < records.size(); first += rows_per_snapshot) {
    KM_CO_TRY(auto snapshot, co_await store_.snapshot(context));
    const auto end = std::min(records.size(), first + rows_per_snapshot);
    for (std::size_t i = first; i < end; ++i) {
      KM_CO_TRY(const auto row, co_await rows_.find(*snapshot, records[i].id));
      if (!row) continue;
      const auto* location = std::get_if<Location>(&row->content);
      if (location != nullptr && *location == Location{records[i].segment, records[i].offset, records[i].stored_octets})
        live.push_back(records[i]);
    }
  }
  co_return live;
}

Task<Result<void>> Collector::empty(Segment& segment, std::vector<RecordInfo> live, CollectReport& report, Context context) {
  std::vector<Move> moves;
  std::vector<Pin> pins;  // the copies are named by no row yet
  std::uint64_t octets = 0;
  for (std::size_t i = 0; i < live.size(); ++i) {
    KM_CO_TRY(auto place, copy(segment, live[i]));
    moves.push_back({live[i].id, {live[i].segment, live[i].offset, live[i].stored_octets}, place.location});
    pins.push_back(std::move(place.pin));
    octets += live[i].stored_octets;
    if (moves.size() < moves_per_commit && octets < moved_octets_per_commit && i + 1 < live.size()) continue;
    KM_CO_CHECK(co_await change_rows(moves, context));
    report.octets_moved += octets;
    octets = 0;
    moves.clear();
    pins.clear();
    co_await yield(*context.executor);
  }
  co_return Result<void>();
}

Result<SegmentSet::Place> Collector::copy(const Segment& segment, const RecordInfo& record) {
  const Location from{record.segment, record.offset, record.stored_octets};
  KM_CHECK(read_record(segment, from, record.id, 0, record.octets));  // damage is left where it is, to be found
  KM_TRY(const auto encoded, segment.read(record.offset, record_header_octets));
  const auto header = decode_record_header(encoded);
  if (!header) return fail(ErrorKind::corrupt, "stored data is damaged", "record header");
  KM_TRY(auto place, segments_.reserve(*header));
  constexpr std::uint64_t piece_octets = 1U << 20;
  for (std::uint64_t at = record_header_octets; at < record.stored_octets; at += piece_octets) {
    KM_TRY(const auto piece, segment.read(record.offset + at, std::min(piece_octets, record.stored_octets - at)));
    KM_CHECK(segments_.write(place, at, piece));
  }
  return place;
}

Task<Result<void>> Collector::change_rows(const std::vector<Move>& moves, Context context) {
  kv::Operation change = [this, &moves](kv::Transaction& transaction) -> Task<Result<void>> {
    for (const auto& move : moves) {
      KM_CO_TRY(auto row, co_await rows_.find(transaction, move.id));
      const auto* location = row ? std::get_if<Location>(&row->content) : nullptr;
      if (location == nullptr || !(*location == move.from)) {  // released meanwhile
        KM_CO_CHECK(co_await rows_.add_dead(transaction, move.to));
        continue;
      }
      row->content = move.to;
      transaction.put(rows_.blobs(), move.id.key(), encode(*row));
    }
    co_return Result<void>();
  };
  co_return co_await store_.transact(std::move(change), {.growth = kv::Growth::frees, .barrier = &segments_}, context);
}

Task<Result<void>> Collector::set_dead(std::uint32_t segment, std::uint64_t octets, Context context) {
  kv::Operation set = [this, segment, octets](kv::Transaction& transaction) -> Task<Result<void>> {
    rows_.set_dead(transaction, segment, octets);
    co_return Result<void>();
  };
  co_return co_await store_.transact(std::move(set), {.growth = kv::Growth::frees}, context);
}

bool Collector::is_old(const Segment& segment) const noexcept {
  struct stat status {};
  if (::fstat(segment.fd(), &status) != 0) return false;
  const auto changed = WallTime(std::chrono::seconds(status.st_mtime));
  return clock_.wall_now() - changed >= options_.orphan_age;
}

}  // namespace keystonemail::segments
