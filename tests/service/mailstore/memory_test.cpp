// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// What large messages cost in memory: every allocation of this program is counted.
#include <doctest/doctest.h>
#include <malloc.h>

#include <atomic>
#include <cstdlib>
#include <new>

#include "service/mailstore/durable_fixture.hpp"

namespace {
std::atomic<std::size_t> held{0}, peak{0};

void* counted(std::size_t octets) {
  void* at = std::malloc(octets);
  if (at == nullptr) throw std::bad_alloc();
  const std::size_t now = held += malloc_usable_size(at);
  std::size_t before = peak;
  while (before < now && !peak.compare_exchange_weak(before, now)) {
  }
  return at;
}
void uncounted(void* at) noexcept {
  if (at != nullptr) held -= malloc_usable_size(at);
  std::free(at);
}
}  // namespace

void* operator new(std::size_t octets) { return counted(octets); }
void* operator new[](std::size_t octets) { return counted(octets); }
void operator delete(void* at) noexcept { uncounted(at); }
void operator delete[](void* at) noexcept { uncounted(at); }
void operator delete(void* at, std::size_t) noexcept { uncounted(at); }
void operator delete[](void* at, std::size_t) noexcept { uncounted(at); }

using namespace keystonemail;
using conformance::MailDriver;

TEST_CASE("mail store: twelve messages of 24 MiB at once take the memory of two, and are read back whole") {
  constexpr std::size_t messages = 12, message_octets = 24U << 20, piece_octets = 64U << 10;
  test::DurableStore s;
  MailDriver d(s.store(), s.loop);
  d.create();
  const auto octet_at = [](std::size_t message, std::size_t at) { return at % 78 == 76 ? '\r' : at % 78 == 77 ? '\n' : static_cast<char>('a' + (message * 7 + at / 78 * 31 + at % 78 * at) % 26); };
  const auto piece_of = [&](std::size_t message, std::size_t begin) {
    std::string piece = begin == 0 ? "Subject: large\r\n\r\n" : "";
    while (piece.size() < piece_octets) piece.push_back(octet_at(message, begin + piece.size()));
    return piece;
  };
  const std::size_t before = held;
  peak = before;
  std::vector<std::unique_ptr<mailstore::MessageWriter>> writers;
  for (std::size_t i = 0; i < messages; ++i) writers.push_back(*s.store().create_message());
  for (std::size_t at = 0; at < message_octets; at += piece_octets) {
    for (std::size_t i = 0; i < messages; ++i) d.must(writers[i]->write(piece_of(i, at), d.context()));
  }
  CHECK(peak - before <= messages * service::MailStoreOptions{}.spool_octets_min + (4U << 20));
  std::vector<Task<Result<std::unique_ptr<mailstore::StagedMessage>>>> finishing;
  for (auto& writer : writers) finishing.push_back(writer->finish(d.context()));
  std::vector<mailstore::NewMessage> all;
  for (auto& task : finishing) all.push_back({.message = d.must(std::move(task)), .keywords = {}, .received = {}});
  const auto appended = d.must(s.store().append(d.account, d.id("INBOX"), all, d.context()));
  MESSAGE("peak of ", messages, " messages of ", message_octets >> 20, " MiB: ", (peak - before) >> 20, " MiB");
  CHECK(peak - before <= 2 * message_octets + (8U << 20));

  peak = held.load();
  const std::size_t reading = held;
  for (std::size_t i = 0; i < messages; i += 5) {
    auto reader = d.must(s.store().open(d.account, appended.emails[i], d.context()));
    REQUIRE(reader->octets() == message_octets);
    for (std::size_t at = 0; at < message_octets;) {
      const auto got = d.must(reader->read(at, 256U << 10, d.context()));
      REQUIRE(!got.empty());
      const std::string expected = piece_of(i, at / piece_octets * piece_octets).substr(at % piece_octets);
      REQUIRE((got.substr(0, expected.size()) == std::string_view(expected).substr(0, got.size())));
      at += got.size();
    }
  }
  CHECK(peak - reading <= 4U << 20);
}
