// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// keystone-mail reports: what others tell of our mail, and ours to them.
#include <algorithm>
#include <optional>
#include <utility>

#include "base/format.hpp"
#include "commands/commands.hpp"
#include "commands/table.hpp"
#include "json/value.hpp"
#include "keystonemail/base/ip_address.hpp"
#include "keystonemail/base/text.hpp"
#include "keystonemail/codec/idna.hpp"
#include "keystonemail/service/reports/reporting.hpp"
#include "keystonemail/service/reports/summary.hpp"
#include "server/stores.hpp"

namespace keystonemail::host {
namespace {

using reporting::Kind;
using reporting::Received;

constexpr std::chrono::days summary_span{30};
constexpr std::size_t summary_sources_shown = 30;  // of one domain, as text; JSON has all

std::string day_of(WallTime time) {
  const std::chrono::year_month_day date(std::chrono::floor<std::chrono::days>(time));
  return format("{:04}-{:02}-{:02}", static_cast<int>(date.year()), static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()));
}
std::string minute_of(WallTime time) {
  const auto day = std::chrono::floor<std::chrono::days>(time);
  const std::chrono::hh_mm_ss clock(std::chrono::floor<std::chrono::minutes>(time - day));
  return format("{} {:02}:{:02}", day_of(time), clock.hours().count(), clock.minutes().count());
}
std::string span_of(WallTime begin, WallTime end) {
  return day_of(begin) == day_of(end) ? day_of(begin) : day_of(begin) + " to " + day_of(end);
}
std::string comma_list(const std::vector<std::string>& all) {
  std::string out;
  for (const std::string& one : all) out += (out.empty() ? "" : ", ") + one;
  return out;
}
// Line ends stay, other control characters do not.
std::string shown(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c != '\r') out += c == '\n' || (static_cast<unsigned char>(c) >= 0x20 && static_cast<unsigned char>(c) < 0x7f) ? c : '?';
  }
  return out;
}
std::string or_dash(std::string text) { return text.empty() ? "-" : std::move(text); }
json::Value json_number(std::uint64_t value) { return static_cast<std::int64_t>(std::min<std::uint64_t>(value, INT64_MAX)); }
json::Value json_seconds(WallTime time) { return static_cast<std::int64_t>(std::chrono::floor<std::chrono::seconds>(time).time_since_epoch().count()); }
json::Value json_texts(const std::vector<std::string>& all) {
  json::Array out;
  for (const std::string& one : all) out.emplace_back(one);
  return out;
}

AdminReply reply_with(std::string text, const json::Value& value) {
  return {.status = 0, .text = std::move(text), .json = json::serialise(value) + "\n", .error = {}, .warning = {}};
}

AdminReply wrong(const Error& error) {
  AdminReply reply = failed(error);
  reply.status = 2;
  return reply;
}

