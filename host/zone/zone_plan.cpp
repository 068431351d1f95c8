// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "zone/zone_plan.hpp"

#include <utility>

#include "base/format.hpp"
#include "base/try.hpp"
#include "keystonemail/base/text.hpp"
#include "keystonemail/codec/hex.hpp"
#include "keystonemail/mailauth/dmarc/organizational_domain.hpp"

namespace keystonemail::host {
namespace {

constexpr std::uint32_t usual_ttl = 3'600;
constexpr std::size_t string_octets_max = 255;      // RFC 1035 §3.3.14
constexpr std::uint8_t tlsa_domain_issued = 3, tlsa_public_key = 1, tlsa_sha256 = 1;  // RFC 7671 §5.1

dns::Txt text_record(std::string_view text) {
  dns::Txt out;
  for (; text.size() > string_octets_max; text.remove_prefix(string_octets_max)) out.strings.emplace_back(text.substr(0, string_octets_max));
  out.strings.emplace_back(text);
  return out;
}

Result<dns::Name> zone_name(std::string_view text) {
  auto name = dns::Name::from_domain(text);
  if (!name || name->is_root()) return fail(ErrorKind::invalid, format("\"{}\" is no domain", text));
  return *std::move(name);
}

// The authority of certificates whose issuer says this (RFC 8659 §4.2).
std::string_view authority_of(std::string_view issuer) {
  constexpr std::pair<std::string_view, std::string_view> known[] = {
      {"Let's Encrypt", "letsencrypt.org"}, {"ZeroSSL", "sectigo.com"}, {"Sectigo", "sectigo.com"},
      {"DigiCert", "digicert.com"},         {"Google Trust", "pki.goog"}, {"Buypass", "buypass.com"}};
  for (const auto& [words, domain] : known) {
    if (issuer.find(words) != std::string_view::npos) return domain;
  }
  return {};
}

// Gathers the plan, in the order in which it is printed.
class Planner {
 public:
  Planner(const ZoneFacts& facts, dns::Name domain, dns::Name host) : facts_(facts), domain_(std::move(domain)), host_(std::move(host)) {}

  std::vector<PlannedRecord> take() && {
    take_mail();
    trust();
    secure();
    settings();
    return std::move(plan_);
  }

 private:
  void add(const dns::Name& owner, dns::RecordData data, Need need, std::string purpose) {
    plan_.push_back({.record = {.owner = owner, .ttl = usual_ttl, .data = std::move(data)}, .need = need, .purpose = std::move(purpose),
                     .elsewhere = !owner.is_within(domain_)});
  }
  void add_below(std::string_view prefix, dns::RecordData data, Need need, std::string purpose) {
    if (const auto owner = domain_.prefixed(prefix)) add(*owner, std::move(data), need, std::move(purpose));
  }

  void take_mail() {
    add(domain_, dns::Mx{10, host_}, Need::required, "Mail for the domain goes to this server (RFC 5321 section 5.1).");
    for (const IpAddress& address : facts_.addresses) {
      const bool four = address.family() == IpAddress::Family::v4;
      add(host_, four ? dns::RecordData(dns::A{address}) : dns::RecordData(dns::Aaaa{address}), Need::required,
          "Its address. The PTR record of the address, which whoever lends you the address sets, has to name the host.");
    }
  }

  void trust() {
    const std::string through = facts_.smarthost.empty() ? "" : " a:" + facts_.smarthost;
    add(domain_, text_record("v=spf1 mx" + through + " -all"), Need::required, "SPF: these hosts send mail of the domain, and no others (RFC 7208).");
    if (host_ != domain_) add(host_, text_record("v=spf1 a -all"), Need::recommended, "SPF for the name in HELO, which is all that a bounce has (RFC 7208 section 2.3).");
    for (const ZoneKey& key : facts_.keys)
      add_below(key.selector + "._domainkey", text_record(key.record), Need::required, "DKIM: the key that mail of the domain is signed with (RFC 6376), " + key.state + ".");
    add_below("_dmarc", text_record("v=DMARC1; p=quarantine; rua=mailto:" + report_address(facts_.dmarc_address)), Need::required,
              "DMARC: what fails both is put aside, and reports come to you (RFC 7489). When they show no mail of your own, say p=reject.");
    consent();
  }

  [[nodiscard]] std::string report_address(const std::string& configured) const { return configured.empty() ? "postmaster@" + domain_.text() : configured; }

  // RFC 9990 section 4: an address of another organization has to have said that it takes the reports.
  void consent() {
    if (facts_.dmarc_address.empty()) return;
    const auto host = dns::Name::from_domain(facts_.dmarc_address.substr(facts_.dmarc_address.rfind('@') + 1));
    if (!host || mailauth::dmarc::organizational_domain(*host) == mailauth::dmarc::organizational_domain(domain_)) return;
    const auto owner = host->prefixed(domain_.text() + "._report._dmarc");
    if (owner) add(*owner, text_record("v=DMARC1"), Need::required, "DMARC: the domain of the address takes the reports of this one (RFC 9990 section 4).");
  }

