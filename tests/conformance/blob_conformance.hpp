// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// What every blob backend must do. Run it from a doctest TEST_CASE, with a fixture that gives empty stores:
//
//   struct Fixture {
//     keystonemail::kv::Store& store();
//     keystonemail::blob::Store& blobs();
//     keystonemail::RunLoop loop;
//   };
#pragma once

#include <doctest/doctest.h>

#include <memory>
#include <string>
#include <utility>

#include "keystonemail/base/executor.hpp"
#include "keystonemail/blob/blob.hpp"
#include "keystonemail/kv/kv.hpp"

namespace keystonemail::conformance {

// Octets that no compressor shortens much; the same for the same seed.
inline std::string noise(std::size_t octets, std::uint64_t seed = 1) {
  std::string text(octets, '\0');
  for (auto& c : text) {
    seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
    c = static_cast<char>(seed >> 56);
  }
  return text;
}

inline std::string prose(std::size_t octets) {
  std::string text;
  for (int line = 0; text.size() < octets; ++line)
    text += "Received: from host" + std::to_string(line % 97) + ".example.org by mx.example.org; it was a dark night\r\n";
  text.resize(octets);
  return text;
}

class BlobDriver {
 public:
  BlobDriver(kv::Store& store, blob::Store& blobs, RunLoop& loop) : store_(store), blobs_(blobs), loop_(loop) {}

  std::unique_ptr<blob::Staged> stage(std::string_view content) {
    auto staged = loop_.run_until(blobs_.stage(content, Context{&loop_}));
    REQUIRE(staged.has_value());
    return *std::move(staged);
  }
  std::unique_ptr<blob::Staged> write(std::string_view content, std::size_t piece) {
    auto writer = blobs_.create();
    REQUIRE(writer.has_value());
    for (std::size_t at = 0; at < content.size(); at += piece)
      REQUIRE(loop_.run_until((*writer)->write(content.substr(at, piece), Context{&loop_})));
    auto staged = loop_.run_until((*writer)->finish(Context{&loop_}));
    REQUIRE(staged.has_value());
    return *std::move(staged);
  }
  Result<void> refer(const blob::Staged& staged, int times = 1) {
    return transact([&, times](kv::Transaction& t) -> Task<Result<void>> {
      for (int i = 0; i < times; ++i)
        if (auto added = co_await blobs_.add_reference(t, staged); !added) co_return std::unexpected(added.error());
      co_return Result<void>();
    });
  }
  Result<void> refer(const blob::BlobId& id) {
    return transact([&](kv::Transaction& t) { return blobs_.add_reference(t, id); });
  }
  Result<void> release(const blob::BlobId& id) {
    return transact([&](kv::Transaction& t) { return blobs_.release(t, id); }, kv::Growth::frees);
  }
  blob::BlobId put(std::string_view content) {
    auto staged = stage(content);
    REQUIRE(refer(*staged));
    return staged->id();
  }
  Result<std::string> read(const blob::BlobId& id, std::uint64_t offset = 0, std::size_t octets = SIZE_MAX) {
    auto snapshot = loop_.run_until(store_.snapshot(Context{&loop_}));
    REQUIRE(snapshot.has_value());
    return loop_.run_until(blobs_.read(**snapshot, id, offset, octets));
  }
  Result<void> transact(kv::Operation operation, kv::Growth growth = kv::Growth::adds) {
    return loop_.run_until(store_.transact(std::move(operation), {growth, blobs_.barrier()}, Context{&loop_}));
  }

  blob::Store& store() noexcept { return blobs_; }

