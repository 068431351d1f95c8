// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "keystonemail/backends/lmdb/kv_store.hpp"

#include <doctest/doctest.h>

#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <thread>
#include <vector>

#include "backends/lmdb/fixture.hpp"

using namespace keystonemail;
using conformance::table_a;
using conformance::table_b;

TEST_CASE("lmdb kv: conforms") { conformance::kv<LmdbFixture>(); }

TEST_CASE("lmdb kv: what was acknowledged is there after reopening") {
  LmdbFixture fixture;
  REQUIRE(fixture.driver().put(table_a, "k", "v"));
  fixture.reopen();
  CHECK(fixture.driver().get(table_a, "k") == "v");
}

TEST_CASE("lmdb kv: nothing that weakens durability is switched on") {
  LmdbFixture fixture;
  constexpr std::uint32_t not_thread_local = 0x200000;  // MDB_NOTLS
  CHECK(fixture.made->stat().engine_flags == not_thread_local);
}

TEST_CASE("lmdb kv: opening twice is refused and names the holder") {
  LmdbFixture fixture;
  const auto second = lmdb::open_kv_store(fixture.options);
  REQUIRE(!second);
  CHECK(second.error().kind() == ErrorKind::unavailable);
  CHECK(second.error().detail().find(std::to_string(::getpid())) != std::string::npos);
}

TEST_CASE("lmdb kv: operations that wait together share commits") {
  LmdbFixture fixture;
  std::vector<Task<Result<void>>> tasks;
  for (int i = 0; i < 400; ++i) {
    kv::Operation put = [i](kv::Transaction& t) -> Task<Result<void>> {
      t.put(table_a, std::to_string(i), "v");
      co_return Result<void>();
    };
    tasks.push_back(fixture.made->transact(std::move(put), {}, Context{&fixture.loop}));
  }
  for (auto& task : tasks) CHECK(fixture.loop.run_until(std::move(task)));
  const auto stat = fixture.made->stat();
  CHECK(stat.operations == 400);
  CHECK(stat.commits < 100);
  CHECK(stat.tables.at(0).rows == 400);
}

