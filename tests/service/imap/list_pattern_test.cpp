// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "service/imap/list_pattern.hpp"
#include "support/sanitized.hpp"

#include <doctest/doctest.h>

#include <ctime>
#include <random>
#include <string>

using keystonemail::service::imap::ListPattern;

namespace {

bool matches(std::string_view pattern, std::string_view path) { return ListPattern(pattern).matches(path); }

bool reference(std::string_view pattern, std::string_view path) {
  if (pattern.empty()) return path.empty();
  if (pattern[0] == '*' || pattern[0] == '%') {
    if (reference(pattern.substr(1), path)) return true;
    return !path.empty() && (pattern[0] == '*' || path[0] != '/') && reference(pattern, path.substr(1));
  }
  return !path.empty() && pattern[0] == path[0] && reference(pattern.substr(1), path.substr(1));
}

}  // namespace

TEST_CASE("list pattern: * crosses levels and % does not") {
  CHECK(matches("*", "a/b/c"));
  CHECK(matches("%", "a"));
  CHECK_FALSE(matches("%", "a/b"));
  CHECK(matches("%/%", "a/b"));
  CHECK(matches("a/*", "a/b/c"));
  CHECK_FALSE(matches("a/*", "a"));
  CHECK(matches("a*", "a"));
  CHECK(matches("", ""));
  CHECK_FALSE(matches("", "a"));
}

TEST_CASE("list pattern: it agrees with the obvious recursion on random patterns") {
  std::mt19937 random(11);
  const auto text = [&](std::string_view alphabet, std::size_t most) {
    std::string s(random() % (most + 1), 'a');
    for (char& c : s) c = alphabet[random() % alphabet.size()];
    return s;
  };
  for (int i = 0; i < (test::sanitized ? 2'000 : 50'000); ++i) {
    const std::string pattern = text("ab/*%", 8), path = text("ab/", 9);
    CAPTURE(pattern);
    CAPTURE(path);
    REQUIRE(matches(pattern, path) == reference(pattern, path));
  }
}

TEST_CASE("list pattern: places beyond one machine word work alike") {
  const std::string name(200, 'x');
  CHECK(matches(name + "*y", name + "zzy"));
  CHECK_FALSE(matches(name + "%y", name + "z/y"));
  CHECK(matches(std::string(63, 'x') + "*" + std::string(70, 'x'), std::string(150, 'x')));
}

TEST_CASE("B2: a pattern of many wildcards is matched in linear time") {
  std::string pattern;
  for (int i = 0; i < 500; ++i) pattern += "*a";
  const std::string path(4000, 'a');
  const std::clock_t start = std::clock();
  CHECK_FALSE(matches(pattern + "b", path));
  CHECK(matches(pattern, path));
  CHECK(std::clock() - start < CLOCKS_PER_SEC);
}
