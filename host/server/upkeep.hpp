// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Upkeep: one thread of a running server for what takes long and may not keep anybody waiting: the storage of deleted
// mail is taken back, and backups and checks are made that somebody asked for. One thing at a time, so that nothing is
// collected while it is copied.
#pragma once

#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>

#include "keystonemail/backends/segments/blob_store.hpp"
#include "keystonemail/base/executor.hpp"
#include "keystonemail/base/log.hpp"
#include "keystonemail/base/task.hpp"

namespace keystonemail::host {

// Ownership: borrows both. Threads: run() from any. REQUIRES: no job is left when it is destroyed.
class Upkeep {
 public:
  // Lives on the executor of the context it is given, which may be blocked. It ends early when the context is stopped.
  using Job = std::function<Task<void>(Context)>;

  Upkeep(segments::BlobStore& blobs, Log& log);
  ~Upkeep();
  Upkeep(const Upkeep&) = delete;
  Upkeep& operator=(const Upkeep&) = delete;

  // Runs `job` after those before it and resumes on the context's executor.
  [[nodiscard]] Task<void> run(Job job, Context context);

 private:
  struct Request {
    Job job;
    Context context;
    Pending<int> done = {};
  };
  void work();
  [[nodiscard]] Request* wait();
  void collect(RunLoop& loop);

  segments::BlobStore& blobs_;
  Log& log_;
  std::mutex mutex_;
  std::condition_variable asked_;
  std::deque<Request*> requests_;  // guarded by mutex_, as is ending_
  bool ending_ = false;
  bool is_failing_ = false;        // the thread's own: collecting did, last time
  std::jthread thread_;            // last: it uses all of the above
};

}  // namespace keystonemail::host
