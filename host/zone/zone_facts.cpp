// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "zone/zone_facts.hpp"

#include <ifaddrs.h>
#include <netinet/in.h>

#include <algorithm>
#include <array>

#include "base/format.hpp"
#include "base/try.hpp"
#include "dkim/dkim_keys.hpp"
#include "keystonemail/codec/idna.hpp"
#include "keystonemail/crypto/certificate.hpp"
#include "keystonemail/crypto/certificate_key.hpp"
#include "keystonemail/crypto/digest.hpp"
#include "keystonemail/mailauth/dkim/key_record.hpp"
#include "keystonemail/service/reports/options.hpp"

namespace keystonemail::host {
namespace {

void add_once(std::vector<IpAddress>& all, const IpAddress& address) {
  if (std::ranges::find(all, address) == all.end()) all.push_back(address);
}

std::vector<IpAddress> interface_addresses() {
  std::vector<IpAddress> found;
  ifaddrs* list = nullptr;
  if (::getifaddrs(&list) != 0) return found;
  for (const ifaddrs* one = list; one; one = one->ifa_next) {
    if (!one->ifa_addr) continue;
    if (one->ifa_addr->sa_family == AF_INET) {
      std::array<std::uint8_t, 4> octets{};
      std::copy_n(reinterpret_cast<const std::uint8_t*>(&reinterpret_cast<const sockaddr_in*>(one->ifa_addr)->sin_addr), octets.size(), octets.begin());
      add_once(found, IpAddress::v4(octets));
    } else if (one->ifa_addr->sa_family == AF_INET6) {
      std::array<std::uint8_t, 16> octets{};
      std::copy_n(reinterpret_cast<const std::uint8_t*>(&reinterpret_cast<const sockaddr_in6*>(one->ifa_addr)->sin6_addr), octets.size(), octets.begin());
      add_once(found, IpAddress::v6(octets));
    }
  }
  ::freeifaddrs(list);
  return found;
}

std::vector<IpAddress> own_addresses(const Config& config) {
  std::vector<IpAddress> found;
  for (const ListenerConfig& listener : config.listeners) {
    if (listener.protocol == Protocol::smtp && listener.address.address.is_public()) add_once(found, listener.address.address);
  }
  if (!found.empty()) return found;
  found = interface_addresses();
  std::erase_if(found, [](const IpAddress& address) { return !address.is_public(); });
  return found;
}

void take_ports(const Config& config, ZoneFacts& facts) {
  const auto take = [](std::uint16_t& port, const ListenerConfig& listener, std::uint16_t usual) {
    if (port == 0) port = listener.address.port != 0 ? listener.address.port : usual;
  };
  for (const ListenerConfig& listener : config.listeners) {
    switch (listener.protocol) {
      case Protocol::submission: take(facts.submission, listener, 587); break;
      case Protocol::submissions: take(facts.submissions, listener, 465); break;
      case Protocol::imap: take(facts.imap, listener, 143); break;
      case Protocol::imaps: take(facts.imaps, listener, 993); break;
      default: break;
    }
  }
}

// The port is that of the first listener for it, as for browsers without TLS.
std::string tls_report_url(const Config& config, const std::string& hostname) {
  const auto listener = std::ranges::find(config.listeners, Protocol::https, &ListenerConfig::protocol);
  const std::uint16_t port = listener == config.listeners.end() ? std::uint16_t{0} : listener->address.port;
  return format("https://{}{}{}", hostname, port == 0 || port == 443 ? "" : format(":{}", port), reporting::tls_report_path);
}

// The one that other servers see: they ask for the host name (RFC 7672 §8.1).
void take_certificate(const Config& config, ZoneFacts& facts) {
  for (const CertificateConfig& certificate : all_certificates(config)) {
    const auto pem = read_file(certificate.chain);
    const auto chain = pem ? crypto::certificates_from_pem(*pem) : Result<std::vector<std::string>>(std::unexpected(pem.error()));
    if (!chain || chain->empty()) continue;
    const auto info = crypto::read_certificate_der(chain->front());
    const bool fits = info && std::ranges::any_of(info->dns_names, [&](const auto& name) { return crypto::certificate_name_fits(name, facts.hostname); });
    if (!fits && !facts.public_key_fingerprint.empty()) continue;
    facts.public_key_fingerprint = public_key_fingerprint(chain->front());
    facts.issuer = info && !info->self_issued ? info->issuer : std::string();
    if (fits) return;
  }
}

}  // namespace

web::OwnPolicy own_policy(const MtaStsConfig& config) noexcept {
  web::OwnPolicy policy{.max_age = config.max_age};
  switch (config.mode) {
    case MtaStsMode::enforce: policy.mode = mailauth::mta_sts::Mode::enforce; break;
    case MtaStsMode::testing: policy.mode = mailauth::mta_sts::Mode::testing; break;
    case MtaStsMode::none: policy.mode = mailauth::mta_sts::Mode::none; break;
  }
  return policy;
}

std::string public_key_fingerprint(std::string_view certificate_der) {
  const auto key = crypto::certificate_public_key(certificate_der);
  return key ? crypto::to_hex(crypto::digest(crypto::Hash::sha256, *key)) : std::string();
}

Result<ZoneFacts> zone_facts(const Config& config, const std::string& domain, const std::vector<std::string>& addresses) {
  ZoneFacts facts;
  const std::string& wanted = domain.empty() ? config.primary_domain : domain;
  const auto name = codec::to_ascii_domain(wanted);
  if (!name) return fail(ErrorKind::invalid, format("\"{}\" is no domain", wanted));
  facts.domain = *name;
  facts.hostname = codec::to_ascii_domain(config.hostname).value_or(config.hostname);
  for (const std::string& text : addresses) {
    const auto address = IpAddress::parse(text);
    if (!address) return fail(ErrorKind::invalid, format("\"{}\" is no IP address", text));
    add_once(facts.addresses, *address);
  }
  if (addresses.empty()) facts.addresses = own_addresses(config);
  facts.mta_sts = own_policy(config.mta_sts);
  facts.smarthost = config.relay.host.substr(0, config.relay.host.rfind(':'));
  for (const DkimKey& key : DkimKeys::open(config.data_directory + "/dkim")->list()) {
    if (key.domain != facts.domain) continue;
    facts.keys.push_back({key.selector, mailauth::dkim::key_record_text(key.key.public_key()),
                          key.state == KeyState::active ? "in use" : key.state == KeyState::next ? "to come" : "used no more"});
  }
  facts.dmarc_address = config.reports.dmarc_address;
  facts.tls_address = config.reports.tls_address;
  if (config.reports.tls_https) facts.tls_url = tls_report_url(config, facts.hostname);
  take_ports(config, facts);
  take_certificate(config, facts);
  return facts;
}

}  // namespace keystonemail::host
