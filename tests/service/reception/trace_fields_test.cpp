// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "service/reception/trace_fields.hpp"

#include <doctest/doctest.h>

#include <algorithm>

using namespace keystonemail;
using namespace keystonemail::reception;

TEST_CASE("trace: nothing a peer calls itself can end the line, the comment or the clause") {
  for (const std::string_view nasty : {std::string_view("a\r\nBcc: x"), std::string_view("x) (y"), std::string_view("a;b"), std::string_view("a\0b", 3)}) {
    const auto field = received_field({.hello_name = nasty, .peer_literal = "[192.0.2.1]", .hostname = "mx.test", .protocol = "SMTP",
                                       .tls = "", .id = "1", .recipient = "r@example.test", .time = WallTime{}});
    CAPTURE(field);
    CHECK(field.find('\0') == std::string::npos);
    CHECK(std::count(field.begin(), field.end(), '\n') == 3);
    CHECK(std::count(field.begin(), field.end(), '(') == 1);
    CHECK(std::count(field.begin(), field.end(), ';') == 1);
  }
}

TEST_CASE("trace: a Received field says from, by, with, id, for and when") {
  CHECK(received_field({.hello_name = "client", .peer_literal = "[192.0.2.1]", .hostname = "mx.test", .protocol = "ESMTPS",
                        .tls = "TLS1.3", .id = "abc", .recipient = "bob@example.test", .time = WallTime{}}) ==
        "Received: from client ([192.0.2.1])\r\n\tby mx.test with ESMTPS id abc\r\n\t(TLS1.3)\r\n"
        "\tfor <bob@example.test>; Thu, 01 Jan 1970 00:00:00 +0000\r\n");
}

TEST_CASE("trace: for whom it is stands there in ASCII, or not at all, so that it can go on without SMTPUTF8") {
  CHECK(traced_recipient("bob@example.test") == "bob@example.test");
  CHECK(traced_recipient("joe@b\xc3\xbc" "cher.test") == "joe@xn--bcher-kva.test");
  CHECK(traced_recipient("j\xc3\xb6rg@example.test").empty());
  CHECK(traced_recipient("joe@\xff.test").empty());
}
