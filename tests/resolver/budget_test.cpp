// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "keystonemail/resolver/budget.hpp"

#include <doctest/doctest.h>

#include "keystonemail/backends/zone/resolver.hpp"
#include "keystonemail/resolver/faulty.hpp"
#include "support/sim_executor.hpp"

using namespace keystonemail;
using namespace keystonemail::dns;
using namespace std::chrono_literals;

namespace {

struct BudgetFixture {
  test::SimExecutor executor;
  zone::ZoneResolver inner{Zone(parse_zone("a.example. 60 A 192.0.2.1").value())};
  resolver::Faulty faulty{inner};

  Result<Answer> ask(resolver::Resolver& resolver, Instant deadline = Instant::max()) {
    return executor.run(resolver.resolve({*Name::parse("a.example"), RecordType::a}, Context(&executor).until(deadline)));
  }
};

}  // namespace

TEST_CASE("resolver budget: beyond the number of lookups the answer is refused, which is temporary") {
  BudgetFixture fixture;
  resolver::Budget budget(fixture.faulty, fixture.executor, {.lookups_max = 3});
  for (int i = 0; i < 3; ++i) CHECK(fixture.ask(budget)->status == AnswerStatus::found);
  CHECK(fixture.ask(budget)->status == AnswerStatus::refused);
  CHECK(budget.lookups() == 3);
}

TEST_CASE("T10: no message waits longer for the DNS than its budget, however slow each answer is") {
  BudgetFixture fixture;
  fixture.faulty.delay(7s);
  resolver::Budget budget(fixture.faulty, fixture.executor, {.time_max = 30s});
  const auto begin = fixture.executor.now();
  int found = 0, timed_out = 0;
  for (int i = 0; i < 10; ++i) {
    const auto status = fixture.ask(budget)->status;
    found += status == AnswerStatus::found;
    timed_out += status == AnswerStatus::timeout;
  }
  CHECK(found == 4);
  CHECK(timed_out == 6);
  CHECK(fixture.executor.now() - begin == 30s);
}

TEST_CASE("resolver budget: the caller's own deadline stays the caller's error") {
  BudgetFixture fixture;
  fixture.faulty.delay(7s);
  resolver::Budget budget(fixture.faulty, fixture.executor, {.time_max = 30s});
  const auto answer = fixture.ask(budget, fixture.executor.now() + 1s);
  REQUIRE_FALSE(answer);
  CHECK(answer.error().kind() == ErrorKind::timeout);
}
