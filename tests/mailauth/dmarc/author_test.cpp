// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "keystonemail/mailauth/dmarc/author.hpp"

#include <doctest/doctest.h>

using namespace keystonemail::mailauth::dmarc;
using namespace std::string_literals;

namespace {

// The author's domain, or the fault.
std::string author(const std::string& fields) {
  const auto found = find_author("Subject: x\r\n" + fields + "\r\nTo: you@example.net\r\n\r\n");
  return found ? found->domain.text() : std::string(to_string(found.error()));
}
std::string fault(AuthorFault fault) { return std::string(to_string(fault)); }

}  // namespace

TEST_CASE("dmarc author: the domain of the one From") {
  CHECK(author("From: Alice <alice@Example.COM>") == "example.com");
  CHECK(author("from: alice@example.com") == "example.com");
  CHECK(author("From: \"x@evil.example\" <alice@example.com>") == "example.com");
  CHECK(author("From: alice@example.com (Alice)") == "example.com");
  CHECK(author("From:\r\n Alice\r\n <alice@example.com>") == "example.com");
  CHECK(author("From: alice@example.com, bob@EXAMPLE.com") == "example.com");
  CHECK(author("From: =?utf-8?q?Al=40evil.example?= <alice@example.com>") == "example.com");
}

TEST_CASE("D10: a U-label author is the A-label one") {
  CHECK(author("From: alice@b\xc3\xbc" "cher.example") == "xn--bcher-kva.example");
  CHECK(author("From: alice@XN--bcher-kva.example") == "xn--bcher-kva.example");
}

TEST_CASE("D1: no From, two, or addresses of two domains") {
  CHECK(author("X: y") == fault(AuthorFault::missing));
  CHECK(author("From: a@example.com\r\nFrom: b@evil.example") == fault(AuthorFault::repeated));
  CHECK(author("From: a@example.com\r\nfROM: a@example.com") == fault(AuthorFault::repeated));
  CHECK(author("From: a@example.com, b@evil.example") == fault(AuthorFault::several_domains));
  CHECK(author("From: team: a@example.com, b@evil.example;") == fault(AuthorFault::several_domains));
}

TEST_CASE("D1: no address: a group without members, an empty value, words") {
  CHECK(author("From: undisclosed:;") == fault(AuthorFault::no_mailbox));
  CHECK(author("From:") == fault(AuthorFault::no_mailbox));
  CHECK(author("From: <>") != "example.com");
  CHECK(author("From: Alice") == fault(AuthorFault::invalid_domain));
  CHECK(author("From: alice@") == fault(AuthorFault::invalid_domain));
}

TEST_CASE("D1: a field whose name is not plainly From") {
  CHECK(author("From : a@example.com") == fault(AuthorFault::malformed_field));
  CHECK(author("From\t: a@evil.example\r\nFrom: a@example.com") == fault(AuthorFault::malformed_field));
  const auto leading = find_author(" From: a@evil.example\r\nFrom: a@example.com\r\n\r\n");
  REQUIRE_FALSE(leading);
  CHECK(leading.error() == AuthorFault::malformed_field);
}

TEST_CASE("D1: control characters, routes, comments and encoded words in the address") {
  CHECK(author("From: a@example.com\0.evil.example"s) == fault(AuthorFault::control_character));
  CHECK(author("From: a@example.com\x01") == fault(AuthorFault::control_character));
  CHECK(author("From: a@example.com\r.evil.example") == fault(AuthorFault::control_character));
  CHECK(author("From: <@evil.example:a@example.com>") == fault(AuthorFault::source_route));
  CHECK(author("From: <@evil.example,@x.example:a@example.com>") == fault(AuthorFault::source_route));
  CHECK(author("From: <a@example.com(.evil.example)>") == fault(AuthorFault::hidden_text));
  CHECK(author("From: <a@(x)example.com>") == fault(AuthorFault::hidden_text));
  CHECK(author("From: <a@example .com>") == fault(AuthorFault::hidden_text));
  CHECK(author("From: <=?utf-8?q?a=40evil.example?=@example.com>") == fault(AuthorFault::encoded_word));
  CHECK(author("From: a@=?utf-8?q?example.com?=") == fault(AuthorFault::encoded_word));
}

TEST_CASE("D2: a domain that is none") {
  CHECK(author("From: a@[192.0.2.1]") == fault(AuthorFault::invalid_domain));
  CHECK(author("From: a@exa_mple..com") != "example.com");
  CHECK(author("From: a@-example.com") == fault(AuthorFault::invalid_domain));
  CHECK(author("From: a@" + std::string(70, 'x') + ".com") == fault(AuthorFault::invalid_domain));
}
