// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "keystonemail/backends/segments/blob_store.hpp"

#include <doctest/doctest.h>

#include "backends/segments/fixture.hpp"

using namespace keystonemail;

namespace {

// Words by chance: LZ4 takes some half of it.
std::string words(std::size_t octets) {
  std::string text;
  std::uint64_t state = 7;
  while (text.size() < octets) {
    state = state * 6364136223846793005ULL + 1442695040888963407ULL;
    text += "word" + std::to_string(state >> 58) + ((state >> 40 & 7) == 0 ? "\r\n" : " ");
  }
  text.resize(octets);
  return text;
}

std::uint64_t stored_octets(SegmentsFixture& fixture, const blob::BlobId& id) {
  std::uint64_t octets = 0;
  REQUIRE(fixture.opened->records([&](const segments::RecordInfo& record) {
    if (record.id == id) octets = record.stored_octets;
  }));
  return octets;
}

}  // namespace

TEST_CASE("segments blob: conforms on lmdb") { conformance::blob<SegmentsFixture>(); }

TEST_CASE("segments blob: past its first 128 KiB text is compressed only where that makes it much smaller") {
  SegmentsFixture fixture;
  auto driver = fixture.blob_driver();
  const std::string half = words((1U << 20) + 12'345), small = words(130'000), repeating = conformance::prose(1U << 20);
  const auto half_id = driver.put(half), small_id = driver.put(small), repeating_id = driver.put(repeating);
  CHECK(stored_octets(fixture, small_id) < small.size() * 6 / 10);
  CHECK(stored_octets(fixture, repeating_id) < repeating.size() * 3 / 8);
  CHECK(stored_octets(fixture, half_id) > half.size() * 90 / 100);
  CHECK(stored_octets(fixture, half_id) < half.size() * 97 / 100);

  // Both kinds of chunk in one record, read by pieces that begin and end anywhere.
  for (const auto& [id, text] : {std::pair{half_id, &half}, std::pair{repeating_id, &repeating}}) {
    for (const std::size_t begin : {0U, 1U, 65'536U, 100'000U, 131'071U, 131'072U, 300'001U, 1'000'000U}) {
      for (const std::size_t octets : {1U, 65'536U, 150'000U, 400'000U}) {
        CAPTURE(begin);
        CAPTURE(octets);
        CHECK(driver.read(id, begin, octets).value() == text->substr(begin, octets));
      }
    }
    CHECK(driver.read(id, 0, text->size()).value() == *text);
  }
}
