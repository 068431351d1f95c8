// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "keystonemail/smtp/path.hpp"

#include <doctest/doctest.h>

#include <optional>
#include <string>

using namespace keystonemail;
using namespace keystonemail::smtp;

namespace {

std::optional<Path> read(std::string_view text, PathKind kind = PathKind::forward) {
  auto path = parse_path(text, kind);
  if (!path || !text.empty()) return std::nullopt;
  return *std::move(path);
}

std::string mailbox(std::string_view text) {
  const auto path = read(text);
  return path ? path->to_string() : "refused";
}

}  // namespace

TEST_CASE("path: mailboxes of RFC 5321 §4.1.2 are read, and written as they must be") {
  CHECK(mailbox("<a@example.org>") == "a@example.org");
  CHECK(mailbox("<a.b+c=d!e#f@Example.ORG>") == "a.b+c=d!e#f@Example.ORG");
  CHECK(mailbox("<\"a b\"@example.org>") == "\"a b\"@example.org");
  CHECK(read("<\"a b\"@example.org>")->local == "a b");
  CHECK(mailbox("<\"ab\"@example.org>") == "ab@example.org");  // quotes that need not be (§4.1.2)
  CHECK(mailbox("<\"a\\\"\\\\b\"@example.org>") == "\"a\\\"\\\\b\"@example.org");
  CHECK(mailbox("<\"x@y\"@example.org>") == "\"x@y\"@example.org");
  CHECK(mailbox("<\"a..b\"@example.org>") == "\"a..b\"@example.org");
  CHECK(mailbox("<\"\"@example.org>") == "\"\"@example.org");
  CHECK(mailbox("<a@[192.0.2.1]>") == "a@[192.0.2.1]");
  CHECK(mailbox("<a@[IPv6:2001:db8::1]>") == "a@[IPv6:2001:db8::1]");
  CHECK(mailbox("<\xc3\xbc@\xc3\xbc.test>") == "\xc3\xbc@\xc3\xbc.test");  // RFC 6531 §3.3
}

TEST_CASE("path: the null path is a sender only, Postmaster without a domain a recipient only") {
  CHECK(read("<>", PathKind::reverse)->is_null());
  CHECK(!read("<>", PathKind::forward));
  CHECK(read("<postMASTER>", PathKind::forward)->local == "postMASTER");
  CHECK(!read("<postmaster>", PathKind::reverse));
  CHECK(!read("<somebody>", PathKind::forward));
}

TEST_CASE("path: a source route is read and dropped (RFC 5321 appendix C)") {
  CHECK(mailbox("<@one.test,@two.test:a@example.org>") == "a@example.org");
  CHECK(mailbox("<@[192.0.2.1]:a@example.org>") == "a@example.org");
  for (const char* text : {"<@one.test a@example.org>", "<@:a@example.org>", "<@one.test,:a@example.org>", "<@one.test:>"}) {
    CAPTURE(text);
    CHECK(!read(text));
  }
}

TEST_CASE("path: what is no path is refused") {
  for (const char* text :
       {"", "a@example.org", "<a@example.org", "<a@>", "<@example.org>", "<a b@example.org>", "<.a@example.org>", "<a.@example.org>",
        "<a..b@example.org>", "<a@-example.org>", "<a@example-.org>", "<a@example..org>", "<a@.org>", "<a@example.org.>",
        "<a@exa mple.org>", "<a@[192.0.2]>", "<a@[2001:db8::1]>", "<a@[IPv6:192.0.2.1]>", "<a@[]>", "<a@[192.0.2.1>", "<a@b@example.org>",
        "<\"a@example.org>", "<\"a\tb\"@example.org>", "<a(c)@example.org>", "<a,b@example.org>", "<a@example.org>>", "< a@example.org>",
        "<\"a\"b@example.org>", "<a@example.org:25>"}) {
    CAPTURE(text);
    CHECK(mailbox(text) == "refused");
  }
  CHECK(mailbox(std::string_view("<a\0b@example.org>", 17)) == "refused");
  CHECK(mailbox(std::string_view("<\"a\0b\"@example.org>", 19)) == "refused");
  CHECK(mailbox("<\"a\\\x7f\"@example.org>") == "refused");
}

TEST_CASE("path: limits are those of RFC 5321 §4.5.3.1, and the local part's is wider") {
  const auto domain = [](std::size_t octets) {
    std::string text;
    while (text.size() < octets) text += std::string(std::min<std::size_t>(31, octets - text.size()), 'd') + ".";
    text.resize(octets);
    if (text.back() == '.') text.back() = 'd';
    return text;
  };
  CHECK(read("<" + std::string(128, 'a') + "@example.org>"));
  CHECK(!read("<" + std::string(129, 'a') + "@example.org>"));
  CHECK(read("<a@" + domain(252) + ">"));  // 256 octets with its brackets
  CHECK(!read("<a@" + domain(253) + ">"));
  CHECK(read("<a@" + std::string(63, 'l') + ".test>"));
  CHECK(!read("<a@" + std::string(64, 'l') + ".test>"));
}

TEST_CASE("path: octets that are no UTF-8 are named as such") {
  std::string_view text = "<a\xff@example.org>";
  CHECK(parse_path(text, PathKind::forward).error() == PeerFault::not_utf8);
  CHECK(parse_mailbox("a\xc3@example.org").error() == PeerFault::not_utf8);
  CHECK(parse_mailbox("a@example.org").has_value());
  CHECK(!parse_mailbox("a@example.org ").has_value());
}

TEST_CASE("path: what is written is read back as the same") {
  std::string local;
  for (int first = 0x20; first < 0x7f; ++first) {
    for (int second = 0x20; second < 0x7f; ++second) {
      const Path path{{static_cast<char>(first), static_cast<char>(second)}, "example.org"};
      const auto again = parse_mailbox(path.to_string());
      CAPTURE(path.to_string());
      REQUIRE(again.has_value());
      CHECK(again->local == path.local);
    }
  }
}
