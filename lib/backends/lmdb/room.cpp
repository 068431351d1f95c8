// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "backends/lmdb/room.hpp"

#include <algorithm>

#include "kv/disk.hpp"

namespace keystonemail::lmdb {
namespace {

constexpr unsigned groups_between_counts = 16;  // the free list is read whole to count it

}  // namespace

bool Room::allows_adding() {
  if (!disk_allows()) return false;
  if (!map_is_low() || environment_.can_grow()) return true;
  const auto unused = environment_.map_octets() - std::min(environment_.map_octets(), environment_.used_octets());
  return unused + free_octets() > reserve();
}

bool Room::map_is_low() const noexcept {
  return environment_.used_octets() + reserve() >= environment_.map_octets();
}

bool Room::disk_is_full() const noexcept {
  return !kv::has_room(environment_.directory(), {.octets_min = 1U << 20});
}

// The file keeps what was freed in it, and what is added goes there first.
bool Room::disk_allows() noexcept {
  kv::FreeSpaceRule rule{options_.free_octets_min, options_.free_percent_min};
  if (!kv::has_room(environment_.directory(), rule)) {
    rule.octets_at_hand = free_octets();
    if (!kv::has_room(environment_.directory(), rule)) return false;
  }
  return environment_.claim_ahead();
}

std::uint64_t Room::free_octets() noexcept {
  if (groups_until_count_-- > 0) return free_octets_;
  groups_until_count_ = groups_between_counts;
  // LMDB shows the free list to read transactions only.
  MDB_txn* reader = nullptr;
  if (mdb_txn_begin(environment_.get(), nullptr, MDB_RDONLY, &reader) != 0) return free_octets_ = 0;
  free_octets_ = Environment::free_pages(reader) * environment_.page_octets();
  mdb_txn_abort(reader);
  return free_octets_;
}

std::uint64_t Room::reserve() const noexcept {
  if (options_.map_reserve_octets != 0) return options_.map_reserve_octets;
  return std::max<std::uint64_t>(64U << 20, environment_.map_octets() / 20);
}

}  // namespace keystonemail::lmdb
