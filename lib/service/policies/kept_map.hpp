// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// KeptMap: a BoundedMap whose entries outlive a restart. Nobody waits for a disk: what has changed is asked for now and
// then and written by whoever owns it; a crash costs the changes since.
#pragma once

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "keystonemail/base/time.hpp"
#include "service/policies/bounded_map.hpp"
#include "service/policies/kept_rows.hpp"

namespace keystonemail::policies {

// `Value` has a member `last`, the time of its last use, `std::string encode() const` and
// `static std::optional<Value> decode(std::string_view)`. Its rows have keys that begin with `prefix`.
//
// Threads: not synchronised. Limits: entries_max; the one unused for longest goes first.
template <class Value>
class KeptMap {
 public:
  KeptMap(char prefix, std::size_t entries_max) : prefix_(prefix), entries_max_(entries_max) {}

  [[nodiscard]] const Value* find(const std::string& key) const {
    const Slot* slot = map_.find(key);
    return slot ? &slot->value : nullptr;
  }
  // Used at `now`: made when it is not there, and to be written.
  Value& touch(const std::string& key, WallTime now) {
    if (!map_.find(key)) make_room();
    Slot& slot = map_.touch(key);
    slot.changed = true;
    slot.value.last = now;
    return slot.value;
  }
  void erase(const std::string& key) {
    if (const Slot* slot = map_.find(key); slot && slot->stored) gone_.push_back(key);
    map_.erase(key);
  }
  // Drops what was last used before `when`.
  void forget_before(WallTime when) {
    while (map_.size() > 0 && map_.oldest().value.value.last < when) erase(std::string(map_.oldest().key));
  }
  [[nodiscard]] std::size_t size() const noexcept { return map_.size(); }
  template <class Visit>
  void for_each(Visit visit) const {
    for (const auto& entry : map_.entries()) visit(entry.value.value);
  }

  // What has to be written. If that fails, put_back() the same.
  [[nodiscard]] std::vector<RowChange> take_changes() {
    std::vector<RowChange> changes;
    for (const std::string& key : gone_)
      if (!map_.find(key)) changes.push_back({row_key(key), std::nullopt});
    gone_.clear();
    for (auto& [key, slot] : map_.entries()) {  // newest first, so those that changed come before those that did not
      if (!slot.changed) break;
      changes.push_back({row_key(key), slot.value.encode()});
      slot.changed = false;
      slot.stored = true;
    }
    return changes;
  }
  void put_back(const std::vector<RowChange>& changes) {
    for (const RowChange& change : changes) {
      if (!owns(change.key)) continue;
      std::string key = change.key.substr(1);
      if (Slot* slot = map_.find(key)) slot->changed = true;
      else gone_.push_back(std::move(key));
    }
  }

  [[nodiscard]] bool owns(std::string_view row_key) const noexcept { return !row_key.empty() && row_key.front() == prefix_; }
  // A row as the store has it. False: it cannot be read. After all of them, call loaded().
  [[nodiscard]] bool load(std::string_view row_key, std::string_view row) {
    auto value = Value::decode(row);
    if (!value) return false;
    map_.touch(std::string(row_key.substr(1))) = {*std::move(value), false, true};
    return true;
  }
  void loaded() {
    map_.entries().sort([](const auto& a, const auto& b) { return a.value.value.last > b.value.value.last; });
    while (map_.size() > entries_max_) erase(std::string(map_.oldest().key));
  }

 private:
  struct Slot {
    Value value = {};
    bool changed = false;
    bool stored = false;  // there is, or will be, a row to remove
  };
  [[nodiscard]] std::string row_key(const std::string& key) const { return prefix_ + key; }
  void make_room() {
    while (map_.size() >= entries_max_) erase(std::string(map_.oldest().key));
  }

  char prefix_;
  std::size_t entries_max_;
  BoundedMap<std::string, Slot> map_;
  std::vector<std::string> gone_;  // no more than were stored
};

}  // namespace keystonemail::policies
