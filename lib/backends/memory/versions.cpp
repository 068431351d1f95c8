// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "backends/memory/versions.hpp"

#include <algorithm>
#include <cassert>
#include <mutex>
#include <utility>

namespace keystonemail::memory {

std::uint64_t Versions::pin() {
  std::unique_lock lock(mutex_);
  pinned_.insert(last_);
  return last_;
}

void Versions::unpin(std::uint64_t at) noexcept {
  std::unique_lock lock(mutex_);
  auto found = pinned_.find(at);
  assert(found != pinned_.end());
  pinned_.erase(found);
  forget_unseen();
}

void Versions::commit(Changes changes) {
  assert(changes.size() == tables_.size());
  std::unique_lock lock(mutex_);
  ++last_;
  for (std::size_t table = 0; table < changes.size(); ++table)
    for (auto& [key, value] : changes[table]) set(table, key, std::move(value));
  forget_unseen();
}

std::optional<std::string_view> Versions::get(kv::Table table, std::string_view key, std::uint64_t at) const {
  std::shared_lock lock(mutex_);
  const auto& rows = tables_.at(static_cast<std::size_t>(table));
  const auto found = rows.find(key);
  if (found == rows.end()) return std::nullopt;
  const auto* value = visible(found->second, at);
  if (value == nullptr || *value == nullptr) return std::nullopt;
  return std::string_view(**value);
}

std::vector<kv::Row> Versions::scan(kv::Table table, const kv::Range& range, std::uint64_t at) const {
  std::shared_lock lock(mutex_);
  const auto& rows = tables_.at(static_cast<std::size_t>(table));
  std::vector<kv::Row> found;
  const auto take = [&](const Rows::value_type& row) {
    if (const auto* value = visible(row.second, at); value != nullptr && *value != nullptr)
      found.push_back({row.first, **value});
  };
  if (!range.end.empty() && range.end <= range.first) return found;
  const auto first = rows.lower_bound(range.first);
  const auto end = range.end.empty() ? rows.end() : rows.lower_bound(range.end);
  if (range.direction == kv::Direction::forward) {
    for (auto row = first; row != end && found.size() < range.rows_max; ++row) take(*row);
  } else {
    for (auto row = end; row != first && found.size() < range.rows_max;) take(*--row);
  }
  return found;
}

std::uint64_t Versions::octets() const {
  std::shared_lock lock(mutex_);
  return octets_;
}

const Value* Versions::visible(const std::vector<Version>& versions, std::uint64_t at) noexcept {
  for (auto version = versions.rbegin(); version != versions.rend(); ++version)
    if (version->since <= at) return &version->value;
  return nullptr;
}

void Versions::set(std::size_t table, const std::string& key, Value value) {
  auto& rows = tables_[table];
  auto row = rows.find(key);
  if (row == rows.end()) {
    if (value == nullptr) return;
    row = rows.emplace(key, std::vector<Version>{}).first;
  }
  auto& versions = row->second;
  if (!versions.empty() && versions.back().value != nullptr) octets_ -= key.size() + versions.back().value->size();
  if (value != nullptr) octets_ += key.size() + value->size();
  if (!versions.empty() || value == nullptr) stale_.push_back({last_, table, key});
  versions.push_back({last_, std::move(value)});
}

void Versions::forget_unseen() {
  const auto oldest = pinned_.empty() ? last_ : *pinned_.begin();
  for (; !stale_.empty() && stale_.front().since <= oldest; stale_.pop_front()) prune(stale_.front(), oldest);
}

void Versions::prune(const Stale& stale, std::uint64_t oldest) {
  auto& rows = tables_[stale.table];
  const auto row = rows.find(stale.key);
  if (row == rows.end()) return;
  auto& versions = row->second;
  // Kept: what the oldest state sees, and all that is newer.
  auto keep = std::find_if(versions.rbegin(), versions.rend(), [&](const auto& v) { return v.since <= oldest; });
  if (keep != versions.rend()) versions.erase(versions.begin(), std::prev(keep.base()));
  if (versions.size() == 1 && versions.front().value == nullptr) rows.erase(row);
}

}  // namespace keystonemail::memory
