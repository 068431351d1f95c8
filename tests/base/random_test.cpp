// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "keystonemail/base/random.hpp"

#include <doctest/doctest.h>

using namespace keystonemail;

TEST_CASE("random: a seed gives the same sequence again, another seed another") {
  SeededRandom a(1), b(1), c(2);
  CHECK(a.hex(40) == b.hex(40));
  CHECK(a.hex(8) != c.hex(8));
}

TEST_CASE("random: below() stays below and reaches every value") {
  SeededRandom random(7);
  unsigned seen = 0;
  for (int i = 0; i < 1000; ++i) {
    const auto value = random.below(10);
    REQUIRE(value < 10);
    seen |= 1U << value;
  }
  CHECK(seen == 0x3ff);
}

TEST_CASE("random: the system's source does not repeat") {
  SystemRandom random;
  CHECK(random.hex(16) != random.hex(16));
  CHECK(random.hex(16).size() == 32);
}
