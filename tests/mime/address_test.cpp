// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "keystonemail/mime/address.hpp"

#include <doctest/doctest.h>

#include "keystonemail/mime/address_list.hpp"
#include "keystonemail/mime/limits.hpp"

using namespace keystonemail::mime;

namespace {

// "kind|name|route|local|domain" for every entry, joined by blanks.
std::string listed(std::string_view value) {
  std::string out;
  for (const ListedAddress& entry : parse_address_list(value)) {
    if (!out.empty()) out += " ";
    if (entry.kind == AddressKind::group_begin) out += "{" + entry.name;
    else if (entry.kind == AddressKind::group_end) out += "}";
    else out += "(" + entry.name + ")" + entry.route + "<" + entry.local_part + "@" + entry.domain + ">";
  }
  return out;
}

}  // namespace

TEST_CASE("address: one canonical form; the domain's case does not count, the local part's does") {
  CHECK(Address::parse("Bob@EXAMPLE.com")->to_string() == "Bob@example.com");
  CHECK(Address::parse("\"Bob\"@example.com")->to_string() == "Bob@example.com");
  CHECK(Address::parse("\"a b\\\"\"@example.com")->local_part() == "a b\"");
  CHECK(Address::parse("\"a b\"@example.com")->to_string() == "\"a b\"@example.com");
  CHECK(Address::parse("x@bücher.example")->domain() == "xn--bcher-kva.example");
  CHECK(Address::parse("x@xn--bcher-kva.example")->to_display() == "x@bücher.example");
  CHECK(Address::parse("x@[192.0.2.1]")->domain() == "[192.0.2.1]");
  CHECK(Address::parse("x@[IPv6:2001:DB8:0::1]")->domain() == "[IPv6:2001:db8::1]");
  CHECK(Address::parse("BOB@x.test")->key() == Address::parse("bob@X.test")->key());
  CHECK(*Address::parse("BOB@x.test") != *Address::parse("bob@x.test"));
  CHECK(Address::parse("jörg@x.test")->needs_smtputf8());
  CHECK(!Address::parse("x@bücher.example")->needs_smtputf8());
}

TEST_CASE("address: one mailbox whatever the case and normalisation form of a local part beyond ASCII (RFC 8265 §3.3)") {
  const auto key = [](std::string_view text) { return Address::parse(text).value().key(); };
  CHECK(key("jo\u0308rg@x.test") == key("j\u00f6rg@x.test"));
  CHECK(key("J\u00d6RG@x.test") == key("j\u00f6rg@x.test"));
  CHECK(key("JO\u0308RG@x.test") == key("j\u00f6rg@x.test"));
  CHECK(key("\u0418\u0432\u0430\u043d@x.test") == key("\u0438\u0432\u0430\u043d@x.test"));
  CHECK(key("j\u00f6rg@x.test") == "j\u00f6rg@x.test");
  CHECK(key("stra\u00dfe@x.test") != key("strasse@x.test"));
  CHECK(key("j\u00f6rg@x.test") != key("jorg@x.test"));
}

TEST_CASE("address: what RFC 5321 has no form for is refused") {
  using namespace std::string_view_literals;
  for (const std::string_view text :
       {""sv, "a"sv, "@b"sv, "a@"sv, "a b@c"sv, "a..b@c"sv, ".a@b"sv, "a.@b"sv, "a@b@c"sv, "<a@b>"sv, "a@b."sv, "a@-b"sv,
        "\"a@b"sv, "\"a\nb\"@c"sv, "a\0b@c"sv, "\"\"@b"sv, "a@[1.2.3]"sv, "a@[IPv6:1.2.3.4]"sv, "a@[x]"sv, "a@b\r\nc"sv,
        "\xff@b"sv, "a@b c"sv, "a@\xff"sv, "\"a\\"sv}) {
    CAPTURE(text);
    CHECK(!Address::parse(text));
  }
  CHECK(Address::parse(std::string(64, 'a') + "@b.test"));
  CHECK(!Address::parse(std::string(65, 'a') + "@b.test"));
}

TEST_CASE("C8: addresses for routing are never decoded by RFC 2047") {
  const auto split = Address::parse("=?utf-8?q?bob=40evil.test=3e?=@example.com");
  REQUIRE(split);
  CHECK(split->local_part() == "=?utf-8?q?bob=40evil.test=3e?=");
  CHECK(split->domain() == "example.com");
  const auto header = parse_address_list("=?utf-8?q?bob=40evil.test=20?=@example.com, =?utf-8?q?a=40b.test?=");
  REQUIRE(header.size() == 2);
  CHECK(header[0].domain == "example.com");
  CHECK(header[0].local_part == "=?utf-8?q?bob=40evil.test=20?=");
  CHECK(header[1].domain.empty());
  CHECK(!header[1].address());
}

