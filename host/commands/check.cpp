// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>

#include "base/format.hpp"
#include "commands/commands.hpp"
#include "keystonemail/backends/unbound/resolver.hpp"
#include "keystonemail/base/time.hpp"
#include "keystonemail/codec/idna.hpp"
#include "keystonemail/crypto/certificate.hpp"
#include "operations/offline.hpp"
#include "server/directory_plugin.hpp"
#include "server/outgoing.hpp"
#include "server/privileges.hpp"
#include "server/tls_material.hpp"

namespace keystonemail::host {

namespace {

constexpr auto expires_soon = std::chrono::days(14);

void check_time(ConfigReading& reading, const CertificateConfig& certificate, const crypto::CertificateInfo& info) {
  const WallTime now = SystemClock().wall_now();
  const auto that = [&](std::string_view what) { return ConfigProblem{certificate.line, format("[tls] the certificate {} {}", certificate.chain, what)}; };
  if (info.not_after <= now) reading.errors.push_back(that("has expired"));
  else if (info.not_after <= now + expires_soon) reading.warnings.push_back(that("expires within two weeks"));
  if (info.not_before > now) reading.errors.push_back(that("is not valid yet"));
}

// Each by itself, so that all that is wrong is told at once.
void check_certificates(ConfigReading& reading) {
  const Config& config = reading.config;
  std::vector<std::string> names;
  bool all_good = true;
  for (const CertificateConfig& certificate : all_certificates(config)) {
    const auto read = read_certificate(certificate);
    const auto info = read ? crypto::read_certificate_pem(read->chain_pem) : Result<crypto::CertificateInfo>(std::unexpected(read.error()));
    if (!info) {
      reading.errors.push_back({certificate.line, format("[tls] {}", error_text(info.error()))});
      all_good = false;
      continue;
    }
    check_time(reading, certificate, *info);
    if (certificate.line > 0 && info->dns_names.empty())
      reading.warnings.push_back({certificate.line, format("[tls] the certificate {} names no host, so nobody will see it", certificate.chain)});
    names.insert(names.end(), info->dns_names.begin(), info->dns_names.end());
  }
  if (config.certificate.empty() || !all_good) return;
  if (const auto loaded = TlsMaterial().load(config); !loaded) reading.errors.push_back({0, format("[tls] {}", error_text(loaded.error()))});
  const std::string host = codec::to_ascii_domain(config.hostname).value_or(config.hostname);
  const bool is_named = std::ranges::any_of(names, [&](const std::string& name) { return crypto::certificate_name_fits(name, host); });
  if (!is_named) reading.warnings.push_back({0, format("[tls] no certificate names {}", host)});
}

void check_surroundings(ConfigReading& reading) {
  const Config& config = reading.config;
  struct stat info;
  if (stat(config.data_directory.c_str(), &info) != 0) {
    reading.warnings.push_back({0, format("{} is not there yet; serve makes it", config.data_directory)});
  } else if (!S_ISDIR(info.st_mode)) {
    reading.errors.push_back({0, format("{} is not a directory", config.data_directory)});
  } else if ((info.st_mode & 077) != 0) {
    reading.warnings.push_back({0, format("{} can be read by others; its mode should be 0700", config.data_directory)});
  }
  if (!config.user.empty() && !find_user(config.user)) reading.errors.push_back({0, format("there is no user {}", config.user)});
  for (const ListenerConfig& listener : config.listeners)
    if (listener.tls == TlsUse::none && !listener.address.address.is_loopback() && listener.protocol != Protocol::smtp && listener.protocol != Protocol::http)
      reading.warnings.push_back({listener.line, format("{} at {} has no TLS, so nobody can log in there", to_string(listener.protocol),
                                                        listener.address.to_string())});
}

// [::] takes IPv4 too (unless systemd passes a socket that does not), and a port has one taker.
void check_overlap(ConfigReading& reading) {
  const IpAddress any6 = IpAddress::v6({});
  for (const ListenerConfig& wide : reading.config.listeners)
    for (const ListenerConfig& other : reading.config.listeners)
      if (wide.address.address == any6 && other.address.address != any6 && other.address.port == wide.address.port && wide.address.port != 0)
        reading.warnings.push_back({other.line, format("{} is among what {} takes already: serve cannot have both, unless systemd passes the sockets",
                                                       other.address.to_string(), wide.address.to_string())});
}

void check_secrets(ConfigReading& reading) {
  for (const WebhookConfig& webhook : reading.config.webhooks) {
    if (const auto secret = read_secret(webhook.secret); !secret) reading.errors.push_back({webhook.line, format("webhook.secret: {}", secret.error().text())});
  }
}

bool is_of_this_machine(const IpAddress& address) {
  sockaddr_in v4{.sin_family = AF_INET, .sin_port = 0, .sin_addr = {}, .sin_zero = {}};
  sockaddr_in6 v6{.sin6_family = AF_INET6, .sin6_port = 0, .sin6_flowinfo = 0, .sin6_addr = {}, .sin6_scope_id = 0};
  const bool is_v4 = address.family() == IpAddress::Family::v4;
  std::memcpy(&v4.sin_addr, address.octets().data(), sizeof v4.sin_addr);
  std::memcpy(&v6.sin6_addr, address.octets().data(), sizeof v6.sin6_addr);
  const auto* name = is_v4 ? reinterpret_cast<const sockaddr*>(&v4) : reinterpret_cast<const sockaddr*>(&v6);
  const int probe = socket(name->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (probe < 0) return true;  // who can say
  const bool is_ours = bind(probe, name, is_v4 ? sizeof v4 : sizeof v6) == 0 || errno != EADDRNOTAVAIL;
  close(probe);
  return is_ours;
}

// Ways, names, secrets and authorities, as the server would take them.
void check_outgoing(ConfigReading& reading) {
  const RelayConfig& relay = reading.config.relay;
  if (const auto options = relay_options(reading.config); relay.enabled && !options) reading.errors.push_back({0, error_text(options.error())});
  if (const auto opened = unbound::open_resolver(resolver_options(reading.config.resolver)); !opened)
    reading.errors.push_back({0, format("[resolver] {}", error_text(opened.error()))});
  const auto trust = client_trust(relay);
  const auto loaded = trust ? tls::ClientContext::create(*trust) : Result<std::shared_ptr<const tls::ClientContext>>(std::unexpected(trust.error()));
  if (!loaded) reading.errors.push_back({0, format("[relay] authorities: {}", error_text(loaded.error()))});
  for (const std::string* text : {&relay.source_address4, &relay.source_address6}) {
    const auto address = IpAddress::parse(*text);
    if (relay.enabled && address && !is_of_this_machine(*address))
      reading.warnings.push_back({0, format("[relay] source_address: {} is no address of this machine, so no mail can leave from it", *text)});
  }
}

// Loads the plugin as the server would, and has it open.
void check_directory(ConfigReading& reading) {
  NullLog log;
  if (const auto opened = open_plugin(reading.config, log); !opened) reading.errors.push_back({0, opened.error().text()});
}

std::string json_problems(const std::vector<ConfigProblem>& problems) {
  std::string out = "[";
  for (const ConfigProblem& problem : problems)
    format_to(out, "{}{{\"line\":{},\"text\":{}}}", out.size() > 1 ? "," : "", problem.line, json_text(problem.text));
  return out + "]";
}

}  // namespace

int run_check(const std::string& path, Output output) {
  auto reading = read_config_file(path);
  if (!reading) return report_error(output, reading.error().text());
  if (reading->errors.empty()) {
    check_certificates(*reading);
    check_surroundings(*reading);
    check_overlap(*reading);
    check_secrets(*reading);
    check_outgoing(*reading);
    check_directory(*reading);
  }
  const bool good = reading->errors.empty();
  if (output == Output::json) {
    std::printf("{\"ok\":%s,\"errors\":%s,\"warnings\":%s}\n", good ? "true" : "false", json_problems(reading->errors).c_str(),
                json_problems(reading->warnings).c_str());
  } else {
    std::fputs(describe(reading->errors, path).c_str(), stderr);
    std::fputs(describe(reading->warnings, path + ": warning").c_str(), stderr);
    if (good) std::printf("%s is good\n", path.c_str());
  }
  return good ? 0 : 1;
}

}  // namespace keystonemail::host
