// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Room: whether operations that add may still run, on disk and in the map.
#pragma once

#include <lmdb.h>

#include <cstdint>

#include "backends/lmdb/environment.hpp"

namespace keystonemail::lmdb {

// Copy-on-write needs free pages even to delete, so what adds is refused while there still are some.
//
// Threads: the writer's.
class Room {
 public:
  Room(Environment& environment, const KvOptions& options) : environment_(environment), options_(options) {}

  // Whether the next group may add.
  [[nodiscard]] bool allows_adding();
  // Whether the map should be doubled before it is needed.
  [[nodiscard]] bool map_is_low() const noexcept;
  // Whether the file system has hardly anything left, so that a failed write was no fault of the disk.
  [[nodiscard]] bool disk_is_full() const noexcept;

 private:
  [[nodiscard]] bool disk_allows() noexcept;
  // What LMDB has freed and not used again, as of a while ago.
  [[nodiscard]] std::uint64_t free_octets() noexcept;
  [[nodiscard]] std::uint64_t reserve() const noexcept;

  Environment& environment_;
  const KvOptions& options_;
  unsigned groups_until_count_ = 0;
  std::uint64_t free_octets_ = 0;  // on LMDB's free list when last counted
};

}  // namespace keystonemail::lmdb
