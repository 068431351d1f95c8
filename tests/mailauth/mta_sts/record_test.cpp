// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "keystonemail/mailauth/mta_sts/record.hpp"

#include <doctest/doctest.h>

#include <vector>

using namespace keystonemail::mailauth::mta_sts;

TEST_CASE("mta-sts record: the examples of RFC 8461 §3.1 and appendix A") {
  CHECK(parse_record("v=STSv1; id=20160831085700Z;") == Record{"20160831085700Z"});
  CHECK(parse_record("v=STSv1; id=20160831085700Z") == Record{"20160831085700Z"});
}

TEST_CASE("mta-sts record: blanks around semicolons, unknown fields and a second id change nothing") {
  for (const auto* text : {"v=STSv1;id=abc1", "v=STSv1 ; id=abc1 ;", "v=STSv1;\tid=abc1\t;", "v=STSv1; x.y-z_1=a:b,c; id=abc1",
                           "v=STSv1; id=abc1; id=other", "v=STSv1; id=abc1; later=1;"}) {
    CAPTURE(text);
    CHECK(parse_record(text) == Record{"abc1"});
  }
}

TEST_CASE("mta-sts record: what is not one is none") {
  const std::string long_id = "v=STSv1; id=" + std::string(33, 'a');
  for (const std::string& text : std::vector<std::string>{"", "v=STSv1", "v=STSv1;", "v=STSv1; id=", "v=STSv1; id=a b", "v=STSv1; id=a-b", long_id,
                                                          "v=STSv2; id=a", "V=STSv1; id=a", "v=stsv1; id=a", " v=STSv1; id=a", "v=STSv1 id=a",
                                                          "v=STSv1; ID=a", "v=STSv1; id=a;;", "v=STSv1; id=a; =b", "v=STSv1; id=a; b",
                                                          "v=STSv1; id=a; b=c=d", "v=STSv1; id=a; b=\x7f", "v=STSv10; id=a"}) {
    CAPTURE(text);
    CHECK_FALSE(parse_record(text));
  }
  CHECK(parse_record("v=STSv1; id=" + std::string(32, 'a')));
}

TEST_CASE("mta-sts record: of several texts one must be the record, and only one") {
  const std::vector<std::string> one{"v=spf1 -all", "v=STSv1; id=a", "v=STSv1"};
  CHECK(choose_record(one) == Record{"a"});
  const std::vector<std::string> two{"v=STSv1; id=a", "v=STSv1; id=a"};
  CHECK_FALSE(choose_record(two));
  const std::vector<std::string> broken{"v=STSv1; id=-"};
  CHECK_FALSE(choose_record(broken));
  CHECK_FALSE(choose_record({}));
}
