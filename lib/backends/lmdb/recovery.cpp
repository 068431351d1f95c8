// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "keystonemail/backends/lmdb/recovery.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <optional>
#include <utility>

#include "backends/lmdb/environment.hpp"
#include "backends/lmdb/errors.hpp"
#include "backends/lmdb/owner_lock.hpp"
#include "backends/lmdb/tree_walk.hpp"
#include "backends/lmdb/value.hpp"
#include "base/format.hpp"
#include "base/try.hpp"
#include "keystonemail/base/executor.hpp"
#include "keystonemail/codec/crc32c.hpp"
#include "kv/disk.hpp"

namespace keystonemail::lmdb {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t rows_per_operation = 500;

std::string data_file(const std::string& directory) { return directory + "/data.mdb"; }

// The sound meta pages, newest first, with the slot each is in.
std::vector<std::pair<unsigned, Meta>> sound_metas(const PageFile& file) {
  std::vector<std::pair<unsigned, Meta>> found;
  const auto metas = file.metas();
  for (const unsigned slot : {0U, 1U})
    if (metas[slot]) found.emplace_back(slot, *metas[slot]);
  if (found.size() == 2 && found[1].second.transaction > found[0].second.transaction) std::swap(found[0], found[1]);
  return found;
}

bool is_sound(const KvOptions& options, std::string_view table, std::string_view key, std::string_view stored) {
  const bool is_ours = table == store_table || std::ranges::find(options.tables, table) != options.tables.end();
  return is_ours && load_value(codec::crc32c(table), key, stored);
}

// Puts rows into the new store, in operations of a fair size.
class RowWriter {
 public:
  explicit RowWriter(KvStore& store) : store_(store) {}

  enum class Existing : bool { replace, keep };
  [[nodiscard]] Result<void> put(kv::Table table, std::string_view key, std::string_view value, Existing existing) {
    rows_.push_back({table, std::string(key), std::string(value), existing});
    return rows_.size() < rows_per_operation ? Result<void>() : flush();
  }
  [[nodiscard]] Result<void> flush() {
    kv::Operation write = [this](kv::Transaction& transaction) -> Task<Result<void>> {
      added_now_ = 0;
      for (const Row& row : rows_) {
        KM_CO_TRY(const auto found, co_await transaction.get(row.table, row.key));
        if (found && row.existing == Existing::keep) continue;
        if (!found) ++added_now_;
        transaction.put(row.table, row.key, row.value);
      }
      co_return Result<void>();
    };
    KM_CHECK(loop_.run_until(store_.transact(std::move(write), {.growth = kv::Growth::frees}, Context(&loop_))));
    added += added_now_;
    rows_.clear();
    return {};
  }
  std::uint64_t added = 0;

 private:
  struct Row {
    kv::Table table;
    std::string key, value;
    Existing existing;
  };
  KvStore& store_;
  std::vector<Row> rows_;
  std::uint64_t added_now_ = 0;
  RunLoop loop_;
};

class Salvage {
 public:
  Salvage(const PageFile& file, KvStore& store, const KvOptions& options) : file_(file), writer_(store) {
    for (std::size_t i = 0; i < options.tables.size(); ++i)
      sums_.emplace_back(codec::crc32c(options.tables[i]), kv::Table{static_cast<std::uint8_t>(i)});
  }

  [[nodiscard]] Result<Recovered> run(const std::vector<std::pair<unsigned, Meta>>& metas) {
    for (const auto& [slot, meta] : metas) KM_CHECK(take_state(meta));
    if (metas.empty()) {
      const Meta none{page_octets_usual, {}, {}, file_.octets() / page_octets_usual, 0};
      KM_CHECK(take_loose(none, TreeWalk(file_, none)));
    }
    recovered_.rows = writer_.added;
    return recovered_;
  }

 private:
  using Existing = RowWriter::Existing;

  // The newest comes first, so the older one adds what only it still leads to.
  [[nodiscard]] Result<void> take_state(const Meta& meta) {
    TreeWalk walk(file_, meta);
    Result<void> result;
    const auto existing = is_first_ ? Existing::replace : Existing::keep;
    walk.run([&](std::string_view table, std::string_view key, std::string_view stored) {
      if (!result || table == store_table) return;
      if (!put(key, stored, existing, result) && is_first_) ++recovered_.rows_damaged;
    });
    KM_CHECK(result);
    KM_CHECK(writer_.flush());
    if (!std::exchange(is_first_, false)) return {};
    return take_loose(meta, std::move(walk));
  }

  // The sum says which table a row is of, whatever the table's name has become. False when there is none it fits.
  [[nodiscard]] bool put(std::string_view key, std::string_view stored, Existing existing, Result<void>& result) {
    for (const auto& [sum, table] : sums_) {
      const auto value = load_value(sum, key, stored);
      if (!value) continue;
      result = writer_.put(table, key, *value, existing);
      return true;
    }
    return false;
  }

  // Leaves that the state neither leads to nor has freed.
  [[nodiscard]] Result<void> take_loose(const Meta& meta, TreeWalk walk) {
    const std::uint64_t before = writer_.added;
    Result<void> result;
    const std::uint64_t pages = std::min(meta.last_page + 1, file_.octets() / meta.page_octets);
    for (std::uint64_t page = first_tree_page; page < pages && result; ++page) {
      if (walk.is_accounted(page)) continue;
      walk.visit_lone_leaf(page, [&](std::string_view key, std::string_view stored) {
        if (result) (void)put(key, stored, Existing::keep, result);
      });
    }
    KM_CHECK(result);
    KM_CHECK(writer_.flush());
    recovered_.rows_found_loose += writer_.added - before;
    return {};
  }

