// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "keystonemail/reports/dmarc_aggregate.hpp"

#include <doctest/doctest.h>

#include "keystonemail/reports/limits.hpp"
#include "reports/samples.hpp"

using namespace keystonemail;
using namespace keystonemail::reports;
using keystonemail::test::at;
using keystonemail::test::has;
using keystonemail::test::sample_aggregate;

namespace {

// As it is written by many, by the schema of RFC 7489, appendix C.
constexpr std::string_view written_by_others = R"(<?xml version="1.0" encoding="UTF-8" ?>
<feedback>
  <version>1.0</version>
  <report_metadata>
    <org_name>receiver.example</org_name>
    <email>noreply@receiver.example</email>
    <report_id>5717107811868587391</report_id>
    <date_range><begin>1706832000</begin><end>1706918399</end></date_range>
  </report_metadata>
  <policy_published>
    <domain>Example.COM.</domain>
    <adkim>r</adkim><aspf>r</aspf><p>NONE</p><sp>none</sp><pct>50</pct><fo>0</fo>
  </policy_published>
  <record>
    <row>
      <source_ip> 192.0.2.77 </source_ip>
      <count>2</count>
      <policy_evaluated>
        <disposition>none</disposition><dkim>fail</dkim><spf>pass</spf>
        <reason><type>sampled_out</type></reason>
      </policy_evaluated>
    </row>
    <identifiers><header_from>example.com</header_from></identifiers>
    <auth_results>
      <spf><domain>example.com</domain><result>pass</result></spf>
    </auth_results>
  </record>
</feedback>)";

std::string aggregate_with(std::string_view from, std::string_view to) {
  std::string text(written_by_others);
  text.replace(text.find(from), from.size(), to);
  return text;
}

}  // namespace

TEST_CASE("dmarc report: what is written is read back, in the schema of RFC 9990") {
  const AggregateReport report = sample_aggregate();
  const std::string xml = write_aggregate(report, AggregateSchema::rfc9990);
  CHECK(has(xml, "<feedback xmlns=\"urn:ietf:params:xml:ns:dmarc-2.0\">"));
  CHECK(read_aggregate(xml).value() == report);
}

TEST_CASE("dmarc report: the schema of RFC 7489 has no namespace, no pass, and a percentage") {
  AggregateReport report = sample_aggregate();
  report.published.percent = 30;
  const std::string xml = write_aggregate(report, AggregateSchema::rfc7489);
  CHECK(has(xml, "\n<feedback>\n"));
  // What it has no element for is gone.
  report.generator.clear();
  report.published.discovery_method.clear();
  report.published.missing_policy.clear();
  report.published.testing.clear();
  report.records[0].disposition = "none";
  CHECK(read_aggregate(xml).value() == report);
}

TEST_CASE("dmarc report: elements stand in the order that the schemas demand") {
  const std::string xml = write_aggregate(sample_aggregate(), AggregateSchema::rfc7489);
  std::size_t place = 0;
  for (const char* name : {"<version>", "<report_metadata>", "<org_name>", "<email>", "<extra_contact_info>", "<report_id>", "<date_range>", "<error>",
                           "<policy_published>", "<record>", "<row>", "<source_ip>", "<count>", "<policy_evaluated>", "<disposition>", "<dkim>", "<spf>",
                           "<identifiers>", "<auth_results>", "<dkim>", "<spf>", "<record>", "<reason>"}) {
    CAPTURE(name);
    place = xml.find(name, place);
    REQUIRE(place != std::string::npos);
    ++place;
  }
}

