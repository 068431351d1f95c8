// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "keystonemail/base/task.hpp"

#include <doctest/doctest.h>

#include <memory>
#include <stdexcept>
#include <string>

#include "keystonemail/base/executor.hpp"
#include "support/sanitized.hpp"

using namespace keystonemail;

namespace {

Task<int> one() { co_return 1; }

Task<std::uint64_t> sum_of_ready(std::uint64_t count) {
  std::uint64_t sum = 0;
  for (std::uint64_t i = 0; i < count; ++i) sum += static_cast<std::uint64_t>(co_await one());
  co_return sum;
}

Task<int> wait_for(Pending<int>& pending) { co_return co_await pending; }

Task<int> nested(Pending<int>& pending) { co_return 1 + co_await wait_for(pending); }

Task<int> throws_after(Pending<int>& pending) {
  (void)co_await pending;
  throw std::runtime_error("late");
}

}  // namespace

TEST_CASE("task: ten million ready awaits in a loop use no stack") {
  const std::uint64_t count = test::sanitized ? 1'000'000 : 10'000'000;
  CHECK(sum_of_ready(count).take() == count);
}

TEST_CASE("task: a task without a wait is done when the call returns") { CHECK(one().done()); }

TEST_CASE("task: a waiting task resumes its awaiters, innermost first") {
  Pending<int> pending;
  auto task = nested(pending);
  CHECK(!task.done());
  pending.complete(41);
  REQUIRE(task.done());
  CHECK(task.take() == 42);
}

TEST_CASE("task: a value given before the wait is taken without suspending") {
  Pending<int> pending;
  pending.complete(7);
  CHECK(wait_for(pending).take() == 7);
}

TEST_CASE("task: an exception reaches whoever takes the value") {
  Pending<int> pending;
  auto task = throws_after(pending);
  pending.complete(0);
  CHECK_THROWS_AS((void)task.take(), std::runtime_error);
}

TEST_CASE("task: a detached task runs to its end and frees itself") {
  auto alive = std::make_shared<int>(0);
  Pending<int> pending;
  [](std::shared_ptr<int> held, Pending<int>& until) -> Task<void> {
    (void)co_await until;
    *held = 1;
  }(alive, pending).detach();
  CHECK(alive.use_count() == 2);
  pending.complete(0);
  CHECK(*alive == 1);
  CHECK(alive.use_count() == 1);
}

TEST_CASE("task: ten thousand waits through an executor do not deepen the stack") {
  RunLoop loop;
  const int turns = loop.run_until([](RunLoop& on) -> Task<int> {
    int count = 0;
    for (; count < 10'000; ++count) co_await yield(on);
    co_return count;
  }(loop));
  CHECK(turns == 10'000);
}