// "7d", "12h", "2026-11-01".
std::optional<WallTime> parse_since(std::string_view text, WallTime now) {
  if (text.size() == 10 && text[4] == '-' && text[7] == '-') {
    const auto year = parse_decimal(text.substr(0, 4)), month = parse_decimal(text.substr(5, 2)), day = parse_decimal(text.substr(8, 2));
    if (!year || !month || !day) return std::nullopt;
    const std::chrono::year_month_day date(std::chrono::year(static_cast<int>(*year)), std::chrono::month(static_cast<unsigned>(*month)),
                                           std::chrono::day(static_cast<unsigned>(*day)));
    return date.ok() ? std::optional<WallTime>(std::chrono::sys_days(date)) : std::nullopt;
  }
  if (text.size() < 2) return std::nullopt;
  const auto count = parse_decimal(text.substr(0, text.size() - 1), 100'000);
  if (!count) return std::nullopt;
  if (text.back() == 'd') return now - std::chrono::days(*count);
  if (text.back() == 'h') return now - std::chrono::hours(*count);
  return std::nullopt;
}

// The first argument is the domain, the second since when; each may be empty.
Result<reporting::ReceivedFilter> filter_of(const AdminRequest& request, WallTime usual, WallTime now) {
  reporting::ReceivedFilter filter;
  filter.since = usual;
  const auto argument = [&request](std::size_t place) { return place < request.arguments.size() ? request.arguments[place] : std::string(); };
  if (!argument(0).empty()) {
    const auto domain = codec::to_ascii_domain(argument(0));
    if (!domain) return fail(ErrorKind::invalid, format("\"{}\" is no domain", argument(0)));
    filter.domain = *domain;
  }
  if (!argument(1).empty()) {
    const auto since = parse_since(argument(1), now);
    if (!since) return fail(ErrorKind::invalid, format("\"{}\" is neither a day, as in 2026-11-01, nor a time, as in 7d or 12h", argument(1)));
    filter.since = *since;
  }
  return filter;
}

// What is known of who sent it. By mail, the author's domain signed it or not (RFC 8460 §3, RFC 7489 §7.2.1.1); for what is posted there is
// nothing that could vouch for its sender (RFC 8460 §5.4), and its address stands for it.
bool was_posted(const Received& one) { return IpAddress::parse(one.from) || Endpoint::parse(one.from); }
std::string verification_of(const Received& one) { return one.verified ? "yes" : was_posted(one) ? "posted" : "no"; }

json::Object json_of(const Received& one) {
  json::Object out;
  out.emplace("id", one.id);
  out.emplace("kind", std::string(to_string(one.kind)));
  out.emplace("received", json_seconds(one.received));
  out.emplace("from", one.from);
  out.emplace("verified", one.verified);
  out.emplace("by", was_posted(one) ? "https" : "mail");
  out.emplace("organization", one.organization);
  out.emplace("domain", one.domain);
  out.emplace("report_id", one.report_id);
  out.emplace("begin", json_seconds(one.begin));
  out.emplace("end", json_seconds(one.end));
  out.emplace("passed", json_number(one.passed));
  out.emplace("failed", json_number(one.failed));
  return out;
}

Task<AdminReply> list_reports(Stores& stores, AdminRequest request, Context context) {
  const auto filter = filter_of(request, {}, context.executor->wall_now());
  if (!filter) co_return wrong(filter.error());
  reporting::ReceivedFilter wanted = *filter;
  const auto all = co_await stores.server->reports().list(std::move(wanted), context);
  if (!all) co_return failed(all.error());
  Table table{{"ID"}, {"RECEIVED"}, {"KIND"}, {"DOMAIN"}, {"OF"}, {"PASSED", Side::right}, {"FAILED", Side::right}, {"VERIFIED"}, {"FROM"}};
  json::Array out;
  for (const Received& one : *all) {
    table.add({one.id, minute_of(one.received), std::string(to_string(one.kind)), one.domain, span_of(one.begin, one.end), std::to_string(one.passed),
               std::to_string(one.failed), verification_of(one), or_dash(one.organization.empty() ? one.from : one.organization)});
    out.emplace_back(json_of(one));
  }
  co_return reply_with(all->empty() ? "No reports came in.\n" : table.text(), std::move(out));
}

std::string vouchers_of(const reports::AggregateRecord& record) {
  std::string out;
  for (const auto& one : record.dkim) out += format("{}dkim={} {}", out.empty() ? "" : ", ", one.result, one.domain);
  for (const auto& one : record.spf) out += format("{}spf={} {}", out.empty() ? "" : ", ", one.result, one.domain);
  return out;
}

void show(const reports::AggregateReport& report, std::string& text, json::Object& out) {
  text += format("Policy    {} at {}\n", report.published.policy, report.published.domain);
  for (const std::string& error : report.errors) text += "Error     " + error + "\n";
  Table table{{"SOURCE"}, {"MESSAGES", Side::right}, {"DONE"}, {"DKIM"}, {"SPF"}, {"FROM"}, {"WHAT VOUCHED"}};
  json::Array records;
  for (const auto& record : report.records) {
    table.add({record.source.to_string(), std::to_string(record.count), or_dash(record.disposition), record.dkim_aligned ? "pass" : "fail",
               record.spf_aligned ? "pass" : "fail", record.header_from, or_dash(vouchers_of(record))});
    json::Object one;
    one.emplace("source", record.source.to_string());
    one.emplace("messages", json_number(record.count));
    one.emplace("disposition", record.disposition);
    one.emplace("dkim_aligned", record.dkim_aligned);
    one.emplace("spf_aligned", record.spf_aligned);
    one.emplace("header_from", record.header_from);
    one.emplace("envelope_from", record.envelope_from);
    json::Array reasons, dkim, spf;
    for (const auto& reason : record.reasons) reasons.emplace_back(reason.type);
    for (const auto& result : record.dkim) dkim.emplace_back(json::Object{{"domain", result.domain}, {"selector", result.selector}, {"result", result.result}});
    for (const auto& result : record.spf) spf.emplace_back(json::Object{{"domain", result.domain}, {"scope", result.scope}, {"result", result.result}});
    one.emplace("reasons", std::move(reasons));
    one.emplace("dkim", std::move(dkim));
    one.emplace("spf", std::move(spf));
    records.emplace_back(std::move(one));
  }
  text += "\n" + table.text();
  if (report.records_ignored > 0) text += format("and {} records that could not be kept\n", report.records_ignored);
  out.emplace("policy", report.published.policy);
  out.emplace("published_at", report.published.domain);
  out.emplace("errors", json_texts(report.errors));
  out.emplace("records_ignored", json_number(report.records_ignored));
  out.emplace("records", std::move(records));
}

void show(const reports::TlsReport& report, std::string& text, json::Object& out) {
  json::Array policies;
  for (const auto& policy : report.policies) {
    text += format("\n{} for {}: {} sessions went well, {} failed\n", policy.type, policy.domain, policy.successful, policy.failed);
    Table table{{"RESULT"}, {"SESSIONS", Side::right}, {"HOST"}, {"ADDRESS"}, {"REASON"}};
    json::Array failures;
    for (const auto& failure : policy.failures) {
      table.add({failure.result_type, std::to_string(failure.sessions), or_dash(failure.receiving_host), or_dash(failure.receiving_ip), or_dash(failure.reason)});
      failures.emplace_back(json::Object{{"result", failure.result_type}, {"sessions", json_number(failure.sessions)}, {"host", failure.receiving_host},
                                         {"address", failure.receiving_ip}, {"reason", failure.reason}});
    }
    text += table.text();
    policies.emplace_back(json::Object{{"type", policy.type}, {"domain", policy.domain}, {"strings", json_texts(policy.strings)}, {"hosts", json_texts(policy.hosts)},
                                       {"successful", json_number(policy.successful)}, {"failed", json_number(policy.failed)}, {"failures", std::move(failures)}});
  }
  out.emplace("policies", std::move(policies));
}

void show(const reports::FailureReport& report, std::string& text, json::Object& out) {
  const std::string source = report.source ? report.source->to_string() : "-";
  text += format("Failure   {}\nSource    {}\nSender    {}\nResults   {}\nDone      {}\n\n{}\n", report.failure, source, or_dash(report.mail_from),
                 or_dash(report.authentication_results), or_dash(report.delivery), shown(report.header));
  out.emplace("failure", report.failure);
  out.emplace("source", source);
  out.emplace("mail_from", report.mail_from);
  out.emplace("results", report.authentication_results);
  out.emplace("delivery", report.delivery);
  out.emplace("header", report.header);
}

Task<AdminReply> show_report(Stores& stores, AdminRequest request, Context context) {
  const auto read = co_await stores.server->reports().read(request.arguments.at(0), context);
  if (!read) co_return failed(read.error());
  const Received& about = read->about;
  std::string text = format("Report    {} {}, {}\nFrom      {} <{}>{}\nReceived  {}\nOf        {}\n", to_string(about.kind), about.domain, or_dash(about.report_id),
                            about.organization, about.from, about.verified ? "" : was_posted(about) ? ", posted: nothing says by whom" : ", whom nobody vouches for", minute_of(about.received),
                            span_of(about.begin, about.end));
  json::Object out = json_of(about);
  std::visit([&](const auto& report) { show(report, text, out); }, read->report);
  co_return reply_with(std::move(text), std::move(out));
}

void tell(const reporting::DmarcSummary& domain, std::string& text, json::Array& all) {
  text += format("{}, {}: {} messages in its name, {} passed; p={}, {} reports from {}\n", domain.domain, span_of(domain.begin, domain.end), domain.messages,
                 domain.passed, or_dash(domain.policy), domain.reports, or_dash(comma_list(domain.reporters)));
  Table table{{"SOURCE"}, {"MESSAGES", Side::right}, {"PASSED", Side::right}, {"DKIM", Side::right}, {"SPF", Side::right}, {"SPEAKS FOR"}, {"WHAT TO DO"}};
  json::Array sources;
  for (std::size_t i = 0; i < domain.sources.size(); ++i) {
    const auto& source = domain.sources[i];
    if (i < summary_sources_shown)
      table.add({source.source.to_string(), std::to_string(source.messages), std::to_string(source.passed), std::to_string(source.dkim), std::to_string(source.spf),
                 or_dash(comma_list(source.vouched_by)), source.advice});
    sources.emplace_back(json::Object{{"source", source.source.to_string()}, {"messages", json_number(source.messages)}, {"passed", json_number(source.passed)},
                                      {"dkim", json_number(source.dkim)}, {"spf", json_number(source.spf)}, {"vouched_by", json_texts(source.vouched_by)}, {"advice", source.advice}});
  }
  text += table.text();
  if (domain.sources.size() > summary_sources_shown) text += format("and {} sources more, with less mail\n", domain.sources.size() - summary_sources_shown);
  if (domain.failure_reports > 0) text += format("{} messages were told of one by one: see reports list\n", domain.failure_reports);
  text += "Next: " + domain.advice + "\n\n";
  all.emplace_back(json::Object{{"domain", domain.domain}, {"policy", domain.policy}, {"begin", json_seconds(domain.begin)}, {"end", json_seconds(domain.end)},
                                {"reports", json_number(domain.reports)}, {"reporters", json_texts(domain.reporters)}, {"messages", json_number(domain.messages)},
                                {"passed", json_number(domain.passed)}, {"failure_reports", json_number(domain.failure_reports)}, {"sources", std::move(sources)},
                                {"advice", domain.advice}});
}

void tell(const reporting::TlsSummary& domain, std::string& text, json::Array& all) {
  text += format("{}, {}: {} encrypted sessions, {} failed; {} reports from {}\n", domain.domain, span_of(domain.begin, domain.end), domain.successful, domain.failed,
                 domain.reports, or_dash(comma_list(domain.reporters)));
  Table table{{"RESULT"}, {"SESSIONS", Side::right}, {"HOST"}, {"REASON"}, {"WHAT TO DO"}};
  json::Array failures;
  for (const auto& failure : domain.failures) {
    table.add({failure.result, std::to_string(failure.sessions), or_dash(failure.host), or_dash(failure.reason), failure.advice});
    failures.emplace_back(json::Object{{"result", failure.result}, {"sessions", json_number(failure.sessions)}, {"host", failure.host}, {"reason", failure.reason},
                                       {"advice", failure.advice}});
  }
  text += table.text() + "Next: " + domain.advice + "\n\n";
  all.emplace_back(json::Object{{"domain", domain.domain}, {"begin", json_seconds(domain.begin)}, {"end", json_seconds(domain.end)}, {"reports", json_number(domain.reports)},
                                {"reporters", json_texts(domain.reporters)}, {"successful", json_number(domain.successful)}, {"failed", json_number(domain.failed)},
                                {"failures", std::move(failures)}, {"advice", domain.advice}});
}

Task<AdminReply> summarize_reports(Stores& stores, AdminRequest request, Context context) {
  const WallTime now = context.executor->wall_now();
  const auto filter = filter_of(request, now - summary_span, now);
  if (!filter) co_return wrong(filter.error());
  reporting::ReportStore& store = stores.server->reports();
  reporting::ReceivedFilter wanted = *filter;
  const auto all = co_await store.list(std::move(wanted), context);
  if (!all) co_return failed(all.error());
  const bool counts_all = request.name == "unverified";
  reporting::Summarizer summarizer(counts_all ? reporting::Counted::all : reporting::Counted::verified);
  for (const Received& one : *all) {
    if (context.stop.stop_requested()) co_return failed(Error(ErrorKind::cancelled));
    const auto report = co_await store.read(one.id, context);
    if (report) summarizer.add(*report);
    co_await yield(*context.executor);  // others go first
  }
  const reporting::Summary summary = summarizer.finish();
  std::string text;
  json::Array dmarc, tls;
  for (const auto& domain : summary.dmarc) tell(domain, text, dmarc);
  for (const auto& domain : summary.tls) tell(domain, text, tls);
  if (summary.unverified > 0)
    text += format("Reports that nobody vouches for{}: {}{}.\n", counts_all ? "" : ", which are not counted", summary.unverified,
                   counts_all ? "" : "; summary --unverified counts them");
  if (text.empty()) text = "No reports came in. \"keystone-mail check dns\" says whether others know where to send them.\n";
  json::Object out;
  out.emplace("dmarc", std::move(dmarc));
  out.emplace("tls", std::move(tls));
  out.emplace("unverified", json_number(summary.unverified));
  co_return reply_with(std::move(text), std::move(out));
}

Task<AdminReply> send_reports(Stores& stores, Context context) {
  if (stores.reporting == nullptr)
    co_return failed(Error(ErrorKind::unavailable, stores.upkeep ? "[reports] enabled is false" : "no server runs, and it is the server that sends reports"));
  const auto all = co_await stores.reporting->send_now(context);
  if (!all) co_return failed(all.error());
  Table table{{"KIND"}, {"DOMAIN"}, {"OF"}, {"SENT", Side::right}, {"LATER", Side::right}, {"NEVER", Side::right}};
  json::Array out;
  for (const reporting::Sent& one : *all) {
    table.add({std::string(to_string(one.of.kind)), one.of.domain, day_of(one.of.day), std::to_string(one.sent), std::to_string(one.later), std::to_string(one.never)});
    out.emplace_back(json::Object{{"kind", std::string(to_string(one.of.kind))}, {"domain", one.of.domain}, {"day", day_of(one.of.day)}, {"sent", json_number(one.sent)},
                                  {"later", json_number(one.later)}, {"never", json_number(one.never)}});
  }
  co_return reply_with(all->empty() ? "There is nothing to report.\n" : table.text(), std::move(out));
}

}  // namespace

Task<AdminReply> administer_reports(Stores& stores, AdminRequest request, Context context) {
  if (request.verb == "list") co_return co_await list_reports(stores, std::move(request), std::move(context));
  if (request.verb == "show") co_return co_await show_report(stores, std::move(request), std::move(context));
  if (request.verb == "send") co_return co_await send_reports(stores, std::move(context));
  co_return co_await summarize_reports(stores, std::move(request), std::move(context));
}

}  // namespace keystonemail::host
