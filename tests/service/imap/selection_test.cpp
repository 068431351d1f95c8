// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "service/imap/selection.hpp"

#include <doctest/doctest.h>

#include <array>
#include <string>

using namespace keystonemail::service::imap;
using keystonemail::imap::NumberRange;

namespace {

std::string absent_text(const UidList& there, std::span<const NumberRange> named, Uid last) {
  std::string text;
  keystonemail::imap::append_ranges(text, absent(there, named, last));
  return text;
}

}  // namespace

TEST_CASE("selection: what is named and not there, as ranges") {
  const std::array<UidRange, 3> uids{{{3, 5}, {8, 8}, {20, 20}}};
  const UidList there(uids);
  const std::array<NumberRange, 1> all{{{1, UINT32_MAX}}};
  CHECK(absent_text(there, all, 25) == "1:2,6:7,9:19,21:25");
  CHECK(absent_text(there, all, 20) == "1:2,6:7,9:19");
  CHECK(absent_text(there, all, 4) == "1:2");
  const std::array<NumberRange, 3> some{{{2, 3}, {5, 6}, {8, 30}}};
  CHECK(absent_text(there, some, 30) == "2,6,9:19,21:30");
  CHECK(absent_text(UidList(), all, 0).empty());
}

TEST_CASE("selection: four thousand million UIDs that are named cost no more than the messages that there are") {
  const std::array<UidRange, 1> uids{{{7, 7}}};
  const std::array<NumberRange, 1> all{{{1, UINT32_MAX}}};
  CHECK(absent_text(UidList(uids), all, UINT32_MAX) == "1:6,8:4294967295");
  const std::array<UidRange, 1> end{{{UINT32_MAX, UINT32_MAX}}};
  CHECK(absent_text(UidList(end), all, UINT32_MAX) == "1:4294967294");
}
