// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "service/imap/thread_messages.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <climits>
#include <utility>

#include "support/sim_executor.hpp"

using namespace keystonemail;
using namespace keystonemail::service::imap;

namespace {

struct SentMessage {
  std::string id, references, subject = {};
  int day = 0;                        // 0: its place
  bool reply = false;
};

std::vector<ThreadItem> items_of(const std::vector<SentMessage>& messages) {
  std::vector<ThreadItem> items;
  for (const SentMessage& message : messages) {
    ThreadItem& item = items.emplace_back();
    item.number = static_cast<std::uint32_t>(items.size());
    item.sent = WallTime(std::chrono::days(message.day == 0 ? static_cast<int>(items.size()) : message.day));
    item.subject = message.subject;
    item.reply = message.reply;
    item.id = message.id;
    for (std::size_t at = 0; at < message.references.size();) {
      const auto end = std::min(message.references.find(' ', at), message.references.size());
      item.references.push_back(message.references.substr(at, end - at));
      at = end + 1;
    }
  }
  return items;
}

std::string threads(const std::vector<SentMessage>& messages) {
  test::SimExecutor loop;
  const Pause pause = pause_of({&loop});
  auto done = loop.run(thread_by_references(items_of(messages), pause));
  REQUIRE(done.has_value());
  return *done;
}

std::string by_subject(const std::vector<SentMessage>& messages) {
  test::SimExecutor loop;
  const Pause pause = pause_of({&loop});
  auto done = loop.run(thread_by_subject(items_of(messages), pause));
  REQUIRE(done.has_value());
  return *done;
}

}  // namespace

TEST_CASE("threads: answers stand below what they answer, siblings by the date they were sent") {
  CHECK(threads({}) == "");
  CHECK(threads({{"a", ""}}) == "(1)");
  CHECK(threads({{"a", ""}, {"b", "a"}, {"c", "a b"}}) == "(1 2 3)");
  CHECK(threads({{"a", ""}, {"b", "a", "", 9}, {"c", "a", "", 3}, {"d", "a b"}}) == "(1 (3)(2 4))");
  CHECK(threads({{"a", "", "", 5}, {"b", "", "", 2}}) == "(2)(1)");
}

TEST_CASE("threads: an answer that came before its question, and references cut short") {
  CHECK(threads({{"c", "a b", "", 3}, {"b", "a", "", 2}, {"a", "", "", 1}}) == "(3 2 1)");
  // The last reference is the parent, whatever others said.
  CHECK(threads({{"a", ""}, {"b", ""}, {"d", "a c"}, {"c", "b"}}) == "(1)(2 4 3)");
}

TEST_CASE("threads: what was never seen joins its answers, and is left out where only one has it") {
  CHECK(threads({{"b", "gone"}, {"c", "gone"}}) == "((1)(2))");
  CHECK(threads({{"b", "gone"}}) == "(1)");
  CHECK(threads({{"a", ""}, {"c", "a lost"}, {"d", "a lost"}}) == "(1 (2)(3))");
  CHECK(threads({{"d", "x y z"}}) == "(1)");
}

TEST_CASE("threads: one subject is one thread, replies below what they answer (step 5)") {
  CHECK(threads({{"a", "", "hello"}, {"b", "", "hello", 0, true}}) == "(1 2)");
  CHECK(threads({{"a", "", "hello", 0, true}, {"b", "", "hello"}}) == "(2 1)");
  CHECK(threads({{"a", "", "hello"}, {"b", "", "hello"}}) == "((1)(2))");
  CHECK(threads({{"a", "", "hello"}, {"b", "", "hello"}, {"c", "", "hello"}}) == "((1)(2)(3))");
  CHECK(threads({{"a", ""}, {"b", ""}}) == "(1)(2)");  // no subject is none in common
  CHECK(threads({{"a", "gone", "hello"}, {"b", "gone", "hello"}, {"c", "lost", "hello"}, {"d", "lost", "hello"}}) == "((1)(2)(3)(4))");
  CHECK(threads({{"a", "", "hello"}, {"b", "gone", "hello"}, {"c", "gone", "hello"}}) == "((1)(2)(3))");
}

