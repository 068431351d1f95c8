// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include <doctest/doctest.h>

#include "keystonemail/resolver/resolver.hpp"

using namespace keystonemail;
using namespace keystonemail::dns;

namespace {
Answer found(std::vector<RecordData> records) {
  Answer out = Answer::none(AnswerStatus::found, *Name::parse("example.com"));
  out.records = std::move(records);
  return out;
}
}  // namespace

TEST_CASE("resolver limits: the most preferred mail exchangers are kept, in their order") {
  std::vector<RecordData> records;
  for (int i = 500; i > 0; --i) records.emplace_back(Mx{static_cast<std::uint16_t>(i), Name()});
  const Answer kept = resolver::limit_answer(found(std::move(records)));
  REQUIRE(kept.records.size() == 64);
  CHECK(std::get<Mx>(kept.records.front()).preference == 1);
  CHECK(std::get<Mx>(kept.records.back()).preference == 64);
}

TEST_CASE("D8: more than 64 KiB of text is malformed, and so temporary") {
  const std::string piece(255, 'x');
  std::vector<RecordData> records(200, Txt{{piece}});
  CHECK(resolver::limit_answer(found(records)).status == AnswerStatus::found);
  records.assign(200, Txt{{piece, piece}});
  const Answer refused = resolver::limit_answer(found(records));
  CHECK(refused.status == AnswerStatus::malformed);
  CHECK(refused.records.empty());
}

TEST_CASE("resolver limits: more than 256 records of another type are malformed") {
  CHECK(resolver::limit_answer(found(std::vector<RecordData>(256, A{}))).status == AnswerStatus::found);
  CHECK(resolver::limit_answer(found(std::vector<RecordData>(257, A{}))).status == AnswerStatus::malformed);
}