TEST_CASE("lmdb kv: a failed operation among others leaves no trace and does not hurt them") {
  LmdbFixture fixture;
  std::vector<Task<Result<void>>> tasks;
  for (int i = 0; i < 64; ++i) {
    kv::Operation put = [i](kv::Transaction& t) -> Task<Result<void>> {
      t.put(table_a, std::to_string(i), "v");
      t.put(table_b, std::to_string(i), std::string(3'000, 'x'));
      if (i % 2 == 1) co_return fail(ErrorKind::conflict);
      co_return Result<void>();
    };
    tasks.push_back(fixture.made->transact(std::move(put), {}, Context{&fixture.loop}));
  }
  for (int i = 0; i < 64; ++i) CHECK(fixture.loop.run_until(std::move(tasks[static_cast<unsigned>(i)])).has_value() == (i % 2 == 0));
  const auto stat = fixture.made->stat();
  CHECK(stat.tables.at(0).rows == 32);
  CHECK(stat.tables.at(1).rows == 32);
}

TEST_CASE("lmdb kv: the map grows under load, and no operation notices") {
  LmdbFixture fixture;
  fixture.made.reset();
  fixture.options.map_octets_initial = 1U << 20;
  fixture.options.map_octets_max = 1U << 28;
  fixture.options.map_reserve_octets = 1U << 18;
  fixture.options.directory += "-growing";
  fixture.made = fixture.open();
  auto driver = fixture.driver();
  for (int i = 0; i < 100; ++i) REQUIRE(driver.put(table_a, std::to_string(i), std::string(100'000, 'x')));
  CHECK(fixture.made->stat().map_octets > 10'000'000);
  CHECK(driver.get(table_a, "99").size() == 100'000);
  // One operation larger than all the room that was left in advance.
  REQUIRE(driver.put(table_b, "large", std::string(15U << 20, 'y')));
}

TEST_CASE("lmdb kv: a full map refuses what adds and can still be emptied") {
  LmdbFixture fixture;
  fixture.made.reset();
  fixture.options.map_octets_initial = fixture.options.map_octets_max = 4U << 20;
  fixture.options.map_reserve_octets = 1U << 20;
  fixture.options.directory += "-small";
  fixture.made = fixture.open();
  auto driver = fixture.driver();
  int rows = 0;
  Result<void> last;
  while ((last = driver.put(table_a, std::to_string(rows * 7919 % 100'000), std::string(1'500, 'x')))) REQUIRE(++rows < 10'000);
  CHECK(last.error().kind() == ErrorKind::unavailable);
  CHECK(rows > 500);
  for (int i = 0; i < rows; ++i)
    REQUIRE(driver.transact([i](kv::Transaction& t) -> Task<Result<void>> {
      t.erase(table_a, std::to_string(i * 7919 % 100'000));
      co_return Result<void>();
    }, {.growth = kv::Growth::frees}));
  CHECK(fixture.made->stat().tables.at(0).rows == 0);
  Result<void> again;
  for (int i = 0; i < 40 && !(again = driver.put(table_a, "again", "x")); ++i) {}
  CAPTURE(fixture.made->stat().pages_used);
  CAPTURE(fixture.made->stat().pages_free);
  CHECK(again.has_value());
}

TEST_CASE("lmdb kv: after a failed barrier only reopening helps") {
  LmdbFixture fixture;
  conformance::CountingBarrier barrier;
  barrier.broken = true;
  auto driver = fixture.driver();
  kv::Operation put = [](kv::Transaction& t) -> Task<Result<void>> {
    t.put(table_a, "k", "v");
    co_return Result<void>();
  };
  CHECK(!driver.transact(put, {.barrier = &barrier}));
  CHECK(fixture.made->stat().poisoned);
  CHECK(!driver.transact(put));
  REQUIRE(fixture.made->reopen());
  CHECK(driver.get(table_a, "k") == "(none)");
  CHECK(driver.transact(put));
}

TEST_CASE("lmdb kv: snapshots are rested and reused, and too many are refused") {
  LmdbFixture fixture;
  fixture.made.reset();
  fixture.options.readers_max = 4;
  fixture.made = fixture.open();
  for (int i = 0; i < 1'000; ++i) (void)fixture.driver().snapshot();
  std::vector<std::unique_ptr<kv::Snapshot>> held;
  for (int i = 0; i < 4; ++i) held.push_back(fixture.driver().snapshot());
  CHECK(fixture.made->stat().snapshots == 4);
  auto fifth = fixture.loop.run_until(fixture.made->snapshot(Context{&fixture.loop}));
  CHECK(fifth.error().kind() == ErrorKind::unavailable);
  held.clear();
  CHECK(fixture.made->stat().snapshots == 0);
  CHECK(fixture.driver().snapshot() != nullptr);
}

TEST_CASE("lmdb kv: a snapshot that is held too long answers timeout") {
  LmdbFixture fixture;
  fixture.made.reset();
  fixture.options.snapshot_age_max = std::chrono::milliseconds(0);
  fixture.made = fixture.open();
  auto snapshot = fixture.driver().snapshot();
  std::this_thread::sleep_for(std::chrono::milliseconds(2));
  CHECK(fixture.loop.run_until(snapshot->scan(table_a, {})).error().kind() == ErrorKind::timeout);
}

TEST_CASE("lmdb kv: a backup under load is one state") {
  LmdbFixture fixture;
  std::atomic<bool> stop = false;
  std::thread writer([&] {
    RunLoop loop;
    conformance::KvDriver driver(*fixture.made, loop);
    for (int i = 0; !stop; ++i) {
      const auto n = std::to_string(i);
      (void)driver.transact([&](kv::Transaction& t) -> Task<Result<void>> {  // both tables or neither
        t.put(table_a, "n", n);
        t.put(table_b, "n", n);
        t.put(table_a, "row" + n, std::string(300, 'r'));
        co_return Result<void>();
      });
    }
  });
  std::vector<std::string> directories;
  for (int i = 0; i < 6; ++i) {
    directories.push_back(fixture.directory.path() + "/backup" + std::to_string(i));
    std::filesystem::create_directory(directories.back());
    CHECK(fixture.made->backup(directories.back() + "/data.mdb", i % 2 == 0 ? lmdb::Compaction::no : lmdb::Compaction::yes));
  }
  stop = true;
  writer.join();
  for (const auto& directory : directories) {
    auto options = fixture.options;
    options.directory = directory;
    auto copy = lmdb::open_kv_store(options);
    REQUIRE(copy);
    conformance::KvDriver driver(**copy, fixture.loop);
    CHECK(driver.get(table_a, "n") == driver.get(table_b, "n"));
    CHECK((*copy)->check()->damaged == 0);
  }
}

TEST_CASE("lmdb kv: several threads write and read at once, and every increment counts") {
  LmdbFixture fixture;
  constexpr int threads = 4, each = 50;
  std::vector<std::thread> workers;
  for (int w = 0; w < threads; ++w)
    workers.emplace_back([&] {
      RunLoop loop;
      conformance::KvDriver driver(*fixture.made, loop);
      for (int i = 0; i < each; ++i) {
        (void)driver.transact([](kv::Transaction& t) -> Task<Result<void>> {
          auto value = co_await t.get(table_a, "counter");
          const int now = *value ? std::stoi(std::string(**value)) : 0;
          t.put(table_a, "counter", std::to_string(now + 1));
          co_return Result<void>();
        });
        (void)driver.get(table_a, "counter");
      }
    });
  for (auto& worker : workers) worker.join();
  CHECK(fixture.driver().get(table_a, "counter") == std::to_string(threads * each));
}

TEST_CASE("lmdb kv: a store of a newer format is not opened") {
  LmdbFixture fixture;
  fixture.made.reset();
  fixture.options.tables = {"_store", "a"};  // the store's own table, to write into it what a later version would
  fixture.made = fixture.open();
  REQUIRE(fixture.driver().put(kv::Table{0}, "format", std::string("\0\0\0\x7f", 4)));
  fixture.made.reset();
  CHECK(lmdb::open_kv_store(fixture.options).error().kind() == ErrorKind::invalid);
}

TEST_CASE("lmdb: storage is held behind the end of the file for deletions, and no more than asked for") {
  LmdbFixture fixture(0);
  fixture.options.claimed_octets = 2U << 20;
  fixture.made = fixture.open();
  struct stat status {};
  std::uint64_t size = 0;
  for (int i = 0; i < 400; ++i) {
    REQUIRE(fixture.driver().put(table_a, std::to_string(i), std::string(16'000, 'x')));
    REQUIRE(::stat(fixture.data_file().c_str(), &status) == 0);
    size = static_cast<std::uint64_t>(status.st_size);
    const auto held = static_cast<std::uint64_t>(status.st_blocks) * 512;
    if (held <= size && i == 0) {
      MESSAGE("this file system holds nothing");
      return;
    }
    CHECK(held >= size + (1U << 20));
    CHECK(held <= size + (3U << 20));
  }
  CHECK(size > 6'000'000);
}
