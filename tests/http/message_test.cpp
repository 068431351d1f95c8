// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include <doctest/doctest.h>

#include "keystonemail/http/fault.hpp"
#include "keystonemail/http/message.hpp"

using namespace keystonemail;
using namespace keystonemail::http;

TEST_CASE("http url: scheme and host are in lower case, the path is as it was, the fragment goes") {
  const auto url = Url::parse("HTTPS://Mta-STS.Example:8443/.well-known/x?y=Z#top");
  REQUIRE(url);
  CHECK(url->to_string() == "https://mta-sts.example:8443/.well-known/x?y=Z");
  CHECK(url->port() == 8443);
  CHECK(Url::parse("https://a.example")->target == "/");
  CHECK(Url::parse("https://a.example?q")->target == "/?q");
  CHECK(Url::parse("https://a.example#f")->target == "/");
  CHECK(Url::parse("http://a.example")->port() == 80);
  CHECK(Url::parse("https://[2001:DB8::1]:1/")->authority.to_string() == "[2001:db8::1]:1");
}

TEST_CASE("http url: what is none is none") {
  for (const char* text : {"", "https:", "https:///x", "https://", "ftp://a/", "mailto:a@b", "https://user@a/", "https://user:pw@a/", "https://a:0/", "https://a:65536/", "https://a:1x/",
                           "https://[::1/", "https://[1.2.3.4]/", "https://a b/", "https://a/b c", "https://a/\r\nx", "https://a/%", "https://a/\xc3\xa4", "https://a\\b/", "//a/", "https://\xc3\xa4.example/"}) {
    CAPTURE(text);
    CHECK(!Url::parse(text));
  }
  CHECK(!Url::parse("https://a/" + std::string(2'048, 'x')));
}

TEST_CASE("http fields: names compare without case, lists word by word") {
  const Fields fields{{"Connection", "keep-alive , Upgrade"}, {"connection", "close"}, {"Content-Type", "Text/HTML ; charset=x"}};
  CHECK(*find(fields, "CONNECTION") == "keep-alive , Upgrade");
  CHECK(count(fields, "Connection") == 2);
  CHECK(find(fields, "Connectio") == nullptr);
  CHECK(list_has(fields, "Connection", "upgrade"));
  CHECK(list_has(fields, "Connection", "close"));
  CHECK(!list_has(fields, "Connection", "keep"));
  CHECK(media_type(fields) == "text/html");
  CHECK(media_type({}) == "");
}

TEST_CASE("http fields: what may be sent as a name and as a value") {
  CHECK(is_token("X-Y!#$%&'*+.^_`|~9"));
  for (const char* text : {"", "a b", "a:", "a\x7f", "\xc3\xa4", "a/b", "a\"", "(a)"}) CHECK(!is_token(text));
  CHECK(is_field_value("a\tb \xc3\xa4"));
  for (const char* text : {" a", "a ", "a\r\nb", "a\x7f"}) CHECK(!is_field_value(text));
}

TEST_CASE("http faults: each has a name, and those that somebody hears have a status with a reason") {
  for (int i = 0; i <= static_cast<int>(Fault::timed_out); ++i) {
    const Fault fault = static_cast<Fault>(i);
    CHECK(!to_string(fault).empty());
    if (status_for(fault) != 0) CHECK(reason_phrase(status_for(fault)) != "Unknown");
  }
}
