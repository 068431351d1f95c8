// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "backends/lmdb/writer.hpp"

#include <pthread.h>
#include <signal.h>

#include <algorithm>
#include <cassert>
#include <chrono>
#include <utility>

#include "backends/lmdb/errors.hpp"
#include "backends/lmdb/transaction.hpp"
#include "base/try.hpp"

namespace keystonemail::lmdb {
namespace {

constexpr auto reader_check_interval = std::chrono::seconds(60);
constexpr auto readers_patience = std::chrono::seconds(6);  // a snapshot may be 5 seconds old

// Signals are for the program's own threads, but for those that an instruction raises.
void block_signals() noexcept {
  sigset_t set;
  sigfillset(&set);
  for (const int raised : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT}) sigdelset(&set, raised);
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
}

Error full() { return Error(ErrorKind::unavailable, "storage is full"); }

}  // namespace

Writer::Writer(Environment& environment, ReaderPool& readers, const KvOptions& options, const Clock& clock)
    : environment_(environment), readers_(readers), options_(options), clock_(clock), room_(environment, options),
      thread_([this] { run(); }) {}

Writer::~Writer() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
  }
  work_.notify_one();
}

Task<Result<void>> Writer::transact(kv::Operation operation, kv::TransactOptions options, Context context) {
  Request request{&operation, options, std::move(context)};
  {
    const std::lock_guard lock(mutex_);
    if (queue_.size() >= options_.queue_max) co_return fail(ErrorKind::unavailable, "storage is busy");
    queue_.push_back(&request);
  }
  work_.notify_one();
  co_return co_await request.done;
}

Result<void> Writer::reopen() {
  const std::lock_guard engine(engine_);
  KM_CHECK(readers_.exclusively(ReaderPool::Resting::close, readers_patience, [&] { return environment_.reopen(); }));
  health_ = Health::good;
  return {};
}

void Writer::run() {
  block_signals();
  Group group;
  for (;;) {
    {
      std::unique_lock lock(mutex_);
      if (!work_.wait_for(lock, reader_check_interval, [this] { return ending_ || !queue_.empty(); })) {
        lock.unlock();
        refresh();
        continue;
      }
      if (queue_.empty()) return;  // ending
    }
    handle(group);
    complete(group);
  }
}

void Writer::refresh() {
  const std::lock_guard engine(engine_);
  if (!heal()) return;
  int dead = 0;
  mdb_reader_check(environment_.get(), &dead);
}

Writer::Request* Writer::take() {
  const std::lock_guard lock(mutex_);
  if (queue_.empty()) return nullptr;
  auto* request = queue_.front();
  queue_.pop_front();
  return request;
}

void Writer::handle(Group& group) {
  const std::lock_guard engine(engine_);
  if (!heal()) {
    while (auto* request = take()) {
      request->result = fail(ErrorKind::unavailable, "storage has failed", "lmdb: poisoned by a failed sync");
      group.push_back(request);
    }
    return;
  }
  if (room_.map_is_low() && environment_.can_grow()) (void)make_room();
  apply_all(group);
  const auto no_room = [](const Request* request) { return request->fate == Fate::no_room; };
  if (std::any_of(group.begin(), group.end(), no_room)) apply_again(group);
}

// Takes requests until there are none or the group is full, and commits them.
void Writer::apply_all(Group& group) {
  MDB_txn* txn = nullptr;
  group_octets_ = 0;
  changed_ = false;
  while (group.size() < options_.group_operations_max && group_octets_ < options_.group_octets_max) {
    auto* request = take();
    if (request == nullptr) break;
    group.push_back(request);
    apply(txn, *request, group);
  }
  finish(txn, group);
}

// Those that found no room, once more in a larger map.
void Writer::apply_again(Group& group) {
  const bool grown = make_room();
  MDB_txn* txn = nullptr;
  changed_ = false;
  Group again;
  for (auto* request : group) {
    if (request->fate != Fate::no_room) continue;
    // What only frees is tried even in the same map: alone it needs less than the group did.
    if (!grown && request->options.growth == kv::Growth::adds) {
      request->result = std::unexpected(full());
      request->fate = Fate::ended;
      continue;
    }
    request->fate = Fate::waiting;
    again.push_back(request);
    apply(txn, *request, again);
    if (!grown) finish(std::exchange(txn, nullptr), again);
  }
  finish(txn, again);
  for (auto* request : again)
    if (request->fate == Fate::no_room) request->result = std::unexpected(full());
}

// Runs one request in `txn`, which it begins when there is none yet, in a scope that vanishes when it fails.
void Writer::apply(MDB_txn*& txn, Request& request, Group& group) {
  if (!may_begin(request)) return;
  const bool first = txn == nullptr;
  if (first) {
    if (const int code = begin(&txn); code != 0) return commit_failed(code, group);
    adds_allowed_ = room_.allows_adding();
  }
  if (!adds_allowed_ && request.options.growth == kv::Growth::adds) {
    request.result = std::unexpected(full());
    request.fate = Fate::ended;
    return;
  }
  // The first needs no nested scope: nothing else is lost with it.
  MDB_txn* scope = txn;
  if (!first)
    if (const int code = mdb_txn_begin(environment_.get(), txn, 0, &scope); code != 0) {
      request.result = failed(code, "mdb_txn_begin");
      request.fate = Fate::ended;
      return;
    }
  run_operation(scope, request);
  if (request.fate != Fate::applied) {
    mdb_txn_abort(scope);
    if (first) txn = nullptr;
  } else if (!first) {
    if (const int code = mdb_txn_commit(scope); code != 0) {
      request.result = failed(code, "mdb_txn_commit");
      request.fate = is_no_room(code) ? Fate::no_room : Fate::ended;
    }
  }
}

