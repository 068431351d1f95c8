// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// T19: files are damaged on purpose, at random and page by page; a reader must say so and never be hurt by it.
#include "keystonemail/backends/lmdb/recovery.hpp"

#include <doctest/doctest.h>

#include <fstream>
#include <iterator>
#include <map>

#include "backends/lmdb/fixture.hpp"
#include "keystonemail/base/random.hpp"
#include "support/sanitized.hpp"

using namespace keystonemail;
using conformance::table_a;
using conformance::table_b;

namespace {

constexpr std::size_t page_octets = 4'096;
constexpr int rows = 600;

std::string key_of(int i) { return "key-" + std::to_string(100'000 + i * 37 % rows); }
std::string value_of(int i) { return key_of(i) + std::string(static_cast<std::size_t>(i % 7 == 0 ? 6'000 : 20 + i % 90), 'v'); }

struct RecoveryFixture : LmdbFixture {
  RecoveryFixture() : LmdbFixture(0) {
    options.map_octets_initial = 64U << 20;
    made = open();
    for (int first = 0; first < rows; first += 20) put_twenty(first);
    for (int i = 0; i < rows; i += 9) REQUIRE(driver().erase(table_b, key_of(i)));
    made.reset();
    sound = load(data_file());
  }
  void put_twenty(int first) {
    REQUIRE(driver().transact([first](kv::Transaction& t) -> Task<Result<void>> {
      for (int i = first; i < first + 20; ++i) {
        t.put(table_a, key_of(i), value_of(i));
        t.put(table_b, key_of(i), "b");
      }
      co_return Result<void>();
    }));
  }
  // Rows of table a as they should be; the others are missing. Fails when one is something else.
  int count_rows() {
    int there = 0;
    auto snapshot = driver().snapshot();
    for (int i = 0; i < rows; ++i) {
      const auto got = loop.run_until(snapshot->get(table_a, key_of(i)));
      if (!got || !*got) continue;
      ++there;
      CHECK((**got == value_of(i)));
    }
    return there;
  }
  std::string sound;
};

}  // namespace

TEST_CASE("lmdb recovery: a sound file has no findings") {
  RecoveryFixture fixture;
  const auto findings = lmdb::examine(fixture.options);
  REQUIRE(findings.has_value());
  CHECK(findings->empty());
}

TEST_CASE("T19: lmdb recovery: with either meta page gone nothing, or the last commit alone, is missing") {
  RecoveryFixture fixture;
  for (const std::size_t page : {0U, 1U}) {
    auto octets = fixture.sound;
    octets.replace(page * page_octets, page_octets, page_octets, '\xA5');
    save(fixture.data_file(), octets);
    CHECK(lmdb::open_kv_store(fixture.options).error().kind() == ErrorKind::corrupt);
    CHECK(lmdb::examine(fixture.options)->size() == 1);
    const auto recovered = lmdb::recover(fixture.options);
    REQUIRE(recovered.has_value());
    CHECK(recovered->is_whole);
    CHECK(load(recovered->kept) == octets);
    fixture.made = fixture.open();
    CHECK(fixture.count_rows() == rows);
    REQUIRE(fixture.driver().put(table_a, "later", "x"));
    fixture.reopen();
    CHECK(fixture.driver().get(table_a, "later") == "x");
    fixture.made.reset();
  }
}

TEST_CASE("T19: lmdb recovery: any one page lost costs the rows on it, and no other") {
  RecoveryFixture fixture;
  for (std::size_t page = 2; page < fixture.sound.size() / page_octets; page += test::sanitized ? 9 : 1) {
    CAPTURE(page);
    auto octets = fixture.sound;
    octets.replace(page * page_octets, page_octets, page_octets, '\0');
    save(fixture.data_file(), octets);
    const auto findings = lmdb::examine(fixture.options);
    REQUIRE(findings.has_value());
    const auto recovered = lmdb::recover(fixture.options);
    REQUIRE(recovered.has_value());
    if (!findings->empty()) CHECK(!recovered->is_whole);
    fixture.made = fixture.open();
    CHECK(fixture.made->check()->findings.empty());
    CHECK(fixture.count_rows() >= rows - 150);  // as many of the short ones as a page holds
    fixture.made.reset();
    CHECK(lmdb::examine(fixture.options)->empty());
  }
}

TEST_CASE("T19: lmdb recovery: what is found sound is read without harm, whatever octet is flipped, and never wrongly") {
  RecoveryFixture fixture;
  SeededRandom random(19);
  const int rounds = test::sanitized ? 100 : 600;
  int refused = 0, damaged = 0, unhurt = 0;
  for (int round = 0; round < rounds; ++round) {
    auto octets = fixture.sound;
    const std::size_t at = random.below(octets.size());
    CAPTURE(at);
    if (round % 10 == 0) octets.resize(at);
    else octets[at] = static_cast<char>(octets[at] ^ (1 << random.below(8)));
    save(fixture.data_file(), octets);
    const auto findings = lmdb::examine(fixture.options);
    REQUIRE(findings.has_value());
    auto opened = findings->empty() ? lmdb::open_kv_store(fixture.options)
                                    : Result<std::unique_ptr<lmdb::KvStore>>(fail(ErrorKind::corrupt));
    if (!opened) {
      ++refused;
      continue;
    }
    fixture.made = *std::move(opened);
    const bool is_clean = fixture.made->check()->findings.empty();
    const int there = fixture.count_rows();
    if (is_clean) CHECK(there == rows);
    ++(is_clean ? unhurt : damaged);
    fixture.made.reset();
  }
  MESSAGE(refused << " refused, " << damaged << " with damaged rows, " << unhurt << " where nothing is");
  CHECK(refused > rounds / 30);
  CHECK(damaged > rounds / 30);
}