 private:
  kv::Store& store_;
  blob::Store& blobs_;
  RunLoop& loop_;
};

inline void blob_content(BlobDriver& blobs) {
  SUBCASE("blob: what was staged and referred to is read back, whatever its size and shape") {
    for (const std::size_t size : {0U, 1U, 100U, 2'047U, 2'048U, 2'049U, 5'000U, 65'535U, 65'536U, 65'537U, 1'000'000U}) {
      for (const auto& content : {noise(size), prose(size)}) {
        CAPTURE(size);
        const auto id = blobs.put(content);
        const auto read = blobs.read(id);
        REQUIRE(read.has_value());
        CHECK((*read == content));
      }
    }
  }
  SUBCASE("blob: the id is the SHA-256 of the content") {
    CHECK(blobs.stage("abc")->id().hex() == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    CHECK(blobs.stage("abc")->octets() == 3);
  }
  SUBCASE("blob: content written in pieces is the same blob") {
    for (const std::size_t size : {0U, 700U, 3'000U, 300'000U, 3'000'000U}) {
      const auto content = prose(size);
      const auto staged = blobs.write(content, size / 7 + 1);
      CHECK(staged->octets() == size);
      CHECK((staged->id() == blobs.stage(content)->id()));
      REQUIRE(blobs.refer(*staged));
      CHECK((blobs.read(staged->id()).value() == content));
    }
  }
  SUBCASE("blob: pieces are read from any offset, fewer octets at the end, none beyond") {
    for (const auto& content : {prose(1'500), prose(400'000), noise(400'000)}) {
      const auto id = blobs.put(content);
      for (const std::size_t offset : {0UL, 1UL, 999UL, 65'535UL, 65'536UL, 131'000UL, 399'999UL, 400'000UL, 1'000'000UL}) {
        for (const std::size_t octets : {0UL, 1UL, 70'000UL, 500'000UL}) {
          const auto expected = offset < content.size() ? content.substr(offset, octets) : std::string();
          CAPTURE(offset);
          CAPTURE(octets);
          CHECK((blobs.read(id, offset, octets).value() == expected));
        }
      }
    }
  }
}

inline void blob_spool(BlobDriver& blobs) {
  SUBCASE("blob: what is laid aside is read back from any offset, as often as asked") {
    const auto content = noise(300'000);
    auto spool = blobs.store().create_spool();
    REQUIRE(spool.has_value());
    CHECK((*spool)->octets() == 0);
    for (std::size_t at = 0; at < content.size(); at += 70'001) REQUIRE((*spool)->write(std::string_view(content).substr(at, 70'001)));
    CHECK((*spool)->octets() == content.size());
    for (int times = 0; times < 2; ++times) {
      std::string out = "x";
      REQUIRE((*spool)->read(0, SIZE_MAX, out));
      CHECK((out == "x" + content));
    }
    std::string out;
    REQUIRE((*spool)->read(299'990, 100, out));
    REQUIRE((*spool)->read(300'000, 100, out));
    REQUIRE((*spool)->read(400'000, 100, out));
    CHECK((out == content.substr(299'990)));
  }
}

inline void blob_references(BlobDriver& blobs) {
  const std::string small = "hello";
  const std::string large = noise(100'000);
  for (const auto& content : {small, large}) {
    SUBCASE(content.size() > 10 ? "large" : "small") {
      SUBCASE("blob: staged content that nothing refers to cannot be read") {
        const auto staged = blobs.stage(content);
        CHECK(blobs.read(staged->id()).error().kind() == ErrorKind::not_found);
      }
      SUBCASE("blob: content stays while one reference is left, and then goes") {
        const auto staged = blobs.stage(content);
        REQUIRE(blobs.refer(*staged, 2));
        REQUIRE(blobs.refer(staged->id()));
        for (int left = 2; left >= 0; --left) {
          REQUIRE(blobs.release(staged->id()));
          CHECK(blobs.read(staged->id()).has_value() == (left > 0));
        }
        CHECK(blobs.release(staged->id()).error().kind() == ErrorKind::not_found);
        CHECK(blobs.refer(staged->id()).error().kind() == ErrorKind::not_found);
      }
      SUBCASE("blob: the same content staged twice is one blob") {
        const auto first = blobs.stage(content);
        const auto second = blobs.stage(content);
        REQUIRE(blobs.refer(*first));
        REQUIRE(blobs.refer(*second));
        REQUIRE(blobs.release(first->id()));
        CHECK((blobs.read(first->id()).value() == content));
      }
      SUBCASE("blob: staged content can be referred to again after it was released") {
        const auto staged = blobs.stage(content);
        REQUIRE(blobs.refer(*staged));
        REQUIRE(blobs.release(staged->id()));
        REQUIRE(blobs.refer(*staged));
        CHECK((blobs.read(staged->id()).value() == content));
      }
      SUBCASE("blob: a reference of a failed operation does not count") {
        const auto staged = blobs.stage(content);
        CHECK(!blobs.transact([&](kv::Transaction& t) -> Task<Result<void>> {
          if (auto added = co_await blobs.store().add_reference(t, *staged); !added) co_return std::unexpected(added.error());
          co_return fail(ErrorKind::conflict);
        }));
        CHECK(blobs.read(staged->id()).error().kind() == ErrorKind::not_found);
      }
    }
  }
}

template <class Fixture>
void blob() {
  Fixture fixture;
  BlobDriver driver(fixture.store(), fixture.blobs(), fixture.loop);
  SUBCASE("content") { blob_content(driver); }
  SUBCASE("references") { blob_references(driver); }
  SUBCASE("spool") { blob_spool(driver); }
}

}  // namespace keystonemail::conformance
