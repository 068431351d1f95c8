// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "backends/lmdb/environment.hpp"

#include <fcntl.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cassert>
#include <cerrno>
#include <cstring>

#include "backends/lmdb/data_file.hpp"
#include "backends/lmdb/errors.hpp"
#include "backends/lmdb/octets.hpp"
#include "backends/lmdb/value.hpp"
#include "base/format.hpp"
#include "base/record.hpp"
#include "base/try.hpp"
#include "kv/disk.hpp"
#include "keystonemail/codec/crc32c.hpp"

namespace keystonemail::lmdb {
namespace {

constexpr std::string_view format_key = "format";
constexpr std::uint64_t map_octets_min = 1U << 20;

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

bool Environment::claim_ahead() noexcept {
  const std::uint64_t used = used_octets();
  const auto is_held = [&](std::uint64_t octets) { return claimed_until_ >= used + octets - octets / 4; };
  struct statvfs disk {};
  int fd = -1;
  if (options_.claimed_octets == 0 || is_held(options_.claimed_octets)) return true;
  if (mdb_env_get_fd(env_.get(), &fd) != 0 || ::fstatvfs(fd, &disk) != 0) return true;
  const std::uint64_t wanted = std::min<std::uint64_t>(options_.claimed_octets, disk.f_blocks * disk.f_frsize / 16);
  if (is_held(wanted)) return true;
  // From where it ends now, at first from the start: pages that were freed before they were ever written are holes. The
  // size of the file stays, as it says how many pages were written (check_data_file).
  const std::uint64_t from = std::min(claimed_until_, used), until = used + wanted;
  int code = 0;
  do code = ::fallocate(fd, FALLOC_FL_KEEP_SIZE, static_cast<off_t>(from), static_cast<off_t>(until - from)) == 0 ? 0 : errno;
  while (code == EINTR);
  if (code == EOPNOTSUPP || code == ENOSYS) return true;
  if (code == 0) claimed_until_ = until;
  return code == 0;
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
  if (::access(file.c_str(), F_OK) != 0 && errno == ENOENT) KM_CHECK(make_file(file));
  KM_CHECK(check_data_file(file));
  KM_CHECK(open_engine(options_.directory, environment_flags));
  claimed_until_ = 0;
  return open_tables();
}

// Under another name until its first commit is on disk: a file that has the right name is whole, whatever befell us.
Result<void> Environment::make_file(const std::string& file) {
  const std::string fresh = file + ".new", lock = fresh + "-lock";
  ::unlink(fresh.c_str());
  ::unlink(lock.c_str());
  KM_CHECK(open_engine(fresh, environment_flags | MDB_NOSUBDIR));
  auto made = open_tables();
  close();
  ::unlink(lock.c_str());
  KM_CHECK(made);
  if (::rename(fresh.c_str(), file.c_str()) != 0) return failed(errno, "rename " + fresh);
  return kv::sync_directory(options_.directory);
}

Result<void> Environment::open_engine(const std::string& path, unsigned flags) {
  MDB_env* raw = nullptr;
  map_octets_ = std::max(map_octets_, to_map_octets(std::min(options_.map_octets_initial, options_.map_octets_max)));
  int code = 0;
  for (;; map_octets_ = to_map_octets(map_octets_ / 2)) {
    env_.reset();
    if (code = mdb_env_create(&raw); code != 0) return failed(code, "mdb_env_create");
    env_.reset(raw);
    // Past snapshots, one slot for a backup and one for a check.
    mdb_env_set_maxreaders(raw, options_.readers_max + 2);
    mdb_env_set_maxdbs(raw, static_cast<MDB_dbi>(options_.tables.size() + 1));
    code = mdb_env_set_mapsize(raw, map_octets_);
    if (code == 0) code = mdb_env_open(raw, path.c_str(), flags, 0600);
    // A ceiling on address space (RLIMIT_AS, containers): a smaller map does.
    if (code != ENOMEM || map_octets_ <= map_octets_min * 64) break;
  }
  if (code != 0) return failed(code, "mdb_env_open " + path);
  MDB_envinfo info{};
  mdb_env_info(raw, &info);
  map_octets_ = info.me_mapsize;  // never smaller than the file's content
  MDB_stat stat{};
  mdb_env_stat(raw, &stat);
  page_octets_ = stat.ms_psize;
  return {};
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
