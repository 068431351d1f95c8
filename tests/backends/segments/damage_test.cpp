// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>

#include "backends/segments/fixture.hpp"

using namespace keystonemail;
using conformance::noise;

TEST_CASE("segments damage: a torn tail is not appended to, and what came before it stays") {
  SegmentsFixture fixture;
  const auto first = fixture.blob_driver().put(noise(50'000, 1));
  const auto torn = fixture.blob_driver().stage(noise(50'000, 2))->id();  // staged only: no row names it
  fixture.close();
  auto octets = load(fixture.segment_file(1));
  for (const std::size_t lost : {1U, 8U, 9U, 40'000U, 50'020U, 50'090U}) {
    CAPTURE(lost);
    save(fixture.segment_file(1), octets.substr(0, octets.size() - lost));
    std::filesystem::remove(fixture.segment_file(2));
    fixture.open_all();
    CHECK((fixture.blob_driver().read(first).value() == noise(50'000, 1)));
    CHECK(fixture.blob_driver().read(torn).error().kind() == ErrorKind::not_found);
    const auto staged = fixture.blob_driver().stage(noise(50'000, lost + 10));
    CHECK(std::filesystem::exists(fixture.segment_file(2)));
    fixture.close();
  }
}

TEST_CASE("segments damage: a clean tail is continued after reopening") {
  SegmentsFixture fixture;
  const auto first = fixture.blob_driver().put(noise(50'000, 1));
  fixture.reopen();
  const auto second = fixture.blob_driver().put(noise(50'000, 2));
  CHECK(!std::filesystem::exists(fixture.segment_file(2)));
  CHECK((fixture.blob_driver().read(first).value() == noise(50'000, 1)));
  CHECK((fixture.blob_driver().read(second).value() == noise(50'000, 2)));
}

TEST_CASE("segments damage: a flipped octet anywhere in a record is never served, and scrub finds it") {
  SegmentsFixture fixture;
  const auto content = conformance::prose(100'000) + noise(70'000);
  const auto id = fixture.blob_driver().put(content);
  fixture.close();
  const auto octets = load(fixture.segment_file(1));
  for (std::size_t at = 32; at < octets.size(); at += at < 150 ? 1 : 997) {
    CAPTURE(at);
    auto damaged = octets;
    damaged[at] ^= 0x10;
    save(fixture.segment_file(1), damaged);
    fixture.open_all();
    const auto read = fixture.blob_driver().read(id);
    if (at < octets.size() - 8) CHECK(!read);
    if (read) CHECK((*read == content));
    const auto scrubbed = fixture.opened->scrub({}, UINT64_MAX);
    REQUIRE(scrubbed);
    CHECK(scrubbed->at_end);
    if (!read && at >= 32 + 80) CHECK(scrubbed->findings.size() == 1);
    fixture.close();
  }
}

TEST_CASE("segments damage: nor is one in a record that is read by pieces, compressed or as it is") {
  SegmentsFixture fixture;
  const auto content = noise(400'000) + conformance::prose(300'000) + noise(100'000, 2);
  const auto id = fixture.blob_driver().put(content);
  fixture.close();
  const auto octets = load(fixture.segment_file(1));
  for (std::size_t at = 32; at < octets.size() - 8; at += at < 128 ? 24 : 31'013) {
    CAPTURE(at);
    auto damaged = octets;
    damaged[at] ^= 0x10;
    save(fixture.segment_file(1), damaged);
    fixture.open_all();
    CHECK_FALSE(fixture.blob_driver().read(id).has_value());
    std::size_t refused = 0;
    for (std::size_t begin = 0; begin < content.size(); begin += 70'000) {
      const auto piece = fixture.blob_driver().read(id, begin, 150'000);
      refused += piece ? 0 : 1;
      if (piece) CHECK((*piece == content.substr(begin, 150'000)));
    }
    CHECK(refused > 0);
    fixture.close();
  }
  save(fixture.segment_file(1), octets.substr(0, octets.size() / 2));
  fixture.open_all();
  CHECK_FALSE(fixture.blob_driver().read(id, 500'000, 150'000).has_value());
}

TEST_CASE("segments damage: content staged again mends its damaged record") {
  SegmentsFixture fixture;
  const auto content = noise(90'000);
  const auto id = fixture.blob_driver().put(content);
  fixture.close();
  auto octets = load(fixture.segment_file(1));
  octets[5'000] ^= 1;
  save(fixture.segment_file(1), octets);
  fixture.open_all();
  CHECK(fixture.blob_driver().read(id).error().kind() == ErrorKind::corrupt);
  (void)fixture.blob_driver().put(content);
  CHECK((fixture.blob_driver().read(id).value() == content));
}

TEST_CASE("segments: the same large content is stored once") {
  SegmentsFixture fixture;
  (void)fixture.blob_driver().put(noise(90'000));
  const auto before = fixture.opened->stat().at(0).octets;
  for (int i = 0; i < 20; ++i) (void)fixture.blob_driver().put(noise(90'000));
  CHECK(fixture.opened->stat().at(0).octets == before);
}

TEST_CASE("segments collect: a mostly dead segment is emptied, its live content survives, the file goes") {
  SegmentsFixture fixture;
  fixture.close();
  fixture.blob_options.segment_octets_max = 1U << 20;
  fixture.open_all();
  std::vector<blob::BlobId> ids;
  for (unsigned i = 0; i < 40; ++i) ids.push_back(fixture.blob_driver().put(noise(100'000, i + 1)));
  for (unsigned i = 0; i < 40; ++i)
    if (i % 10 != 0) REQUIRE(fixture.blob_driver().release(ids[i]));
  unsigned emptied = 0, removed = 0;
  for (int step = 0; step < 20; ++step) {
    const auto report = fixture.collect();
    emptied += report.segments_emptied;
    removed += report.segments_removed;
  }
  CHECK(emptied >= 3);
  CHECK(removed >= 3);
  CHECK(!std::filesystem::exists(fixture.segment_file(1)));
  for (int round = 0; round < 2; ++round) {
    for (unsigned i = 0; i < 40; i += 10) CHECK((fixture.blob_driver().read(ids[i]).value() == noise(100'000, i + 1)));
    CHECK(!fixture.blob_driver().read(ids[1]));
    fixture.reopen();
  }
}

TEST_CASE("segments collect: what is staged is not collected, what nobody holds any more is") {
  SegmentsFixture fixture;
  fixture.close();
  fixture.blob_options.segment_octets_max = 200'000;
  fixture.open_all();
  auto held = fixture.blob_driver().stage(noise(150'000, 1));
  (void)fixture.blob_driver().put(noise(150'000, 2));  // begins the next segment
  for (int i = 0; i < 5; ++i) (void)fixture.collect();
  CHECK(std::filesystem::exists(fixture.segment_file(1)));
  REQUIRE(fixture.blob_driver().refer(*held));
  CHECK((fixture.blob_driver().read(held->id()).value() == noise(150'000, 1)));
  REQUIRE(fixture.blob_driver().release(held->id()));
  held.reset();
  for (int i = 0; i < 5; ++i) (void)fixture.collect();
  CHECK(!std::filesystem::exists(fixture.segment_file(1)));
}

TEST_CASE("segments rebuild: with the kv store lost every large blob can be listed and adopted") {
  SegmentsFixture fixture;
  std::vector<blob::BlobId> ids;
  for (unsigned i = 0; i < 5; ++i) ids.push_back(fixture.blob_driver().put(noise(30'000 + i, i + 1)));
  fixture.close();
  std::filesystem::remove_all(fixture.options.directory);
  fixture.open_all();
  CHECK(!fixture.blob_driver().read(ids[0]));
  std::vector<segments::RecordInfo> records;
  REQUIRE(fixture.opened->records([&](const auto& record) { records.push_back(record); }));
  REQUIRE(records.size() == 5);
  for (const auto& record : records) {
    auto staged = fixture.opened->adopt(record);
    REQUIRE(staged);
    REQUIRE(fixture.blob_driver().refer(**staged));
  }
  for (unsigned i = 0; i < 5; ++i) CHECK((fixture.blob_driver().read(ids[i]).value() == noise(30'000 + i, i + 1)));
}

TEST_CASE("segments recount: lost rows come back, counts that are too low are raised, and what has enough is left alone") {
  SegmentsFixture fixture;
  std::vector<blob::BlobId> ids;
  for (unsigned i = 0; i < 4; ++i) ids.push_back(fixture.blob_driver().put(noise(30'000 + i, i + 1)));
  auto driver = fixture.driver();
  REQUIRE(driver.erase(kv::Table{2}, std::string(ids[0].key())));
  blob::BlobId nowhere;
  nowhere.digest.fill(7);
  segments::References references{{ids[0], 2}, {ids[1], 3}, {ids[2], 1}, {nowhere, 1}};
  const auto report = fixture.loop.run_until(fixture.opened->recount(std::move(references), Context{&fixture.loop}));
  REQUIRE(report.has_value());
  CHECK(report->rows_found == 1);
  CHECK(report->rows_corrected == 1);
  CHECK(report->lost == 1);
  const auto releases_of = [&](const blob::BlobId& id) {
    int count = 0;
    const auto release = [&](kv::Transaction& t) -> Task<Result<void>> { return fixture.opened->release(t, id); };
    while (driver.transact(release)) ++count;
    return count;
  };
  for (unsigned i = 0; i < 4; ++i) CHECK((fixture.blob_driver().read(ids[i]).value() == noise(30'000 + i, i + 1)));
  CHECK(releases_of(ids[0]) == 2);
  CHECK(releases_of(ids[1]) == 3);
  CHECK(releases_of(ids[2]) == 1);
  CHECK(releases_of(ids[3]) == 1);  // nothing was said of it
}

TEST_CASE("segments collect: a file that still grows is ended and goes when it is mostly dead") {
  SegmentsFixture fixture;
  std::vector<blob::BlobId> ids;
  for (unsigned i = 0; i < 50; ++i) ids.push_back(fixture.blob_driver().put(noise(60'000, i + 1)));
  for (unsigned i = 0; i + 1 < ids.size(); ++i) REQUIRE(fixture.blob_driver().release(ids[i]));
  for (int i = 0; i < 4; ++i) (void)fixture.collect();
  CHECK(!std::filesystem::exists(fixture.segment_file(1)));
  CHECK((fixture.blob_driver().read(ids.back()).value() == noise(60'000, 50)));
}

TEST_CASE("segments backup: a copy of the files serves what the kv store names") {
  SegmentsFixture fixture;
  const auto id = fixture.blob_driver().put(noise(300'000));
  REQUIRE(fixture.opened->backup(fixture.directory.path() + "/copy"));
  fixture.opened.reset();
  fixture.blob_options.directory = fixture.directory.path() + "/copy";
  fixture.open_blobs();
  CHECK((fixture.blob_driver().read(id).value() == noise(300'000)));
}

TEST_CASE("segments: realistic small content takes less room in its row") {
  SegmentsFixture fixture;
  std::string message = "Received: from mail.example.org by mx.example.com with ESMTPS id 1\r\nMIME-Version: 1.0\r\n"
                        "Content-Type: text/plain; charset=\"utf-8\"\r\nContent-Transfer-Encoding: 7bit\r\n"
                        "Message-ID: <abc@mail.example.org>\r\nSubject: Hello\r\n\r\nHi,\r\n\r\nthank you.\r\n";
  (void)fixture.blob_driver().put(message);
  auto snapshot = fixture.driver().snapshot();
  const auto rows = fixture.loop.run_until(snapshot->scan(kv::Table{2}, {}));
  REQUIRE(rows->size() == 1);
  CHECK(rows->front().value.size() < message.size() * 6 / 10);
}
