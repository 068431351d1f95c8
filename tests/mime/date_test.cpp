// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "keystonemail/mime/date.hpp"

#include <doctest/doctest.h>

#include "support/sanitized.hpp"

using namespace keystonemail;
using namespace keystonemail::mime;
using namespace std::chrono_literals;

namespace {

// As it reads in its own zone, or "-".
std::string read(std::string_view value) {
  const auto when = parse_date(value);
  return when ? format_date(*when) : "-";
}

}  // namespace

TEST_CASE("date: the forms of RFC 5322 appendix A") {
  CHECK(read("Fri, 21 Nov 1997 09:55:06 -0600") == "Fri, 21 Nov 1997 09:55:06 -0600");
  CHECK(read("Thu, 13 Feb 1969 23:32:54 -0330") == "Thu, 13 Feb 1969 23:32:54 -0330");
  CHECK(read("Thu,\r\n      13\r\n        Feb\r\n          1969\r\n      23:32\r\n               -0330 (Newfoundland Time)") ==
        "Thu, 13 Feb 1969 23:32:00 -0330");
  CHECK(read("21 Nov 97 09:55:06 GMT") == "Fri, 21 Nov 1997 09:55:06 +0000");
  CHECK(read("Fri, 21 Nov 1997 09(comment):   55  :  06 -0600") == "Fri, 21 Nov 1997 09:55:06 -0600");
}

TEST_CASE("date: obsolete zones and years") {
  CHECK(read("1 Jan 2020 00:00 EST") == "Wed, 01 Jan 2020 00:00:00 -0500");
  CHECK(read("1 Jan 2020 00:00 PDT") == "Wed, 01 Jan 2020 00:00:00 -0700");
  CHECK(read("1 Jan 20 00:00 K") == "Wed, 01 Jan 2020 00:00:00 +0000");
  CHECK(read("1 Jan 101 00:00 Z") == "Mon, 01 Jan 2001 00:00:00 +0000");
}

TEST_CASE("date: what is seen in the wild") {
  CHECK(read("Mon Jan  2 15:04:05 2006") == "Mon, 02 Jan 2006 15:04:05 +0000");
  CHECK(read("Tue, 29 Feb 2000 24:00:00 +0000") == "Wed, 01 Mar 2000 00:00:00 +0000");
  CHECK(read("Sat, 31 Dec 2016 23:59:60 +0000") == "Sun, 01 Jan 2017 00:00:00 +0000");
  CHECK(read("2024-02-29T10:00:00Z") == "Thu, 29 Feb 2024 10:00:00 +0000");
  CHECK(read("2024-02-29 10:00:00+02:00") == "Thu, 29 Feb 2024 10:00:00 +0200");
  CHECK(read("Wed, 17-Jul-1996 02:44:25 GMT") == "Wed, 17 Jul 1996 02:44:25 +0000");
  CHECK(read("Monday, 1 April 2024 1:02:03 GMT+0200") == "Mon, 01 Apr 2024 01:02:03 +0200");
  CHECK(read("1 Mar 2024 10:00:00.123 +0100 (CET)") == "Fri, 01 Mar 2024 10:00:00 +0100");
  CHECK(read("1 Mar 2024 10:00:00") == "Fri, 01 Mar 2024 10:00:00 +0000");
}

TEST_CASE("date: nonsense is no date") {
  for (const char* text : {"", "now", "32 Jan 2020 00:00 Z", "30 Feb 2020 00:00 Z", "1 Jan 1800 00:00 Z", "1 Foo 2020 00:00",
                           "(", "(\\", ",,,,", "1 Jan", "99999999999999999999 Jan 2020"}) {
    CAPTURE(text);
    CHECK(read(text) == "-");
  }
}

TEST_CASE("date: a day is that of the date's own zone") {
  const auto when = parse_date("Mon, 01 Jan 2024 00:30:00 +0200");
  REQUIRE(when);
  CHECK(when->day() == std::chrono::sys_days(2024y / 1 / 1));
}

TEST_CASE("imap date-time: both forms of the day, and back") {
  const auto when = parse_internal_date("17-Jul-1996 02:44:25 -0700");
  REQUIRE(when);
  CHECK(format_internal_date(*when) == "17-Jul-1996 02:44:25 -0700");
  CHECK(parse_internal_date(" 7-Jul-1996 02:44:25 -0700") == parse_internal_date("07-Jul-1996 02:44:25 -0700"));
  for (const char* text : {"17-Jul-1996 02:44:25", "17-Jul-1996 2:44:25 -0700", "17-Jul-96 02:44:25 -0700 ",
                           "32-Jul-1996 02:44:25 -0700", "17-Jux-1996 02:44:25 -0700", "17-Jul-1996 02:44:25 -07:0",
                           "17-Jul-1996 25:44:25 -0700", "17-Jul-1996T02:44:25 -0700"}) {
    CAPTURE(text);
    CHECK(!parse_internal_date(text));
  }
}

TEST_CASE("imap search date: one or two digits of day") {
  CHECK(parse_imap_date("1-Feb-1994") == std::chrono::sys_days(1994y / 2 / 1));
  CHECK(parse_imap_date("01-Feb-1994") == std::chrono::sys_days(1994y / 2 / 1));
  for (const char* text : {"1-Feb-94", "Feb-1-1994", "31-Feb-1994", "1-Feb-1994 ", ""}) CHECK(!parse_imap_date(text));
}

TEST_CASE("date: every day of four centuries survives") {
  const std::chrono::days step(test::sanitized ? 11 : 1);
  for (std::chrono::sys_days day = 1901y / 1 / 1; day < std::chrono::sys_days(2300y / 1 / 1); day += step) {
    const ZonedTime when{WallTime(day) + 12h, -90min};
    REQUIRE(parse_date(format_date(when)) == when);
    REQUIRE(parse_internal_date(format_internal_date(when)) == when);
  }
}
