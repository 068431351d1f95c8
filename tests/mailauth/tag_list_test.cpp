// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "keystonemail/mailauth/tag_list.hpp"

#include <doctest/doctest.h>

using namespace keystonemail;
using namespace keystonemail::mailauth;

TEST_CASE("mailauth: a tag list gives names and values without the white space round them") {
  const std::string text = " v=1; a = rsa-sha256 ;\r\n\tb= ab\r\n cd ;empty=;";
  const auto list = TagList::parse(text).value();
  REQUIRE(list.tags().size() == 4);
  CHECK(list.value("v") == "1");
  CHECK(list.value("a") == "rsa-sha256");
  CHECK(without_white_space(list.value("b").value()) == "abcd");
  CHECK(list.value("empty") == "");
  CHECK_FALSE(list.value("A").has_value());  // case counts
  const Tag& b = *list.find("b");
  CHECK(text.substr(b.raw_begin, b.raw_end - b.raw_begin) == " ab\r\n cd ");
}

TEST_CASE("mailauth: what is no tag list is refused") {
  for (const char* text : {"", " ", ";", "v", "v=1;;a=2", "v=1;v=1", "=1", "1v=1", "v-x=1", "v=a\x01z", "v=a\x7fz", "v=a\nb=1",
                           "v=a\rb", "v=\xff", "v=1; a"}) {
    CAPTURE(text);
    CHECK_FALSE(TagList::parse(text).has_value());
  }
  CHECK(TagList::parse("v=\xc3\xa4; _=1").has_value() == false);  // a name begins with a letter
  CHECK(TagList::parse("v=\xc3\xa4; a_1=").has_value());
}

TEST_CASE("mailauth: a tag list has limits") {
  std::string many;
  for (std::size_t i = 0; i <= mailauth::limits::tags_max; ++i) many += "t" + std::to_string(i) + "=;";
  CHECK(TagList::parse(many).error().kind() == ErrorKind::too_large);
  CHECK(TagList::parse("a=" + std::string(mailauth::limits::tag_list_octets_max, 'x')).error().kind() == ErrorKind::too_large);
}

TEST_CASE("mailauth: lists parted by colons keep their empty items") {
  CHECK(split_colons("from : to:\r\n subject") == std::vector<std::string_view>{"from", "to", "subject"});
  CHECK(split_colons("") == std::vector<std::string_view>{""});
  CHECK(split_colons("a:") == std::vector<std::string_view>{"a", ""});
}
