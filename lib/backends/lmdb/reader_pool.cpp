// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "backends/lmdb/reader_pool.hpp"

#include <algorithm>
#include <cassert>
#include <utility>

#include "backends/lmdb/errors.hpp"

namespace keystonemail::lmdb {

ReaderPool::~ReaderPool() {
  assert(busy_ == 0);  // the store outlives its snapshots
  for (auto& reader : readers_)
    if (reader->txn != nullptr) mdb_txn_abort(reader->txn);
}

Task<Result<PooledReader*>> ReaderPool::acquire(Context context) {
  for (;;) {
    Waiter waiter{context.executor, {}};
    {
      const std::lock_guard lock(mutex_);
      if (!closed_) co_return take_locked();
      waiters_.push_back(&waiter);
    }
    (void)co_await waiter.turn;
    if (context.stop.stop_requested()) co_return fail(ErrorKind::cancelled);
  }
}

Result<PooledReader*> ReaderPool::try_acquire() {
  const std::lock_guard lock(mutex_);
  if (closed_) return fail(ErrorKind::unavailable, "storage is not available", "lmdb: the map is being moved");
  return take_locked();
}

void ReaderPool::release(PooledReader* reader) noexcept {
  mdb_txn_reset(reader->txn);
  const std::lock_guard lock(mutex_);
  reader->busy = false;
  resting_.push_back(reader);
  assert(busy_ > 0);
  if (--busy_ == 0 && closed_) idle_.notify_all();
}

Result<void> ReaderPool::exclusively(Resting resting, std::chrono::milliseconds patience,
                                     const std::function<Result<void>()>& work) {
  std::unique_lock lock(mutex_);
  if (closed_) return fail(ErrorKind::unavailable, "storage is not available", "lmdb: the map is being moved");
  closed_ = true;
  const bool idle = idle_.wait_for(lock, patience, [this] { return busy_ == 0; });
  Result<void> result = fail(ErrorKind::unavailable, "storage is not available", "lmdb: a snapshot is held too long");
  if (idle) {
    if (resting == Resting::close) {
      for (auto& reader : readers_) mdb_txn_abort(std::exchange(reader->txn, nullptr));
      readers_.clear();
      resting_.clear();
    }
    result = work();
  }
  closed_ = false;
  auto waiters = std::exchange(waiters_, {});
  lock.unlock();
  wake(std::move(waiters));
  return result;
}

unsigned ReaderPool::busy() const {
  const std::lock_guard lock(mutex_);
  return busy_;
}

std::chrono::milliseconds ReaderPool::oldest() const {
  const std::lock_guard lock(mutex_);
  const Instant now = clock_.now();
  Instant oldest = now;
  for (const auto& reader : readers_)
    if (reader->busy) oldest = std::min(oldest, reader->since);
  return std::chrono::duration_cast<std::chrono::milliseconds>(now - oldest);
}

Result<PooledReader*> ReaderPool::take_locked() {
  if (!environment_.is_open()) return fail(ErrorKind::unavailable, "storage is not available", "lmdb: it could not be reopened");
  if (busy_ >= readers_max_) return fail(ErrorKind::unavailable, "storage is busy", "lmdb: too many snapshots");
  if (resting_.empty()) {
    auto reader = std::make_unique<PooledReader>();
    if (const int code = mdb_txn_begin(environment_.get(), nullptr, MDB_RDONLY, &reader->txn); code != 0)
      return failed(code, "mdb_txn_begin");
    readers_.push_back(std::move(reader));
    resting_.reserve(readers_.size());  // so that release() does not allocate
    resting_.push_back(readers_.back().get());
  } else if (const int code = mdb_txn_renew(resting_.back()->txn); code != 0) {
    return failed(code, "mdb_txn_renew");
  }
  auto* reader = resting_.back();
  resting_.pop_back();
  reader->since = clock_.now();
  reader->busy = true;
  ++busy_;
  return reader;
}

void ReaderPool::wake(std::vector<Waiter*> waiters) {
  for (auto* waiter : waiters)
    waiter->executor->post([waiter] { waiter->turn.complete(0); });
}

}  // namespace keystonemail::lmdb
