// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include <doctest/doctest.h>

#include <algorithm>

#include "keystonemail/dns/zone.hpp"
#include "zone/zone_check.hpp"
#include "zone/zone_facts.hpp"
#include "zone/zone_plan.hpp"

using namespace keystonemail;
using namespace keystonemail::host;

namespace {

ZoneFacts example_facts() {
  ZoneFacts facts;
  facts.domain = "example.test";
  facts.hostname = "mail.example.test";
  facts.addresses = {*IpAddress::parse("192.0.2.1"), *IpAddress::parse("2001:db8::1")};
  facts.keys = {{"20261123r", "v=DKIM1; k=rsa; p=" + std::string(400, 'A'), "in use"}};
  facts.public_key_fingerprint = std::string(64, 'a');
  facts.issuer = "CN=E5,O=Let's Encrypt,C=US";
  facts.submissions = 465;
  facts.imaps = 993;
  return facts;
}

dns::Answer ask(const dns::Zone& zone, std::string_view name, dns::RecordType type) {
  return zone.lookup({.name = *dns::Name::parse(name), .type = type});
}

}  // namespace

TEST_CASE("dns: the zone file is read back as the records that were planned") {
  const ZoneFacts facts = example_facts();
  const auto plan = plan_zone(facts);
  REQUIRE(plan);
  const auto read = dns::parse_zone(zone_file(facts, *plan));
  REQUIRE(read);
  REQUIRE(read->size() == plan->size());
  for (std::size_t i = 0; i < plan->size(); ++i) CHECK((*read)[i] == (*plan)[i].record);
}

TEST_CASE("dns: the plan answers what senders, receivers and mail programs ask") {
  const auto plan = plan_zone(example_facts());
  REQUIRE(plan);
  std::vector<dns::Record> records;
  for (const PlannedRecord& one : *plan) records.push_back(one.record);
  const dns::Zone zone(std::move(records));
  const dns::Name host = *dns::Name::parse("mail.example.test");
  CHECK(ask(zone, "example.test", dns::RecordType::mx).records == std::vector<dns::RecordData>{dns::Mx{10, host}});
  CHECK(ask(zone, "mail.example.test", dns::RecordType::aaaa).records.size() == 1);
  CHECK(std::get<dns::Txt>(ask(zone, "_dmarc.example.test", dns::RecordType::txt).records.at(0)).joined().starts_with("v=DMARC1;"));
  CHECK(std::get<dns::Tlsa>(ask(zone, "_25._tcp.mail.example.test", dns::RecordType::tlsa).records.at(0)) == dns::Tlsa{3, 1, 1, std::string(32, '\xaa')});
  CHECK(std::get<dns::Caa>(ask(zone, "example.test", dns::RecordType::caa).records.at(0)).value == "letsencrypt.org");
  CHECK(std::get<dns::Srv>(ask(zone, "_imaps._tcp.example.test", dns::RecordType::srv).records.at(0)) == dns::Srv{0, 1, 993, host});
  CHECK(std::get<dns::Srv>(ask(zone, "_pop3s._tcp.example.test", dns::RecordType::srv).records.at(0)).target.is_root());
  CHECK(ask(zone, "autoconfig.example.test", dns::RecordType::a).canonical_name == host);
}

TEST_CASE("dns: a long key is split into strings of at most 255 octets") {
  const auto plan = plan_zone(example_facts());
  REQUIRE(plan);
  const auto key = std::ranges::find_if(*plan, [](const auto& one) { return one.record.owner.text().find("_domainkey") != std::string::npos; });
  REQUIRE(key != plan->end());
  const auto& text = std::get<dns::Txt>(key->record.data);
  CHECK(text.strings.size() == 2);
  CHECK(text.strings[0].size() == 255);
  CHECK(text.joined() == example_facts().keys[0].record);
}

TEST_CASE("dns: the records of a host elsewhere are within comments") {
  ZoneFacts facts = example_facts();
  facts.hostname = "mx.host.test";
  const auto plan = plan_zone(facts);
  REQUIRE(plan);
  const auto read = dns::parse_zone(zone_file(facts, *plan));
  REQUIRE(read);
  CHECK(std::ranges::all_of(*read, [](const auto& record) { return record.owner.is_within(*dns::Name::parse("example.test")); }));
  CHECK(std::ranges::count_if(*plan, &PlannedRecord::elsewhere) == 4);
}