TEST_CASE("dmarc report: reports of others are read, names in lower case and values trimmed") {
  const auto report = read_aggregate(written_by_others).value();
  CHECK(report.organization == "receiver.example");
  CHECK(report.report_id == "5717107811868587391");
  CHECK(report.begin == at(1'706'832'000));
  CHECK(report.end == at(1'706'918'399));
  CHECK(report.published.domain == "example.com");
  CHECK(report.published.policy == "none");
  CHECK(report.published.percent == 50);
  REQUIRE(report.records.size() == 1);
  const AggregateRecord& record = report.records[0];
  CHECK(record.source == *IpAddress::parse("192.0.2.77"));
  CHECK(record.count == 2);
  CHECK(record.spf_aligned);
  CHECK(!record.dkim_aligned);
  CHECK(record.passes());
  CHECK(record.reasons == std::vector<OverrideReason>{{.type = "sampled_out", .comment = {}}});
  CHECK(record.spf == std::vector<SpfResult>{{.domain = "example.com", .scope = {}, .result = "pass", .human_result = {}}});
}

TEST_CASE("dmarc report: a namespace by prefix is the report's own, and other prefixes are extensions") {
  std::string xml(written_by_others);
  for (std::size_t i = xml.find('<', xml.find("<feedback")); i != std::string::npos; i = xml.find('<', i + 1)) {
    const bool closes = xml[i + 1] == '/';
    xml.insert(i + (closes ? 2 : 1), "d:");
  }
  xml.replace(xml.find("<d:feedback>"), 12, "<d:feedback xmlns:d=\"urn:ietf:params:xml:ns:dmarc-2.0\" xmlns:e=\"urn:e\">");
  CHECK(read_aggregate(xml).value() == read_aggregate(written_by_others).value());
  xml.replace(xml.find("<d:count>2</d:count>"), 20, "<d:count>2</d:count><e:count>99</e:count>");
  CHECK(read_aggregate(xml).value().records[0].count == 2);
  CHECK(read_aggregate(aggregate_with("</feedback>", "<extension><record><row/></record></extension></feedback>")).value().records.size() == 1);
}

TEST_CASE("dmarc report: what names no domain or no time is no report") {
  CHECK(!read_aggregate(aggregate_with("Example.COM.", "not a domain")).has_value());
  CHECK(!read_aggregate(aggregate_with("<domain>Example.COM.</domain>", "")).has_value());
  CHECK(!read_aggregate(aggregate_with("1706832000", "-1")).has_value());
  CHECK(!read_aggregate(aggregate_with("1706832000", "1706999999")).has_value());  // ends before it begins
  CHECK(!read_aggregate(aggregate_with("1706918399", "99999999999999999999")).has_value());
  CHECK(!read_aggregate("<html><body/></html>").has_value());
  CHECK(!read_aggregate("").has_value());
}

TEST_CASE("dmarc report: records without a usable address or count are counted, not kept") {
  for (const char* odd : {"192.0.2.777", "localhost", ""}) {
    const auto report = read_aggregate(aggregate_with(" 192.0.2.77 ", odd)).value();
    CHECK(report.records.empty());
    CHECK(report.records_ignored == 1);
  }
  for (const char* odd : {"-1", "1e3", "", "9999999999999"}) {
    CHECK(read_aggregate(aggregate_with("<count>2</count>", "<count>" + std::string(odd) + "</count>")).value().records_ignored == 1);
  }
}

TEST_CASE("dmarc report: there is an end to records, signatures and texts, and control characters do not get through") {
  AggregateReport report = sample_aggregate();
  report.organization = std::string(5'000, 'x');
  report.email = "a\x1b[31m\nb\xe2\x80\xae";
  report.records[0].dkim.assign(100, {.domain = "example.com", .selector = "s", .result = "pass", .human_result = {}});
  AggregateRecord little;
  little.count = 1;
  while (report.records.size() < limits::records_max + 5) report.records.push_back(little);
  const auto read = read_aggregate(write_aggregate(report, AggregateSchema::rfc9990)).value();
  CHECK(read.organization.size() == limits::text_octets_max);
  CHECK(read.email.find_first_of("\x1b\n\xe2") == std::string::npos);
  CHECK(read.records.size() == limits::records_max);
  CHECK(read.records_ignored == 5);
  CHECK(read.records[0].dkim.size() == limits::signatures_max);
}
