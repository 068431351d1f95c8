// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "backends/memory/overlay.hpp"

#include <algorithm>
#include <memory>
#include <string>
#include <utility>

#include "kv/check.hpp"

namespace keystonemail::memory {

Task<Result<std::optional<std::string_view>>> Overlay::get(kv::Table table, std::string_view key) {
  const auto& changed = changes_.at(static_cast<std::size_t>(table));
  const auto found = changed.find(key);
  if (found == changed.end()) co_return versions_.get(table, key, at_);
  if (found->second == nullptr) co_return std::optional<std::string_view>();
  co_return std::optional<std::string_view>(*found->second);
}

Task<Result<std::vector<kv::Row>>> Overlay::scan(kv::Table table, kv::Range range) {
  const auto index = static_cast<std::size_t>(table);
  const auto& changed = changes_.at(index);
  if (changed.empty()) co_return versions_.scan(table, range, at_);
  if (!range.end.empty() && range.end <= range.first) co_return std::vector<kv::Row>();
  // Each erased row may hide one of the base, so that many more are asked for.
  auto wider = range;
  wider.rows_max = range.rows_max + std::min(changed.size(), SIZE_MAX - range.rows_max);
  const auto base = versions_.scan(table, wider, at_);
  co_return merge(index, range, base, base.size() < wider.rows_max);
}

void Overlay::put(kv::Table table, std::string_view key, std::string_view value) {
  change(table, key, std::make_shared<const std::string>(value));
}

void Overlay::erase(kv::Table table, std::string_view key) { change(table, key, nullptr); }

Result<void> Overlay::failure() const {
  if (failure_) return std::unexpected(*failure_);
  return {};
}

bool Overlay::empty() const noexcept {
  return std::all_of(changes_.begin(), changes_.end(), [](const auto& table) { return table.empty(); });
}

std::int64_t Overlay::octets_added() const {
  std::int64_t sum = 0;
  for (std::size_t table = 0; table < changes_.size(); ++table) {
    for (const auto& [key, value] : changes_[table]) {
      if (value != nullptr) sum += static_cast<std::int64_t>(key.size() + value->size());
      if (const auto old = versions_.get(static_cast<kv::Table>(table), key, at_))
        sum -= static_cast<std::int64_t>(key.size() + old->size());
    }
  }
  return sum;
}

void Overlay::change(kv::Table table, std::string_view key, Value value) {
  if (failure_) return;
  if (auto checked = kv::check_row(key, value ? std::string_view(*value) : std::string_view()); !checked) {
    failure_ = checked.error();
    return;
  }
  changes_.at(static_cast<std::size_t>(table)).insert_or_assign(std::string(key), std::move(value));
}

std::vector<kv::Row> Overlay::merge(std::size_t table, const kv::Range& range, const std::vector<kv::Row>& base,
                                    bool base_is_whole) const {
  const auto& changed = changes_[table];
  const bool forward = range.direction == kv::Direction::forward;
  auto first = changed.lower_bound(range.first);
  auto end = range.end.empty() ? changed.end() : changed.lower_bound(range.end);
  std::vector<kv::Row> rows;
  auto old = base.begin();
  const auto before = [&](std::string_view a, std::string_view b) { return forward ? a < b : b < a; };
  while (rows.size() < range.rows_max) {
    const bool changes_left = first != end;
    if (old == base.end() && (!changes_left || !base_is_whole)) break;
    const auto* next = changes_left ? &*(forward ? first : std::prev(end)) : nullptr;
    if (old != base.end() && (next == nullptr || before(old->key, next->first))) {
      rows.push_back(*old++);
      continue;
    }
    if (old != base.end() && old->key == next->first) ++old;
    if (next->second != nullptr) rows.push_back({next->first, *next->second});
    if (forward) ++first; else --end;
  }
  return rows;
}

}  // namespace keystonemail::memory
