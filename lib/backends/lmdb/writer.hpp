// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Writer: group commit. The thread that owns every write transaction of a store.
#pragma once

#include <lmdb.h>

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "backends/lmdb/environment.hpp"
#include "backends/lmdb/reader_pool.hpp"
#include "backends/lmdb/room.hpp"
#include "keystonemail/base/executor.hpp"
#include "keystonemail/base/task.hpp"
#include "keystonemail/kv/kv.hpp"

namespace keystonemail::lmdb {

// It takes what has gathered, runs each operation in a scope of its own, asks each barrier once, commits once, and
// hands every result to its executor, one post for each executor. While it syncs, the next group gathers.
//
// Threads: transact() from any; the counters too.
class Writer {
 public:
  Writer(Environment& environment, ReaderPool& readers, const KvOptions& options, const Clock& clock);
  ~Writer();  // commits what was taken
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;

  [[nodiscard]] Task<Result<void>> transact(kv::Operation operation, kv::TransactOptions options, Context context);
  // Closes and opens the environment on the writer's behalf; blocks until done.
  [[nodiscard]] Result<void> reopen();

  [[nodiscard]] std::uint64_t commits() const noexcept { return commits_; }
  [[nodiscard]] std::uint64_t operations() const noexcept { return operations_; }
  [[nodiscard]] std::uint64_t failed_commits() const noexcept { return failed_commits_; }
  [[nodiscard]] bool poisoned() const noexcept { return health_ != Health::good; }

 private:
  enum class Health : std::uint8_t { good, was_full, poisoned };  // was_full: to be reopened with the next group
  enum class Fate : std::uint8_t { waiting, applied, ended, no_room };

  struct Request {
    const kv::Operation* operation;
    kv::TransactOptions options;
    Context context;
    Fate fate = Fate::waiting;
    Result<void> result = {};
    Pending<Result<void>> done = {};
  };
  using Group = std::vector<Request*>;

  void run();
  void refresh();
  // The next request if one waits. REQUIRES: mutex_ is not held.
  [[nodiscard]] Request* take();
  void handle(Group& group);
  void apply_all(Group& group);
  void apply_again(Group& group);
  void apply(MDB_txn*& txn, Request& request, Group& group);
  [[nodiscard]] bool may_begin(Request& request);
  [[nodiscard]] int begin(MDB_txn** txn);
  void run_operation(MDB_txn* txn, Request& request);
  void finish(MDB_txn* txn, Group& group);
  [[nodiscard]] Result<void> sync_barriers(const Group& group);
  void commit_failed(int code, Group& group);
  void fail_applied(Group& group, const Error& error, Fate fate = Fate::ended);
  [[nodiscard]] bool make_room();
  [[nodiscard]] bool heal();
  void complete(Group& group);

  Environment& environment_;
  ReaderPool& readers_;
  const KvOptions& options_;
  const Clock& clock_;
  Room room_;

  std::mutex mutex_;
  std::condition_variable work_;
  std::deque<Request*> queue_;     // guarded by mutex_, as is ending_
  bool ending_ = false;

  std::string row_;                // the writer's own, as are those below
  std::size_t group_octets_ = 0;
  bool adds_allowed_ = true;
  bool changed_ = false;

  std::mutex engine_;              // held while the writer uses the environment; reopen() takes it too
  std::atomic<Health> health_ = Health::good;
  std::atomic<std::uint64_t> commits_ = 0;
  std::atomic<std::uint64_t> operations_ = 0;
  std::atomic<std::uint64_t> failed_commits_ = 0;
  std::jthread thread_;            // last: it uses all of the above
};

}  // namespace keystonemail::lmdb