bool Writer::may_begin(Request& request) {
  if (request.context.stop.stop_requested()) {
    request.result = fail(ErrorKind::cancelled);
  } else if (request.context.deadline != Instant::max() && clock_.now() > request.context.deadline) {
    request.result = fail(ErrorKind::timeout);
  } else {
    return true;
  }
  request.fate = Fate::ended;
  return false;
}

int Writer::begin(MDB_txn** txn) {
  const int code = mdb_txn_begin(environment_.get(), nullptr, 0, txn);
  if (code != 0) *txn = nullptr;
  return code;
}

void Writer::run_operation(MDB_txn* txn, Request& request) {
  LmdbTransaction transaction(txn, environment_, row_);
  request.fate = Fate::ended;
  try {
    auto task = (*request.operation)(transaction);
    assert(task.done());  // it waits for nothing but the transaction, which never waits
    request.result = task.take();
  } catch (const std::exception& thrown) {  // no loop stands above this thread
    request.result = fail(ErrorKind::internal, {}, thrown.what());
  }
  if (transaction.failure()) {
    request.result = std::unexpected(*transaction.failure());
    if (transaction.failure_code() == MDB_MAP_FULL) request.fate = Fate::no_room;
    return;
  }
  if (!request.result) return;
  request.fate = Fate::applied;
  group_octets_ += transaction.octets_changed();
  changed_ = changed_ || transaction.octets_changed() > 0;
}

// Commits what was applied; every request of the group has its result afterwards.
void Writer::finish(MDB_txn* txn, Group& group) {
  if (txn == nullptr) return;
  if (auto synced = sync_barriers(group); !synced) {
    mdb_txn_abort(txn);
    ++failed_commits_;
    health_ = Health::poisoned;
    if (options_.log != nullptr)
      options_.log->event(LogLevel::error, "kv.barrier_failed", {{"error", synced.error().describe()}});
    return fail_applied(group, Error(ErrorKind::unavailable, "storage has failed", synced.error().describe()));
  }
  const int code = mdb_txn_commit(txn);
  if (code != 0) return commit_failed(code, group);
  if (changed_) ++commits_;
  for (auto* request : group) {
    if (request->fate != Fate::applied) continue;
    request->fate = Fate::ended;
    ++operations_;
  }
}

Result<void> Writer::sync_barriers(const Group& group) {
  std::vector<kv::Barrier*> asked;
  for (const auto* request : group) {
    auto* barrier = request->options.barrier;
    if (request->fate != Fate::applied || barrier == nullptr || std::find(asked.begin(), asked.end(), barrier) != asked.end())
      continue;
    asked.push_back(barrier);
    KM_CHECK(barrier->sync());
  }
  return {};
}

// LMDB names one code for a failed write and a failed sync. Where storage is full it was the write: nothing of
// the transaction is referred to, and reopening is enough. Anything else poisons the store until told otherwise.
void Writer::commit_failed(int code, Group& group) {
  ++failed_commits_;
  if (code == MDB_MAP_FULL) return fail_applied(group, full(), Fate::no_room);
  const bool was_full = is_no_room(code) || room_.disk_is_full();
  health_ = was_full ? Health::was_full : Health::poisoned;
  const Error error = was_full ? Error(ErrorKind::unavailable, "storage is full", mdb_strerror(code)) : to_error(code, "commit");
  if (options_.log != nullptr)
    options_.log->event(LogLevel::error, "kv.commit_failed", {{"error", error.describe()}, {"poisoned", !was_full}});
  fail_applied(group, Error(ErrorKind::unavailable, std::string(error.text()), std::string(error.detail())));
}

void Writer::fail_applied(Group& group, const Error& error, Fate fate) {
  for (auto* request : group) {
    if (request->fate != Fate::applied && request->fate != Fate::waiting) continue;
    request->result = std::unexpected(error);
    request->fate = fate;
  }
}

bool Writer::make_room() {
  if (!environment_.can_grow()) return false;
  auto grown = readers_.exclusively(ReaderPool::Resting::keep, readers_patience, [&] { return environment_.grow(); });
  if (options_.log != nullptr)
    options_.log->event(grown ? LogLevel::info : LogLevel::warning, "kv.map_grown",
                        {{"octets", environment_.map_octets()}, {"done", grown.has_value()}});
  return grown.has_value();
}

// Whether operations may run: a store that was merely full, or could not be reopened last time, is reopened first.
bool Writer::heal() {
  if (health_ == Health::good && environment_.is_open()) return true;
  if (health_ == Health::poisoned) return false;
  auto reopened = readers_.exclusively(ReaderPool::Resting::close, readers_patience, [&] { return environment_.reopen(); });
  if (reopened) health_ = Health::good;
  return reopened.has_value();
}

// One post for each executor, however many results it gets: a wake-up costs more than a result.
void Writer::complete(Group& group) {
  while (!group.empty()) {
    auto* executor = group.front()->context.executor;
    Group theirs, others;
    for (Request* request : group) (request->context.executor == executor ? theirs : others).push_back(request);
    executor->post([requests = std::move(theirs)] {
      for (auto* request : requests) request->done.complete(std::move(request->result));
    });
    group = std::move(others);
  }
}

}  // namespace keystonemail::lmdb
