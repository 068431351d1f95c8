// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "config/keys.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "base/format.hpp"
#include "keystonemail/base/text.hpp"
#include "keystonemail/http/message.hpp"

namespace keystonemail::host {

namespace {

using Problem = std::optional<std::string>;

constexpr std::pair<std::string_view, Protocol> protocol_names[] = {
    {"smtp", Protocol::smtp}, {"submission", Protocol::submission},
    {"submissions", Protocol::submissions}, {"lmtp", Protocol::lmtp}, {"imap", Protocol::imap}, {"imaps", Protocol::imaps},
    {"https", Protocol::https}, {"http", Protocol::http}};
constexpr std::pair<std::string_view, TlsUse> tls_names[] = {
    {"none", TlsUse::none}, {"starttls", TlsUse::starttls},
                               {"implicit", TlsUse::implicit}};
constexpr std::pair<std::string_view, RelayTls> relay_tls_names[] = {
    {"none", RelayTls::none}, {"opportunistic", RelayTls::opportunistic}, {"required", RelayTls::required},
    {"verified", RelayTls::verified}, {"implicit", RelayTls::implicit}, {"dane", RelayTls::dane}};
constexpr std::pair<std::string_view, Dnssec> dnssec_names[] = {
    {"automatic", Dnssec::automatic}, {"on", Dnssec::on}, {"off", Dnssec::off}};
constexpr std::pair<std::string_view, service::Notes> notes_names[] = {
    {"none", service::Notes::none}, {"larger", service::Notes::larger}, {"all", service::Notes::all}};
constexpr std::pair<std::string_view, DmarcUse> dmarc_names[] = {{"enforce", DmarcUse::enforce}, {"observe", DmarcUse::observe}};
constexpr std::pair<std::string_view, MilterFailure> milter_failure_names[] = {
    {"tempfail", MilterFailure::tempfail}, {"accept", MilterFailure::accept}, {"reject", MilterFailure::reject},
    {"quarantine", MilterFailure::quarantine}};
constexpr std::pair<std::string_view, FailureReports> failure_names[] = {
    {"off", FailureReports::off}, {"redacted", FailureReports::redacted}, {"full", FailureReports::full}};
constexpr std::pair<std::string_view, MtaStsMode> mta_sts_names[] = {
    {"enforce", MtaStsMode::enforce}, {"testing", MtaStsMode::testing}, {"none", MtaStsMode::none}};
constexpr std::pair<std::string_view, WebhookEvent> event_names[] = {
    {"delivered", WebhookEvent::delivered}, {"delayed", WebhookEvent::delayed}, {"failed", WebhookEvent::failed},
    {"suspended", WebhookEvent::suspended}};
constexpr std::pair<std::string_view, DirectoryType> directory_names[] = {
    {"internal", DirectoryType::internal}, {"plugin", DirectoryType::plugin}};
constexpr std::pair<std::string_view, policies::ListedThing> thing_names[] = {
    {"address", policies::ListedThing::address}, {"helo", policies::ListedThing::helo}, {"sender", policies::ListedThing::sender}};
constexpr std::pair<std::string_view, LogFormat> format_names[] = {
    {"logfmt", LogFormat::logfmt}, {"json", LogFormat::json}};
constexpr std::pair<std::string_view, LogLevel> level_names[] = {
    {"debug", LogLevel::debug}, {"info", LogLevel::info},
                                 {"warning", LogLevel::warning}, {"error", LogLevel::error}};

Problem text(const Value& value, std::string& out) {
  const auto* given = std::get_if<std::string>(&value);
  if (!given) return "must be a text in quotes";
  if (given->empty()) return "must not be empty";
  if (given->find_first_of("\r\n") != std::string::npos || given->find('\0') != std::string::npos) return "must be one line";
  out = *given;
  return std::nullopt;
}

Problem number(const Value& value, std::int64_t least, std::int64_t most, std::uint64_t& out) {
  const auto* given = std::get_if<std::int64_t>(&value);
  if (!given) return "must be a whole number";
  if (*given < least || *given > most) return format("must be between {} and {}", least, most);
  out = static_cast<std::uint64_t>(*given);
  return std::nullopt;
}

Problem flag(const Value& value, bool& out) {
  const auto* given = std::get_if<bool>(&value);
  if (!given) return "must be true or false";
  out = *given;
  return std::nullopt;
}

template <class Names, class T>
Problem one_of(const Value& value, const Names& names, T& out) {
  std::string given;
  if (auto problem = text(value, given)) return problem;
  std::string all;
  std::vector<std::string_view> known;
  for (const auto& [name, meaning] : names) {
    if (name == given) {
      out = meaning;
      return std::nullopt;
    }
    known.push_back(name);
    all.append(all.empty() ? "" : ", ").append(name);
  }
  const auto near = suggestion(given, known);
  return near.empty() ? format("must be one of {}", all) : format("must be one of {}; did you mean \"{}\"?", all, near);
}

Problem domains(const Value& value, std::vector<std::string>& out) {
  const auto* given = std::get_if<std::vector<std::string>>(&value);
  if (!given) return "must be a list of domains, as in [\"example.net\"]";
  out.clear();
  for (const std::string& one : *given) {
    if (one.empty() || one.find_first_of(" @/\r\n") != std::string::npos) return format("\"{}\" is no domain", one);
    out.push_back(to_lower(one));
  }
  return std::nullopt;
}

Problem networks(const Value& value, std::vector<IpNetwork>& out) {
  const auto* given = std::get_if<std::vector<std::string>>(&value);
  if (!given) return "must be a list of addresses or networks, as in [\"127.0.0.0/8\"]";
  out.clear();
  for (const std::string& one : *given) {
    const auto network = IpNetwork::parse(one);
    if (!network) return format("\"{}\" is neither an IP address nor a network", one);
    out.push_back(*network);
  }
  return std::nullopt;
}

// `plain` is what a text stands for.
Problem secret(const Value& value, SecretSource::Kind plain, SecretSource& out) {
  if (const auto* given = std::get_if<std::string>(&value); given && !given->empty()) {
    out = {plain, *given};
    return std::nullopt;
  }
  const auto* table = std::get_if<std::map<std::string, std::string>>(&value);
  if (!table || table->size() != 1) return "must be { file = \"...\" } or { env = \"...\" }";
  const auto& [kind, name] = *table->begin();
  if (name.empty() || (kind != "file" && kind != "env")) return "must be { file = \"...\" } or { env = \"...\" }";
  out = {kind == "file" ? SecretSource::Kind::file : SecretSource::Kind::environment, name};
  return std::nullopt;
}

Problem host_name(const Value& value, std::string& out) {
  if (auto problem = text(value, out)) return problem;
  out = to_lower(out);
  const bool plain = std::ranges::all_of(out, [](char c) { return is_alpha(c) || is_digit(c) || c == '-' || c == '.' || (c & 0x80); });
  if (!plain || out.size() > 253 || out.front() == '.' || out.back() == '.' || out.find("..") != std::string::npos)
    return "must be a domain name, as in \"mail.example.org\"";
  return std::nullopt;
}

Problem mail_address(const Value& value, std::string& out) {
  if (auto problem = text(value, out)) return problem;
  const std::size_t at = out.rfind('@');
  const bool is_odd = std::ranges::any_of(out, [](char c) { return static_cast<unsigned char>(c) <= ' ' || c == '<' || c == '>' || c == ',' || c == ';' || c == '!'; });
  if (is_odd || at == std::string::npos || at == 0 || at + 1 == out.size()) return "must be a mail address, as in \"reports@example.org\"";
  return std::nullopt;
}

Problem endpoint(const Value& value, Endpoint& out) {
  std::string given;
  if (auto problem = text(value, given)) return problem;
  const auto parsed = Endpoint::parse(given);
  if (!parsed) return "must be an IP address and a port, as in \"192.0.2.1:25\" or \"[::]:25\"";
  out = *parsed;
  return std::nullopt;
}

Problem endpoints(const Value& value, std::vector<Endpoint>& out) {
  const auto* given = std::get_if<std::vector<std::string>>(&value);
  if (!given) return "must be a list of addresses, as in [\"192.0.2.53:53\"]";
  out.clear();
  for (const std::string& one : *given) {
    auto parsed = Endpoint::parse(one);
    if (const auto address = IpAddress::parse(one); !parsed && address) parsed = Endpoint{*address, 53};
    if (!parsed) return format("\"{}\" is not an IP address with a port, as in \"192.0.2.53:53\"", one);
    out.push_back(*parsed);
  }
  return std::nullopt;
}

// "host", "host:port", "lmtp:host:port"; whether there is such a host is seen when mail is sent.
Problem check_route(const std::string& text) {
  const auto is_odd = [](char c) { return static_cast<unsigned char>(c) <= ' ' || c == '/' || c == '@'; };
  const std::size_t colon = text.rfind(':');
  const std::string_view port = colon == std::string::npos || text.ends_with(']') ? "25" : std::string_view(text).substr(colon + 1);
  if (text.empty() || std::ranges::any_of(text, is_odd) || colon == 0 || !parse_decimal(port, 65'535).value_or(0))
    return format("\"{}\" is not a host and port, as in \"smtp.example.net:587\"", text);
  return std::nullopt;
}

Problem route(const Value& value, std::string& out) {
  if (auto problem = text(value, out)) return problem;
  return check_route(out);
}

Problem routes(const Value& value, std::map<std::string, std::string>& out) {
  const auto* given = std::get_if<std::map<std::string, std::string>>(&value);
  if (!given) return "must be a table of domains, as in { \"example.net\" = \"192.0.2.1:25\" }";
  for (const auto& [domain, host] : *given)
    if (auto problem = check_route(host)) return problem;
  out = *given;
  return std::nullopt;
}

Problem tls_by_domain(const Value& value, std::map<std::string, RelayTls>& out) {
  const auto* given = std::get_if<std::map<std::string, std::string>>(&value);
  if (!given) return "must be a table of domains, as in { \"example.net\" = \"dane\" }";
  for (const auto& [domain, word] : *given)
    if (auto problem = one_of(Value(word), relay_tls_names, out[domain])) return problem;
  return std::nullopt;
}

Problem records(const Value& value, std::vector<std::string>& out) {
  const auto* given = std::get_if<std::vector<std::string>>(&value);
  if (!given) return "must be a list of records, as in [\". IN DS 20326 8 2 E06D...\"]";
  out = *given;
  return std::nullopt;
}

// "30s", "5m", "2h", "1d".
std::optional<std::chrono::seconds> duration(std::string_view text) {
  if (text.size() < 2) return std::nullopt;
  const auto count = parse_decimal(text.substr(0, text.size() - 1), 1'000'000);
  if (!count || *count == 0) return std::nullopt;
  switch (text.back()) {
    case 's': return std::chrono::seconds(*count);
    case 'm': return std::chrono::minutes(*count);
    case 'h': return std::chrono::hours(*count);
    case 'd': return std::chrono::days(*count);
    default: return std::nullopt;
  }
}

Problem durations(const Value& value, std::vector<std::chrono::seconds>& out) {
  const auto* given = std::get_if<std::vector<std::string>>(&value);
  if (!given || given->empty()) return "must be a list of times, as in [\"5m\", \"1h\"]";
  out.clear();
  for (const std::string& one : *given) {
    const auto time = duration(one);
    if (!time) return format("\"{}\" is not a time, as in \"30s\", \"5m\", \"2h\" or \"1d\"", one);
    out.push_back(*time);
  }
  return std::nullopt;
}

Problem one_duration(const Value& value, std::chrono::seconds most, std::chrono::seconds& out) {
  const auto* given = std::get_if<std::string>(&value);
  const auto time = given ? duration(*given) : std::nullopt;
  if (!time || *time > most) return format("must be a time of at most {}s, as in \"30s\" or \"5m\"", most.count());
  out = *time;
  return std::nullopt;
}

// RFC 8461 §3.2: at most about a year.
Problem max_age(const Value& value, std::chrono::seconds& out) {
  constexpr std::chrono::seconds most(31'557'600), least = std::chrono::days(1);
  std::string given;
  if (auto problem = text(value, given)) return problem;
  const auto time = duration(given);
  if (!time || *time < least || *time > most) return "must be a time between \"1d\" and \"365d\"";
  out = *time;
  return std::nullopt;
}

// Each of them one of `known`.
Problem words(const Value& value, std::initializer_list<std::string_view> known, std::vector<std::string>& out) {
  const auto* given = std::get_if<std::vector<std::string>>(&value);
  std::string all;
  for (const std::string_view word : known) all.append(all.empty() ? "" : ", ").append(word);
  const bool fits = given && std::ranges::all_of(*given, [&](const std::string& one) { return std::ranges::find(known, one) != known.end(); });
  if (!fits) return format("must be a list of some of {}", all);
  out = *given;
  return std::nullopt;
}

Problem rates(const Value& value, std::map<std::string, std::string>& out) {
  const auto* given = std::get_if<std::map<std::string, std::string>>(&value);
  if (!given) return "must be a table of domains, as in { \"example.net\" = \"60\" }";
  for (const auto& [domain, rate] : *given)
    if (!parse_decimal(rate, 1'000'000)) return format("\"{}\" is not a number of messages in a minute", rate);
  out = *given;
  return std::nullopt;
}

Problem milter_address(const Value& value, MilterConfig& milter) {
  const auto* given = std::get_if<std::string>(&value);
  const auto address = given ? milter::Address::parse(*given) : std::nullopt;
  if (!address) return "must be \"inet:127.0.0.1:11332\", \"inet6:[::1]:11332\" or \"unix:/path\"; of names only localhost is known";
  milter.address = *address;
  return std::nullopt;
}

Problem milter_skip(const Value& value, MilterConfig& milter) {
  std::vector<std::string> skipped;
  if (auto problem = words(value, {"trusted", "authenticated"}, skipped)) return problem;
  milter.skip_trusted = std::ranges::find(skipped, "trusted") != skipped.end();
  milter.skip_authenticated = std::ranges::find(skipped, "authenticated") != skipped.end();
  return std::nullopt;
}

Problem webhook_events(const Value& value, std::vector<WebhookEvent>& out) {
  const auto* given = std::get_if<std::vector<std::string>>(&value);
  if (!given || given->empty()) return "must be a list of events, as in [\"delivered\", \"failed\"]";
  out.clear();
  for (const std::string& one : *given) {
    if (auto problem = one_of(Value(one), event_names, out.emplace_back())) return problem;
  }
  return std::nullopt;
}

// Events tell who writes to whom: they go encrypted, or nowhere but to this machine.
Problem webhook_url(const Value& value, std::string& out) {
  std::string given;
  if (auto problem = text(value, given)) return problem;
  const auto url = http::Url::parse(given);
  if (!url) return "must be a URL, as in \"https://example.net/hook\", without a name and password";
  const auto address = IpAddress::parse(url->authority.host);
  if (url->scheme == "http" && !(address && address->is_loopback())) return "would send events in the clear: https is for others than 127.0.0.1 and [::1]";
  out = url->to_string();
  return std::nullopt;
}

Problem source_address(const Value& value, IpAddress::Family family, std::string& out) {
  if (auto problem = text(value, out)) return problem;
  const auto address = IpAddress::parse(out);
  if (!address || address->family() != family) return family == IpAddress::Family::v4 ? "must be an IPv4 address" : "must be an IPv6 address";
  return std::nullopt;
}

constexpr std::int64_t count_max = 1'000'000;
constexpr std::int64_t octets_max = std::int64_t{1} << 50;
constexpr std::int64_t weight_max = 1'000;

// As number(), into a narrower one.
Problem count(const Value& value, std::int64_t least, std::int64_t most, std::uint32_t& out) {
  std::uint64_t given = 0;
  auto problem = number(value, least, most, given);
  if (!problem) out = static_cast<std::uint32_t>(given);
  return problem;
}

Problem weight(const Value& value, std::int64_t least, int& out) {
  const auto* given = std::get_if<std::int64_t>(&value);
  if (!given) return "must be a whole number";
  if (*given < least || *given > weight_max) return format("must be between {} and {}", least, weight_max);
  out = static_cast<int>(*given);
  return std::nullopt;
}

template <class Duration, class Unit>
Problem time_of(const Value& value, std::int64_t least, std::int64_t most, Unit unit, Duration& out) {
  std::uint64_t given = 0;
  auto problem = number(value, least, most, given);
  if (!problem) out = unit * static_cast<std::int64_t>(given);
  return problem;
}

Problem access(const Value& value, policies::AccessScope scope, policies::AccessTable& out) {
  const auto* given = std::get_if<std::map<std::string, std::string>>(&value);
  if (!given) return "must be a table of texts, as in { \"example.net\" = \"reject\" }";
  for (const auto& [pattern, words] : *given) {
    auto rule = policies::AccessRule::parse(words);
    if (!rule) return format("of \"{}\": {}", pattern, rule.error().text());
    if (const auto added = out.add(scope, pattern, *std::move(rule)); !added) return added.error().text();
  }
  return std::nullopt;
}

Problem codes(const Value& value, std::vector<policies::ListCodes>& out) {
  const auto* given = std::get_if<std::vector<std::string>>(&value);
  if (!given) return "must be a list of answers, as in [\"127.0.0.2\", \"127.0.0.4-127.0.0.7\", \"127.0.0.0&8\"]";
  out.clear();
  for (const std::string& one : *given) {
    const auto parsed = policies::ListCodes::parse(one);
    if (!parsed) return format("\"{}\" is no answer of a list: they are within 127.0.0.0/8", one);
    out.push_back(*parsed);
  }
  return std::nullopt;
}

using std::chrono::hours, std::chrono::seconds;

constexpr std::array keys{
    Key{"", "hostname", "text", "required", "What the server calls itself: in greetings, EHLO and Received.",
        [](Draft d, const Value& v) { return host_name(v, d.config.hostname); }},
    Key{"", "primary_domain", "text", "required", "The domain of logins and postmaster addresses given without one.",
        [](Draft d, const Value& v) { return host_name(v, d.config.primary_domain); }},
    Key{"", "data_directory", "text", "required", "Where mail, queue and accounts are kept. On a local disk.",
        [](Draft d, const Value& v) { return text(v, d.config.data_directory); }},
    Key{"", "user", "text", "none", "When started as root: the user to become once the ports are open.",
        [](Draft d, const Value& v) { return text(v, d.config.user); }},
    Key{"", "loops", "number", "0", "Threads that serve connections; 0: one for each processor.",
        [](Draft d, const Value& v) { return number(v, 0, 256, d.config.loops); }},
    Key{"tls", "certificate", "text", "none", "File with the certificate and those that signed it, as PEM. Clients see it unless one of [[certificate]] fits the name that "
        "they ask for and it does not.",
        [](Draft d, const Value& v) { return text(v, d.config.certificate); }},
    Key{"tls", "private_key", "file or secret", "none", "Its key, as PEM: a path, { file = \"...\" } or { env = \"...\" }.",
        [](Draft d, const Value& v) { return secret(v, SecretSource::Kind::file, d.config.private_key); }},
    Key{"tls", "client_authorities", "text", "none", "File with the authorities whose certificates let clients log in, as PEM.",
        [](Draft d, const Value& v) { return text(v, d.config.client_authorities); }},
    Key{"certificate", "chain", "text", "required", "One more certificate, for clients that ask for one of its names: a file with it and those that signed it, as PEM.",
        [](Draft d, const Value& v) { return text(v, d.certificate->chain); }},
    Key{"certificate", "private_key", "file or secret", "required", "As [tls] private_key.",
        [](Draft d, const Value& v) { return secret(v, SecretSource::Kind::file, d.certificate->private_key); }},
    Key{"listener", "protocol", "text", "required", "smtp, submission, submissions, lmtp, imap, imaps, https or http (which sends people to https).",
        [](Draft d, const Value& v) { return d.listener->protocol_given = true, one_of(v, protocol_names, d.listener->protocol); }},
    Key{"listener", "address", "text", "required", "Address and port; port 0 takes a free one; [::] takes IPv4 too.",
        [](Draft d, const Value& v) { return d.listener->address_given = true, endpoint(v, d.listener->address); }},
    Key{"listener", "tls", "text", "by protocol", "none, starttls or implicit. Usual: implicit for submissions, imaps and https, "
        "none for lmtp and http, starttls for others.",
        [](Draft d, const Value& v) { return d.listener->tls_given = true, one_of(v, tls_names, d.listener->tls); }},
    Key{"listener", "allow_plaintext_auth", "true or false", "false", "Take passwords without TLS. Loopback addresses only.",
        [](Draft d, const Value& v) { return flag(v, d.listener->allow_plaintext_auth); }},
    Key{"listener", "client_certificates", "true or false", "false", "Ask clients for a certificate: one of [tls] client_authorities "
        "logs in as its mail address (SASL EXTERNAL).",
        [](Draft d, const Value& v) { return flag(v, d.listener->client_certificates); }},
    Key{"listener", "proxy_trusted", "list of networks", "[]", "Load balancers that begin each connection with a PROXY header.",
        [](Draft d, const Value& v) { return networks(v, d.listener->proxy_trusted); }},
    Key{"directory", "type", "text", "\"internal\"", "Where accounts come from: internal (the account command) or plugin.",
        [](Draft d, const Value& v) { return one_of(v, directory_names, d.config.directory.type); }},
    Key{"directory", "path", "text", "none", "Of a plugin: the shared object. Only root or the user who starts the server may be able to write it.",
        [](Draft d, const Value& v) { return text(v, d.config.directory.path); }},
    Key{"directory", "options", "text or secret", "none", "Of a plugin: what it is given as it starts; a text, { file = \"...\" } or { env = \"...\" }.",
        [](Draft d, const Value& v) { return secret(v, SecretSource::Kind::literal, d.config.directory.options); }},
    Key{"relay", "enabled", "true or false", "true", "Send mail for elsewhere; when false it stays in the queue.",
        [](Draft d, const Value& v) { return flag(v, d.config.relay.enabled); }},
    Key{"relay", "host", "text", "none", "Send everything through this server, a host and port; without it by the MX records of each domain.",
        [](Draft d, const Value& v) { return route(v, d.config.relay.host); }},
    Key{"relay", "login", "text", "none", "Log in to it by this name. Under TLS, or on loopback, alone.",
        [](Draft d, const Value& v) { return text(v, d.config.relay.login); }},
    Key{"relay", "password", "file or secret", "none", "And this password: a path, { file = \"...\" } or { env = \"...\" }.",
        [](Draft d, const Value& v) { return secret(v, SecretSource::Kind::file, d.config.relay.password); }},
    Key{"relay", "tls", "text", "\"opportunistic\"", "none (whatever a domain asks for), opportunistic (where it is offered, and as DANE and "
        "MTA-STS of the domain demand), required (encrypted), verified (by a certificate for the host's name, or DANE), implicit (the same from the "
        "first octet; usual for port 465) or dane (verified by that alone).",
        [](Draft d, const Value& v) { return d.config.relay.tls_given = true, one_of(v, relay_tls_names, d.config.relay.tls); }},
    Key{"relay", "port", "number", "25", "The port of mail exchangers.",
        [](Draft d, const Value& v) { return number(v, 1, 65'535, d.config.relay.port); }},
    Key{"relay", "routes", "table of texts", "{}", "Other ways for some domains: { \"example.net\" = \"host:port\" }; \".example.net\" is all "
        "below it, \"lmtp:host:port\" speaks LMTP.",
        [](Draft d, const Value& v) { return routes(v, d.config.relay.routes); }},
    Key{"relay", "tls_domains", "table of texts", "{}", "The same for some domains: { \"example.net\" = \"dane\" }; \".example.net\" is all below it.",
        [](Draft d, const Value& v) { return tls_by_domain(v, d.config.relay.tls_domains); }},
    Key{"relay", "authorities", "text", "none", "File with authorities, as PEM, that are trusted with mail hosts and policies besides those of the system.",
        [](Draft d, const Value& v) { return text(v, d.config.relay.authorities); }},
    Key{"relay", "dane", "true or false", "true", "Heed the TLSA records of mail hosts, where DNSSEC vouches for them.",
        [](Draft d, const Value& v) { return flag(v, d.config.relay.dane); }},
    Key{"relay", "mta_sts", "true or false", "true", "Heed the MTA-STS policies of domains.",
        [](Draft d, const Value& v) { return flag(v, d.config.relay.mta_sts); }},
    Key{"relay", "mta_sts_port", "number", "443", "The port of their web servers.",
        [](Draft d, const Value& v) { return number(v, 1, 65'535, d.config.relay.mta_sts_port); }},
    Key{"relay", "connections", "number", "250", "Outgoing connections at once.",
        [](Draft d, const Value& v) { return number(v, 1, 10'000, d.config.relay.connections); }},
    Key{"relay", "connections_per_domain", "number", "10", "Of them to one domain.",
        [](Draft d, const Value& v) { return number(v, 1, 1'000, d.config.relay.connections_per_domain); }},
    Key{"relay", "messages_per_minute", "number", "0", "Messages to one domain in a minute; 0: as many as go.",
        [](Draft d, const Value& v) { return number(v, 0, count_max, d.config.relay.messages_per_minute); }},
    Key{"relay", "rates", "table of texts", "{}", "The same of some domains: { \"example.net\" = \"60\" }; \".example.net\" is all below it.",
        [](Draft d, const Value& v) { return rates(v, d.config.relay.rates); }},
    Key{"relay", "source_address4", "text", "none", "The IPv4 address of this machine that outgoing connections come from; else the system chooses.",
        [](Draft d, const Value& v) { return source_address(v, IpAddress::Family::v4, d.config.relay.source_address4); }},
    Key{"relay", "source_address6", "text", "none", "The same for IPv6.",
        [](Draft d, const Value& v) { return source_address(v, IpAddress::Family::v6, d.config.relay.source_address6); }},
    Key{"route", "domains", "list of domains", "required", "Whose mail goes this way; \".example.net\" is all below it.",
        [](Draft d, const Value& v) { return domains(v, d.route->domains); }},
    Key{"route", "host", "text", "required", "Where to: a host and port, or \"lmtp:host:port\".",
        [](Draft d, const Value& v) { return route(v, d.route->host); }},
    Key{"route", "login", "text", "none", "Log in there by this name. Under TLS, or on loopback, alone.",
        [](Draft d, const Value& v) { return text(v, d.route->login); }},
    Key{"route", "password", "file or secret", "none", "And this password: a path, { file = \"...\" } or { env = \"...\" }.",
        [](Draft d, const Value& v) { return secret(v, SecretSource::Kind::file, d.route->password); }},
    Key{"route", "tls", "text", "\"opportunistic\"", "As [relay] tls.",
        [](Draft d, const Value& v) { return d.route->tls_given = true, one_of(v, relay_tls_names, d.route->tls); }},
    Key{"queue", "retry", "list of times", "[\"5m\", \"10m\", \"20m\", \"40m\", \"1h\", \"2h\", \"4h\", \"8h\"]", "How long to wait after each failed "
        "attempt, less or more by a tenth; the last one is repeated.",
        [](Draft d, const Value& v) { return durations(v, d.config.queue.retry); }},
    Key{"queue", "lifetime_hours", "number", "120", "How long mail is tried before it goes back to its sender.",
        [](Draft d, const Value& v) { return number(v, 1, 10'000, d.config.queue.lifetime_hours); }},
    Key{"queue", "bounce_lifetime_hours", "number", "24", "How long reports to senders are tried.",
        [](Draft d, const Value& v) { return number(v, 1, 10'000, d.config.queue.bounce_lifetime_hours); }},
    Key{"queue", "delay_notice_hours", "number", "4", "After how long a sender is told that mail is still waiting.",
        [](Draft d, const Value& v) { return number(v, 1, 10'000, d.config.queue.delay_notice_hours); }},
    Key{"queue", "messages_per_account", "number", "10000", "Messages of one account that may wait at once; 0: any number. More are refused for now.",
        [](Draft d, const Value& v) { return number(v, 0, count_max, d.config.queue.messages_per_account); }},
    Key{"queue", "octets_per_account", "number", "1073741824", "And their octets; 0: any number.",
        [](Draft d, const Value& v) { return number(v, 0, octets_max, d.config.queue.octets_per_account); }},
    Key{"queue", "account_messages_per_minute", "number", "0", "Messages of one account that leave in a minute; more wait. 0: as many as go.",
        [](Draft d, const Value& v) { return number(v, 0, count_max, d.config.queue.account_messages_per_minute); }},
    Key{"forwarding", "rewrite", "true or false", "true", "Give mail that is passed on a sender of ours (SRS), so that SPF holds where it goes; reports find back.",
        [](Draft d, const Value& v) { return flag(v, d.config.forwarding.rewrite); }},
    Key{"forwarding", "domain", "text", "primary_domain", "The domain of such senders. Ours; its SPF record must name this server.",
        [](Draft d, const Value& v) { return host_name(v, d.config.forwarding.domain); }},
    Key{"forwarding", "seal", "true or false", "true", "Seal it with ARC, by the domain's DKIM key, so that whoever trusts us need not mind that DMARC fails.",
        [](Draft d, const Value& v) { return flag(v, d.config.forwarding.seal); }},
    Key{"resolver", "servers", "list of addresses", "[]", "DNS servers to ask, as in [\"127.0.0.1:5353\"]; none: ask from the root on, and validate.",
        [](Draft d, const Value& v) { return endpoints(v, d.config.resolver.servers); }},
    Key{"resolver", "dnssec", "text", "\"automatic\"", "Whether to validate: on, off, or automatic, which is on when asking from the root or when trust anchors are "
        "given. Without it DANE is never used.",
        [](Draft d, const Value& v) { return one_of(v, dnssec_names, d.config.resolver.dnssec); }},
    Key{"resolver", "trust_anchors", "list of texts", "those of the root zone", "DS or DNSKEY records to validate by, as in a zone file.",
        [](Draft d, const Value& v) { return records(v, d.config.resolver.trust_anchors); }},
    Key{"store", "notes", "text", "\"larger\"", "Of which messages whose they are is written beside them too, for salvage when the index is lost: "
        "none, larger (than 8 KiB) or all, which makes taking small ones slower.",
        [](Draft d, const Value& v) { return one_of(v, notes_names, d.config.notes); }},
    Key{"authentication", "check", "true or false", "true", "Judge mail from outside by SPF, DKIM, ARC and DMARC, and write down what was found.",
        [](Draft d, const Value& v) { return flag(v, d.config.authentication.check); }},
    Key{"authentication", "dmarc", "text", "\"enforce\"", "enforce (refuse or quarantine what a domain's policy wants so) or observe.",
        [](Draft d, const Value& v) { return one_of(v, dmarc_names, d.config.authentication.dmarc); }},
    Key{"authentication", "trusted_sealers", "list of domains", "[]", "Domains of forwarders whose ARC seals are believed: what passed DMARC there is not refused here.",
        [](Draft d, const Value& v) { return domains(v, d.config.authentication.trusted_sealers); }},
    Key{"authentication", "exempt", "list of networks", "[\"127.0.0.0/8\", \"::1\"]", "Addresses whose mail is not judged, and whose Authentication-Results in our name are let be: filters that hand back what was here before. No secondary MX.",
        [](Draft d, const Value& v) { return networks(v, d.config.authentication.exempt); }},
    Key{"milter", "address", "text", "required", "Where a mail filter listens: inet:ADDRESS:PORT, inet6:[ADDRESS]:PORT or unix:/path. Filters are asked "
        "in the order of the file, each sees what those before it changed.",
        [](Draft d, const Value& v) { return milter_address(v, *d.milter); }},
    Key{"milter", "on", "list of texts", "[\"smtp\", \"submission\", \"lmtp\"]", "Which mail it is asked about.",
        [](Draft d, const Value& v) { return words(v, {"smtp", "submission", "lmtp"}, d.milter->on); }},
    Key{"milter", "failure", "text", "\"tempfail\"", "What becomes of mail when it cannot be asked: tempfail, accept, reject or quarantine (into Junk).",
        [](Draft d, const Value& v) { return one_of(v, milter_failure_names, d.milter->failure); }},
    Key{"milter", "skip", "list of texts", "[]", "Whose mail it is not asked about: trusted ([limits] trusted), authenticated (who logged in).",
        [](Draft d, const Value& v) { return milter_skip(v, *d.milter); }},
    Key{"milter", "reuse", "true or false", "false", "Keep connections for the next session. For filters that do without libmilter, such as rspamd.",
        [](Draft d, const Value& v) { return flag(v, d.milter->reuse); }},
    Key{"milter", "connect_timeout", "time", "\"10s\"", "How long to wait for a connection.",
        [](Draft d, const Value& v) { return one_duration(v, std::chrono::minutes(5), d.milter->connect_timeout); }},
    Key{"milter", "command_timeout", "time", "\"30s\"", "How long for the answer to one command.",
        [](Draft d, const Value& v) { return one_duration(v, std::chrono::minutes(5), d.milter->command_timeout); }},
    Key{"milter", "message_timeout", "time", "\"5m\"", "How long for the answer to a whole message; a filter that reports progress gets up to nine minutes.",
        [](Draft d, const Value& v) { return one_duration(v, std::chrono::minutes(9), d.milter->message_timeout); }},
    Key{"reports", "enabled", "true or false", "true", "Report to domains that ask for it how their mail and TLS fared here, and read the reports of others.",
        [](Draft d, const Value& v) { return flag(v, d.config.reports.enabled); }},
    Key{"reports", "organization", "text", "the primary domain", "Who we are, in reports.",
        [](Draft d, const Value& v) { return text(v, d.config.reports.organization); }},
    Key{"reports", "contact", "text", "postmaster of the primary domain", "The address that reports are from; its domain signs them.",
        [](Draft d, const Value& v) { return mail_address(v, d.config.reports.contact); }},
    Key{"reports", "dmarc_address", "text", "postmaster of each domain", "Where DMARC reports about us come in; dns prints it.",
        [](Draft d, const Value& v) { return mail_address(v, d.config.reports.dmarc_address); }},
    Key{"reports", "tls_address", "text", "postmaster of each domain", "Where TLS reports about us come in; dns prints it.",
        [](Draft d, const Value& v) { return mail_address(v, d.config.reports.tls_address); }},
    Key{"reports", "tls_https", "true or false", "false", "Take TLS reports by HTTPS as well, from anybody, at https://HOSTNAME/tls-reports; dns prints it. It needs a listener for https.",
        [](Draft d, const Value& v) { return flag(v, d.config.reports.tls_https); }},
    Key{"reports", "private_networks", "true or false", "false", "Post TLS reports to addresses of private networks and of this host too, when a domain's record leads there. "
        "Whoever writes such a record can then make the server ask what is there.",
        [](Draft d, const Value& v) { return flag(v, d.config.reports.private_networks); }},
    Key{"reports", "keep_days", "number", "90", "How long reports that came in are kept.",
        [](Draft d, const Value& v) { return number(v, 1, 3'650, d.config.reports.keep_days); }},
    Key{"reports", "failure", "text", "\"off\"", "Tell domains that ask of single messages that failed: off, redacted (their way, not their people and subject) or full (the whole header).",
        [](Draft d, const Value& v) { return one_of(v, failure_names, d.config.reports.failure); }},
    Key{"policy", "exempt", "list of networks", "[\"127.0.0.0/8\", \"::1\"]", "Addresses that no check of this section is for, beside those of [limits] trusted.",
        [](Draft d, const Value& v) { return networks(v, d.config.policy.exempt); }},
    Key{"policy", "helo_own_name", "true or false", "true", "Refuse servers that call themselves by our name or address.",
        [](Draft d, const Value& v) { return flag(v, d.config.policy.helo.refuse_own_name); }},
    Key{"policy", "helo_syntax", "true or false", "false", "Refuse HELO names that are neither a domain nor an address literal.",
        [](Draft d, const Value& v) { return flag(v, d.config.policy.helo.require_syntax); }},
    Key{"policy", "helo_qualified", "true or false", "false", "Refuse HELO names without a dot.",
        [](Draft d, const Value& v) { return flag(v, d.config.policy.helo.require_qualified); }},
    Key{"policy", "sender_domain", "true or false", "true", "Refuse senders whose domain is not there or takes no mail; defer while that cannot be looked up.",
        [](Draft d, const Value& v) { return flag(v, d.config.policy.sender.require_domain); }},
    Key{"policy", "sender_own_domain", "true or false", "false", "Refuse our own domains as senders from outside. It hits forwarders and lists too.",
        [](Draft d, const Value& v) { return flag(v, d.config.policy.sender.refuse_own_domain); }},
    Key{"policy", "greet_delay_seconds", "number", "0", "How long strangers wait for our greeting: those who do not, and speak, are dropped.",
        [](Draft d, const Value& v) { return time_of(v, 0, 30, seconds(1), d.config.policy.tarpit.greeting); }},
    Key{"policy", "tarpit_seconds", "number", "1", "Each refused recipient of a connection is answered so much later than the one before; 0: at once.",
        [](Draft d, const Value& v) { return time_of(v, 0, 30, seconds(1), d.config.policy.tarpit.step); }},
    Key{"policy", "tarpit_longest_seconds", "number", "10", "But no later than this.",
        [](Draft d, const Value& v) { return time_of(v, 1, 30, seconds(1), d.config.policy.tarpit.longest); }},
    Key{"policy.access", "clients", "table of texts", "{}", "What to do with addresses and networks: { \"192.0.2.0/24\" = \"reject\" }. Actions: allow, "
        "reject, defer (both may go on with a status and a text), quarantine, discard, redirect ADDRESS.",
        [](Draft d, const Value& v) { return access(v, policies::AccessScope::client, d.config.policy.access); }},
    Key{"policy.access", "helo", "table of texts", "{}", "The same by HELO name: { \".dynamic.example.net\" = \"defer\" }; a dot in front is all below.",
        [](Draft d, const Value& v) { return access(v, policies::AccessScope::helo, d.config.policy.access); }},
    Key{"policy.access", "senders", "table of texts", "{}", "The same by sender: \"a@b.example\", \"a@\" in any domain, \"b.example\", \".b.example\" for all below, "
        "\"<>\" for none.",
        [](Draft d, const Value& v) { return access(v, policies::AccessScope::sender, d.config.policy.access); }},
    Key{"policy.access", "recipients", "table of texts", "{}", "The same by recipient: { \"old@example.org\" = \"reject 5.1.6 This address has moved\" }.",
        [](Draft d, const Value& v) { return access(v, policies::AccessScope::recipient, d.config.policy.access); }},
    Key{"policy.rates", "messages", "number", "300", "Messages a minute from one address (or IPv6 /64); its /26 or /48 may send three times as many, its /21 or "
        "/32 nine times. 0: any number. So with the other rates.",
        [](Draft d, const Value& v) { return count(v, 0, count_max, d.config.policy.rates.messages_per_minute); }},
    Key{"policy.rates", "recipients", "number", "1000", "Their recipients.",
        [](Draft d, const Value& v) { return count(v, 0, count_max, d.config.policy.rates.recipients_per_minute); }},
    Key{"policy.rates", "refusals", "number", "60", "Refused senders and recipients; more, and the network is turned away for the minute.",
        [](Draft d, const Value& v) { return count(v, 0, count_max, d.config.policy.rates.refusals_per_minute); }},
    Key{"policy.lists", "reject", "number", "10", "The sum of weights at which recipients are refused; 0: never.",
        [](Draft d, const Value& v) { return weight(v, 0, d.config.policy.lists.reject_at); }},
    Key{"policy.lists", "quarantine", "number", "0", "At which a message goes to Junk; 0: never.",
        [](Draft d, const Value& v) { return weight(v, 0, d.config.policy.lists.quarantine_at); }},
    Key{"policy.lists", "tag", "number", "1", "At which it gets an X-Listed field; 0: never.",
        [](Draft d, const Value& v) { return weight(v, 0, d.config.policy.lists.tag_at); }},
    Key{"policy.lists", "timeout_seconds", "number", "10", "How long all lists together may take for a message; those that have not answered count for nothing.",
        [](Draft d, const Value& v) { return time_of(v, 1, 25, seconds(1), d.config.policy.lists.time_max); }},
    Key{"policy.list", "zone", "text", "required", "The list's domain, as in \"bl.example.net\".",
        [](Draft d, const Value& v) { return host_name(v, d.list->zone); }},
    Key{"policy.list", "of", "text", "\"address\"", "What it lists: address (of the peer), helo (its HELO name) or sender (the sender's domain).",
        [](Draft d, const Value& v) { return one_of(v, thing_names, d.list->of); }},
    Key{"policy.list", "weight", "number", "10", "What being listed adds to the sum. Below 0: it speaks for the peer, which is not greylisted then.",
        [](Draft d, const Value& v) { return weight(v, -weight_max, d.list->weight); }},
    Key{"policy.list", "codes", "list of answers", "[]", "Answers that count: \"127.0.0.2\", \"127.0.0.4-127.0.0.7\", \"127.0.0.0/24\", or \"127.0.0.0&12\" for bits of the "
        "last octet; none: all.",
        [](Draft d, const Value& v) { return codes(v, d.list->codes); }},
    Key{"policy.list", "self_test", "true or false", "true", "Leave the list alone while its test entries (RFC 5782) are not as they should be.",
        [](Draft d, const Value& v) { return flag(v, d.list->self_test); }},
    Key{"policy.greylist", "enabled", "true or false", "false", "Defer recipients until the same network comes again with the same sender and recipient.",
        [](Draft d, const Value& v) { return flag(v, d.config.policy.greylist); }},
    Key{"policy.greylist", "delay_seconds", "number", "300", "How soon is too soon.",
        [](Draft d, const Value& v) { return time_of(v, 1, 86'400, seconds(1), d.config.policy.greylisting.delay); }},
    Key{"policy.greylist", "retry_hours", "number", "24", "Who comes again later than this comes for the first time.",
        [](Draft d, const Value& v) { return time_of(v, 1, 240, hours(1), d.config.policy.greylisting.retry_within); }},
    Key{"policy.greylist", "remember_days", "number", "36", "How long one who passed is remembered after the last time.",
        [](Draft d, const Value& v) { return time_of(v, 1, 366, hours(24), d.config.policy.greylisting.remembered); }},
    Key{"policy.greylist", "network_passes", "number", "5", "After so many different passes a network (IPv4 /24, IPv6 /64) waits no more; 0: it always does.",
        [](Draft d, const Value& v) { return count(v, 0, count_max, d.config.policy.greylisting.network_passes); }},
    Key{"policy.sending", "recipients_per_minute", "number", "50", "Recipients of one account within a minute; 0: any number. Accounts can have their own: "
        "keystone-mail account limits.",
        [](Draft d, const Value& v) { return count(v, 0, count_max, d.config.policy.sending.usual.recipients_per_minute); }},
    Key{"policy.sending", "recipients_per_hour", "number", "200", "Within an hour.",
        [](Draft d, const Value& v) { return count(v, 0, count_max, d.config.policy.sending.usual.recipients_per_hour); }},
    Key{"policy.sending", "recipients_per_day", "number", "1000", "Within a day.",
        [](Draft d, const Value& v) { return count(v, 0, count_max, d.config.policy.sending.usual.recipients_per_day); }},
    Key{"policy.sending", "new_recipients_per_day", "number", "500", "Of them, those it has not written to before.",
        [](Draft d, const Value& v) { return count(v, 0, count_max, d.config.policy.sending.usual.new_recipients_per_day); }},
    Key{"policy.sending", "messages_per_hour", "number", "0", "Messages of one account within an hour; 0: any number.",
        [](Draft d, const Value& v) { return count(v, 0, count_max, d.config.policy.sending.usual.messages_per_hour); }},
    Key{"policy.sending", "messages_per_day", "number", "0", "Within a day.",
        [](Draft d, const Value& v) { return count(v, 0, count_max, d.config.policy.sending.usual.messages_per_day); }},
    Key{"policy.sending", "suspend_at", "number", "1000", "An account that tries so many recipients in an hour, and more than it may, is suspended: its mail is held in the "
        "queue until somebody looks; 0: never.",
        [](Draft d, const Value& v) { return count(v, 0, count_max, d.config.policy.sending.suspend_at); }},
    Key{"policy.sending", "held_messages_per_day", "number", "100", "So much of it is held; then recipients are put off.",
        [](Draft d, const Value& v) { return count(v, 0, count_max, d.config.policy.sending.held_messages_per_day_max); }},
    Key{"mta_sts", "mode", "text", "\"enforce\"", "What others are told to do when TLS to us fails: enforce (send nothing), testing (report it) or none. "
        "The policy is given at https://mta-sts.DOMAIN, which the certificate has to name.",
        [](Draft d, const Value& v) { return one_of(v, mta_sts_names, d.config.mta_sts.mode); }},
    Key{"mta_sts", "max_age", "time", "\"7d\"", "How long they keep that, from 1d to 365d.",
        [](Draft d, const Value& v) { return max_age(v, d.config.mta_sts.max_age); }},
    Key{"webhook", "url", "text", "required", "Where to POST what becomes of mail for elsewhere, as JSON; https, or http to 127.0.0.1.",
        [](Draft d, const Value& v) { return webhook_url(v, d.webhook->url); }},
    Key{"webhook", "events", "list of texts", "all", "delivered, delayed (an attempt failed, another will follow), failed; suspended (an account sent to too many).",
        [](Draft d, const Value& v) { return webhook_events(v, d.webhook->events); }},
    Key{"webhook", "secret", "file or secret", "none", "What requests are signed with (HMAC-SHA256): a path, { file = \"...\" } or { env = \"...\" }.",
        [](Draft d, const Value& v) { return secret(v, SecretSource::Kind::file, d.webhook->secret); }},
    Key{"limits", "trusted", "list of networks", "[]", "Addresses without connection, rate and ban ceilings.",
        [](Draft d, const Value& v) { return networks(v, d.config.limits.trusted); }},
    Key{"limits", "message_size", "number", "52428800", "Octets of the largest message taken.",
        [](Draft d, const Value& v) { return number(v, 65'536, 1'073'741'824, d.config.limits.message_size); }},
    Key{"limits", "message_size_submitted", "number", "0", "From those who log in; 0: the same.",
        [](Draft d, const Value& v) { return number(v, 0, 1'073'741'824, d.config.limits.message_size_submitted); }},
    Key{"limits", "message_size_trusted", "number", "0", "From trusted addresses, and by LMTP; 0: the same.",
        [](Draft d, const Value& v) { return number(v, 0, 1'073'741'824, d.config.limits.message_size_trusted); }},
    Key{"limits", "recipients", "number", "100", "Recipients of one message.",
        [](Draft d, const Value& v) { return number(v, 1, 10'000, d.config.limits.recipients); }},
    Key{"limits", "recipients_submitted", "number", "1000", "From those who log in.",
        [](Draft d, const Value& v) { return number(v, 1, 10'000, d.config.limits.recipients_submitted); }},
    Key{"limits", "recipients_trusted", "number", "1000", "From trusted addresses, and by LMTP.",
        [](Draft d, const Value& v) { return number(v, 1, 10'000, d.config.limits.recipients_trusted); }},
    Key{"limits", "connections", "number", "0", "Connections at once; 0: what the limit on open files allows.",
        [](Draft d, const Value& v) { return number(v, 0, count_max, d.config.limits.connections); }},
    Key{"limits", "connections_per_address", "number", "30", "Of them from one address (or one IPv6 /64).",
        [](Draft d, const Value& v) { return number(v, 1, count_max, d.config.limits.connections_per_address); }},
    Key{"limits", "connections_per_minute", "number", "300", "New connections from one address in a minute.",
        [](Draft d, const Value& v) { return number(v, 1, count_max, d.config.limits.connections_per_minute); }},
    Key{"limits", "connections_per_account", "number", "20", "IMAP sessions of one account at once.",
        [](Draft d, const Value& v) { return number(v, 1, count_max, d.config.limits.connections_per_account); }},
    Key{"log", "format", "text", "\"logfmt\"", "logfmt or json, one event a line on stderr.",
        [](Draft d, const Value& v) { return one_of(v, format_names, d.config.log_format); }},
    Key{"log", "level", "text", "\"info\"", "The least that is written: debug, info, warning or error.",
        [](Draft d, const Value& v) { return one_of(v, level_names, d.config.log_level); }},
};

// Levenshtein's distance. Names in a configuration are short, so the square does not matter; they are cut at 64.
std::size_t distance(std::string_view a, std::string_view b) {
  a = a.substr(0, 64), b = b.substr(0, 64);
  std::array<std::size_t, 65> row;
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = std::exchange(row[0], i);
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t change = diagonal + (to_lower(a[i - 1]) != to_lower(b[j - 1]));
      diagonal = row[j];
      row[j] = std::min({change, row[j] + 1, row[j - 1] + 1});
    }
  }
  return row[b.size()];
}

}  // namespace

std::string_view to_string(Protocol protocol) noexcept {
  for (const auto& [name, value] : protocol_names)
    if (value == protocol) return name;
  return {};
}

std::span<const Key> config_keys() noexcept { return keys; }

bool is_repeated(std::string_view section) noexcept {
  return section == "certificate" || section == "listener" || section == "milter" || section == "route" || section == "policy.list" || section == "webhook";
}

const Key* find_key(std::string_view section, std::string_view name) noexcept {
  const auto found = std::ranges::find_if(keys, [&](const Key& key) { return key.section == section && key.name == name; });
  return found == keys.end() ? nullptr : &*found;
}

std::string_view suggestion(std::string_view typed, std::span<const std::string_view> known) {
  std::string_view best;
  std::size_t best_distance = std::max<std::size_t>(typed.size() / 3, 2) + 1;  // farther is another word
  for (const std::string_view candidate : known)
    if (const std::size_t far = distance(typed, candidate); far < best_distance) best = candidate, best_distance = far;
  return best;
}

std::string describe_keys() {
  std::string out;
  std::string_view section = "-";
  for (const Key& key : keys) {
    if (key.section != section) {
      section = key.section;
      if (!out.empty()) out += '\n';
      if (section == "listener") out += "[[listener]]   (without any: ports 25, 587, 465, 143, 993 and 443)\n";
      else if (is_repeated(section)) out.append("[[").append(section).append("]]\n");
      else if (!section.empty()) out.append("[").append(section).append("]\n");
    }
    format_to(out, "{} = {}, default {}\n    {}\n", key.name, key.type, key.usual, key.meaning);
  }
  return out;
}

}  // namespace keystonemail::host
