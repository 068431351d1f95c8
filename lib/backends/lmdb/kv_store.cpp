// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "keystonemail/backends/lmdb/kv_store.hpp"

#include <utility>

#include "backends/lmdb/backup.hpp"
#include "backends/lmdb/check.hpp"
#include "backends/lmdb/environment.hpp"
#include "backends/lmdb/errors.hpp"
#include "backends/lmdb/reader.hpp"
#include "backends/lmdb/reader_pool.hpp"
#include "backends/lmdb/writer.hpp"
#include "base/try.hpp"

namespace keystonemail::lmdb {
namespace {

class LmdbStore final : public KvStore {
 public:
  LmdbStore(KvOptions options, std::unique_ptr<Environment> environment)
      : options_(std::move(options)), environment_(std::move(environment)), clock_(options_.clock ? *options_.clock : system_clock_),
        readers_(*environment_, options_.readers_max, clock_), writer_(*environment_, readers_, options_, clock_) {}

  Task<Result<std::unique_ptr<kv::Snapshot>>> snapshot(Context context) override {
    KM_CO_TRY(auto* reader, co_await readers_.acquire(std::move(context)));
    co_return std::make_unique<LmdbSnapshot>(*environment_, readers_, reader, clock_, options_.snapshot_age_max);
  }
  Task<Result<void>> transact(kv::Operation operation, kv::TransactOptions options, Context context) override {
    return writer_.transact(std::move(operation), options, std::move(context));
  }
  std::string_view format_id() const noexcept override { return "lmdb-1"; }

  KvStat stat() override;
  Result<KvReport> check() override { return check_rows(*environment_, readers_, options_); }
  Result<void> backup(const std::string& file, Compaction compaction) override {
    KM_TRY(auto* reader, readers_.try_acquire());  // keeps the map in place while it is read
    auto result = copy_environment(environment_->get(), file, compaction);
    readers_.release(reader);
    return result;
  }
  Result<void> reopen() override { return writer_.reopen(); }

 private:
  KvOptions options_;
  SystemClock system_clock_;
  std::unique_ptr<Environment> environment_;
  const Clock& clock_;
  ReaderPool readers_;
  Writer writer_;
};

KvStat LmdbStore::stat() {
  KvStat stat;
  stat.snapshots = readers_.busy();
  stat.oldest_snapshot = readers_.oldest();
  stat.commits = writer_.commits();
  stat.operations = writer_.operations();
  stat.failed_commits = writer_.failed_commits();
  stat.poisoned = writer_.poisoned();
  auto reader = readers_.try_acquire();
  if (!reader) return stat;
  mdb_env_get_flags(environment_->get(), &stat.engine_flags);
  stat.page_octets = environment_->page_octets();
  stat.pages_used = environment_->used_octets() / stat.page_octets;
  stat.pages_free = Environment::free_pages((*reader)->txn);
  stat.map_octets = environment_->map_octets();
  for (std::size_t i = 0; i < options_.tables.size(); ++i) {
    MDB_stat table{};
    if (mdb_stat((*reader)->txn, environment_->tables()[i].dbi, &table) != 0) continue;
    stat.tables.push_back({options_.tables[i], table.ms_entries,
                           table.ms_branch_pages + table.ms_leaf_pages + table.ms_overflow_pages});
  }
  readers_.release(*reader);
  return stat;
}

}  // namespace

Result<std::unique_ptr<KvStore>> open_kv_store(KvOptions options) {
  KM_TRY(auto environment, Environment::open(options));
  int dead = 0;
  mdb_reader_check(environment->get(), &dead);  // slots of a process that was killed
  return std::make_unique<LmdbStore>(std::move(options), std::move(environment));
}

}  // namespace keystonemail::lmdb
