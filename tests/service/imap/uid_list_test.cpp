// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "service/imap/uid_list.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <random>

using namespace keystonemail::service::imap;

namespace {

UidList list_of(std::initializer_list<Uid> uids) {
  UidList list;
  for (const Uid uid : uids) list.append(uid);
  return list;
}

}  // namespace

TEST_CASE("uid list: sequence numbers follow the order of UIDs") {
  const UidList list = list_of({3, 4, 5, 9, 20, 21});
  CHECK(list.size() == 6);
  CHECK(list.last() == 21);
  CHECK(list.uid_of(1) == 3);
  CHECK(list.uid_of(4) == 9);
  CHECK(list.uid_of(6) == 21);
  CHECK(list.sequence_of(9) == 4U);
  CHECK_FALSE(list.sequence_of(6));
  CHECK(list.lower_bound(1) == 1);
  CHECK(list.lower_bound(6) == 4);
  CHECK(list.lower_bound(22) == 7);
}

TEST_CASE("uid list: an empty list has no last and no place") {
  const UidList list;
  CHECK(list.last() == 0);
  CHECK(list.lower_bound(1) == 1);
  CHECK_FALSE(list.sequence_of(1));
  CHECK(list.ranges().empty());
}

TEST_CASE("uid list: what is removed gives its old sequence numbers and the rest move down") {
  UidList list = list_of({1, 2, 3, 4, 5, 10, 11});
  const Uid gone[] = {2, 4, 7, 11};
  CHECK(list.remove(gone) == std::vector<Sequence>{2, 4, 7});
  CHECK(list.size() == 4);
  CHECK(list.sequence_of(10) == 4U);
  CHECK_FALSE(list.sequence_of(4));
}

TEST_CASE("uid list: ranges make the list that appending makes, also where two of them touch") {
  const std::vector<UidRange> ranges{{3, 5}, {6, 6}, {9, 9}, {20, 21}};
  const UidList list(ranges);
  CHECK(list.size() == 7);
  CHECK(list.last() == 21);
  CHECK(list.uid_of(4) == 6);
  CHECK(list.sequence_of(20) == 6U);
  CHECK(list.ranges().size() == 3);
  CHECK(UidList(std::span<const UidRange>()).size() == 0);
}

TEST_CASE("uid list: a hundred thousand messages in the worst order take at most a mebibyte") {
  UidList list;
  for (Uid uid = 1; uid <= 200'000; uid += 2) list.append(uid);
  CHECK(list.size() == 100'000);
  CHECK(list.memory_octets() <= 1U << 20);
}

TEST_CASE("uid list: it agrees with a plain vector after any removals") {
  std::mt19937 random(7);
  for (int round = 0; round < 200; ++round) {
    UidList list;
    std::vector<Uid> plain;
    for (Uid uid = 1; uid < 80; ++uid) {
      if (random() % 3 != 0) {
        list.append(uid);
        plain.push_back(uid);
      }
    }
    for (int step = 0; step < 4; ++step) {
      std::vector<Uid> gone;
      std::vector<Sequence> expected;
      for (std::size_t i = 0; i < plain.size(); ++i) {
        if (random() % 4 != 0) continue;
        gone.push_back(plain[i]);
        expected.push_back(static_cast<Sequence>(i + 1));
      }
      REQUIRE(list.remove(gone) == expected);
      std::erase_if(plain, [&](Uid uid) { return std::ranges::binary_search(gone, uid); });
      REQUIRE(list.size() == plain.size());
      for (std::size_t i = 0; i < plain.size(); ++i) REQUIRE(list.uid_of(static_cast<Sequence>(i + 1)) == plain[i]);
      for (Uid uid = 0; uid < 82; ++uid) {
        const auto at = std::ranges::lower_bound(plain, uid) - plain.begin();
        REQUIRE(list.lower_bound(uid) == static_cast<Sequence>(at + 1));
      }
    }
  }
}
