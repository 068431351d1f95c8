// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// kv: the port to an ordered key-value engine. Mail, queue and accounts are written once on this and `blob`.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "keystonemail/base/executor.hpp"
#include "keystonemail/base/result.hpp"
#include "keystonemail/base/task.hpp"

namespace keystonemail::kv {

namespace limits {
inline constexpr std::size_t key_octets_max = 500;           // LMDB's default ceiling is 511
inline constexpr std::size_t value_octets_max = 16U << 20;   // larger things belong in `blob`
inline constexpr std::size_t tables_max = 64;
}  // namespace limits

// A table's place in the list of names that the store was opened with.
enum class Table : std::uint8_t {};

struct Row {
  std::string_view key;
  std::string_view value;
};

enum class Direction : std::uint8_t { forward, backward };

// The keys from `first` (included) up to `end` (excluded; empty means no bound), in octet order; backward
// yields the same keys, last first.
struct Range {
  std::string_view first = {};
  std::string_view end = {};
  Direction direction = Direction::forward;
  std::size_t rows_max = 256;            // the batch; continue from the last key for more
};

// Read access to one state of the store.
//
// Threads: one task at a time. Errors: corrupt (a value failed its check), unavailable, internal.
class Reader {
 public:
  virtual ~Reader() = default;
  // The value of `key`, or nothing. The view lives until the reader ends; in a Transaction, until its next put or erase.
  [[nodiscard]] virtual Task<Result<std::optional<std::string_view>>> get(Table table, std::string_view key) = 0;
  // Up to range.rows_max rows; fewer means there are no more. Views live as those of get().
  [[nodiscard]] virtual Task<Result<std::vector<Row>>> scan(Table table, Range range) = 0;
};

// A consistent state, unmoved by later writes. It pins storage: hold it for milliseconds, never across a wait
// for a client. Destroying it ends it, on the thread that made it.
class Snapshot : public Reader {};

// The changes of one operation. Reads see its own writes.
class Transaction : public Reader {
 public:
  // Sets or removes. A failure (map full, too large) is kept and fails the operation; later calls then do nothing.
  virtual void put(Table table, std::string_view key, std::string_view value) = 0;
  virtual void erase(Table table, std::string_view key) = 0;
};

// What must be on stable storage before an operation commits: segment files that its rows name.
class Barrier {
 public:
  virtual ~Barrier() = default;
  // Makes durable all that was written before the call. Called once for a group of operations, off the loops.
  // After an error nothing of the group is acknowledged and the store is poisoned until reopened.
  [[nodiscard]] virtual Result<void> sync() = 0;
};

// A function of the transaction. It may be run again (so it sets its results anew each time), runs on another
// thread, waits for nothing but the transaction, and does no work that could be done before. An error leaves no trace.
using Operation = std::function<Task<Result<void>>(Transaction&)>;

enum class Growth : std::uint8_t {
  adds,   // refused with over_quota's sibling `unavailable` when storage is nearly full
  frees,  // deletions, dequeues: allowed into the reserve, so that a full store can be emptied
};

struct TransactOptions {
  Growth growth = Growth::adds;
  Barrier* barrier = nullptr;  // borrowed until the operation completes
};

// Threads: any; a call's task resumes on its context's executor. The store outlives its snapshots and calls.
class Store {
 public:
  virtual ~Store() = default;
  // A reader of the last committed state. Completes at once where the engine is local.
  [[nodiscard]] virtual Task<Result<std::unique_ptr<Snapshot>>> snapshot(Context context) = 0;
  // Applies `operation` wholly or not at all; on stable storage once it completes with a value. Operations that
  // wait together may share one commit. Errors: those of the operation; unavailable (storage full, or poisoned by
  // a failed sync: nothing is acknowledged until reopened); cancelled before it was begun.
  [[nodiscard]] virtual Task<Result<void>> transact(Operation operation, TransactOptions options, Context context) = 0;
  // Written into every data file. Changes when older files can no longer be read.
  [[nodiscard]] virtual std::string_view format_id() const noexcept = 0;
};

}  // namespace keystonemail::kv