TEST_CASE("dns: what is no domain is refused") {
  ZoneFacts facts = example_facts();
  facts.domain = "not a domain";
  CHECK(!plan_zone(facts));
}

TEST_CASE("dns: private addresses are not public") {
  for (const char* text : {"10.1.2.3", "127.0.0.1", "192.168.1.1", "100.64.0.1", "fe80::1", "fd00::1", "::1"}) CHECK(!IpAddress::parse(text)->is_public());
  for (const char* text : {"8.8.8.8", "2001:4860::8888"}) CHECK(IpAddress::parse(text)->is_public());
}

TEST_CASE("T10: a record that cannot be asked is unknown, neither missing nor wrong") {
  const auto plan = plan_zone(example_facts());
  REQUIRE(plan);
  using enum dns::AnswerStatus;
  for (const auto status : {server_failure, refused, timeout, bogus, malformed})
    CHECK(judge_record(plan->front(), dns::Answer::none(status, plan->front().record.owner)).standing == Standing::unknown);
  CHECK(judge_record(plan->front(), dns::Answer::none(no_such_name, plan->front().record.owner)).standing == Standing::missing);
}

TEST_CASE("dns: an id of the MTA-STS policy that is not the one now is told of, as nobody would look at the new policy") {
  const auto plan = plan_zone(example_facts()).value();
  const auto planned = std::ranges::find_if(plan, [](const PlannedRecord& one) { return one.record.owner.text() == "_mta-sts.example.test"; });
  dns::Answer answer = dns::Answer::none(dns::AnswerStatus::found, planned->record.owner);
  answer.records = {planned->record.data};
  CHECK(judge_record(*planned, answer).advice.empty());
  answer.records = {dns::Txt{{"v=STSv1; id=20200101"}}};
  CHECK(judge_record(*planned, answer).standing == Standing::good);
  CHECK(judge_record(*planned, answer).advice.find("replace by _mta-sts.example.test.") != std::string::npos);
}

TEST_CASE("dns: records that say where reports go may say what they like, but nothing that nobody understands") {
  const auto plan = plan_zone(example_facts()).value();
  const auto judge = [&plan](std::string_view owner, const std::string& text) {
    const auto planned = std::ranges::find_if(plan, [owner](const PlannedRecord& one) { return one.record.owner.text() == owner; });
    dns::Answer answer = dns::Answer::none(dns::AnswerStatus::found, planned->record.owner);
    answer.records = {dns::Txt{{text}}};
    return judge_record(*planned, answer).standing;
  };
  CHECK(judge("_smtp._tls.example.test", "v=TLSRPTv1; rua=https://elsewhere.test/x") == Standing::good);
  CHECK(judge("_smtp._tls.example.test", "v=TLSRPTv1; rua=") == Standing::wrong);
  CHECK(judge("_dmarc.example.test", "v=DMARC1; p=none; rua=mailto:a@b.test") == Standing::good);
  CHECK(judge("_dmarc.example.test", "v=DMARC1 p=none") == Standing::wrong);
}

TEST_CASE("dns: reports come to the addresses of the configuration, with the consent of another domain") {
  ZoneFacts facts = example_facts();
  const auto find = [&facts](std::string_view owner) -> std::string {
    const auto plan = plan_zone(facts).value();
    const auto found = std::ranges::find_if(plan, [owner](const PlannedRecord& one) { return one.record.owner.text() == owner; });
    return found == plan.end() ? std::string() : std::get<dns::Txt>(found->record.data).joined();
  };
  CHECK(find("_dmarc.example.test").ends_with("rua=mailto:postmaster@example.test"));
  facts.dmarc_address = "dmarc@reports.example.test";
  facts.tls_address = "tls@example.test";
  CHECK(find("_dmarc.example.test").ends_with("rua=mailto:dmarc@reports.example.test"));
  CHECK(find("_smtp._tls.example.test") == "v=TLSRPTv1; rua=mailto:tls@example.test");
  facts.tls_url = "https://mail.example.test/tls-reports";
  CHECK(find("_smtp._tls.example.test") == "v=TLSRPTv1; rua=mailto:tls@example.test,https://mail.example.test/tls-reports");
  CHECK(find("example.test._report._dmarc.reports.example.test").empty());  // of the same organization
  facts.dmarc_address = "dmarc@other.test";
  CHECK(find("example.test._report._dmarc.other.test") == "v=DMARC1");
}
