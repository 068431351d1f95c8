// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "keystonemail/reports/failure_report.hpp"

#include "keystonemail/mime/builder.hpp"
#include "keystonemail/mime/date.hpp"
#include "keystonemail/mime/header.hpp"
#include "reports/plain.hpp"

namespace keystonemail::reports {

std::string write_feedback_fields(const FailureReport& report) {
  std::string out;
  const auto field = [&out](std::string_view name, std::string_view value) {
    if (!value.empty()) mime::append_folded_field(out, name, value);
  };
  field("Feedback-Type", "auth-failure");   // RFC 6591 §3.1
  field("User-Agent", "Keystone-Mail");
  field("Version", "1");                    // RFC 5965 §3.1
  field("Auth-Failure", report.failure);
  field("Authentication-Results", report.authentication_results);
  field("Identity-Alignment", report.alignment);
  field("Original-Mail-From", report.mail_from);
  if (report.arrived) field("Arrival-Date", mime::format_date({*report.arrived, {}}));
  if (report.source) field("Source-IP", report.source->to_string());
  field("Reported-Domain", report.domain);
  field("Delivery-Result", report.delivery);
  field("DKIM-Domain", report.dkim_domain);
  field("DKIM-Identity", report.dkim_identity);
  field("DKIM-Selector", report.dkim_selector);
  field("SPF-DNS", report.spf_dns);
  if (report.incidents > 1) field("Incidents", std::to_string(report.incidents));
  return out;
}

std::optional<FailureReport> read_feedback_fields(std::string_view fields, std::string_view header) {
  const auto value = [fields](std::string_view name) {
    const auto field = mime::find_field(fields, name);
    return field ? plain(mime::unfold(field->value)) : std::string();
  };
  if (!iequals(value("Feedback-Type"), "auth-failure")) return std::nullopt;
  FailureReport report;
  report.failure = to_lower(value("Auth-Failure"));
  report.domain = plain_domain(value("Reported-Domain"));
  report.source = IpAddress::parse(value("Source-IP"));
  std::string arrived = value("Arrival-Date");
  if (arrived.empty()) arrived = value("Received-Date");  // RFC 5965 §3.2's older name
  if (const auto date = mime::parse_date(arrived)) report.arrived = date->time;
  report.mail_from = value("Original-Mail-From");
  report.authentication_results = value("Authentication-Results");
  report.alignment = to_lower(value("Identity-Alignment"));
  report.delivery = to_lower(value("Delivery-Result"));
  report.dkim_domain = plain_domain(value("DKIM-Domain"));
  report.dkim_identity = value("DKIM-Identity");
  report.dkim_selector = value("DKIM-Selector");
  report.spf_dns = value("SPF-DNS");
  report.incidents = parse_decimal(value("Incidents"), limits::count_max).value_or(1);
  report.header = header.substr(0, limits::header_octets_max);
  return report;
}

}  // namespace keystonemail::reports
