// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "base/record.hpp"

#include <doctest/doctest.h>

using namespace keystonemail;

TEST_CASE("record: fields come back as they went in") {
  const auto record = RecordWriter().octet(1).number(0).number(300).number(UINT64_MAX).text("").text("a\0b").take();
  RecordReader reader(record);
  CHECK(reader.octet() == 1);
  CHECK(reader.number() == 0);
  CHECK(reader.number() == 300);
  CHECK(reader.number() == UINT64_MAX);
  CHECK(reader.text().empty());
  CHECK(reader.text() == "a");
  CHECK(reader.at_end());
  CHECK(reader.ok());
}

TEST_CASE("record: every truncation is noticed and none reads past the end") {
  const auto record = RecordWriter().number(5'000).text("hello").take();
  for (std::size_t cut = 0; cut < record.size(); ++cut) {
    RecordReader reader(std::string_view(record).substr(0, cut));
    (void)reader.number();
    (void)reader.text();
    CHECK(!reader.ok());
  }
}

TEST_CASE("record: big-endian keys order as their numbers do") {
  std::string small, large;
  append_big_endian(small, 255, 4);
  append_big_endian(large, 256, 4);
  CHECK(small < large);
  CHECK(read_big_endian(large) == 256);
}
