// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "keystonemail/base/worker_pool.hpp"

#include <doctest/doctest.h>

#include <latch>

using namespace keystonemail;

TEST_CASE("worker pool: the result comes back on the caller's executor") {
  RunLoop loop;
  WorkerPool pool({.threads = 2});
  const auto result = loop.run_until(run_on(pool, [&loop] { return loop.is_current(); }, {&loop}));
  REQUIRE(result);
  CHECK(!*result);
}

TEST_CASE("worker pool: more than the queue holds is refused") {
  RunLoop loop;
  std::latch started(1), release(1);  // outlive the pool, whose threads wait on them
  WorkerPool pool({.threads = 1, .queue_max = 1});
  REQUIRE(pool.submit([&] { started.count_down(), release.wait(); }));
  started.wait();
  REQUIRE(pool.submit([] {}));
  const auto refused = loop.run_until(run_on(pool, [] { return 1; }, {&loop}));
  REQUIRE(!refused);
  CHECK(refused.error().kind() == ErrorKind::unavailable);
  release.count_down();
}
