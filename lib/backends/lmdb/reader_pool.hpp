// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// ReaderPool: read transactions, rested and renewed rather than made and closed, and the gate that keeps them
// out while the map is moved.
#pragma once

#include <lmdb.h>

#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include "backends/lmdb/environment.hpp"
#include "keystonemail/base/executor.hpp"
#include "keystonemail/base/result.hpp"
#include "keystonemail/base/task.hpp"
#include "keystonemail/base/time.hpp"

namespace keystonemail::lmdb {

// A read transaction, in use or resting.
struct PooledReader {
  MDB_txn* txn = nullptr;
  Instant since{};
  bool busy = false;
};

// Threads: any.
class ReaderPool {
 public:
  ReaderPool(Environment& environment, unsigned readers_max, const Clock& clock)
      : environment_(environment), readers_max_(readers_max), clock_(clock) {}
  ~ReaderPool();

  // A reader of the last committed state. Waits only while exclusively() runs.
  [[nodiscard]] Task<Result<PooledReader*>> acquire(Context context);
  // The same for callers without an executor: unavailable while exclusively() runs.
  [[nodiscard]] Result<PooledReader*> try_acquire();
  void release(PooledReader* reader) noexcept;
  // Runs `work` while there is no reader, resting ones included when `close`. Keeps new ones waiting meanwhile.
  // Errors: unavailable when old readers stay for `patience`.
  enum class Resting : std::uint8_t { keep, close };
  [[nodiscard]] Result<void> exclusively(Resting resting, std::chrono::milliseconds patience,
                                         const std::function<Result<void>()>& work);

  [[nodiscard]] unsigned busy() const;
  [[nodiscard]] std::chrono::milliseconds oldest() const;

 private:
  struct Waiter {
    Executor* executor;
    Pending<int> turn;
  };
  [[nodiscard]] Result<PooledReader*> take_locked();
  void wake(std::vector<Waiter*> waiters);

  Environment& environment_;
  const unsigned readers_max_;
  const Clock& clock_;
  mutable std::mutex mutex_;  // guards all below
  std::condition_variable idle_;
  std::vector<std::unique_ptr<PooledReader>> readers_;
  std::vector<PooledReader*> resting_;
  std::vector<Waiter*> waiters_;
  unsigned busy_ = 0;
  bool closed_ = false;  // exclusively() runs or waits
};

}  // namespace keystonemail::lmdb
