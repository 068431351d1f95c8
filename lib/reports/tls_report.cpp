// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "keystonemail/reports/tls_report.hpp"

#include <algorithm>
#include <utility>

#include "base/format.hpp"
#include "base/try.hpp"
#include "json/value.hpp"
#include "keystonemail/dns/name.hpp"
#include "keystonemail/reports/limits.hpp"
#include "reports/plain.hpp"

namespace keystonemail::reports {
namespace {

using std::chrono::seconds;

constexpr WallTime time_max = std::chrono::sys_days(std::chrono::year{9999} / 12 / 31);

// RFC 3339 §5.6
std::string format_time(WallTime time) {
  const auto day = std::chrono::floor<std::chrono::days>(time);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss clock(std::chrono::floor<seconds>(time - day));
  return format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z", static_cast<int>(date.year()), static_cast<unsigned>(date.month()),
                static_cast<unsigned>(date.day()), clock.hours().count(), clock.minutes().count(), clock.seconds().count());
}

// Takes so many digits and what stands behind them.
std::optional<int> take_number(std::string_view& text, std::size_t digits, std::string_view behind) {
  if (text.size() < digits) return std::nullopt;
  const auto number = parse_decimal(text.substr(0, digits));
  text.remove_prefix(digits);
  if (!number || (!behind.empty() && (text.empty() || behind.find(text.front()) == std::string_view::npos))) return std::nullopt;
  if (!behind.empty()) text.remove_prefix(1);
  return static_cast<int>(*number);
}

// RFC 3339 §5.6  date-time. LENIENT: without a zone it is UTC; a blank may stand for the T, as its note allows.
std::optional<WallTime> parse_time(std::string_view text) {
  const auto year = take_number(text, 4, "-"), month = take_number(text, 2, "-"), day = take_number(text, 2, "Tt ");
  const auto hour = take_number(text, 2, ":"), minute = take_number(text, 2, ":"), second = take_number(text, 2, "");
  if (!year || !month || !day || !hour || !minute || !second) return std::nullopt;
  const std::chrono::year_month_day date(std::chrono::year(*year), std::chrono::month(static_cast<unsigned>(*month)),
                                         std::chrono::day(static_cast<unsigned>(*day)));
  if (!date.ok() || *hour > 24 || *minute > 59 || *second > 60) return std::nullopt;
  if (text.starts_with('.')) {
    const std::size_t end = text.find_first_not_of("0123456789", 1);
    text.remove_prefix(std::min(end, text.size()));
  }
  auto time = std::chrono::sys_days(date) + std::chrono::hours(*hour) + std::chrono::minutes(*minute) + seconds(*second);
  if (text.empty() || iequals(text, "Z")) return time;
  const bool is_east = text.front() == '+';
  if (!is_east && text.front() != '-') return std::nullopt;
  text.remove_prefix(1);
  const auto zone_hours = take_number(text, 2, ":"), zone_minutes = take_number(text, 2, "");
  if (!zone_hours || !zone_minutes || !text.empty()) return std::nullopt;
  const auto offset = std::chrono::hours(*zone_hours) + std::chrono::minutes(*zone_minutes);
  return is_east ? time - offset : time + offset;
}

json::Value list_of(const std::vector<std::string>& texts) {
  json::Array out;
  for (const std::string& text : texts) out.emplace_back(text);
  return out;
}

json::Value value_of(const TlsFailure& failure) {
  json::Object out;
  out.emplace("result-type", failure.result_type);
  const auto optional = [&out](const char* name, const std::string& text) {
    if (!text.empty()) out.emplace(name, text);
  };
  optional("sending-mta-ip", failure.sending_ip);
  optional("receiving-mx-hostname", failure.receiving_host);
  optional("receiving-mx-helo", failure.receiving_helo);
  optional("receiving-ip", failure.receiving_ip);
  out.emplace("failed-session-count", static_cast<std::int64_t>(failure.sessions));
  optional("additional-information", failure.additional_information);
  optional("failure-reason-code", failure.reason);
  return out;
}

json::Value value_of(const TlsPolicyReport& report) {
  json::Object policy, summary, out;
  policy.emplace("policy-type", report.type);
  if (!report.strings.empty()) policy.emplace("policy-string", list_of(report.strings));
  policy.emplace("policy-domain", report.domain);
  if (!report.hosts.empty()) policy.emplace("mx-host", list_of(report.hosts));
  summary.emplace("total-successful-session-count", static_cast<std::int64_t>(report.successful));
  summary.emplace("total-failure-session-count", static_cast<std::int64_t>(report.failed));
  out.emplace("policy", std::move(policy));
  out.emplace("summary", std::move(summary));
  json::Array failures;
  for (const TlsFailure& failure : report.failures) failures.push_back(value_of(failure));
  if (!failures.empty()) out.emplace("failure-details", std::move(failures));
  return out;
}

// How many values there are at most, looked at before anything is built.
std::size_t values_in(std::string_view text) {
  return static_cast<std::size_t>(std::ranges::count_if(text, [](char c) { return c == ',' || c == '[' || c == '{' || c == ':'; }));
}

std::string text_of(const json::Value& value, std::string_view name) { return plain(json::text_member(value, name)); }

std::uint64_t count_of(const json::Value& value, std::string_view name) {
  const std::int64_t number = json::number_member(value, name);
  return number < 0 || static_cast<std::uint64_t>(number) > limits::count_max ? 0 : static_cast<std::uint64_t>(number);
}

const json::Array& array_of(const json::Value& value, std::string_view name) {
  static const json::Array none;
  const json::Value* found = json::member(value, name);
  const auto* array = found ? std::get_if<json::Array>(found) : nullptr;
  return array ? *array : none;
}

// LENIENT: one text stands for a list of one, as in the example of RFC 8460, appendix B.
std::vector<std::string> texts_of(const json::Value& value, std::string_view name) {
  std::vector<std::string> out;
  if (std::string one = text_of(value, name); !one.empty()) out.push_back(std::move(one));
  for (const json::Value& item : array_of(value, name)) {
    const auto* text = std::get_if<std::string>(&item);
    if (text && out.size() < limits::policy_strings_max) out.push_back(plain(*text));
  }
  return out;
}

TlsFailure read_failure(const json::Value& value) {
  TlsFailure failure;
  failure.result_type = to_lower(text_of(value, "result-type"));
  failure.sending_ip = text_of(value, "sending-mta-ip");
  failure.receiving_host = text_of(value, "receiving-mx-hostname");
  failure.receiving_helo = text_of(value, "receiving-mx-helo");
  failure.receiving_ip = text_of(value, "receiving-ip");
  failure.sessions = count_of(value, "failed-session-count");
  failure.additional_information = text_of(value, "additional-information");
  failure.reason = text_of(value, "failure-reason-code");
  return failure;
}

TlsPolicyReport read_policy(const json::Value& value, std::size_t& failures_left) {
  static const json::Value nothing;
  const json::Value* policy = json::member(value, "policy");
  const json::Value* summary = json::member(value, "summary");
  if (policy == nullptr) policy = &nothing;
  if (summary == nullptr) summary = &nothing;
  TlsPolicyReport report;
  report.type = to_lower(text_of(*policy, "policy-type"));
  report.strings = texts_of(*policy, "policy-string");
  report.domain = plain_domain(json::text_member(*policy, "policy-domain"));
  report.hosts = texts_of(*policy, "mx-host");
  report.successful = count_of(*summary, "total-successful-session-count");
  report.failed = count_of(*summary, "total-failure-session-count");
  for (const json::Value& failure : array_of(value, "failure-details")) {
    if (failures_left == 0) break;
    --failures_left;
    report.failures.push_back(read_failure(failure));
  }
  return report;
}

}  // namespace