TEST_CASE("C8: characters that overflow to '@' or '<' in one octet are not those") {
  const auto address = Address::parse("a\u0140evil.test@example.com");  // U+0140 ends in 0x40
  REQUIRE(address);
  CHECK(address->domain() == "example.com");
  CHECK(parse_address_list("a\u0140b\u013cc@example.com").front().domain == "example.com");
}

TEST_CASE("address list: the examples of RFC 5322 appendix A") {
  CHECK(listed("John Doe <jdoe@machine.example>") == "(John Doe)<jdoe@machine.example>");
  CHECK(listed("\"Joe Q. Public\" <john.q.public@example.com>") == "(Joe Q. Public)<john.q.public@example.com>");
  CHECK(listed("Mary Smith <mary@x.test>, jdoe@example.org, Who? <one@y.test>") ==
        "(Mary Smith)<mary@x.test> ()<jdoe@example.org> (Who?)<one@y.test>");
  CHECK(listed("<boss@nil.test>, \"Giant; \\\"Big\\\" Box\" <sysservices@example.net>") ==
        "()<boss@nil.test> (Giant; \"Big\" Box)<sysservices@example.net>");
  CHECK(listed("A Group:Ed Jones <c@a.test>,joe@where.test,John <jdoe@one.test>;") ==
        "{A Group (Ed Jones)<c@a.test> ()<joe@where.test> (John)<jdoe@one.test> }");
  CHECK(listed("Undisclosed recipients:;") == "{Undisclosed recipients }");
  CHECK(listed("Pete(A nice \\) chap) <pete(his account)@silly.test(his host)>") == "(Pete)<pete@silly.test>");
  CHECK(listed("(Empty list)(start)Hidden recipients  :(nobody(that I know))  ;") == "{Hidden recipients }");
  CHECK(listed("Joe Q. Public <john.q.public@example.com>") == "(Joe Q. Public)<john.q.public@example.com>");
  CHECK(listed("Mary Smith <@node.test:mary@example.net>, , jdoe@test   . example") ==
        "(Mary Smith)@node.test<mary@example.net> ()<jdoe@test.example>");
}

TEST_CASE("address list: what is seen in the wild") {
  CHECK(listed("bob@example.com (Bob Example)") == "(Bob Example)<bob@example.com>");
  CHECK(listed("bob@example.com <bob@example.com>") == "(bob@example.com)<bob@example.com>");
  CHECK(listed("root") == "()<root@>");
  CHECK(listed("Jörg <j\xc3\xb6rg@x.test>") == "(Jörg)<jörg@x.test>");
  CHECK(listed("a@[192.0.2.1]") == "()<a@[192.0.2.1]>");
  CHECK(listed("\"quoted local\"@x.test") == "()<quoted local@x.test>");
  CHECK(listed("Bob <bob@x.test") == "(Bob)<bob@x.test>");
  CHECK(listed("Bob <>") == "(Bob)<@>");
  CHECK(listed(",,;;, a@b ;") == "()<a@b>");
  CHECK(listed("a@b; c@d") == "()<a@b> ()<c@d>");
  CHECK(parse_address_list("=?iso-8859-1?q?J=F6rg?= <j@x.test>").front().display_name() == "Jörg");
}

TEST_CASE("C4: comments that end in a backslash, or never end, and groups in From are read within bounds") {
  for (const char* text : {"a@b (c\\", "(\\", "\"\\", "a@b (((", "g: a@b", "g:", ":;", "g:h:i;", "<", "<@", "<@a,", "a@[b\\", "@", "\\"}) {
    const std::string exact(text);  // on the heap, so that a sanitizer sees a read past it
    CAPTURE(exact);
    CHECK(parse_address_list(exact).size() <= 6);
  }
  CHECK(listed("g: a@b (c\\") == "{g (c\\)<a@b> }");
}

TEST_CASE("C2: a million items in an address header give a bounded list") {
  std::string value;
  for (int i = 0; i < 1'000'000; ++i) value += "a@b,";
  const auto list = parse_address_list(value);
  CHECK(list.size() == limits::addresses_max);
  std::string nested(1'000'000, '(');
  CHECK(parse_address_list(nested).empty());
}
