// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Config: what keystone-mail.toml says, as values. Every key is in the table of keys.cpp.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "keystonemail/base/ip_address.hpp"
#include "keystonemail/base/log.hpp"
#include "keystonemail/base/result.hpp"
#include "keystonemail/service/mailstore/kv_mail_store.hpp"
#include "keystonemail/service/milter/address.hpp"
#include "keystonemail/service/policies/access_rules.hpp"
#include "keystonemail/service/policies/dns_lists.hpp"
#include "keystonemail/service/policies/greylist.hpp"
#include "keystonemail/service/policies/helo_rules.hpp"
#include "keystonemail/service/policies/rate_limits.hpp"
#include "keystonemail/service/policies/sender_rules.hpp"
#include "keystonemail/service/policies/sending_limits.hpp"
#include "keystonemail/service/policies/tarpit.hpp"

namespace keystonemail::host {

enum class Protocol : std::uint8_t { smtp, submission, submissions, lmtp, imap, imaps, https, http };
enum class TlsUse : std::uint8_t { none, starttls, implicit };
enum class DirectoryType : std::uint8_t { internal, plugin };

[[nodiscard]] std::string_view to_string(Protocol protocol) noexcept;

struct ListenerConfig {
  Protocol protocol = Protocol::smtp;
  Endpoint address;
  TlsUse tls = TlsUse::none;
  bool tls_given = false;             // else the protocol's usual one
  bool protocol_given = false, address_given = false;
  bool allow_plaintext_auth = false;  // passwords without TLS; for loopback alone
  bool client_certificates = false;   // ask for them: a good one can log in by SASL EXTERNAL
  std::vector<IpNetwork> proxy_trusted;
  std::size_t line = 0;               // 0: one of the default set
};

// Where a secret is kept: never in the configuration itself.
struct SecretSource {
  enum class Kind : std::uint8_t { none, file, environment, literal };
  Kind kind = Kind::none;
  std::string name;                   // of the file or variable; the text itself where it need not be secret
  friend bool operator==(const SecretSource&, const SecretSource&) = default;
};

// A certificate beside that of [tls].
struct CertificateConfig {
  std::string chain;                  // path
  SecretSource private_key;
  std::size_t line = 0;               // 0: that of [tls]
};

struct DirectoryConfig {
  DirectoryType type = DirectoryType::internal;
  std::string path;                   // of the plugin
  SecretSource options;               // what it is given
};

enum class RelayTls : std::uint8_t { none, opportunistic, required, verified, implicit, dane };

// Where mail for some domains goes instead.
struct RouteConfig {
  std::vector<std::string> domains;   // ".example.com" is all below it
  std::string host;                   // as RelayConfig::host, or "lmtp:host:port"
  std::string login;
  SecretSource password;
  RelayTls tls = RelayTls::opportunistic;
  bool tls_given = false;
  std::size_t line = 0;
  friend bool operator==(const RouteConfig&, const RouteConfig&) = default;
};

// How mail for elsewhere leaves.
struct RelayConfig {
  bool enabled = true;
  std::string host;                   // "host:port"; empty: by MX
  std::string login;
  SecretSource password;
  RelayTls tls = RelayTls::opportunistic;
  bool tls_given = false;             // else the port's usual one
  std::uint64_t port = 25;            // of mail exchangers
  std::map<std::string, std::string> routes;  // domain, "host:port"
  std::map<std::string, RelayTls> tls_domains;
  std::string authorities;            // file with those that are trusted besides the system's; empty: none
  bool dane = true;
  bool mta_sts = true;
  std::uint64_t mta_sts_port = 443;   // of policy hosts
  std::uint64_t connections = 250;
  std::uint64_t connections_per_domain = 10;
  std::uint64_t messages_per_minute = 0;     // to one domain; 0: no ceiling
  std::map<std::string, std::string> rates;  // the same of some domains
  std::string source_address4, source_address6;  // empty: the system's choice
  friend bool operator==(const RelayConfig&, const RelayConfig&) = default;
};

struct QueueConfig {
  std::vector<std::chrono::seconds> retry;  // empty: the usual schedule
  std::uint64_t lifetime_hours = 120;
  std::uint64_t bounce_lifetime_hours = 24;
  std::uint64_t delay_notice_hours = 4;
  std::uint64_t messages_per_account = 10'000;
  std::uint64_t octets_per_account = 1'073'741'824;
  std::uint64_t account_messages_per_minute = 0;  // 0: no ceiling
  friend bool operator==(const QueueConfig&, const QueueConfig&) = default;
};

// What mail is given that is passed on for people here.
struct ForwardingConfig {
  bool rewrite = true;                // senders, by SRS
  std::string domain;                 // of rewritten senders; empty: the primary one
  bool seal = true;                   // with ARC
  friend bool operator==(const ForwardingConfig&, const ForwardingConfig&) = default;
};

enum class Dnssec : std::uint8_t { automatic, on, off };

struct ResolverConfig {
  std::vector<Endpoint> servers;      // empty: from the root
  Dnssec dnssec = Dnssec::automatic;
  std::vector<std::string> trust_anchors;  // empty: those of the root zone
  friend bool operator==(const ResolverConfig&, const ResolverConfig&) = default;
};

enum class DmarcUse : std::uint8_t { enforce, observe };

// How mail from outside is judged.
struct AuthenticationConfig {
  bool check = true;
  DmarcUse dmarc = DmarcUse::enforce;
  std::vector<std::string> trusted_sealers;
  std::vector<IpNetwork> exempt{*IpNetwork::parse("127.0.0.0/8"), *IpNetwork::parse("::1")};
};

enum class MilterFailure : std::uint8_t { tempfail, accept, reject, quarantine };

// A mail filter that is asked.
struct MilterConfig {
  milter::Address address;
  std::vector<std::string> on{"smtp", "submission", "lmtp"};
  MilterFailure failure = MilterFailure::tempfail;
  bool skip_trusted = false, skip_authenticated = false;
  bool reuse = false;
  std::chrono::seconds connect_timeout{10}, command_timeout{30}, message_timeout{300};
};

enum class FailureReports : std::uint8_t { off, redacted, full };

// What we tell of others' mail, and where they tell of ours.
struct ReportsConfig {
  bool enabled = true;
  std::string organization;           // empty: the primary domain
  std::string contact;                // an address; empty: postmaster of the primary domain
  std::string dmarc_address, tls_address;  // empty: postmaster of each domain
  bool tls_https = false;             // others may post TLS reports to us
  bool private_networks = false;      // and ours go to private networks
  std::uint64_t keep_days = 90;
  FailureReports failure = FailureReports::off;
  friend bool operator==(const ReportsConfig&, const ReportsConfig&) = default;
};

// What mail from outside has to pass, and how much people here may send. The networks exempt are in `exempt` alone.
struct PolicyConfig {
  std::vector<IpNetwork> exempt{*IpNetwork::parse("127.0.0.0/8"), *IpNetwork::parse("::1")};
  policies::AccessTable access;
  policies::RateOptions rates;
  policies::HeloOptions helo;
  policies::SenderOptions sender;
  policies::TarpitOptions tarpit;
  policies::DnsListOptions lists;
  bool greylist = false;
  policies::GreylistOptions greylisting;
  policies::SendingOptions sending;
};

enum class MtaStsMode : std::uint8_t { enforce, testing, none };

// The policy that is given to those who send to us (RFC 8461).
struct MtaStsConfig {
  MtaStsMode mode = MtaStsMode::enforce;
  std::chrono::seconds max_age = std::chrono::weeks(1);
  friend bool operator==(const MtaStsConfig&, const MtaStsConfig&) = default;
};

enum class WebhookEvent : std::uint8_t { delivered, delayed, failed, suspended };

// Who is told what becomes of mail in the queue.
struct WebhookConfig {
  std::string url;
  std::vector<WebhookEvent> events;   // empty: all
  SecretSource secret;                // that requests are signed with
  std::size_t line = 0;
  friend bool operator==(const WebhookConfig& a, const WebhookConfig& b) { return a.url == b.url && a.events == b.events && a.secret == b.secret; }
};

struct Limits {
  std::vector<IpNetwork> trusted;
  std::uint64_t message_size = 52'428'800;
  std::uint64_t message_size_submitted = 0, message_size_trusted = 0;  // 0: the same
  std::uint64_t recipients = 100, recipients_submitted = 1'000, recipients_trusted = 1'000;
  std::uint64_t connections = 0;      // 0: what the system's limit on descriptors allows
  std::uint64_t connections_per_address = 30;
  std::uint64_t connections_per_minute = 300;
  std::uint64_t connections_per_account = 20;
};

struct Config {
  std::string hostname;
  std::string primary_domain;
  std::string data_directory;
  std::string user;
  std::string certificate;            // path
  SecretSource private_key;
  std::string client_authorities;     // path
  std::vector<CertificateConfig> certificates;  // more of them, for other names
  std::vector<ListenerConfig> listeners;
  DirectoryConfig directory;
  RelayConfig relay;
  std::vector<RouteConfig> routes;
  QueueConfig queue;
  ForwardingConfig forwarding;
  ResolverConfig resolver;
  AuthenticationConfig authentication;
  std::vector<MilterConfig> milters;  // in the order in which they are asked
  service::Notes notes = service::Notes::larger;
  ReportsConfig reports;
  PolicyConfig policy;
  MtaStsConfig mta_sts;
  std::vector<WebhookConfig> webhooks;
  Limits limits;
  LogFormat log_format = LogFormat::logfmt;
  LogLevel log_level = LogLevel::info;
  std::uint64_t loops = 0;            // 0: one for each processor
};

struct ConfigProblem {
  std::size_t line = 0;               // 0: of the file as a whole
  std::string text;
};

struct ConfigReading {
  Config config;                      // meaningful when there are no errors
  std::vector<ConfigProblem> errors;
  std::vector<ConfigProblem> warnings;
};

// That of [tls], if there is one, and all others.
[[nodiscard]] std::vector<CertificateConfig> all_certificates(const Config& config);

// Reads a configuration's text. All problems are listed, by line.
[[nodiscard]] ConfigReading read_config(std::string_view text);
// Errors: not_found, denied, unavailable: the file itself.
[[nodiscard]] Result<ConfigReading> read_config_file(const std::string& path);
// "path:12: unknown key ..." for each problem, one a line.
[[nodiscard]] std::string describe(const std::vector<ConfigProblem>& problems, std::string_view path);

// Limits: 1 MiB.
[[nodiscard]] Result<std::string> read_file(const std::string& path);
// Nothing of none.
[[nodiscard]] Result<std::string> read_secret(const SecretSource& source);

}  // namespace keystonemail::host