  const PageFile& file_;
  RowWriter writer_;
  std::vector<std::pair<std::uint32_t, kv::Table>> sums_;
  Recovered recovered_;
  bool is_first_ = true;
};

// The file with one good meta page in both places.
Result<void> copy_with_meta(const PageFile& file, const std::string& to, unsigned slot, const Meta& meta) {
  const int fd = ::open(to.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (fd < 0) return failed(errno, "create " + to);
  int code = 0;
  std::string piece;
  const auto write = [&](std::string_view octets, std::uint64_t at) {
    if (code == 0 && ::pwrite(fd, octets.data(), octets.size(), static_cast<off_t>(at)) != static_cast<ssize_t>(octets.size()))
      code = errno != 0 ? errno : ENOSPC;
  };
  for (std::uint64_t at = 0; at < file.octets() && code == 0; at += piece.size()) {
    piece.resize(std::min<std::uint64_t>(1U << 20, file.octets() - at));
    if (!file.read(piece.data(), piece.size(), at)) code = EIO;
    write(piece, at);
  }
  std::string page(meta.page_octets, '\0');
  if (!file.read(page.data(), page.size(), std::uint64_t{slot} * meta.page_octets)) code = EIO;
  for (const std::uint64_t number : {0ULL, 1ULL}) {
    std::memcpy(page.data(), &number, sizeof number);
    write(page, number * meta.page_octets);
  }
  if (code == 0 && ::fsync(fd) != 0) code = errno;
  ::close(fd);
  if (code != 0) return failed(code, "write " + to);
  return {};
}

// A name beside the file that is not taken.
std::string name_for_damaged(const std::string& file) {
  std::error_code ignored;
  for (unsigned i = 1;; ++i)
    if (auto name = format("{}.damaged-{}", file, i); !fs::exists(name, ignored)) return name;
}

Result<Recovered> make_anew(const PageFile& file, const KvOptions& options, const std::string& directory) {
  const auto metas = sound_metas(file);
  if (!metas.empty()) {
    const auto& [slot, meta] = metas.front();
    TreeWalk walk(file, meta);
    std::uint64_t rows = 0, damaged = 0;
    walk.run([&](std::string_view table, std::string_view key, std::string_view stored) {
      ++(is_sound(options, table, key, stored) ? rows : damaged);
    });
    if (walk.findings().empty() && damaged == 0 && (meta.last_page + 1) * meta.page_octets <= file.octets()) {
      KM_CHECK(kv::make_directory(directory));
      KM_CHECK(copy_with_meta(file, data_file(directory), slot, meta));
      return Recovered{.is_whole = true, .rows = rows, .kept = {}};
    }
  }
  KvOptions fresh = options;
  fresh.directory = directory;
  fresh.free_octets_min = 0;
  fresh.free_percent_min = 0;
  KM_TRY(auto store, open_kv_store(std::move(fresh)));
  return Salvage(file, *store, options).run(metas);
}

}  // namespace

Result<std::vector<std::string>> examine(const KvOptions& options, Examine what) {
  const std::string& directory = options.directory;
  const PageFile file(data_file(directory));
  if (file.fd() < 0)
    return fail(errno == ENOENT ? ErrorKind::not_found : ErrorKind::unavailable, data_file(directory) + ": cannot be opened");
  std::vector<std::string> findings;
  const auto metas = sound_metas(file);
  if (metas.size() < 2) findings.push_back("data.mdb: a meta page is damaged");
  if (metas.empty()) return findings;
  TreeWalk walk(file, metas.front().second);
  std::uint64_t damaged = 0;
  walk.run([&](std::string_view table, std::string_view key, std::string_view stored) {
    if (what == Examine::rows_too && !is_sound(options, table, key, stored)) ++damaged;
  });
  if (damaged > 0) findings.push_back(format("data.mdb: {} damaged rows", damaged));
  findings.insert(findings.end(), walk.findings().begin(), walk.findings().end());
  return findings;
}

Result<Recovered> recover(const KvOptions& options) {
  KM_TRY(const auto lock, OwnerLock::acquire(options.directory + "/owner.lock"));
  const std::string damaged = data_file(options.directory), fresh = options.directory + "/.recover";
  const PageFile file(damaged);
  if (file.fd() < 0)
    return fail(errno == ENOENT ? ErrorKind::not_found : ErrorKind::unavailable, damaged + ": cannot be opened");
  std::error_code code;
  fs::remove_all(fresh, code);
  auto made = make_anew(file, options, fresh);
  if (!made) {
    fs::remove_all(fresh, code);
    return made;
  }
  if (made->rows == 0) {
    fs::remove_all(fresh, code);
    return fail(ErrorKind::corrupt, "nothing can be made of it", damaged);
  }
  // A link first, so that the name is never without a file.
  made->kept = name_for_damaged(damaged);
  if (::link(damaged.c_str(), made->kept.c_str()) != 0) return failed(errno, "link " + made->kept);
  if (::rename(data_file(fresh).c_str(), damaged.c_str()) != 0) return failed(errno, "rename " + fresh);
  fs::remove_all(fresh, code);
  ::unlink((options.directory + "/lock.mdb").c_str());
  KM_CHECK(kv::sync_directory(options.directory));
  return made;
}

}  // namespace keystonemail::lmdb
