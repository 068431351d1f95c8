// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "service/mailstore/staging_room.hpp"

#include <doctest/doctest.h>

#include <optional>
#include <vector>

using namespace keystonemail;
using service::StagingRoom;

namespace {

struct Fixture {
  RunLoop loop;
  StagingRoom room{100};

  std::optional<StagingRoom::Lease> must(Task<Result<StagingRoom::Lease>> task) {
    auto lease = loop.run_until(std::move(task));
    REQUIRE(lease.has_value());
    return *std::move(lease);
  }
};

}  // namespace

TEST_CASE_FIXTURE(Fixture, "staging room: what fits is given at once and comes back with its lease") {
  auto a = must(room.take(60, {&loop}));
  auto b = must(room.take(40, {&loop}));
  CHECK(room.taken() == 100);
  a.reset();
  CHECK(room.taken() == 40);
}

TEST_CASE_FIXTURE(Fixture, "staging room: who finds no room waits, and nobody overtakes") {
  auto first = must(room.take(80, {&loop}));
  auto large = room.take(90, {&loop});
  auto small = room.take(5, {&loop});
  CHECK_FALSE(large.done());
  CHECK_FALSE(small.done());
  first.reset();
  auto second = must(std::move(large));
  auto third = must(std::move(small));
  CHECK(room.taken() == 95);
}

TEST_CASE_FIXTURE(Fixture, "staging room: more than there is is given to one alone") {
  auto small = must(room.take(1, {&loop}));
  auto huge = room.take(1'000, {&loop});
  auto next = room.take(1, {&loop});
  CHECK_FALSE(huge.done());
  small.reset();
  auto alone = must(std::move(huge));
  CHECK(room.taken() == 1'000);
  CHECK_FALSE(next.done());
  alone.reset();
  auto last = must(std::move(next));
  CHECK(room.taken() == 1);
}

TEST_CASE_FIXTURE(Fixture, "staging room: a wait ends when it is called off, though nobody gives back") {
  auto first = must(room.take(100, {&loop}));
  std::stop_source stop;
  auto waiting = room.take(50, {&loop, stop.get_token()});
  auto behind = room.take(10, {&loop});
  stop.request_stop();
  const auto result = loop.run_until(std::move(waiting));
  REQUIRE_FALSE(result.has_value());
  CHECK(result.error().kind() == ErrorKind::cancelled);
  first.reset();
  auto second = must(std::move(behind));
  CHECK(room.taken() == 10);
}

TEST_CASE_FIXTURE(Fixture, "staging room: a wait ends at its deadline, and those behind it may go in") {
  auto first = must(room.take(60, {&loop}));
  auto large = room.take(50, Context(&loop).until(loop.now() + std::chrono::milliseconds(5)));
  auto small = room.take(40, {&loop});
  CHECK_FALSE(small.done());
  const auto result = loop.run_until(std::move(large));
  REQUIRE_FALSE(result.has_value());
  CHECK(result.error().kind() == ErrorKind::timeout);
  auto second = must(std::move(small));
  CHECK(room.taken() == 100);
}

TEST_CASE_FIXTURE(Fixture, "staging room: who is called off and let in at once gives back what it was given") {
  auto first = must(room.take(100, {&loop}));
  std::stop_source stop;
  auto waiting = room.take(50, {&loop, stop.get_token()});
  stop.request_stop();
  first.reset();
  const auto result = loop.run_until(std::move(waiting));
  REQUIRE_FALSE(result.has_value());
  CHECK(result.error().kind() == ErrorKind::cancelled);
  CHECK(room.taken() == 0);
}