TEST_CASE("threads: circles, the same id twice and no id at all lose no message") {
  CHECK(threads({{"x", "y"}, {"y", "x"}}) == "(2 1)");
  CHECK(threads({{"x", "x"}}) == "(1)");
  CHECK(threads({{"a", ""}, {"a", ""}, {"b", "a"}}) == "(1 3)(2)");
  CHECK(threads({{"", "a"}, {"", "a"}}) == "((1)(2))");
}

TEST_CASE("threads: quotes make no other Message-ID (RFC 5256 §3)") {
  CHECK(normal_message_id("\"01KF8JCEOCBS0045PS\"@xxx.yyy.com") == "01KF8JCEOCBS0045PS@xxx.yyy.com");
  CHECK(normal_message_id("\"a\\\"b\"@x") == "a\"b@x");
  CHECK(normal_message_id("a\"b\"@x") == "a\"b\"@x");
  CHECK(normal_message_id("\"open@x") == "\"open@x");
}

TEST_CASE("threads by subject: the first of each subject, all others below it (RFC 5256, ORDEREDSUBJECT)") {
  CHECK(by_subject({{"", "", "b"}, {"", "", "a", 9}, {"", "", "b"}, {"", "", "a", 8}, {"", "", "b"}}) == "(1 (3)(5))(4 2)");
  CHECK(by_subject({}) == "");
}

TEST_CASE("threads: whatever their shape, many of them are made in slices, and not to the end when nobody waits") {
  constexpr int count = 20'000;
  std::vector<SentMessage> one_subject, many_subjects;
  for (int i = 0; i < count; ++i) {
    one_subject.push_back({std::to_string(i), "", "same"});
    many_subjects.push_back({std::to_string(i), "", std::to_string(i * 7919 % count)});
  }
  for (const auto& messages : {one_subject, many_subjects}) {
    for (const bool references : {false, true}) {
      test::SimExecutor loop;
      int pauses = 0, allowed = INT_MAX;
      const Pause pause = [&]() -> Task<Result<void>> {
        if (++pauses > allowed) co_return fail(ErrorKind::cancelled);
        co_return Result<void>();
      };
      const auto run = [&] {
        return loop.run(references ? thread_by_references(items_of(messages), pause) : thread_by_subject(items_of(messages), pause));
      };
      CHECK(run().has_value());
      CHECK(pauses >= 2 * count / 8'192);
      const int needed = std::exchange(pauses, 0);
      for (allowed = 0; allowed < needed; allowed += 1 + needed / 5, pauses = 0) {
        const auto stopped = run();
        REQUIRE(!stopped);
        CHECK(stopped.error().kind() == ErrorKind::cancelled);
      }
    }
  }
}

TEST_CASE("B8: ten thousand messages that refer to each other in a circle, and a comb, are threaded in linear time") {
  constexpr int count = 10'000;
  std::vector<SentMessage> circle, comb;
  for (int i = 0; i < count; ++i) {
    circle.push_back({std::to_string(i), std::to_string((i + 1) % count)});
    comb.push_back({std::to_string(i), i == 0 ? "" : std::to_string((i - 1) / 2 * 2)});
  }
  for (const auto& messages : {circle, comb}) {
    const std::string answer = threads(messages);
    const auto digits = [](char c) { return c >= '0' && c <= '9'; };
    int numbers = 0;
    for (std::size_t i = 0; i < answer.size(); ++i) numbers += digits(answer[i]) && (i == 0 || !digits(answer[i - 1]));
    CHECK(numbers == count);
    CHECK(std::ranges::count(answer, '(') == std::ranges::count(answer, ')'));
  }
}
