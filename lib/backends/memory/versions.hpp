// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Versions: rows with the values they had at each commit that somebody may still look at.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <shared_mutex>
#include <string>
#include <string_view>
#include <vector>

#include "keystonemail/kv/kv.hpp"

namespace keystonemail::memory {

using Value = std::shared_ptr<const std::string>;                        // null: there is no such row
using Changes = std::vector<std::map<std::string, Value, std::less<>>>;  // one map for each table

// Threads: any; a commit excludes reads only while it changes the maps. Views given out stay good while the
// state they were read at is pinned.
class Versions {
 public:
  explicit Versions(std::size_t tables) : tables_(tables) {}

  // The last committed state, kept until unpin().
  [[nodiscard]] std::uint64_t pin();
  void unpin(std::uint64_t at) noexcept;
  void commit(Changes changes);

  [[nodiscard]] std::optional<std::string_view> get(kv::Table table, std::string_view key, std::uint64_t at) const;
  [[nodiscard]] std::vector<kv::Row> scan(kv::Table table, const kv::Range& range, std::uint64_t at) const;
  [[nodiscard]] std::uint64_t octets() const;
  [[nodiscard]] std::size_t tables() const noexcept { return tables_.size(); }

 private:
  struct Version {
    std::uint64_t since;
    Value value;
  };
  using Rows = std::map<std::string, std::vector<Version>, std::less<>>;
  struct Stale {
    std::uint64_t since;
    std::size_t table;
    std::string key;
  };

  static const Value* visible(const std::vector<Version>& versions, std::uint64_t at) noexcept;
  void set(std::size_t table, const std::string& key, Value value);
  void forget_unseen();
  void prune(const Stale& stale, std::uint64_t oldest);

  mutable std::shared_mutex mutex_;      // guards all below
  std::vector<Rows> tables_;
  std::multiset<std::uint64_t> pinned_;
  std::deque<Stale> stale_;              // rows with versions that nobody sees once `since` is the oldest state
  std::uint64_t last_ = 0;
  std::uint64_t octets_ = 0;             // of the last state
};

}  // namespace keystonemail::memory
