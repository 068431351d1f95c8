// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "keystonemail/backends/libuv/uv_loop.hpp"

#include <doctest/doctest.h>
#include <signal.h>

#include <thread>
#include <vector>

#include "backends_libuv/support.hpp"

using namespace keystonemail;
using namespace keystonemail::libuv;
using namespace keystonemail::test;
using namespace std::chrono_literals;

TEST_CASE("uv loop: work posted from its own thread runs later, in order, without help from elsewhere") {
  UvLoop loop;
  std::vector<int> order;
  Pending<int> last;
  loop.post([&] {
    order.push_back(1);
    loop.post([&] { order.push_back(3), last.complete(0); });
    order.push_back(2);
  });
  CHECK(order.empty());
  loop.run_until([](Pending<int>& p) -> Task<int> { co_return co_await p; }(last));
  CHECK(order == std::vector{1, 2, 3});
}

TEST_CASE("uv loop: posts from four threads all run, those of one thread in order") {
  UvLoop loop;
  constexpr int each = 5'000;
  std::vector<int> next(4, 0);
  int done = 0;
  bool in_order = true;
  Pending<int> all;
  std::vector<std::jthread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&, t] {
      for (int i = 0; i < each; ++i)
        loop.post([&, t, i] {
          in_order = in_order && next[static_cast<std::size_t>(t)]++ == i && loop.is_current();
          if (++done == 4 * each) all.complete(0);
        });
    });
  loop.run_until([](Pending<int>& p) -> Task<int> { co_return co_await p; }(all));
  CHECK(in_order);
}

TEST_CASE("uv loop: timers fire at their times and not before; a cancelled one does not") {
  UvLoop loop;
  const Instant start = loop.now();
  std::vector<int> order;
  Instant fired{};
  Pending<int> last;
  (void)loop.start_timer(start + 30ms, [&] { fired = loop.now(), order.push_back(3), last.complete(0); });
  (void)loop.start_timer(start + 10ms, [&] { order.push_back(1); });
  const auto cancelled = loop.start_timer(start + 5ms, [&] { order.push_back(9); });
  (void)loop.start_timer(start + 10ms, [&] { order.push_back(2); });
  loop.cancel_timer(cancelled);
  loop.run_until([](Pending<int>& p) -> Task<int> { co_return co_await p; }(last));
  CHECK(order == std::vector{1, 2, 3});
  CHECK(fired - start >= 30ms);
  CHECK(fired - start < 5s);
}

TEST_CASE("uv loop: stop from another thread ends run") {
  UvLoop loop;
  std::jthread other([&] { loop.stop(); });
  loop.run();
  CHECK(true);
}

TEST_CASE("uv loop: a signal runs its action on the loop") {
  UvLoop loop;
  int seen = 0;
  loop.on_signal(SIGUSR1, [&] { ++seen, loop.stop(); });
  loop.post([] { raise(SIGUSR1); });
  loop.run();
  CHECK(seen == 1);
}
