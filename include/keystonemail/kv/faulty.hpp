// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// faulty: a store that fails on demand, to show that whoever stands on it keeps its promises.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <set>

#include "keystonemail/kv/kv.hpp"

namespace keystonemail::kv {

// The calls of kv, then those of blob: one plan may count over both.
enum class Call : std::uint8_t {
  snapshot, get, scan, put, erase, transact, commit,
  blob_write, blob_finish, blob_stage, blob_add_reference, blob_release, blob_read, blob_sync,
};
enum class Repeat : std::uint8_t { once, sticky };  // sticky: every later call that the plan watches fails too

// Faults decides which calls fail, and counts them all. Without an order none does.
//
// Threads: any.
class Faults {
 public:
  // The `nth` watched call from now on (1: the next) fails.
  void fail_at(std::uint64_t nth, Repeat repeat = Repeat::once, ErrorKind kind = ErrorKind::unavailable);
  // Each watched call fails with a chance of one in `one_in`, as `seed` decides.
  void fail_by_seed(std::uint64_t seed, std::uint64_t one_in, ErrorKind kind = ErrorKind::unavailable);
  // Only these calls are watched; empty: all.
  void watch(std::set<Call> calls);
  // Fails nothing from now on.
  void clear();

  [[nodiscard]] std::uint64_t calls() const;   // watched so far
  [[nodiscard]] std::uint64_t failed() const;
  // Counts one call; the error it must end with, if any.
  [[nodiscard]] std::optional<Error> next(Call call);

 private:
  mutable std::mutex mutex_;  // guards all below
  std::set<Call> watched_;
  std::uint64_t calls_ = 0;
  std::uint64_t failed_ = 0;
  std::uint64_t fail_at_ = 0;  // 0: none
  Repeat repeat_ = Repeat::once;
  std::uint64_t one_in_ = 0;   // 0: not by seed
  std::uint64_t seed_ = 0;
  ErrorKind kind_ = ErrorKind::unavailable;
};

// `inner` with `faults` before it. A failed get, scan, put or erase inside an operation fails the operation even
// when it ignores the error of put or erase; a failed commit comes after the operation has run and leaves no trace.
//
// Ownership: borrows both, which must outlive the store.
[[nodiscard]] std::unique_ptr<Store> make_faulty(Store& inner, Faults& faults);

}  // namespace keystonemail::kv
