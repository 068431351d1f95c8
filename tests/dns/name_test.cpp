// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "keystonemail/dns/name.hpp"

#include <doctest/doctest.h>

#include "dns/names.hpp"

using namespace keystonemail;
using namespace keystonemail::dns;
using namespace std::string_literals;

TEST_CASE("dns name: case and the final dot do not count") {
  CHECK(name("Example.COM.") == name("example.com"));
  CHECK(name("example.com").text() == "example.com");
  CHECK(name(".") == Name());
  CHECK(name("example.com") != name("example.org"));
}

TEST_CASE("dns name: what is no name is none") {
  for (const auto text : {"", "..", ".example", "a..b", "a.b..", "\\", "a\\", "\\25", "\\256", "\\2x5"}) {
    CAPTURE(text);
    CHECK_FALSE(Name::parse(text));
  }
}

TEST_CASE("dns name: a label has at most 63 octets, a name 255 on the wire") {
  const std::string label(63, 'a');
  CHECK(Name::parse(label));
  CHECK_FALSE(Name::parse(label + "a"));
  const std::string three = label + "." + label + "." + label + ".";
  CHECK(Name::parse(three + std::string(61, 'b')).value().wire().size() == 255);
  CHECK_FALSE(Name::parse(three + std::string(62, 'b')));
}

TEST_CASE("dns name: escapes are octets, and are written again where they are needed") {
  const Name odd = name("a\\.b.\\000\\032c\\\\.example");
  CHECK(odd.labels() == std::vector<std::string>{"a.b", "\0 c\\"s, "example"});
  CHECK(odd.label_count() == 3);
  CHECK(name(odd.text()) == odd);
  CHECK(name("\\101x") == name("ex"));
  CHECK(odd.parent().text() == "\\000\\032c\\\\.example");
}

TEST_CASE("dns name: the wire form is labels with their lengths") {
  CHECK(name("mx.example").wire() == "\2mx\7example\0"s);
  CHECK(Name().wire() == "\0"s);
}

TEST_CASE("dns name: being within goes by labels, not by letters") {
  CHECK(name("a.example.com").is_within(name("example.com")));
  CHECK(name("example.com").is_within(name("example.com")));
  CHECK(name("example.com").is_within(Name()));
  CHECK_FALSE(name("anexample.com").is_within(name("example.com")));
  CHECK_FALSE(name("a\\.example.com").is_within(name("example.com")));
  CHECK_FALSE(name("com").is_within(name("example.com")));
  CHECK_FALSE(Name().is_within(name("com")));
}

TEST_CASE("dns name: a prefix goes in front") {
  CHECK(name("example.com").prefixed("_dmarc").value() == name("_dmarc.example.com"));
  CHECK(Name().prefixed("com").value() == name("com"));
  CHECK_FALSE(name(std::string(63, 'a') + "." + std::string(63, 'a') + "." + std::string(63, 'a') + "." + std::string(60, 'a')).prefixed("ab"));
}

TEST_CASE("D2: a domain with a control octet or a bracket is no name, and is never looked up") {
  CHECK_FALSE(Name::from_domain("a.com\0.b.com"s));
  CHECK_FALSE(Name::from_domain("a.com(.b.com"));
  CHECK_FALSE(Name::from_domain("a.com\r\n"));
  CHECK_FALSE(Name::from_domain("[192.0.2.1]"));
  CHECK_FALSE(Name::from_domain(""));
  CHECK(Name::from_domain("_x.Example.com.").value() == name("_x.example.com"));
}

TEST_CASE("D10: U-labels and A-labels are one name") {
  CHECK(Name::from_domain("bücher.example").value() == name("xn--bcher-kva.example"));
  CHECK(Name::from_domain("XN--BCHER-KVA.example").value() == name("xn--bcher-kva.example"));
}

TEST_CASE("dns name: an address reversed") {
  CHECK(reverse_name(*IpAddress::parse("192.0.2.1")).text() == "1.2.0.192.in-addr.arpa");
  CHECK(reverse_name(*IpAddress::parse("2001:db8::cb01")).text() ==
        "1.0.b.c.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa");
}
