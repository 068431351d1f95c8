// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "keystonemail/resolver/faulty.hpp"

#include <doctest/doctest.h>

#include "keystonemail/backends/zone/resolver.hpp"
#include "support/sim_executor.hpp"

using namespace keystonemail;
using namespace keystonemail::dns;

namespace {

Name name(std::string_view text) { return Name::parse(text).value(); }

struct FaultyResolverFixture {
  test::SimExecutor executor;
  zone::ZoneResolver inner{Zone(parse_zone("a.example. 60 A 192.0.2.1\na.example. 60 TXT x").value())};
  resolver::Faulty faulty{inner};

  Result<Answer> ask(RecordType type, Context context) {
    return executor.run(faulty.resolve({name("a.example"), type}, std::move(context)));
  }
  Result<Answer> ask(RecordType type) { return ask(type, Context{&executor}); }
};

}  // namespace

TEST_CASE("faulty resolver: one type of a name may fail, or all") {
  FaultyResolverFixture fixture;
  CHECK(fixture.ask(RecordType::a)->status == AnswerStatus::found);
  fixture.faulty.answer(name("a.example"), AnswerStatus::bogus, RecordType::txt);
  CHECK(fixture.ask(RecordType::a)->status == AnswerStatus::found);
  CHECK(fixture.ask(RecordType::txt)->status == AnswerStatus::bogus);
  fixture.faulty.answer(name("a.example"), AnswerStatus::server_failure);
  CHECK(fixture.ask(RecordType::a)->status == AnswerStatus::server_failure);
}

TEST_CASE("faulty resolver: a name that hangs ends with the call's own deadline or stop") {
  FaultyResolverFixture fixture;
  fixture.faulty.hang(name("a.example"));
  const auto late = fixture.ask(RecordType::a, Context(&fixture.executor).until(fixture.executor.now() + std::chrono::seconds(5)));
  REQUIRE_FALSE(late);
  CHECK(late.error().kind() == ErrorKind::timeout);
}

TEST_CASE("faulty resolver: a delay delays") {
  FaultyResolverFixture fixture;
  fixture.faulty.delay(std::chrono::seconds(3));
  const auto before = fixture.executor.now();
  CHECK(fixture.ask(RecordType::a)->status == AnswerStatus::found);
  CHECK(fixture.executor.now() - before == std::chrono::seconds(3));
}
