// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "backends/lmdb/environment.hpp"

#include <algorithm>
#include <cassert>
#include <cerrno>
#include <cstring>

#include "backends/lmdb/data_file.hpp"
#include "backends/lmdb/errors.hpp"
#include "backends/lmdb/value.hpp"
#include "base/format.hpp"
#include "base/record.hpp"
#include "base/try.hpp"
#include "kv/disk.hpp"
#include "keystonemail/codec/crc32c.hpp"

namespace keystonemail::lmdb {
namespace {

constexpr const char* store_table = "_store";    // what the store says about itself
constexpr std::string_view format_key = "format";
constexpr std::uint64_t map_octets_min = 1U << 20;

MDB_val to_val(std::string_view octets) noexcept { return {octets.size(), const_cast<char*>(octets.data())}; }

std::uint64_t to_map_octets(std::uint64_t wanted) noexcept {
  constexpr std::uint64_t unit = 1U << 16;  // a multiple of every page size
  return std::max(map_octets_min, wanted) / unit * unit;
}

}  // namespace

Result<std::unique_ptr<Environment>> Environment::open(const KvOptions& options) {
  if (options.tables.empty() || options.tables.size() > kv::limits::tables_max)
    return fail(ErrorKind::invalid, {}, "lmdb: number of tables");
  KM_CHECK(kv::make_directory(options.directory));
  if (options.file_systems == FileSystems::local) KM_CHECK(kv::check_file_system(options.directory));
  KM_TRY(auto lock, OwnerLock::acquire(options.directory + "/owner.lock"));
  std::unique_ptr<Environment> environment(new Environment(options, std::move(lock)));
  KM_CHECK(environment->open_files());
  return environment;
}

Result<void> Environment::reopen() {
  close();
  auto opened = open_files();
  if (!opened) close();  // half open is of no use to anyone
  return opened;
}

void Environment::close() noexcept {
  env_.reset();
  tables_.clear();
}

Result<void> Environment::grow() {
  if (!can_grow()) return fail(ErrorKind::unavailable, "storage is full", "lmdb: the map is at its maximum");
  const std::uint64_t wanted = to_map_octets(std::min(map_octets_ * 2, options_.map_octets_max));
  if (wanted <= map_octets_) return fail(ErrorKind::unavailable, "storage is full", "lmdb: the map is at its maximum");
  if (const int code = mdb_env_set_mapsize(env_.get(), wanted); code != 0) return failed(code, "mdb_env_set_mapsize");
  map_octets_ = wanted;
  return {};
}

std::uint64_t Environment::used_octets() const noexcept {
  MDB_envinfo info{};
  mdb_env_info(env_.get(), &info);
  return (static_cast<std::uint64_t>(info.me_last_pgno) + 1) * page_octets_;
}

std::uint64_t Environment::free_pages(MDB_txn* txn) noexcept {
  MDB_cursor* cursor = nullptr;
  if (mdb_cursor_open(txn, 0, &cursor) != 0) return 0;  // table 0 is LMDB's list of freed pages
  std::uint64_t pages = 0;
  MDB_val key{}, list{};
  while (mdb_cursor_get(cursor, &key, &list, MDB_NEXT) == 0) {
    std::size_t count = 0;
    if (list.mv_size >= sizeof count) std::memcpy(&count, list.mv_data, sizeof count);
    pages += count;
  }
  mdb_cursor_close(cursor);
  return pages;
}

Result<void> Environment::open_files() {
  const std::string file = options_.directory + "/data.mdb";
  KM_CHECK(check_data_file(file));
  MDB_env* raw = nullptr;
  if (const int code = mdb_env_create(&raw); code != 0) return failed(code, "mdb_env_create");
  env_.reset(raw);
  // Past snapshots, one slot for a backup and one for a check.
  mdb_env_set_maxreaders(raw, options_.readers_max + 2);
  mdb_env_set_maxdbs(raw, static_cast<MDB_dbi>(options_.tables.size() + 1));
  map_octets_ = std::max(map_octets_, to_map_octets(std::min(options_.map_octets_initial, options_.map_octets_max)));
  int code = 0;
  for (;; map_octets_ = to_map_octets(map_octets_ / 2)) {
    code = mdb_env_set_mapsize(raw, map_octets_);
    if (code == 0) code = mdb_env_open(raw, options_.directory.c_str(), environment_flags, 0600);
    // A ceiling on address space (RLIMIT_AS, containers): a smaller map does.
    if (code != ENOMEM || map_octets_ <= map_octets_min * 64) break;
    mdb_env_close(env_.release());
    if (mdb_env_create(&raw) != 0) return failed(ENOMEM, "mdb_env_create");
    env_.reset(raw);
    mdb_env_set_maxreaders(raw, options_.readers_max + 2);
    mdb_env_set_maxdbs(raw, static_cast<MDB_dbi>(options_.tables.size() + 1));
  }
  if (code != 0) return failed(code, "mdb_env_open " + file);
  MDB_envinfo info{};
  mdb_env_info(raw, &info);
  map_octets_ = info.me_mapsize;  // never smaller than the file's content
  MDB_stat stat{};
  mdb_env_stat(raw, &stat);
  page_octets_ = stat.ms_psize;
  KM_CHECK(kv::sync_directory(options_.directory));  // data.mdb may be new
  return open_tables();
}

Result<void> Environment::open_tables() {
  MDB_txn* txn = nullptr;
  if (const int code = mdb_txn_begin(env_.get(), nullptr, 0, &txn); code != 0) return failed(code, "mdb_txn_begin");
  struct Abort {
    MDB_txn*& txn;
    ~Abort() {
      if (txn != nullptr) mdb_txn_abort(txn);
    }
  } abort{txn};
  KM_CHECK(check_format(txn));
  for (const auto& name : options_.tables) {
    TableHandle table{0, codec::crc32c(name)};
    if (const int code = mdb_dbi_open(txn, name.c_str(), MDB_CREATE, &table.dbi); code != 0)
      return failed(code, "mdb_dbi_open " + name);
    tables_.push_back(table);
  }
  const int code = mdb_txn_commit(std::exchange(txn, nullptr));
  if (code != 0) return failed(code, "mdb_txn_commit");
  return {};
}

Result<void> Environment::check_format(MDB_txn* txn) {
  MDB_dbi dbi = 0;
  int code = mdb_dbi_open(txn, store_table, MDB_CREATE, &dbi);
  if (code != 0) return failed(code, "mdb_dbi_open");
  auto key = to_val(format_key);
  const std::uint32_t table_sum = codec::crc32c(store_table);
  MDB_val found{};
  code = mdb_get(txn, dbi, &key, &found);
  if (code == MDB_NOTFOUND) {
    std::string version;
    append_big_endian(version, format_version, 4);
    version += mdb_version(nullptr, nullptr, nullptr);
    std::string stored(value_prefix_octets + version.size(), '\0');
    store_value(stored.data(), table_sum, format_key, version);
    auto value = to_val(stored);
    code = mdb_put(txn, dbi, &key, &value, 0);
    if (code != 0) return failed(code, "mdb_put");
    return {};
  }
  if (code != 0) return failed(code, "mdb_get");
  const auto value = load_value(table_sum, format_key, {static_cast<const char*>(found.mv_data), found.mv_size});
  if (!value || value->size() < 4) return fail(ErrorKind::corrupt, "stored data is damaged", "lmdb: format record");
  const auto version = read_big_endian(value->substr(0, 4));
  if (version > format_version)
    return fail(ErrorKind::invalid, "stored by a newer version",
                format("{} has format {}, this program knows up to {}", options_.directory, version, format_version));
  return {};
}

}  // namespace keystonemail::lmdb
