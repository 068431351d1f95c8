// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "backends/libuv/timer_queue.hpp"

#include <doctest/doctest.h>

#include <map>
#include <vector>

#include "keystonemail/base/random.hpp"

using namespace keystonemail;
using namespace keystonemail::libuv;
using namespace std::chrono_literals;

TEST_CASE("timer queue: timers come in the order of their times, equal ones as they were started") {
  TimerQueue queue;
  std::vector<int> ran;
  const Instant start{};
  for (const auto& [when, name] : {std::pair{3s, 5}, {1s, 1}, {2s, 3}, {1s, 2}, {2s, 4}})
    (void)queue.start(start + when, [&ran, name = name] { ran.push_back(name); });
  CHECK(!queue.take_due(start));
  while (auto work = queue.take_due(start + 3s)) (*work)();
  CHECK(ran == std::vector{1, 2, 3, 4, 5});
}

TEST_CASE("timer queue: an id that is over cancels nothing, even when its place is in use again") {
  TimerQueue queue;
  const auto first = queue.start(Instant{}, [] {});
  queue.cancel(first);
  bool ran = false;
  const auto second = queue.start(Instant{}, [&] { ran = true; });
  CHECK(first != second);
  queue.cancel(first);
  queue.cancel(Executor::TimerId::none);
  (*queue.take_due(Instant{}))();
  CHECK(ran);
}

TEST_CASE("timer queue: agrees with a sorted map over random starts, cancels and times") {
  SeededRandom random(7);
  TimerQueue queue;
  std::map<std::pair<Instant, int>, Executor::TimerId> model;
  int last = -1;
  for (int i = 0; i < 20'000; ++i) {
    const auto choice = random.below(4);
    if (choice < 2) {
      const Instant when = Instant{} + std::chrono::seconds(random.below(1000));
      model.emplace(std::pair(when, i), queue.start(when, [&last, i] { last = i; }));
    } else if (choice == 2 && !model.empty()) {
      auto chosen = std::next(model.begin(), static_cast<std::ptrdiff_t>(random.below(model.size())));
      queue.cancel(chosen->second);
      model.erase(chosen);
    } else if (!model.empty()) {
      REQUIRE(queue.next() == model.begin()->first.first);
      (*queue.take_due(*queue.next()))();
      REQUIRE(last == model.begin()->first.second);
      model.erase(model.begin());
    }
    REQUIRE(queue.size() == model.size());
  }
}
