// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// memory: the kv port in ordinary memory, for tests, ephemeral servers and programs that keep nothing.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "keystonemail/kv/kv.hpp"

namespace keystonemail::memory {

// When a call's task is done: before the call returns, or only after a turn of its executor, as with a remote engine.
enum class Completion : std::uint8_t { inline_, posted };

struct KvOptions {
  std::vector<std::string> tables = {};  // a Table is an index into it
  std::uint64_t octets_max = UINT64_MAX;  // keys and values; beyond it operations that add are refused
  std::uint64_t octets_reserve = 0;       // what operations that free may use on top
  Completion completion = Completion::inline_;
};

// Every row keeps the versions that a live snapshot may still see, so snapshots cost nothing to take.
//
// Threads: any. Operations run one at a time, on the thread that calls transact().
// Errors: unavailable when octets_max is reached; invalid or too_large for keys and values beyond kv::limits.
// Limits: durability is that of the process.
[[nodiscard]] std::unique_ptr<kv::Store> make_kv_store(KvOptions options);

}  // namespace keystonemail::memory
