// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "service/reports/sender.hpp"

#include <algorithm>
#include <utility>

#include "base/format.hpp"
#include "base/try.hpp"
#include "keystonemail/codec/archive.hpp"
#include "keystonemail/mailauth/dkim/signer.hpp"
#include "keystonemail/mailauth/dmarc/organizational_domain.hpp"
#include "service/authentication/questions.hpp"
#include "service/reports/rows.hpp"

namespace keystonemail::reporting {
namespace {

using reports::Destination;
namespace dmarc = mailauth::dmarc;

constexpr std::size_t destinations_max = 10;               // of one report
constexpr std::chrono::seconds post_time_max{60};
constexpr unsigned retry_doublings_max = 5;
constexpr std::string_view generator = "Keystone Mail";
constexpr std::string_view spf_version = "v=spf1";

WallTime end_of_day(const DayOf& of) { return of.day + std::chrono::days(1) - std::chrono::seconds(1); }

reports::AggregateReport aggregate_of(const Options& options, const Gathered& gathered) {
  reports::AggregateReport report;
  const auto about = decode_about(gathered.about);
  if (about) report.published = about->published;
  report.organization = options.organization;
  report.email = options.contact;
  report.generator = generator;
  report.report_id = gathered.sending.unique;
  report.begin = gathered.sending.begin, report.end = gathered.sending.end;
  if (gathered.lost > 0) report.errors.push_back(format("{} messages more were counted and not told apart, as there were too many kinds", gathered.lost));
  for (const auto& [content, count] : gathered.rows) {
    auto record = decode_dmarc_content(content);
    if (!record) continue;
    record->count = count;
    report.records.push_back(*std::move(record));
  }
  return report;
}

reports::TlsFailure failure_of(const TlsContent& content, std::uint64_t count) {
  return {.result_type = content.result, .sending_ip = content.sending_ip, .receiving_host = content.receiving_host, .receiving_helo = {},
          .receiving_ip = content.receiving_ip, .sessions = count, .additional_information = {}, .reason = content.reason};
}

reports::TlsReport tls_of(const Options& options, const DayOf& of, const Gathered& gathered) {
  reports::TlsReport report;
  report.organization = options.organization;
  report.contact = options.contact;
  report.report_id = gathered.sending.unique + "@" + std::string(reports::domain_of(options.contact));
  report.begin = gathered.sending.begin, report.end = gathered.sending.end;
  for (const auto& [text, count] : gathered.rows) {
    const auto content = decode_tls_content(text);
    if (!content) continue;
    auto policy = std::ranges::find_if(report.policies, [&](const reports::TlsPolicyReport& one) {
      return one.type == content->policy_type && one.strings == content->strings && one.hosts == content->hosts;
    });
    if (policy == report.policies.end()) {
      policy = report.policies.insert(policy, {.type = content->policy_type, .strings = content->strings, .domain = of.domain, .hosts = content->hosts,
                                               .successful = 0, .failed = 0, .failures = {}});
    }
    if (content->result == "success") {
      policy->successful += count;
    } else {
      policy->failed += count;
      policy->failures.push_back(failure_of(*content, count));
    }
  }
  return report;
}

bool is_within(const dns::Name& domain, std::string_view host) {
  const auto name = dns::Name::from_domain(host);
  return name && dmarc::organizational_domain(*name) == dmarc::organizational_domain(domain);
}

}  // namespace

// TXT records; none where the DNS has none or cannot say.
Task<std::vector<std::string>> Sender::texts_at(dns::Name name, bool& is_temporary, Context context) {
  std::vector<std::string> out;
  dns::Question question{.name = std::move(name), .type = dns::RecordType::txt};
  const auto answer = co_await authentication::ask(services_.resolver, std::move(question), std::move(context));
  is_temporary = !answer || dns::is_temporary(answer->status);
  if (!answer || answer->status != dns::AnswerStatus::found) co_return out;
  for (const auto& record : answer->records) out.push_back(std::get<dns::Txt>(record).joined());
  co_return out;
}

// RFC 9990 §4, RFC 7489 §7.1: who is not of the domain has to have said that it wants the reports.
Task<Sender::Targets> Sender::dmarc_targets(const dns::Name& policy_domain, std::vector<dmarc::ReportAddress> addresses, bool of_failures,
                                            Context context) {
  Targets out;
  const auto add = [&out](const dmarc::ReportAddress& address, const Destination& destination) {
    const bool is_new = std::ranges::none_of(out.all, [&](const Target& one) { return one.destination.address == destination.address; });
    if (is_new && out.all.size() < destinations_max) out.all.push_back({address.uri, destination, address.octets_max});
  };
  for (const dmarc::ReportAddress& address : addresses) {
    const auto destination = reports::parse_destination(address.uri);
    if (!destination || destination->scheme != Destination::Scheme::mailto) continue;
    if (is_within(policy_domain, destination->host)) {
      add(address, *destination);
      continue;
    }
    const auto host = dns::Name::from_domain(destination->host);
    const auto asked = host ? host->prefixed(policy_domain.text() + "._report._dmarc") : std::nullopt;
    if (!asked) continue;
    bool is_temporary = false;
    const auto texts = co_await texts_at(*asked, is_temporary, context);
    out.is_temporary = out.is_temporary || is_temporary;
    const auto consent = std::ranges::find_if(texts, [](const std::string& text) { return dmarc::is_record(text); });
    if (consent == texts.end()) continue;
    // Steps 8 and 9: it may name other addresses, at the same host.
    const auto record = dmarc::parse_record(*consent);
    const auto named = !record ? std::vector<dmarc::ReportAddress>() : of_failures ? record->failure_addresses : record->aggregate_addresses;
    if (named.empty()) add(address, *destination);
    for (const dmarc::ReportAddress& other : named) {
      const auto instead = reports::parse_destination(other.uri);
      if (instead && instead->scheme == Destination::Scheme::mailto && instead->host == destination->host) add(other, *instead);
    }
  }
  co_return out;
}

// RFC 8460 §3
Task<Sender::Targets> Sender::tls_targets(const std::string& domain, Context context) {
  Targets out;
  const auto name = dns::Name::from_domain(domain);
  const auto asked = name ? name->prefixed("_smtp._tls") : std::nullopt;
  if (!asked) co_return out;
  const auto texts = co_await texts_at(*asked, out.is_temporary, context);
  std::vector<std::vector<std::string>> records;
  for (const std::string& text : texts) {
    if (auto uris = reports::parse_tls_record(text)) records.push_back(*std::move(uris));
  }
  if (records.size() != 1) co_return out;
  for (const std::string& uri : records.front()) {
    const auto destination = reports::parse_destination(uri);
    if (destination && out.all.size() < destinations_max) out.all.push_back({uri, *destination, std::nullopt});
  }
  co_return out;
}

// Nothing: there is nothing in it.
Task<Result<std::optional<Sender::Parcel>>> Sender::pack(const DayOf& of, const Gathered& gathered, Context context) {
  const auto work = [this, &of, &gathered]() -> std::optional<Parcel> {
    Parcel parcel;
    if (of.kind == Kind::dmarc) {
      parcel.aggregate = aggregate_of(options_, gathered);
      if (parcel.aggregate.records.empty()) return std::nullopt;
      parcel.archive = codec::gzip(reports::write_aggregate(parcel.aggregate, reports::AggregateSchema::rfc9990));
    } else {
      parcel.tls = tls_of(options_, of, gathered);
      if (parcel.tls.policies.empty()) return std::nullopt;
      parcel.archive = codec::gzip(reports::write_tls_report(parcel.tls));
    }
    return parcel;
  };
  if (services_.workers == nullptr) co_return work();
  auto on_worker = work;
  co_return co_await run_on(*services_.workers, std::move(on_worker), std::move(context));
}

Result<std::string> Sender::sign(const std::string& message, WallTime now) const {
  const auto keys = services_.keys ? services_.keys(reports::domain_of(options_.contact)) : nullptr;
  if (!keys || keys->keys.empty()) return fail(ErrorKind::not_found, "the domain of the contact has no DKIM key");
  mailauth::dkim::SignerOptions signing = *keys;
  for (const char* name : {"TLS-Report-Domain", "TLS-Report-Submitter"})  // RFC 8460 §5.3
    signing.fields.push_back({.name = name, .rule = mailauth::dkim::FieldRule::when_present});
  mailauth::dkim::Signer signer(signing);
  signer.receive(message);
  KM_TRY(const std::string fields, signer.receive_end(now));
  return fields + message;
}

// From the null sender, so that nobody is told when it fails; with `also` in the same commit.
Task<Result<void>> Sender::mail(std::string message, const reports::Cover& cover, TlsNeed need, kv::Operation also, Context context) {
  delivery::Submission submission;
  submission.also = std::move(also);
  KM_CO_TRY(auto resolution, co_await services_.directory.resolve(cover.to, context));
  std::vector<std::string> remote;
  if (auto* here = std::get_if<directory::Mailboxes>(&resolution)) {
    for (auto& mailbox : here->local) {
      delivery::LocalRecipient& recipient = submission.local.emplace_back();
      recipient.account = mailbox.account;
      recipient.prefix = "Return-Path: <>\r\n";
      if (!mailbox.address.empty()) recipient.prefix += "Delivered-To: " + mailbox.address + "\r\n";
    }
    for (auto& address : here->remote) remote.push_back(std::move(address.address));
  } else if (std::holds_alternative<directory::NotLocal>(resolution)) {
    remote.push_back(cover.to);
  }
  if (submission.local.empty() && remote.empty()) co_return fail(ErrorKind::invalid, "the address is of a domain here, and nobody's");
  const bool is_here = !submission.local.empty();
  if (!remote.empty()) {
    queue::NewEntry& entry = submission.remote.emplace();
    entry.message_id = "<" + cover.unique + "@" + std::string(reports::domain_of(cover.from)) + ">";
    entry.origin = "a report of this server";
    entry.envelope.tls_optional = need == TlsNeed::none;  // RFC 8460 §3, §5.3: a report on broken TLS has to come through it
    for (std::string& address : remote) {
      queue::Recipient& recipient = entry.recipients.emplace_back();
      recipient.address = std::move(address);
      recipient.notify = {.specified = true, .never = true};
    }
  }
  KM_CO_TRY(const auto writer, services_.delivery.create_message());
  KM_CO_CHECK(co_await writer->write(message, context));
  KM_CO_TRY(submission.message, co_await writer->finish(context));
  KM_CO_CHECK(co_await services_.delivery.deliver(std::move(submission), context));
  if (is_here && received_here_) received_here_(std::move(message), cover.to);
  co_return Result<void>();
}

Task<Result<Sender::Way>> Sender::post(const DayOf& of, const Parcel& parcel, const Target& target, Context context) {
  if (services_.fetcher == nullptr) co_return Way::never;
  web::FetchRequest request;
  request.method = "POST";
  request.url = target.destination.url;
  request.headers.push_back({"Content-Type", "application/tlsrpt+gzip"});
  request.body = parcel.archive;
  request.time_max = post_time_max;
  request.reach = options_.posts_to_private ? web::Reach::any : web::Reach::public_only;
  const auto response = co_await services_.fetcher->fetch(std::move(request), context);
  const bool is_taken = response && response->status >= 200 && response->status < 300;
  if (!is_taken) {
    services_.log.event(LogLevel::warning, "reports.post.failed",
                        {{"domain", of.domain}, {"url", target.destination.url}, {"status", response ? response->status : 0U},
                         {"error", response ? std::string() : response.error().describe()}});
    co_return Way::later;
  }
  KM_CO_CHECK(co_await store_.note_done_now(of, target.uri, context));
  co_return Way::gone;
}

Task<Result<Sender::Way>> Sender::send_to(const DayOf& of, const Parcel& parcel, const Sending& sending, const Target& target, std::size_t number,
                                          Context context) {
  if (target.destination.scheme == Destination::Scheme::https) co_return co_await post(of, parcel, target, context);
  const WallTime now = context.executor->wall_now();
  const reports::Cover cover{.from = options_.contact, .to = target.destination.address, .unique = format("{}{}", sending.unique, number), .now = now};
  std::string message = of.kind == Kind::dmarc ? reports::aggregate_mail(parcel.aggregate, parcel.archive, cover)
                                               : reports::tls_mail(parcel.tls, of.domain, parcel.archive, cover);
  auto is_signed = sign(message, now);
  if (!is_signed) {
    services_.log.event(LogLevel::warning, "reports.unsigned", {{"domain", of.domain}, {"to", cover.to}, {"why", is_signed.error().describe()}});
    if (of.kind == Kind::tls) co_return Way::never;  // RFC 8460 §3: it would be ignored
  } else {
    message = *std::move(is_signed);
  }
  if (target.octets_max && message.size() > *target.octets_max) co_return Way::too_large;
  kv::Operation also = store_.note_done(of, target.uri);
  const auto gone = co_await mail(std::move(message), cover, of.kind == Kind::tls ? TlsNeed::none : TlsNeed::usual, std::move(also), context);
  if (gone) {
    services_.log.event(LogLevel::info, "reports.sent", {{"kind", to_string(of.kind)}, {"domain", of.domain}, {"to", cover.to}, {"id", sending.unique}});
    co_return Way::gone;
  }
  services_.log.event(LogLevel::warning, "reports.failed", {{"kind", to_string(of.kind)}, {"domain", of.domain}, {"to", cover.to}, {"error", gone.error().describe()}});
  co_return gone.error().kind() == ErrorKind::invalid ? Way::never : Way::later;
}

Task<Result<Sent>> Sender::send(DayOf of, Context context) {
  const WallTime now = std::chrono::floor<std::chrono::seconds>(context.executor->wall_now());
  Sending wanted;
  wanted.unique = services_.random.hex(16);
  wanted.end = std::min<WallTime>(now, end_of_day(of));
  wanted.begun = now;
  KM_CO_CHECK(co_await store_.begin(of, std::move(wanted), context));
  KM_CO_TRY(const Gathered gathered, co_await store_.gathered(of, context));
  const Sending& sending = gathered.sending;

  Targets targets;
  if (of.kind == Kind::tls) {
    targets = co_await tls_targets(of.domain, context);
  } else if (auto about = decode_about(gathered.about)) {
    const auto policy_domain = dns::Name::from_domain(of.domain).value_or(dns::Name());
    targets = co_await dmarc_targets(policy_domain, std::move(about->addresses), false, context);
  }
  Sent out{.of = of, .sent = sending.done.size(), .later = targets.is_temporary ? 1U : 0U, .never = 0};
  std::optional<Parcel> parcel;
  if (!targets.all.empty()) {
    KM_CO_TRY(parcel, co_await pack(of, gathered, context));
  }
  std::vector<std::size_t> too_large;
  for (std::size_t i = 0; parcel && i < targets.all.size(); ++i) {
    const Target& target = targets.all[i];
    if (std::ranges::find(sending.done, target.uri) != sending.done.end()) continue;
    KM_CO_TRY(const Way way, co_await send_to(of, *parcel, sending, target, i, context));
    if (way == Way::gone) ++out.sent;
    else if (way == Way::later) ++out.later;
    else ++out.never;
    if (way == Way::too_large) too_large.push_back(i);
  }
  // RFC 7489 §7.2.2: nobody could take it, and they hear that there is one.
  if (parcel && !too_large.empty() && out.sent == 0 && out.later == 0) {
    std::string uris;
    for (const std::size_t i : too_large) uris += (uris.empty() ? "" : ", ") + targets.all[i].uri;
    for (const std::size_t i : too_large) {
      const reports::Cover cover{.from = options_.contact, .to = targets.all[i].destination.address, .unique = format("{}e{}", sending.unique, i), .now = now};
      std::string message = reports::size_mail(parcel->aggregate, parcel->archive.size(), uris, cover);
      if (auto is_signed = sign(message, now)) message = *std::move(is_signed);
      kv::Operation also = store_.note_done(of, targets.all[i].uri);
      (void)co_await mail(std::move(message), cover, TlsNeed::usual, std::move(also), context);
    }
  }
  if (out.later > 0 && now < sending.begun + options_.give_up_after) {
    const auto wait = options_.retry_first * (1U << std::min(sending.attempts, retry_doublings_max));
    KM_CO_CHECK(co_await store_.put_off(of, now + wait, context));
    co_return out;
  }
  if (out.later > 0) services_.log.event(LogLevel::warning, "reports.given_up", {{"kind", to_string(of.kind)}, {"domain", of.domain}});
  KM_CO_CHECK(co_await store_.finish(of, gathered, context));
  co_return out;
}

Task<void> Sender::send(FailureJob job, Context context) {
  if (!job.spf_domain.empty()) {
    bool is_temporary = false;
    const auto name = dns::Name::from_domain(job.spf_domain);
    std::vector<std::string> texts;
    if (name) texts = co_await texts_at(*name, is_temporary, context);
    const auto record = std::ranges::find_if(texts, [](const std::string& text) { return text.starts_with(spf_version); });
    if (record != texts.end() && record->find('"') == std::string::npos) job.report.spf_dns = format("txt : {} : \"{}\"", job.spf_domain, *record);
  }
  const Targets targets = co_await dmarc_targets(job.policy_domain, std::move(job.addresses), true, context);
  for (const Target& target : targets.all) {
    const WallTime now = context.executor->wall_now();
    const reports::Cover cover{.from = options_.contact, .to = target.destination.address, .unique = services_.random.hex(16), .now = now};
    std::string message = reports::failure_mail(job.report, cover);
    if (target.octets_max && message.size() > *target.octets_max) continue;
    auto is_signed = sign(message, now);
    if (!is_signed) continue;  // RFC 9991 §5.1: one that is not aligned could bring another one back
    kv::Operation nothing;
    const auto gone = co_await mail(*std::move(is_signed), cover, TlsNeed::usual, std::move(nothing), context);
    if (gone) services_.log.event(LogLevel::info, "reports.sent", {{"kind", "failure"}, {"domain", job.report.domain}, {"to", cover.to}});
    else services_.log.event(LogLevel::warning, "reports.failed", {{"kind", "failure"}, {"domain", job.report.domain}, {"to", cover.to}, {"error", gone.error().describe()}});
  }
}

}  // namespace keystonemail::reporting
