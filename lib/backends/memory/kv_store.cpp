// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "keystonemail/backends/memory/kv_store.hpp"

#include <cassert>
#include <mutex>
#include <utility>

#include "backends/memory/overlay.hpp"
#include "backends/memory/versions.hpp"
#include "base/try.hpp"

namespace keystonemail::memory {
namespace {

class SnapshotReader final : public kv::Snapshot {
 public:
  explicit SnapshotReader(Versions& versions) : versions_(versions), at_(versions.pin()) {}
  ~SnapshotReader() override { versions_.unpin(at_); }

  Task<Result<std::optional<std::string_view>>> get(kv::Table table, std::string_view key) override {
    co_return versions_.get(table, key, at_);
  }
  Task<Result<std::vector<kv::Row>>> scan(kv::Table table, kv::Range range) override {
    co_return versions_.scan(table, range, at_);
  }

 private:
  Versions& versions_;
  std::uint64_t at_;
};

class MemoryStore final : public kv::Store {
 public:
  explicit MemoryStore(KvOptions options) : options_(std::move(options)), versions_(options_.tables.size()) {
    assert(options_.tables.size() <= kv::limits::tables_max);
  }

  Task<Result<std::unique_ptr<kv::Snapshot>>> snapshot(Context context) override {
    if (options_.completion == Completion::posted) co_await yield(*context.executor);
    if (context.stop.stop_requested()) co_return fail(ErrorKind::cancelled);
    co_return std::make_unique<SnapshotReader>(versions_);
  }

  Task<Result<void>> transact(kv::Operation operation, kv::TransactOptions options, Context context) override {
    if (options_.completion == Completion::posted) co_await yield(*context.executor);
    if (context.stop.stop_requested()) co_return fail(ErrorKind::cancelled);
    co_return apply(operation, options);
  }

  std::string_view format_id() const noexcept override { return "memory-1"; }

 private:
  Result<void> apply(const kv::Operation& operation, const kv::TransactOptions& options) {
    std::scoped_lock lock(writer_);
    if (poisoned_) return fail(ErrorKind::unavailable, "storage has failed");
    Overlay overlay(versions_);
    auto task = operation(overlay);
    assert(task.done());  // it waits for nothing but the transaction, which never waits here
    KM_CHECK(task.take());
    KM_CHECK(overlay.failure());
    KM_CHECK(check_room(overlay, options.growth));
    if (options.barrier != nullptr) {
      if (auto synced = options.barrier->sync(); !synced) {
        poisoned_ = true;
        return fail(ErrorKind::unavailable, "storage has failed", synced.error().describe());
      }
    }
    versions_.commit(std::move(overlay).changes());
    return {};
  }

  Result<void> check_room(const Overlay& overlay, kv::Growth growth) const {
    auto limit = options_.octets_max;
    if (growth == kv::Growth::frees) limit += std::min(options_.octets_reserve, UINT64_MAX - limit);
    const auto growth_octets = overlay.octets_added();
    if (growth_octets <= 0 && growth == kv::Growth::frees) return {};
    if (growth_octets == 0 && overlay.empty()) return {};
    const auto after = static_cast<std::int64_t>(versions_.octets()) + growth_octets;
    if (after > 0 && static_cast<std::uint64_t>(after) > limit) return fail(ErrorKind::unavailable, "storage is full");
    return {};
  }

  KvOptions options_;
  Versions versions_;
  std::mutex writer_;
  bool poisoned_ = false;  // guarded by writer_
};

}  // namespace

std::unique_ptr<kv::Store> make_kv_store(KvOptions options) { return std::make_unique<MemoryStore>(std::move(options)); }

}  // namespace keystonemail::memory
