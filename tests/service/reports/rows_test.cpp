// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "service/reports/rows.hpp"

#include <doctest/doctest.h>

#include "reports/samples.hpp"

using namespace keystonemail;
using namespace keystonemail::reporting;
using keystonemail::test::at;
using keystonemail::test::sample_aggregate;

namespace {

TlsContent sample_content() {
  return {.policy_type = "sts", .strings = {"version: STSv1", "mode: enforce"}, .hosts = {"mx.example.com"}, .result = "certificate-expired",
          .sending_ip = "192.0.2.1", .receiving_host = "mx.example.com", .receiving_ip = "192.0.2.2", .reason = "expired"};
}

// Every shorter text is nothing, and so is one with an octet more.
template <class Decode>
void check_total(const std::string& whole, Decode decode) {
  for (std::size_t cut = 0; cut < whole.size(); ++cut) {
    CAPTURE(cut);
    CHECK(!decode(std::string_view(whole).substr(0, cut)));
  }
  CHECK(!decode(whole + "x"));
}

}  // namespace

TEST_CASE("report rows: contents come back as they were, but for the count, and damage is nothing") {
  for (auto record : sample_aggregate().records) {
    const std::string text = encode_content(record);
    record.count = 0;
    record.envelope_to.clear();
    for (auto& one : record.spf) one.human_result.clear();
    CHECK(decode_dmarc_content(text) == record);
    check_total(text, [](std::string_view t) { return decode_dmarc_content(t).has_value(); });
  }
  const std::string text = encode_content(sample_content());
  CHECK(decode_tls_content(text) == sample_content());
  check_total(text, [](std::string_view t) { return decode_tls_content(t).has_value(); });
}

TEST_CASE("report rows: what is said once, and how far the sending is, come back") {
  DmarcAbout about{.published = sample_aggregate().published, .addresses = {{"mailto:a@example.com", 10'485'760}, {"mailto:b@example.com", std::nullopt}}};
  about.published.percent = 50;
  const std::string text = encode_about(about);
  const auto read = decode_about(text);
  REQUIRE(read.has_value());
  CHECK(read->published == about.published);
  REQUIRE(read->addresses.size() == 2);
  CHECK(read->addresses[0].octets_max == 10'485'760);
  CHECK(!read->addresses[1].octets_max.has_value());
  check_total(text, [](std::string_view t) { return decode_about(t).has_value(); });

  InfoRow info{.rows = 7, .lost = 300, .about = text, .sending = {.unique = "abc", .begin = at(1), .end = at(2), .begun = at(3), .next_attempt = at(4),
                                                                  .attempts = 5, .done = {"mailto:a@example.com"}}};
  const std::string row = encode_info(info);
  const auto again = decode_info(row);
  REQUIRE(again.has_value());
  CHECK(again->rows == 7);
  CHECK(again->lost == 300);
  CHECK(again->sending.unique == "abc");
  CHECK(again->sending.next_attempt == at(4));
  CHECK(again->sending.done == info.sending.done);
  check_total(row, [](std::string_view t) { return decode_info(t).has_value(); });
}

TEST_CASE("report rows: keys are in the order of their days, and name them") {
  const std::chrono::sys_days day = std::chrono::year{2026} / 1 / 1;
  const DayOf first{.kind = Kind::dmarc, .day = day, .domain = "example.com"}, next{.kind = Kind::dmarc, .day = day + std::chrono::days(1), .domain = "a.example"};
  CHECK(info_key(first) < info_key(next));
  CHECK(read_info_key(info_key(first)) == first);
  CHECK(info_key(first) == std::string("i\0\0\0\x4f\xe6", 6) + "example.com");
  CHECK(count_key(first, "x").starts_with(count_prefix(first)));
  CHECK(count_key(first, "x") != count_key(first, "y"));
  for (const char* odd : {"", "i", "x12345a", "i\x07" "1234a"}) CHECK(!read_info_key(odd).has_value());
}
