// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "keystonemail/backends/memory/blob_store.hpp"

#include <doctest/doctest.h>

#include "conformance/blob_conformance.hpp"
#include "keystonemail/backends/memory/kv_store.hpp"
#include "keystonemail/blob/faulty.hpp"

using namespace keystonemail;

namespace {

struct BlobFixture {
  RunLoop loop;
  std::unique_ptr<kv::Store> kv = memory::make_kv_store({.tables = {"other", "blobs"}});
  std::unique_ptr<blob::Store> inner = memory::make_blob_store({.table = kv::Table{1}});
  kv::Store& store() { return *kv; }
  blob::Store& blobs() { return *inner; }
};

struct FaultyFixture : BlobFixture {
  kv::Faults faults;
  std::unique_ptr<blob::Store> faulty = blob::make_faulty(*inner, faults);
  blob::Store& blobs() { return *faulty; }
};

}  // namespace

TEST_CASE("memory blob: conforms") { conformance::blob<BlobFixture>(); }
TEST_CASE("faulty blob: without an order it is its inner store") { conformance::blob<FaultyFixture>(); }

TEST_CASE("faulty blob: every call fails when told to") {
  FaultyFixture fixture;
  conformance::BlobDriver driver(fixture.store(), fixture.blobs(), fixture.loop);
  const auto staged = driver.stage("content");
  fixture.faults.fail_at(1, kv::Repeat::sticky);
  CHECK(!fixture.loop.run_until(fixture.blobs().stage("x", Context{&fixture.loop})));
  CHECK(!driver.refer(*staged));
  CHECK(!driver.read(staged->id()));
  fixture.faults.clear();
  CHECK(driver.read(staged->id()).error().kind() == ErrorKind::not_found);
}

TEST_CASE("memory blob: content beyond the ceiling is refused") {
  RunLoop loop;
  auto blobs = memory::make_blob_store({.table = kv::Table{0}, .octets_max = 10});
  CHECK(!loop.run_until(blobs->stage("12345678901", Context{&loop})));
  auto writer = blobs->create();
  CHECK(loop.run_until((*writer)->write("123456", Context{&loop})));
  CHECK(loop.run_until((*writer)->write("12345", Context{&loop})).error().kind() == ErrorKind::too_large);
}

TEST_CASE("memory blob: nothing is left in the table after the last release") {
  BlobFixture fixture;
  conformance::BlobDriver driver(fixture.store(), fixture.blobs(), fixture.loop);
  const auto id = driver.put(conformance::noise(700'000));
  REQUIRE(driver.release(id));
  auto snapshot = fixture.loop.run_until(fixture.kv->snapshot(Context{&fixture.loop}));
  CHECK(fixture.loop.run_until((*snapshot)->scan(kv::Table{1}, {}))->empty());
}
