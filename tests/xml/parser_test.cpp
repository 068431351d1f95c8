// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "xml/parser.hpp"

#include <doctest/doctest.h>

#include <string>
#include <vector>

using namespace keystonemail;

namespace {

// Writes down what it hears: "<a", "<b", "b=text", "a=".
class Listener final : public xml::Handler {
 public:
  void begin(std::string_view name) override { heard.push_back("<" + std::string(name)); }
  void end(std::string_view name, std::string_view text) override { heard.push_back(std::string(name) + "=" + std::string(text)); }
  std::vector<std::string> heard;
};

std::vector<std::string> heard(std::string_view document) {
  Listener listener;
  REQUIRE(xml::parse(document, listener).has_value());
  return listener.heard;
}
ErrorKind refused(std::string_view document) {
  Listener listener;
  const auto done = xml::parse(document, listener);
  REQUIRE(!done.has_value());
  return done.error().kind();
}

}  // namespace

TEST_CASE("xml: elements and their text are heard in order, with references resolved") {
  CHECK(heard("<a><b>x &amp; &#233;</b><c/></a>") == std::vector<std::string>{"<a", "<b", "b=x & é", "<c", "c=", "a="});
  CHECK(heard("<n:a xmlns:n='urn:x'><n:b>1<![CDATA[<2>]]></n:b></n:a>") == std::vector<std::string>{"<n:a", "<n:b", "n:b=1<2>", "n:a="});
  CHECK(heard("<a><!-- no --><?pi no?>t</a>") == std::vector<std::string>{"<a", "a=t"});
}

TEST_CASE("xml: text may be in the charset that the document names") {
  CHECK(heard("<?xml version='1.0' encoding='windows-1252'?><a>\x80</a>").back() == "a=€");
  CHECK(heard("<?xml version='1.0' encoding='ISO-8859-15'?><a>\xa4</a>").back() == "a=€");
  CHECK(heard(std::string_view("\xff\xfe<\0a\0/\0>\0", 10)).back() == "a=");
  CHECK(refused("<?xml version='1.0' encoding='no-such-charset'?><a/>") == ErrorKind::invalid);
}

TEST_CASE("xml: what is not well-formed is refused, wherever it ends") {
  const std::string whole = "<a><b>x</b></a>";
  for (std::size_t cut = 0; cut < whole.size(); ++cut) {
    CAPTURE(cut);
    CHECK(refused(whole.substr(0, cut)) == ErrorKind::invalid);
  }
  for (const char* odd : {"<a></b>", "<a/><b/>", "<a>\xff</a>", "<a>&unknown;</a>", "text", "<a b='1' b='2'/>"}) CHECK(refused(odd) == ErrorKind::invalid);
}

TEST_CASE("C9: XML bombs and entities that read files are refused with their document type") {
  CHECK(refused("<!DOCTYPE a [<!ENTITY x 'xxxxxxxxxx'><!ENTITY y '&x;&x;&x;&x;'>]><a>&y;&y;</a>") == ErrorKind::invalid);
  CHECK(refused("<!DOCTYPE a [<!ENTITY x SYSTEM 'file:///etc/passwd'>]><a>&x;</a>") == ErrorKind::invalid);
  CHECK(refused("<!DOCTYPE a SYSTEM 'http://example.com/a.dtd'><a/>") == ErrorKind::invalid);
  CHECK(refused("<!DOCTYPE a><a/>") == ErrorKind::invalid);
}

TEST_CASE("xml: depth has an end, and long text is cut") {
  std::string deep;
  for (std::size_t i = 0; i < xml::limits::depth_max; ++i) deep += "<a>";
  std::string closed = deep;
  for (std::size_t i = 0; i < xml::limits::depth_max; ++i) closed += "</a>";
  CHECK(heard(closed).size() == 2 * xml::limits::depth_max);
  CHECK(refused(deep + "<a>") == ErrorKind::too_large);
  CHECK(heard("<a>" + std::string(100'000, 'x') + "</a>").back().size() == xml::limits::text_octets_max + 2);
}
