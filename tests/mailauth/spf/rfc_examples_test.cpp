// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Appendix A of RFC 7208, example by example, with its own zone.
#include <doctest/doctest.h>

#include "mailauth/spf/support.hpp"

using namespace keystonemail::mailauth::spf;

namespace {

constexpr std::string_view appendix_zone = R"(
$ORIGIN example.com.
@           MX  10 mail-a
            MX  20 mail-b
            A   192.0.2.10
            A   192.0.2.11
amy         A   192.0.2.65
bob         A   192.0.2.66
mail-a      A   192.0.2.129
mail-b      A   192.0.2.130
www         CNAME example.com.
$ORIGIN example.org.
@           MX  10 mail-c
mail-c      A   192.0.2.140
$ORIGIN 2.0.192.in-addr.arpa.
10          PTR example.com.
11          PTR example.com.
65          PTR amy.example.com.
66          PTR bob.example.com.
129         PTR mail-a.example.com.
130         PTR mail-b.example.com.
140         PTR mail-c.example.org.
$ORIGIN 0.0.10.in-addr.arpa.
4           PTR bob.example.com.
)";

std::string judge(std::string_view records, const std::string& client, const std::string& from = "user@example.com") {
  Dns dns(std::string(appendix_zone) + "$ORIGIN .\n" + std::string(records));
  return outcome(dns, {.client = client, .from = from});
}

const std::vector<std::string> hosts{"192.0.2.10",  "192.0.2.11",  "192.0.2.65",  "192.0.2.66",  "192.0.2.129",
                                     "192.0.2.130", "192.0.2.131", "192.0.2.140", "192.0.2.143", "10.0.0.4", "203.0.113.1"};

// The clients among `hosts` that pass; all others must fail.
std::vector<std::string> passing(const std::string& record) {
  std::vector<std::string> out;
  for (const auto& host : hosts) {
    CAPTURE(host);
    const auto result = judge("example.com. TXT \"" + record + "\"", host);
    if (result == "pass") out.push_back(host);
    else CHECK(result == "fail");
  }
  return out;
}
using Hosts = std::vector<std::string>;

}  // namespace

TEST_CASE("spf: RFC 7208 A.1, simple examples") {
  CHECK(passing("v=spf1 +all") == hosts);
  CHECK(passing("v=spf1 a -all") == Hosts{"192.0.2.10", "192.0.2.11"});
  CHECK(passing("v=spf1 a:example.org -all").empty());
  CHECK(passing("v=spf1 mx -all") == Hosts{"192.0.2.129", "192.0.2.130"});
  CHECK(passing("v=spf1 mx:example.org -all") == Hosts{"192.0.2.140"});
  CHECK(passing("v=spf1 mx mx:example.org -all") == Hosts{"192.0.2.129", "192.0.2.130", "192.0.2.140"});
  CHECK(passing("v=spf1 mx/30 mx:example.org/30 -all") == Hosts{"192.0.2.129", "192.0.2.130", "192.0.2.131", "192.0.2.140", "192.0.2.143"});
  CHECK(passing("v=spf1 ptr -all") == Hosts{"192.0.2.10", "192.0.2.11", "192.0.2.65", "192.0.2.66", "192.0.2.129", "192.0.2.130"});
  CHECK(passing("v=spf1 ip4:192.0.2.128/28 -all") == Hosts{"192.0.2.129", "192.0.2.130", "192.0.2.131", "192.0.2.140", "192.0.2.143"});
}

TEST_CASE("spf: RFC 7208 A.2, multiple domains") {
  const auto records = R"(
example.com. TXT "v=spf1 mx -all"
example.net. TXT "v=spf1 ip4:203.0.113.0/24 -all"
example.org. TXT "v=spf1 include:example.com include:example.net -all"
la.example.org. TXT "v=spf1 redirect=example.org"
)";
  for (const auto from : {"user@example.org", "user@la.example.org"}) {
    CHECK(judge(records, "192.0.2.129", from) == "pass");
    CHECK(judge(records, "203.0.113.1", from) == "pass");
    CHECK(judge(records, "192.0.2.10", from) == "fail");
  }
}

TEST_CASE("spf: RFC 7208 A.3, in the manner of a DNS blocklist") {
  const auto records = R"(
mary.mobile-users._spf.example.com.               A 127.0.0.2
fred.mobile-users._spf.example.com.               A 127.0.0.2
15.15.168.192.joel.remote-users._spf.example.com. A 127.0.0.2
16.15.168.192.joel.remote-users._spf.example.com. A 127.0.0.2
example.com. TXT "v=spf1 mx include:mobile-users._spf.%{d} include:remote-users._spf.%{d} -all"
mobile-users._spf.example.com. TXT "v=spf1 exists:%{l1r+}.%{d}"
remote-users._spf.example.com. TXT "v=spf1 exists:%{ir}.%{l1r+}.%{d}"
)";
  CHECK(judge(records, "203.0.113.1", "mary@example.com") == "pass");
  CHECK(judge(records, "203.0.113.1", "mary+lists@example.com") == "pass");  // by the right-hand part, reversed
  CHECK(judge(records, "203.0.113.1", "zoe@example.com") == "fail");
  CHECK(judge(records, "192.168.15.15", "joel@example.com") == "pass");
  CHECK(judge(records, "192.168.15.17", "joel@example.com") == "fail");
  CHECK(judge(records, "192.0.2.129", "zoe@example.com") == "pass");
}

TEST_CASE("spf: RFC 7208 A.4, several requirements at once") {
  const auto records = R"(
example.com. TXT "v=spf1 -include:ip4._spf.%{d} -include:ptr._spf.%{d} +all"
ip4._spf.example.com. TXT "v=spf1 -ip4:192.0.2.0/24 +all"
ptr._spf.example.com. TXT "v=spf1 -ptr:example.com +all"
)";
  CHECK(judge(records, "192.0.2.65") == "pass");
  CHECK(judge(records, "192.0.2.140") == "fail");   // in the range, but its name is another's
  CHECK(judge(records, "192.0.2.77") == "fail");    // in the range, without a name
  CHECK(judge(records, "10.0.0.4") == "fail");
}
