// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "xml/writer.hpp"

#include <doctest/doctest.h>

#include "xml/parser.hpp"

using namespace keystonemail;

namespace {

class LastText final : public xml::Handler {
 public:
  void begin(std::string_view) override {}
  void end(std::string_view name, std::string_view text) override {
    if (name == "b") last = text;
  }
  std::string last;
};

}  // namespace

TEST_CASE("xml: what is written is indented, with its namespace") {
  CHECK(xml::Writer().open("a", "urn:x").element("b", "1 < 2").element("c", std::uint64_t{7}).close().take() ==
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<a xmlns=\"urn:x\">\n  <b>1 &lt; 2</b>\n  <c>7</c>\n</a>\n");
}

TEST_CASE("xml: any octets are written so that they can be read, and most come back") {
  for (const std::string& text : {std::string("plain"), std::string("<&>\"'"), std::string("]]>"), std::string("é€😀"), std::string("a\r\nb\tc")}) {
    LastText reader;
    REQUIRE(xml::parse(xml::Writer().open("a").element("b", text).close().take(), reader).has_value());
    CHECK(reader.last == text);
  }
  std::string all;
  for (int octet = 0; octet < 256; ++octet) all += static_cast<char>(octet);
  LastText reader;
  CHECK(xml::parse(xml::Writer().open("a").element("b", all).close().take(), reader).has_value());
}
