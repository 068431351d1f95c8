// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Damage is done to the files on purpose; what counts is what a caller then sees.
#include <doctest/doctest.h>

#include <fstream>
#include <iterator>

#include "backends/lmdb/fixture.hpp"

using namespace keystonemail;
using conformance::table_a;

TEST_CASE("lmdb damage: a flipped octet in a value is found by get, scan and check, and others are still served") {
  LmdbFixture fixture;
  REQUIRE(fixture.driver().put(table_a, "bad", "a value that will be damaged"));
  REQUIRE(fixture.driver().put(table_a, "good", "fine"));
  fixture.made.reset();
  auto octets = load(fixture.data_file());
  unsigned flipped = 0;
  for (auto at = octets.find("will be damaged"); at != std::string::npos; at = octets.find("will be damaged", at + 1), ++flipped)
    octets[at] ^= 1;
  REQUIRE(flipped > 0);
  save(fixture.data_file(), octets);
  fixture.made = fixture.open();
  auto driver = fixture.driver();
  auto snapshot = driver.snapshot();
  CHECK(fixture.loop.run_until(snapshot->get(table_a, "bad")).error().kind() == ErrorKind::corrupt);
  CHECK(fixture.loop.run_until(snapshot->scan(table_a, {})).error().kind() == ErrorKind::corrupt);
  CHECK(driver.get(table_a, "good") == "fine");
  const auto report = fixture.made->check();
  REQUIRE(report.has_value());
  CHECK(report->damaged == 1);
  CHECK(report->rows == 2);
  REQUIRE(report->findings.size() == 1);
  CHECK(report->findings[0].find("626164") != std::string::npos);  // "bad"
}

TEST_CASE("lmdb damage: a truncated file is refused before it is mapped") {
  LmdbFixture fixture;
  for (int i = 0; i < 200; ++i) REQUIRE(fixture.driver().put(table_a, std::to_string(i), std::string(1'000, 'x')));
  fixture.made.reset();
  const auto octets = load(fixture.data_file());
  for (const auto size : {octets.size() / 2, octets.size() / 4, std::size_t{8'192}, std::size_t{5'000}, std::size_t{100}, std::size_t{0}}) {
    CAPTURE(size);
    save(fixture.data_file(), octets.substr(0, size));
    const auto opened = lmdb::open_kv_store(fixture.options);
    REQUIRE(!opened);
    CHECK(opened.error().kind() == ErrorKind::corrupt);
  }
  save(fixture.data_file(), octets);
  CHECK(lmdb::open_kv_store(fixture.options));
}

TEST_CASE("lmdb damage: files that are no LMDB are refused") {
  LmdbFixture fixture;
  fixture.made.reset();
  for (const auto& octets : {std::string(8'192, '\0'), std::string(8'192, 'x'), std::string("short")}) {
    save(fixture.data_file(), octets);
    CHECK(lmdb::open_kv_store(fixture.options).error().kind() == ErrorKind::corrupt);
  }
}

TEST_CASE("lmdb damage: what a crash left of a file that was being made is no obstacle, and is never taken for a store") {
  LmdbFixture fixture(0);
  for (const auto& octets : {std::string(), std::string(4'096, 'x'), std::string(9'000, '\0')}) {
    std::filesystem::remove_all(fixture.options.directory);
    std::filesystem::create_directory(fixture.options.directory);
    save(fixture.data_file() + ".new", octets);
    save(fixture.data_file() + ".new-lock", "x");
    fixture.made = fixture.open();
    REQUIRE(fixture.driver().put(table_a, "k", "v"));
    CHECK(!std::filesystem::exists(fixture.data_file() + ".new"));
    CHECK(!std::filesystem::exists(fixture.data_file() + ".new-lock"));
    fixture.reopen();
    CHECK(fixture.driver().get(table_a, "k") == "v");
    fixture.made.reset();
  }
}
