// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "keystonemail/mailauth/dmarc/record.hpp"

#include <doctest/doctest.h>

using namespace keystonemail::mailauth;
using namespace keystonemail::mailauth::dmarc;

TEST_CASE("dmarc record: the version stands first and is exact") {
  CHECK(is_record("v=DMARC1; p=none"));
  CHECK(is_record("v=DMARC1"));
  CHECK(is_record(" v = DMARC1 ;p=none"));
  for (const auto text : {"", "v=dmarc1; p=none", "v=DMARC10; p=none", "p=none; v=DMARC1", "DMARC1; p=none", "v=DMARC1 p=none", "v=spf1 -all"}) {
    CAPTURE(text);
    CHECK_FALSE(is_record(text));
    CHECK_FALSE(parse_record(text));
  }
}

TEST_CASE("dmarc record: the examples of RFC 7489 B.2") {
  const auto monitored = parse_record("v=DMARC1; p=none; rua=mailto:dmarc-feedback@example.com");
  REQUIRE(monitored);
  CHECK(monitored->policy == Policy::none);
  CHECK(monitored->aggregate_addresses.at(0).uri == "mailto:dmarc-feedback@example.com");
  const auto failures = parse_record("v=DMARC1; p=none; rua=mailto:dmarc-feedback@example.com; ruf=mailto:auth-reports@example.com");
  CHECK(failures->failure_addresses.at(0).uri == "mailto:auth-reports@example.com");
  const auto third_party = parse_record("v=DMARC1; p=none; rua=mailto:dmarc-feedback@example.com; ruf=mailto:auth-reports@thirdparty.example.net");
  CHECK(third_party->failure_addresses.at(0).uri == "mailto:auth-reports@thirdparty.example.net");
  const auto quarantined = parse_record("v=DMARC1; p=quarantine; rua=mailto:dmarc-feedback@example.com,mailto:tld-test@thirdparty.example.net!10m; pct=25");
  REQUIRE(quarantined);
  CHECK(quarantined->policy == Policy::quarantine);
  CHECK(quarantined->percent == 25);
  REQUIRE(quarantined->aggregate_addresses.size() == 2);
  CHECK(quarantined->aggregate_addresses[1].octets_max == 10U << 20);
}

TEST_CASE("dmarc record: every tag, in any case and order, with blanks") {
  const auto record = parse_record("v=DMARC1;P=Reject ; sp=quarantine;np=reject; adkim=s;aspf = S;fo=1:d:s;ri=3600; t=y ;psd=n; x=unknown;;");
  REQUIRE(record);
  CHECK(record->policy == Policy::reject);
  CHECK(record->subdomain_policy == Policy::quarantine);
  CHECK(record->missing_policy == Policy::reject);
  CHECK(record->dkim_alignment == Alignment::strict);
  CHECK(record->spf_alignment == Alignment::strict);
  CHECK(record->failure_reports.if_any_fails);
  CHECK(record->failure_reports.of_dkim);
  CHECK(record->failure_reports.of_spf);
  CHECK_FALSE(record->failure_reports.if_all_fail);
  CHECK(record->report_interval == 3'600);
  CHECK(record->is_test);
  CHECK(record->public_suffix == PublicSuffix::no);
}

TEST_CASE("dmarc record: what is wrong leaves the default") {
  const auto record = parse_record("v=DMARC1; p=reject; adkim=x; pct=101; ri=-1; fo=z; rua=nobody,mailto:,mailto:a@example.com!x,mailto:b@example.com; t=maybe; psd=q");
  REQUIRE(record);
  CHECK(record->dkim_alignment == Alignment::relaxed);
  CHECK(record->percent == 100);
  CHECK(record->report_interval == 86'400);
  CHECK(record->failure_reports.if_all_fail);
  CHECK(record->aggregate_addresses.size() == 1);
  CHECK_FALSE(record->is_test);
  CHECK(record->public_suffix == PublicSuffix::unknown);
}

TEST_CASE("dmarc record: without p it is none; a wrong policy is none with rua, and no record without") {
  CHECK(parse_record("v=DMARC1; rua=mailto:a@example.com")->policy == Policy::none);
  CHECK(parse_record("v=DMARC1;")->policy == Policy::none);
  CHECK_FALSE(parse_record("v=DMARC1;")->has_policy);
  CHECK_FALSE(parse_record("v=DMARC1; sp=reject; np=reject; rua=mailto:a@example.com")->subdomain_policy);
  CHECK(parse_record("v=DMARC1; p=none")->has_policy);
  CHECK_FALSE(parse_record("v=DMARC1; p=rejct"));
  CHECK_FALSE(parse_record("v=DMARC1; p=reject; sp=all"));
  CHECK(parse_record("v=DMARC1; p=rejct; rua=mailto:a@example.com")->policy == Policy::none);
  CHECK(parse_record("v=DMARC1; p=reject; np=x; rua=mailto:a@example.com")->policy == Policy::none);
}

TEST_CASE("dmarc record: the first of a repeated tag counts") {
  CHECK(parse_record("v=DMARC1; p=none; p=reject")->policy == Policy::none);
}

TEST_CASE("dmarc record: addresses for reports have a largest number") {
  std::string text = "v=DMARC1; p=none; rua=";
  for (int i = 0; i < 1'000; ++i) text += "mailto:a@example.com,";
  CHECK(parse_record(text)->aggregate_addresses.size() == dmarc::limits::report_addresses_max);
}
