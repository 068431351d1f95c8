// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "service/mta_sts/policy_row.hpp"

#include <doctest/doctest.h>

using namespace keystonemail;
using namespace keystonemail::mta_sts;

namespace {

KeptPolicy example() {
  return {.id = "1", .policy = {.mode = mailauth::mta_sts::Mode::enforce, .max_age = std::chrono::seconds(600), .patterns = {"mx.a.test"}},
          .fetched = WallTime(std::chrono::milliseconds(1'000)), .used = WallTime(std::chrono::milliseconds(2'000))};
}

}  // namespace

TEST_CASE("mta-sts row: what is written is read, and begins as its FORMAT.md says") {
  const std::string row = encode_policy(example());
  CHECK(row.starts_with(std::string_view("\x01\x01\x31\xe8\x07\xd0\x0f", 7)));
  const auto read = read_policy(row);
  REQUIRE(read);
  CHECK(read->id == "1");
  CHECK(read->policy == example().policy);
  CHECK(read->fetched == example().fetched);
  CHECK(read->used == example().used);
}

TEST_CASE("mta-sts row: a damaged one is none") {
  const std::string row = encode_policy(example());
  for (std::size_t cut = 0; cut < row.size(); ++cut) CHECK_FALSE(read_policy(row.substr(0, cut)));
  CHECK_FALSE(read_policy(row + "x"));
  CHECK_FALSE(read_policy("\x02" + row.substr(1)));
}

TEST_CASE("D11: a policy is valid until its age is over, and not a moment longer") {
  const KeptPolicy kept = example();
  CHECK(kept.is_valid(kept.fetched));
  CHECK(kept.is_valid(kept.fetched + std::chrono::milliseconds(599'999)));
  CHECK_FALSE(kept.is_valid(kept.fetched + std::chrono::seconds(600)));
}
