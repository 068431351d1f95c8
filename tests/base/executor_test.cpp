// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "keystonemail/base/executor.hpp"

#include <doctest/doctest.h>

#include <thread>
#include <vector>

using namespace keystonemail;
using namespace std::chrono_literals;

TEST_CASE("run loop: work posted from another thread runs on the loop's own") {
  RunLoop loop;
  Pending<bool> on_loop;
  std::jthread other([&] { loop.post([&] { on_loop.complete(loop.is_current()); }); });
  CHECK(loop.run_until([](Pending<bool>& p) -> Task<bool> { co_return co_await p; }(on_loop)));
}

TEST_CASE("run loop: timers run in the order of their times, equal ones in the order they were started") {
  RunLoop loop;
  std::vector<int> order;
  const auto start = loop.now();
  Pending<int> last;
  (void)loop.start_timer(start + 4ms, [&] { order.push_back(3), last.complete(0); });
  (void)loop.start_timer(start + 1ms, [&] { order.push_back(1); });
  (void)loop.start_timer(start + 1ms, [&] { order.push_back(2); });
  loop.run_until([](Pending<int>& p) -> Task<int> { co_return co_await p; }(last));
  CHECK(order == std::vector{1, 2, 3});
}

TEST_CASE("run loop: a cancelled timer does not run") {
  RunLoop loop;
  bool ran = false;
  const auto id = loop.start_timer(loop.now(), [&] { ran = true; });
  loop.cancel_timer(id);
  loop.run_until(sleep_until(loop.now() + 1ms, {&loop}));
  CHECK(!ran);
}

TEST_CASE("sleep: a stop request from another thread ends it at once") {
  RunLoop loop;
  std::stop_source source;
  auto task = sleep_until(loop.now() + 1h, {&loop, source.get_token()});
  std::jthread other([&] { source.request_stop(); });
  loop.run_until(std::move(task));
  CHECK(source.stop_requested());
}
