// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "json/value.hpp"

#include <doctest/doctest.h>

using namespace keystonemail;
using namespace keystonemail::json;

TEST_CASE("json: what is written is read") {
  Object object;
  object.emplace("text", Value("quote \" and \n and ü"));
  object.emplace("number", Value(std::int64_t{-7}));
  object.emplace("flag", Value(true));
  object.emplace("list", Value(Array{Value("a"), Value(std::monostate{}), Value(1.5)}));
  const auto read = parse(serialise(Value(object)));
  REQUIRE(read);
  CHECK(text_member(*read, "text") == "quote \" and \n and ü");
  CHECK(number_member(*read, "number") == -7);
  CHECK(*member(*read, "flag") == Value(true));
  const auto* list = std::get_if<Array>(member(*read, "list"));
  REQUIRE(list);
  CHECK(list->size() == 3);
  CHECK(std::get<double>(list->at(2)) == 1.5);
}

TEST_CASE("json: a member that is absent or of another type gives the default") {
  const auto value = parse(R"({"a":1})");
  REQUIRE(value);
  CHECK(text_member(*value, "a", "none") == "none");
  CHECK(number_member(*value, "b", 3) == 3);
  CHECK(member(*parse("[]"), "a") == nullptr);
}

TEST_CASE("json: what is not JSON is an error") {
  for (const std::string_view text : {"", "{", "{} x", "\"\xff\"", "nul", "{\"a\":}", "[1,]"}) {
    CAPTURE(text);
    const auto read = parse(text);
    REQUIRE_FALSE(read);
    CHECK(read.error().kind() == ErrorKind::invalid);
  }
}

TEST_CASE("json: nesting beyond the limit is refused before it is built") {
  CHECK(parse(std::string(64, '[') + std::string(64, ']')));
  const auto deep = parse(std::string(1'000'000, '['));
  REQUIRE_FALSE(deep);
  CHECK(deep.error().kind() == ErrorKind::too_large);
  CHECK(parse("\"" + std::string(100, '[') + "\""));
}

TEST_CASE("json: octets that are not UTF-8 are replaced on the way out") {
  const auto read = parse(serialise(Value("a\xff")));
  REQUIRE(read);
  CHECK(std::get<std::string>(*read) == "a\xEF\xBF\xBD");
}