std::string write_tls_report(const TlsReport& report) {
  json::Object range, out;
  range.emplace("start-datetime", format_time(report.begin));
  range.emplace("end-datetime", format_time(report.end));
  out.emplace("organization-name", report.organization);
  out.emplace("date-range", std::move(range));
  out.emplace("contact-info", report.contact);
  out.emplace("report-id", report.report_id);
  json::Array policies;
  for (const TlsPolicyReport& policy : report.policies) policies.push_back(value_of(policy));
  out.emplace("policies", std::move(policies));
  return json::serialise(json::Value(std::move(out)));
}

Result<TlsReport> read_tls_report(std::string_view text) {
  if (text.size() > limits::json_octets_max || values_in(text) > limits::json_values_max)
    return fail(ErrorKind::too_large, "the TLS report is too large");
  KM_TRY(const json::Value value, json::parse(text));
  TlsReport report;
  report.organization = text_of(value, "organization-name");
  report.contact = text_of(value, "contact-info");
  report.report_id = text_of(value, "report-id");
  const json::Value* range = json::member(value, "date-range");
  const auto begin = range ? parse_time(text_of(*range, "start-datetime")) : std::nullopt;
  const auto end = range ? parse_time(text_of(*range, "end-datetime")) : std::nullopt;
  if (!begin || !end || *begin > *end || *begin < WallTime{} || *end > time_max) return fail(ErrorKind::invalid, "the TLS report names no time");
  report.begin = *begin, report.end = *end;
  std::size_t failures_left = limits::failures_max;
  for (const json::Value& policy : array_of(value, "policies")) {
    if (report.policies.size() == limits::policies_max) break;
    TlsPolicyReport one = read_policy(policy, failures_left);
    if (dns::Name::from_domain(one.domain)) report.policies.push_back(std::move(one));
  }
  if (report.policies.empty()) return fail(ErrorKind::invalid, "the TLS report names no policy");
  return report;
}

// RFC 8460 §3  tlsrpt-record = tlsrpt-version 1*(field-delim tlsrpt-field) [field-delim]
std::optional<std::vector<std::string>> parse_tls_record(std::string_view text) {
  constexpr std::string_view version = "v=TLSRPTv1";
  if (!text.starts_with(version)) return std::nullopt;
  text.remove_prefix(version.size());
  text = trim(text);
  if (!text.starts_with(';')) return std::nullopt;
  std::vector<std::string> out;
  while (!text.empty()) {
    text.remove_prefix(1);
    const std::size_t end = std::min(text.find(';'), text.size());
    std::string_view field = trim(text.substr(0, end));
    text.remove_prefix(end);
    if (!field.starts_with("rua=") || !out.empty()) continue;
    field.remove_prefix(4);
    while (!field.empty()) {
      const std::size_t comma = std::min(field.find(','), field.size());
      const std::string_view uri = trim(field.substr(0, comma));
      if (!uri.empty() && out.size() < limits::report_uris_max) out.emplace_back(uri);
      field.remove_prefix(std::min(comma + 1, field.size()));
    }
  }
  return out;
}

}  // namespace keystonemail::reports
