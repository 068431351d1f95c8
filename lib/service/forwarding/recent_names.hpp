// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// RecentNames: names of what was done lately, by the time it was done, so that the oldest go first as new ones come.
//
// Rows: the prefix, the number of the time slot since 1970 (32 bits, big-endian) and the name: a version octet, the time as
// milliseconds since 1970. The row `count`: how many of those there are.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "keystonemail/kv/kv.hpp"

namespace keystonemail::forwarding {

// Threads: any. Ownership: a value; what it reads and writes is the caller's. Errors: those of the store.
class RecentNames {
 public:
  struct Options {
    kv::Table table{};
    char prefix = 'r';                      // of its rows, and no others
    std::string_view count = "n";           // borrowed
    std::chrono::hours slot{1};             // find() looks into each one of the time asked for
    std::chrono::hours kept{12};
    std::uint64_t rows_max = 0;
  };
  explicit RecentNames(Options options) : options_(options) {}

  // Whether it was put there within that time.
  [[nodiscard]] Task<Result<bool>> find(kv::Reader& reader, std::string_view name, std::chrono::hours within, WallTime now) const;
  // Adds them, whatever is there, and drops some of what is old.
  [[nodiscard]] Task<Result<void>> put(kv::Transaction& transaction, const std::vector<std::string>& names, WallTime now) const;

 private:
  [[nodiscard]] std::uint64_t slot_of(WallTime time) const noexcept;
  [[nodiscard]] std::uint64_t slots_in(std::chrono::hours time) const noexcept;
  [[nodiscard]] std::string key(std::uint64_t slot, std::string_view name) const;

  Options options_;
};

}  // namespace keystonemail::forwarding
