// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include <doctest/doctest.h>

#include <algorithm>
#include <thread>
#include <vector>

#include "backends/segments/fixture.hpp"

using namespace keystonemail;
using conformance::noise;

namespace {

constexpr std::size_t step = 256U << 10;

// Octets that compress, and are the same nowhere.
std::string lines(std::size_t octets, unsigned seed) {
  std::string text;
  for (unsigned i = 0; text.size() < octets; ++i) text += std::to_string(i * 7919 + seed) + " is the number of this line\r\n";
  text.resize(octets);
  return text;
}

struct ReadAheadFixture : SegmentsFixture {
  WorkerPool pool{{.threads = 2}};
  ReadAheadFixture() {
    blob_options.workers = &pool;
    reopen();
  }
  ~ReadAheadFixture() { close(); }

  // As somebody reads who sends each piece before asking for the next.
  std::string read_in_steps(const blob::BlobId& id, std::size_t octets, std::size_t first = 64U << 10) {
    std::string whole;
    for (std::size_t size = first; whole.size() < octets; size = step) whole += piece(id, whole.size(), size);
    return whole;
  }
  std::string piece(const blob::BlobId& id, std::uint64_t offset, std::size_t size) {
    RunLoop own;
    auto reader = own.run_until(made->snapshot(Context{&own}));
    REQUIRE(reader.has_value());
    auto text = own.run_until(opened->read(**reader, id, offset, size));
    REQUIRE(text.has_value());
    REQUIRE_FALSE(text->empty());
    return *std::move(text);
  }
};

}  // namespace

TEST_CASE("segments: what is read ahead is what is stored, to its last octet") {
  ReadAheadFixture fixture;
  for (const std::size_t octets : {(1U << 20) + 7, 3U << 20, (1U << 20) - 1, 320U << 10}) {
    CAPTURE(octets);
    const auto text = lines(octets, 1);
    const auto id = fixture.blob_driver().put(text);
    std::uint64_t stored = 0;  // only what is compressed is read ahead
    REQUIRE(fixture.opened->records([&](const segments::RecordInfo& record) { stored = record.id == id ? record.stored_octets : stored; }));
    CHECK(stored < octets / 2);
    for (int again = 0; again < 3; ++again) CHECK(fixture.read_in_steps(id, octets) == text);
    CHECK(fixture.read_in_steps(id, octets, 1000) == text);  // pieces that do not fit what was read ahead
  }
}

TEST_CASE("segments: readers of many blobs at a time each get their own") {
  ReadAheadFixture fixture;
  std::vector<std::string> texts;
  std::vector<blob::BlobId> ids;
  for (unsigned i = 0; i < 12; ++i) {  // more than are kept
    texts.push_back(lines(1U << 20, i));
    ids.push_back(fixture.blob_driver().put(texts.back()));
  }
  std::vector<std::string> got(texts.size());
  for (std::size_t at = 0; at < texts[0].size(); at = got[0].size())
    for (std::size_t i = 0; i < ids.size(); ++i) got[i] += fixture.piece(ids[i], at, at == 0 ? 64U << 10 : step);
  CHECK(got == texts);

  std::vector<std::jthread> threads;
  std::vector<std::string> by_threads(4);
  for (std::size_t i = 0; i < by_threads.size(); ++i)
    threads.emplace_back([&, i] { by_threads[i] = fixture.read_in_steps(ids[i / 2], texts[i / 2].size()); });
  threads.clear();
  for (std::size_t i = 0; i < by_threads.size(); ++i) CHECK(by_threads[i] == texts[i / 2]);
}

TEST_CASE("segments: what cannot be read ahead is an error for who reads it, and for nobody else") {
  ReadAheadFixture fixture;
  const auto text = lines(1U << 20, 5);
  const auto id = fixture.blob_driver().put(text);
  fixture.close();
  auto octets = load(fixture.segment_file(1));
  octets[octets.size() - 100] = static_cast<char>(octets[octets.size() - 100] ^ 1);  // in its last chunk
  save(fixture.segment_file(1), octets);
  fixture.open_all();
  auto reader = fixture.loop.run_until(fixture.made->snapshot(Context{&fixture.loop}));
  REQUIRE(reader.has_value());
  const auto read = [&](std::uint64_t offset, std::size_t size) {
    return fixture.loop.run_until(fixture.opened->read(**reader, id, offset, size));
  };
  CHECK(read(0, 64U << 10).has_value());
  CHECK(read(64U << 10, step).has_value());
  CHECK(read(320U << 10, step).has_value());
  CHECK(read(576U << 10, step).has_value());
  const auto last = read(832U << 10, step);
  REQUIRE_FALSE(last.has_value());
  CHECK(last.error().kind() == ErrorKind::corrupt);
}
