// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "keystonemail/reports/tls_report.hpp"

#include <doctest/doctest.h>

#include "keystonemail/reports/limits.hpp"
#include "reports/samples.hpp"

using namespace keystonemail;
using namespace keystonemail::reports;
using keystonemail::test::at;
using keystonemail::test::sample_tls;

namespace {

// RFC 8460, appendix B, but for a line break within a string that JSON does not allow.
constexpr std::string_view tls_example = R"({
     "organization-name": "Company-X",
     "date-range": {
       "start-datetime": "2016-04-01T00:00:00Z",
       "end-datetime": "2016-04-01T23:59:59Z"
     },
     "contact-info": "sts-reporting@company-x.example",
     "report-id": "5065427c-23d3-47ca-b6e0-946ea0e8c4be",
     "policies": [{
       "policy": {
         "policy-type": "sts",
         "policy-string": ["version: STSv1","mode: testing",
               "mx: *.mail.company-y.example","max_age: 86400"],
         "policy-domain": "company-y.example",
         "mx-host": "*.mail.company-y.example"
       },
       "summary": {
         "total-successful-session-count": 5326,
         "total-failure-session-count": 303
       },
       "failure-details": [{
         "result-type": "certificate-expired",
         "sending-mta-ip": "2001:db8:abcd:0012::1",
         "receiving-mx-hostname": "mx1.mail.company-y.example",
         "failed-session-count": 100
       }, {
         "result-type": "starttls-not-supported",
         "sending-mta-ip": "2001:db8:abcd:0013::1",
         "receiving-mx-hostname": "mx2.mail.company-y.example",
         "receiving-ip": "203.0.113.56",
         "failed-session-count": 200,
         "additional-information": "https://reports.company-x.example/report_info?id=5065427c-23d3#StarttlsNotSupported"
       }, {
         "result-type": "validation-failure",
         "sending-mta-ip": "198.51.100.62",
         "receiving-ip": "203.0.113.58",
         "receiving-mx-hostname": "mx-backup.mail.company-y.example",
         "failed-session-count": 3,
         "failure-reason-code": "X509_V_ERR_PROXY_PATH_LENGTH_EXCEEDED"
       }]
     }]
   })";

std::string tls_with(std::string_view from, std::string_view to) {
  std::string text(tls_example);
  text.replace(text.find(from), from.size(), to);
  return text;
}

}  // namespace

TEST_CASE("tls report: the example of RFC 8460 is read") {
  const TlsReport report = read_tls_report(tls_example).value();
  CHECK(report.organization == "Company-X");
  CHECK(report.report_id == "5065427c-23d3-47ca-b6e0-946ea0e8c4be");
  CHECK(report.begin == at(1'459'468'800));
  CHECK(report.end == at(1'459'555'199));
  REQUIRE(report.policies.size() == 1);
  const TlsPolicyReport& policy = report.policies[0];
  CHECK(policy.type == "sts");
  CHECK(policy.strings.size() == 4);
  CHECK(policy.domain == "company-y.example");
  CHECK(policy.hosts == std::vector<std::string>{"*.mail.company-y.example"});
  CHECK(policy.successful == 5'326);
  CHECK(policy.failed == 303);
  REQUIRE(policy.failures.size() == 3);
  CHECK(policy.failures[0].sessions + policy.failures[1].sessions + policy.failures[2].sessions == policy.failed);
  CHECK(policy.failures[1].result_type == "starttls-not-supported");
  CHECK(policy.failures[2].reason == "X509_V_ERR_PROXY_PATH_LENGTH_EXCEEDED");
}

TEST_CASE("tls report: what is written is read back") {
  CHECK(read_tls_report(write_tls_report(sample_tls())).value() == sample_tls());
  const auto of_example = read_tls_report(tls_example).value();
  CHECK(read_tls_report(write_tls_report(of_example)).value() == of_example);
}

TEST_CASE("tls report: times of other zones and fractions of seconds are UTC's") {
  for (const char* same : {"2016-04-01T02:00:00+02:00", "2016-03-31T19:00:00.000-05:00", "2016-04-01t00:00:00z", "2016-04-01 00:00:00"}) {
    CAPTURE(same);
    CHECK(read_tls_report(tls_with("2016-04-01T00:00:00Z", same)).value().begin == at(1'459'468'800));
  }
  for (const char* odd : {"", "yesterday", "2016-04-31T00:00:00Z", "2016-04-01T00:00Z", "2016-04-01T00:00:00X", "2016-04-01", "2016-04-01T23:59:59Z0"}) {
    CAPTURE(odd);
    CHECK(!read_tls_report(tls_with("2016-04-01T00:00:00Z", odd)).has_value());
  }
}

TEST_CASE("tls report: what has no policy with a domain, or is no JSON object, is no report") {
  CHECK(!read_tls_report(tls_with("\"company-y.example\"", "\"not a domain\"")).has_value());
  CHECK(!read_tls_report(tls_with("\"policies\"", "\"police\"")).has_value());
  for (const char* odd : {"", "[]", "{}", "null", "{\"policies\":[{}]}", "{\"policies\":{}}", "{\"date-range\":7}"}) CHECK(!read_tls_report(odd).has_value());
}

TEST_CASE("tls report: counts that are none are nought, and values of other types are passed over") {
  CHECK(read_tls_report(tls_with("5326", "-5")).value().policies[0].successful == 0);
  CHECK(read_tls_report(tls_with("5326", "\"many\"")).value().policies[0].successful == 0);
  CHECK(read_tls_report(tls_with("5326", "1e30")).value().policies[0].successful == 0);
  CHECK(read_tls_report(tls_with("\"Company-X\"", "[1]")).value().organization.empty());
}

TEST_CASE("C9: a report of very many values is refused before it is built, and depth does not recurse") {
  CHECK(read_tls_report("{\"policies\":[" + std::string(1'000'000, '[')).error().kind() == ErrorKind::too_large);
  std::string many = "{\"policies\":[0";
  for (std::size_t i = 0; i < limits::json_values_max; ++i) many += ",0";
  CHECK(read_tls_report(many + "]}").error().kind() == ErrorKind::too_large);
  CHECK(read_tls_report("{\"x\":" + std::string(100'000, '[') + "}").error().kind() == ErrorKind::too_large);
}

TEST_CASE("tls report: a TLSRPT record names where reports go") {
  using Uris = std::vector<std::string>;
  CHECK(parse_tls_record("v=TLSRPTv1;rua=mailto:reports@example.com") == Uris{"mailto:reports@example.com"});
  CHECK(parse_tls_record("v=TLSRPTv1; rua=https://reporting.example.com/v1/tlsrpt ; x=y;") == Uris{"https://reporting.example.com/v1/tlsrpt"});
  CHECK(parse_tls_record("v=TLSRPTv1 ;rua=mailto:a@example.com , https://b.example/") == Uris{"mailto:a@example.com", "https://b.example/"});
  CHECK(parse_tls_record("v=TLSRPTv1;") == Uris{});
  for (const char* odd : {"v=TLSRPTv2;rua=mailto:a@b.example", "v=tlsrptv1;rua=mailto:a@b.example", "v=TLSRPTv1", "rua=mailto:a@b.example", "v=TLSRPTv10;"})
    CHECK(!parse_tls_record(odd).has_value());
}
