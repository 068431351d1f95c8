// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include <algorithm>
#include <optional>

#include "base/format.hpp"
#include "base/try.hpp"
#include "commands/dns_setting.hpp"
#include "commands/findings.hpp"
#include "keystonemail/backends/libuv/uv_loop.hpp"
#include "keystonemail/base/text.hpp"
#include "keystonemail/crypto/certificate.hpp"
#include "keystonemail/http/fields.hpp"
#include "keystonemail/mailauth/mta_sts/policy.hpp"
#include "keystonemail/mailauth/mta_sts/record.hpp"
#include "keystonemail/mime/date.hpp"
#include "keystonemail/service/web/https_fetcher.hpp"
#include "keystonemail/tls/context.hpp"
#include "keystonemail/tls/dane.hpp"
#include "keystonemail/transport/tls_stream.hpp"
#include "server/outgoing.hpp"

namespace keystonemail::host {
namespace {

constexpr std::uint16_t smtp_port = 25;
constexpr std::uint64_t https_port = 443;
constexpr auto answer_time_max = std::chrono::seconds(15);
constexpr auto expires_soon_days = std::chrono::days(14);
constexpr std::size_t dialogue_octets_max = 8'192;
constexpr std::string_view well_known_domain = "gmail.com";

// How a port begins: with words, then perhaps TLS.
enum class Dialogue : std::uint8_t { smtp, smtp_tls, imap_tls, tls };

// A line that ends what the server has to say now, in a dialogue of either kind.
Task<Result<std::string>> read_reply(transport::ByteStream& stream, std::string_view last_begins, Context context) {
  std::string text;
  for (std::size_t line = 0; text.size() < dialogue_octets_max;) {
    KM_CO_TRY(const std::string_view more, co_await stream.read(context));
    if (more.empty()) co_return fail(ErrorKind::unavailable, "it hung up");
    const std::size_t octets = more.size();
    text += more;
    stream.consume(octets);
    for (std::size_t end = text.find('\n', line); end != std::string::npos; line = end + 1, end = text.find('\n', line)) {
      const std::string_view one = std::string_view(text).substr(line, end - line);
      const bool is_reply = one.size() >= 4 && is_digit(one[0]) && one[3] == ' ';
      if (last_begins.empty() ? is_reply : one.starts_with(last_begins)) co_return text;
    }
  }
  co_return fail(ErrorKind::too_large, "it says too much");
}

Task<Result<std::string>> say(transport::ByteStream& stream, std::string line, std::string_view last_begins, Context context) {
  KM_CO_CHECK(co_await transport::write_all(stream, line, context));
  co_return co_await read_reply(stream, last_begins, context);
}

Task<Result<void>> upgrade(transport::ByteStream& stream, Dialogue dialogue, Context context) {
  if (dialogue == Dialogue::imap_tls) {
    KM_CO_CHECK(co_await read_reply(stream, "* ", context));
    KM_CO_TRY(const std::string answer, co_await say(stream, "a STARTTLS\r\n", "a ", context));
    if (answer.find("a OK") == std::string::npos) co_return fail(ErrorKind::denied, "it does not offer STARTTLS");
    co_return Result<void>();
  }
  KM_CO_CHECK(co_await read_reply(stream, "", context));
  KM_CO_CHECK(co_await say(stream, "EHLO check.invalid\r\n", "", context));
  KM_CO_TRY(const std::string answer, co_await say(stream, "STARTTLS\r\n", "", context));
  if (!answer.starts_with("220")) co_return fail(ErrorKind::denied, "it does not offer STARTTLS");
  co_return Result<void>();
}

Task<Result<std::string>> greet(libuv::UvLoop& loop, Endpoint to, Context context) {
  KM_CO_TRY(auto stream, co_await loop.connect(to, context));
  KM_CO_TRY(std::string greeting, co_await read_reply(*stream, "", context));
  std::ignore = co_await say(*stream, "QUIT\r\n", "", context);
  co_return greeting.substr(0, greeting.find_first_of("\r\n"));
}

struct Handshake {
  tls::Trust trust = tls::Trust::unchecked;
  std::vector<std::string> chain;
  std::string version;
};

Task<Result<Handshake>> shake_hands(libuv::UvLoop& loop, Endpoint to, Dialogue dialogue, std::string name,
                                    std::shared_ptr<const tls::ClientContext> client, Context context) {
  KM_CO_TRY(auto stream, co_await loop.connect(to, context));
  if (dialogue != Dialogue::tls) KM_CO_CHECK(co_await upgrade(*stream, dialogue, context));
  tls::ClientRequest request{.server_name = name, .verification = tls::Verification::opportunistic};
  const auto start = dialogue == Dialogue::tls ? transport::TlsStart::implicit : transport::TlsStart::upgrade;
  KM_CO_TRY(auto secure, co_await transport::TlsStream::connect(std::move(stream), client, std::move(request), start, context));
  Handshake shaken;
  shaken.trust = secure->channel().trust();
  shaken.chain = secure->channel().peer_chain();
  shaken.version = secure->channel().info().version == tls::Version::tls1_3 ? "TLS 1.3" : "TLS 1.2";
  co_return shaken;
}

std::string words_of(const Error& error) { return error.text().empty() ? error.describe() : error.text(); }

std::string_view fault_of(tls::Trust trust) noexcept {
  switch (trust) {
    case tls::Trust::trusted: return "";
    case tls::Trust::unchecked: return "not checked";
    case tls::Trust::no_certificate: return "no certificate";
    case tls::Trust::untrusted: return "signed by nobody that this system trusts";
    case tls::Trust::expired: return "expired, or not valid yet";
    case tls::Trust::wrong_name: return "made for another name";
    case tls::Trust::invalid: return "invalid";
  }
  __builtin_unreachable();
}

std::string date_of(WallTime time) { return mime::format_date({time, {}}); }

void judge_certificate(Finding& finding, const Handshake& shaken, std::string_view host, WallTime now) {
  const auto info = shaken.chain.empty() ? Result<crypto::CertificateInfo>(fail(ErrorKind::invalid)) : crypto::read_certificate_der(shaken.chain.front());
  if (!info) return;
  std::string names;
  for (const std::string& name : info->dns_names) names += (names.empty() ? "" : " ") + name;
  finding.found = format("{}, for {}, until {}", shaken.version, names.empty() ? "nobody" : names, date_of(info->not_after));
  finding.standing = Standing::good;
  if (const auto fault = fault_of(shaken.trust); !fault.empty()) {
    finding.standing = Standing::wrong;
    finding.found += format("; {}", fault);
    finding.advice = format("serve a certificate for {} by a public authority; mail servers take this one, mail programs will not", host);
  } else if (info->not_after < now + expires_soon_days) {
    finding.standing = Standing::wrong;
    finding.advice = "renew the certificate: it ends within two weeks";
  }
}

// RFC 7672 §3: whether mail servers that look at it would deliver.
Finding judge_key_records(Names& names, const std::string& host, std::uint16_t port, const Handshake& shaken) {
  Finding finding{.standing = Standing::missing, .subject = format("TLSA _{}._tcp.{}", port, host), .found = {}, .advice = {}, .weighty = false};
  const auto name = dns::Name::from_domain(format("_{}._tcp.{}", port, host));
  const auto answer = name ? names.ask({.name = *name, .type = dns::RecordType::tlsa}) : dns::Answer();
  if (dns::is_temporary(answer.status)) finding.standing = Standing::unknown, finding.found = std::string(dns::to_string(answer.status));
  if (answer.status != dns::AnswerStatus::found || shaken.chain.empty()) return finding;
  std::vector<tls::TlsaRecord> records;
  for (const dns::RecordData& data : answer.records) {
    if (const auto* tlsa = std::get_if<dns::Tlsa>(&data)) records.push_back({tlsa->usage, tlsa->selector, tlsa->matching_type, tlsa->data});
  }
  const std::vector<std::string> reference{host};
  const auto usable = tls::usable_tlsa(records);
  const auto outcome = tls::verify_dane(usable, shaken.chain, reference, names.wall_now());
  finding.found = dns::to_string(answer.records.front()) + (answer.records.size() > 1 ? format(" and {} more", answer.records.size() - 1) : "") +
                  (answer.authenticated ? ", signed" : ", not signed by DNSSEC");
  finding.standing = tls::is_verified(outcome) ? Standing::good : Standing::wrong;
  if (usable.empty()) finding.found += "; none is of use to mail servers";
  else finding.found += format("; {}", to_string(outcome));
  if (finding.standing == Standing::wrong) finding.advice = "no record fits what is served: add 3 1 1 " + public_key_fingerprint(shaken.chain.front());
  return finding;
}

// RFC 8461: the record, the policy behind it, and whether that names the hosts that the MX records name.
void judge_policy(libuv::UvLoop& loop, Names& names, const tls::ClientOptions& trust, std::uint64_t port, const dns::Name& domain,
                  const std::vector<dns::Name>& hosts, std::vector<Finding>& findings) {
  namespace sts = mailauth::mta_sts;
  Finding& finding = findings.emplace_back(Finding{.standing = Standing::missing, .subject = "MTA-STS " + domain.text(), .found = {}, .advice = {}, .weighty = false});
  const auto name = domain.prefixed("_mta-sts");
  const auto answer = name ? names.ask({.name = *name, .type = dns::RecordType::txt}) : dns::Answer();
  if (dns::is_temporary(answer.status)) finding.standing = Standing::unknown, finding.found = std::string(dns::to_string(answer.status));
  std::vector<std::string> texts;
  for (const dns::RecordData& data : answer.records) {
    if (const auto* text = std::get_if<dns::Txt>(&data)) texts.push_back(text->joined());
  }
  const auto record = sts::choose_record(texts);
  if (!record) return;
  finding.standing = Standing::wrong;
  finding.found = "id " + record->id;
  const auto client = tls::ClientContext::create(web::fetcher_tls(trust));
  if (!client) return;
  web::HttpsFetcher fetcher({}, names.resolver(), loop, *client);
  const std::string at_port = port == https_port ? "" : format(":{}", port);
  web::FetchRequest request{.url = "https://mta-sts." + domain.text() + at_port + "/.well-known/mta-sts.txt", .octets_max = sts::limits::policy_octets_max};
  const auto response = loop.run_until(fetcher.fetch(std::move(request), Context(&loop, {}, loop.now() + answer_time_max)));
  finding.advice = format("serve the policy at https://mta-sts.{}/.well-known/mta-sts.txt as text/plain, with a certificate for that name", domain.text());
  if (!response || response->status != 200) {
    finding.found += response ? format("; HTTP status {}", response->status) : format("; {}: {}", to_string(response.error().fault()), response.error().detail());
    return;
  }
  const auto policy = sts::parse_policy(response->body);
  if (http::media_type(response->headers) != "text/plain" || !policy) {
    finding.found += policy ? "; its media type is not text/plain" : format("; the policy has {}", to_string(policy.error()));
    return;
  }
  finding.found += format("; mode {}, for {} days", to_string(policy->mode), policy->max_age / std::chrono::days(1));
  finding.standing = Standing::good;
  finding.advice.clear();
  for (const dns::Name& host : hosts) {
    if (policy->mode == sts::Mode::none || policy->allows(host)) continue;
    finding.standing = Standing::wrong;
    finding.found += format("; it does not name {}", host.text());
    finding.advice = "name every mail exchanger in the policy, and change the record's id";
  }
}

struct Door {
  std::uint16_t port;
  Dialogue dialogue;
  std::string_view name;
};

std::vector<Door> doors_of(const Config& config, bool ours) {
  if (!ours) return {{static_cast<std::uint16_t>(config.relay.port), Dialogue::smtp_tls, "smtp"}};  // where mail goes
  std::vector<Door> doors;
  for (const ListenerConfig& listener : config.listeners) {
    if (listener.tls == TlsUse::none || listener.protocol == Protocol::lmtp || listener.address.port == 0) continue;
    const bool imap = listener.protocol == Protocol::imap || listener.protocol == Protocol::imaps;
    const Dialogue dialogue = listener.tls == TlsUse::implicit ? Dialogue::tls : imap ? Dialogue::imap_tls : Dialogue::smtp_tls;
    doors.push_back({listener.address.port, dialogue, to_string(listener.protocol)});
  }
  return doors;
}

// The hosts that take a domain's mail: by MX, else the domain itself (RFC 5321 §5.1).
Result<std::vector<dns::Name>> exchangers_of(Names& names, const std::string& domain) {
  const auto name = dns::Name::from_domain(domain);
  if (!name) return fail(ErrorKind::invalid, format("\"{}\" is no domain", domain));
  const auto answer = names.ask({.name = *name, .type = dns::RecordType::mx});
  if (dns::is_temporary(answer.status)) return fail(ErrorKind::unavailable, format("the MX of {} cannot be asked: {}", domain, dns::to_string(answer.status)));
  std::vector<std::pair<std::uint16_t, dns::Name>> found;
  for (const auto& record : answer.records) found.emplace_back(std::get<dns::Mx>(record).preference, std::get<dns::Mx>(record).exchange);
  if (found.empty()) found.emplace_back(0, *name);
  std::ranges::sort(found);
  std::vector<dns::Name> hosts;
  for (auto& [preference, host] : found) hosts.push_back(std::move(host));
  return hosts;
}

Finding try_port(libuv::UvLoop& loop, Endpoint to, std::string subject, std::string advice) {
  Finding finding{.standing = Standing::good, .subject = std::move(subject), .found = {}, .advice = {}};
  const auto greeting = loop.run_until(greet(loop, to, Context(&loop, {}, loop.now() + answer_time_max)));
  finding.found = greeting ? *greeting : words_of(greeting.error());
  if (greeting && greeting->starts_with("220")) return finding;
  finding.standing = Standing::wrong;
  finding.advice = std::move(advice);
  return finding;
}

Result<std::vector<Endpoint>> places_to_try(Names& names, const std::string& given) {
  if (const auto endpoint = Endpoint::parse(given)) return std::vector{*endpoint};
  KM_TRY(const auto hosts, exchangers_of(names, given.empty() ? std::string(well_known_domain) : given));
  std::vector<Endpoint> places;
  for (const dns::Name& host : hosts) {
    for (const IpAddress& address : addresses_of(names, host)) places.push_back({address, smtp_port});
    if (!places.empty()) break;
  }
  if (places.empty()) return fail(ErrorKind::not_found, "no mail exchanger of " + (given.empty() ? std::string(well_known_domain) : given) + " has an address");
  return places;
}

std::uint16_t own_port(const Config& config) {
  for (const ListenerConfig& listener : config.listeners) {
    if (listener.protocol == Protocol::smtp && listener.address.port != 0) return listener.address.port;
  }
  return smtp_port;
}

}  // namespace

int run_check_port25(const std::string& config, const DnsRequest& request, Output output) {
  auto setting = open_setting(config, request);
  if (!setting) return report_error(output, setting.error().text(), setting.error().kind() == ErrorKind::invalid ? 2 : 1);
  libuv::UvLoop loop;
  std::vector<Finding> findings;
  if (const auto places = places_to_try(*setting->names, request.mail_exchanger)) {
    findings.push_back(try_port(loop, places->front(), "out to " + places->front().to_string(),
                                "mail cannot leave: ask whoever runs your network to open port 25, or send through a [relay] host"));
  } else {
    findings.push_back({.standing = Standing::unknown, .subject = "out to port 25", .found = places.error().text(), .advice = "ask again later, or say --exchanger"});
  }
  if (setting->facts.addresses.empty())
    findings.push_back(without_address("in from outside", setting->facts.hostname, setting->trouble));
  for (const IpAddress& address : setting->facts.addresses)
    findings.push_back(try_port(loop, {address, own_port(setting->config)}, format("in at {}", Endpoint{address, own_port(setting->config)}.to_string()),
                                "nobody answers there: is the server running, and port 25 open in the firewall? From behind the same router this may fail without harm"));
  return print_findings(findings, output);
}

int run_check_tls(const std::string& config, const DnsRequest& request, Output output) {
  auto setting = open_setting(config, request);
  if (!setting) return report_error(output, setting.error().text(), setting.error().kind() == ErrorKind::invalid ? 2 : 1);
  const auto hosts = exchangers_of(*setting->names, setting->facts.domain);
  if (!hosts) return report_error(output, hosts.error().text());
  const auto trust = client_trust(setting->config.relay);
  if (!trust) return report_error(output, words_of(trust.error()));
  const auto client = tls::ClientContext::create(*trust);
  if (!client) return report_error(output, words_of(client.error()));
  libuv::UvLoop loop;
  std::vector<Finding> findings;
  if (const auto domain = dns::Name::from_domain(setting->facts.domain)) judge_policy(loop, *setting->names, *trust, setting->config.relay.mta_sts_port, *domain, *hosts, findings);
  for (const dns::Name& host : *hosts) {
    const auto [addresses, trouble] = ask_addresses(*setting->names, host);
    if (addresses.empty()) findings.push_back(without_address(host.text(), host.text(), trouble));
    for (const Door& door : addresses.empty() ? std::vector<Door>() : doors_of(setting->config, host.text() == setting->facts.hostname)) {
      const Endpoint to{addresses.front(), door.port};
      Finding finding{.standing = Standing::wrong, .subject = format("{} {}:{}", door.name, host.text(), door.port), .found = {}, .advice = {}};
      const auto shaken = loop.run_until(shake_hands(loop, to, door.dialogue, host.text(), *client, Context(&loop, {}, loop.now() + answer_time_max)));
      if (!shaken) {
        finding.found = words_of(shaken.error());
        finding.advice = "is the server running, and does it have a certificate?";
        findings.push_back(std::move(finding));
        continue;
      }
      judge_certificate(finding, *shaken, host.text(), loop.wall_now());
      findings.push_back(std::move(finding));
      if (door.name == "smtp") findings.push_back(judge_key_records(*setting->names, host.text(), door.port, *shaken));
    }
  }
  return print_findings(findings, output);
}

}  // namespace keystonemail::host