  void secure() {
    const std::string policy = mta_sts_policy(facts_);
    add_below("_mta-sts", text_record("v=STSv1; id=" + web::own_policy_id(policy)),
              Need::recommended, "MTA-STS: others send to us with verified TLS alone (RFC 8461). The server gives the policy below over HTTPS.");
    add_host_below("mta-sts", Need::recommended, "Where the policy is given: the certificate has to name this host too.");
    add_below("_smtp._tls", text_record("v=TLSRPTv1; rua=mailto:" + report_address(facts_.tls_address) + (facts_.tls_url.empty() ? "" : "," + facts_.tls_url)),
              Need::recommended, "Others report to you when TLS fails (RFC 8460).");
    const auto tlsa = host_.prefixed("_25._tcp");
    if (!facts_.public_key_fingerprint.empty() && tlsa)
      add(*tlsa, dns::Tlsa{tlsa_domain_issued, tlsa_public_key, tlsa_sha256, codec::decode_hex(facts_.public_key_fingerprint).value_or("")}, Need::recommended,
          "DANE: the key of the certificate served now (RFC 7672). It counts in a zone signed by DNSSEC alone; change it before the key.");
    const std::string_view authority = authority_of(facts_.issuer);
    if (!authority.empty())
      add(domain_, dns::Caa{0, "issue", std::string(authority)}, Need::optional, "Only this authority makes certificates for the domain (RFC 8659).");
  }

  // An alias to the host; its own name cannot be one.
  void add_host_below(std::string_view prefix, Need need, std::string purpose) {
    const auto owner = domain_.prefixed(prefix);
    if (owner && *owner != host_) add(*owner, dns::Cname{host_}, need, std::move(purpose));
  }

  void settings() {
    service("_submissions._tcp", facts_.submissions, "Mail programs send here, with TLS from the start (RFC 8314 section 5.1).");
    service("_submission._tcp", facts_.submission, "The same, with STARTTLS (RFC 6186 section 3.1).");
    service("_imaps._tcp", facts_.imaps, "Mail programs read here, with TLS from the start (RFC 6186 section 3.2).");
    service("_imap._tcp", facts_.imap, "The same, with STARTTLS.");
    for (const std::string_view name : {"_pop3s._tcp", "_pop3._tcp", "_jmap._tcp"}) service(name, 0, "");
    add_host_below("autoconfig", Need::optional, "Where Thunderbird and its like ask for settings, over HTTPS.");
    add_host_below("autodiscover", Need::optional, "Where Outlook asks for them.");
  }

  // RFC 6186 §3.4: a target of "." says that the service is not there.
  void service(std::string_view name, std::uint16_t port, std::string purpose) {
    if (port == 0) add_below(name, dns::Srv{0, 0, 0, dns::Name()}, Need::optional, "Not offered.");
    else add_below(name, dns::Srv{0, 1, port, host_}, Need::optional, std::move(purpose));
  }

  const ZoneFacts& facts_;
  const dns::Name domain_, host_;
  std::vector<PlannedRecord> plan_;
};

std::string commented(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    out += ";   " + std::string(trim(text.substr(0, end))) + "\n";
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return out;
}

}  // namespace

std::string_view to_string(Need need) noexcept {
  switch (need) {
    case Need::required: return "required";
    case Need::recommended: return "recommended";
    case Need::optional: return "optional";
  }
  __builtin_unreachable();
}

Result<std::vector<PlannedRecord>> plan_zone(const ZoneFacts& facts) {
  KM_TRY(auto domain, zone_name(facts.domain));
  KM_TRY(auto host, zone_name(facts.hostname));
  return Planner(facts, std::move(domain), std::move(host)).take();
}

std::string mta_sts_policy(const ZoneFacts& facts) {
  return web::own_policy_text(facts.mta_sts, facts.hostname);
}

std::string record_line(const dns::Record& record) {
  return format("{}. {} IN {} {}", record.owner.text(), record.ttl, dns::to_string(dns::type_of(record.data)), dns::to_string(record.data));
}

std::string zone_file(const ZoneFacts& facts, const std::vector<PlannedRecord>& plan) {
  std::string out = format("; {}: the records for mail, served by {}\n", facts.domain, facts.hostname);
  if (facts.addresses.empty()) out += "; The addresses of the host are not known here: give them with --address.\n";
  std::string_view purpose;
  for (const PlannedRecord& planned : plan) {
    if (planned.purpose != purpose) out += "\n; " + planned.purpose + "\n";
    purpose = planned.purpose;
    if (planned.elsewhere) out += "; In another zone: ";
    out += record_line(planned.record) + "\n";
  }
  out += format("\n; The MTA-STS policy, at https://mta-sts.{}/.well-known/mta-sts.txt:\n", facts.domain);
  return out + commented(mta_sts_policy(facts));
}

}  // namespace keystonemail::host
