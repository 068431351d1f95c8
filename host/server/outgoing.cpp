// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "server/outgoing.hpp"

#include <utility>

#include "base/format.hpp"
#include "base/try.hpp"
#include "keystonemail/backends/unbound/resolver.hpp"
#include "keystonemail/base/text.hpp"
#include "keystonemail/codec/idna.hpp"

namespace keystonemail::host {

namespace {

relay::RouteTls to_route_tls(RelayTls tls) noexcept {
  switch (tls) {
    case RelayTls::none: return relay::RouteTls::none;
    case RelayTls::opportunistic: return relay::RouteTls::opportunistic;
    case RelayTls::required: return relay::RouteTls::required;
    case RelayTls::verified: return relay::RouteTls::verified;
    case RelayTls::implicit: return relay::RouteTls::implicit;
    case RelayTls::dane: return relay::RouteTls::dane;
  }
  __builtin_unreachable();
}

unbound::Validation to_validation(Dnssec dnssec) noexcept {
  switch (dnssec) {
    case Dnssec::automatic: return unbound::Validation::automatic;
    case Dnssec::on: return unbound::Validation::on;
    case Dnssec::off: return unbound::Validation::off;
  }
  __builtin_unreachable();
}

Result<relay::Route> parse_route(const std::string& text) {
  auto route = relay::Route::parse(text);
  if (!route) return fail(ErrorKind::invalid, format("[relay]: \"{}\" is not a host and port", text));
  return *std::move(route);
}

// As a RouteTable has it.
Result<std::string> domain_key(std::string_view what, const std::string& domain) {
  const bool below = domain.starts_with('.');
  const auto name = codec::to_ascii_domain(std::string_view(domain).substr(below ? 1 : 0));
  if (!name) return fail(ErrorKind::invalid, format("[relay] {}: \"{}\" is no domain", what, domain));
  return below ? "." + *name : *name;
}

Result<std::shared_ptr<const relay::RouteLogin>> route_login(const std::string& name, const SecretSource& source) {
  if (name.empty()) return std::shared_ptr<const relay::RouteLogin>();
  KM_TRY(std::string password, read_secret(source));
  while (password.ends_with('\n') || password.ends_with('\r')) password.pop_back();
  return std::make_shared<const relay::RouteLogin>(relay::RouteLogin{name, crypto::SecretString::adopt(password)});
}

Result<relay::RouteTable> route_table(const RelayConfig& config, const std::vector<RouteConfig>& routes) {
  relay::RouteTable table;
  table.usual.port = static_cast<std::uint16_t>(config.port);
  if (!config.host.empty()) {
    KM_TRY(table.usual, parse_route(config.host));
  }
  if (config.tls_given || table.usual.tls == relay::RouteTls::opportunistic) table.usual.tls = to_route_tls(config.tls);
  KM_TRY(table.usual.login, route_login(config.login, config.password));
  for (const auto& [domain, text] : config.routes) {
    KM_TRY(const std::string key, domain_key("routes", domain));
    KM_TRY(table.domains[key], parse_route(text));
  }
  for (const RouteConfig& one : routes) {
    KM_TRY(relay::Route route, parse_route(one.host));
    if (one.tls_given) route.tls = to_route_tls(one.tls);
    KM_TRY(route.login, route_login(one.login, one.password));
    for (const std::string& domain : one.domains) {
      KM_TRY(const std::string key, domain_key("route", domain));
      table.domains[key] = route;
    }
  }
  for (const auto& [domain, tls] : config.tls_domains) {
    KM_TRY(const std::string key, domain_key("tls_domains", domain));
    relay::Route route = table.find(key);  // by the same way as without it
    route.tls = to_route_tls(tls);
    table.domains[key] = std::move(route);
  }
  return table;
}

Result<std::map<std::string, std::uint32_t, std::less<>>> rate_table(const RelayConfig& config) {
  std::map<std::string, std::uint32_t, std::less<>> rates;
  for (const auto& [domain, rate] : config.rates) {
    KM_TRY(const std::string name, domain_key("rates", domain));
    rates[name] = static_cast<std::uint32_t>(parse_decimal(rate).value_or(0));
  }
  return rates;
}

}  // namespace

unbound::Options resolver_options(const ResolverConfig& config) {
  unbound::Options options;
  options.servers = config.servers;
  options.validation = to_validation(config.dnssec);
  options.trust_anchors = config.trust_anchors;
  return options;
}

Result<tls::ClientOptions> client_trust(const RelayConfig& config) {
  tls::ClientOptions tls;
  tls.trust_path = tls::system_trust_path();
  if (!config.authorities.empty()) {
    KM_TRY(tls.trust_pem, read_file(config.authorities));
  }
  return tls;
}

Result<relay::Options> relay_options(const Config& config) {
  relay::Options options;
  options.hostname = config.hostname;
  KM_TRY(options.routes, route_table(config.relay, config.routes));
  options.connections_max = config.relay.connections;
  options.connections_per_destination_max = config.relay.connections_per_domain;
  options.messages_per_minute_max = static_cast<std::uint32_t>(config.relay.messages_per_minute);
  options.account_messages_per_minute_max = static_cast<std::uint32_t>(config.queue.account_messages_per_minute);
  KM_TRY(options.rates, rate_table(config.relay));
  if (!config.queue.retry.empty()) options.retry.steps = config.queue.retry;
  options.retry.bounce_lifetime = std::chrono::hours(config.queue.bounce_lifetime_hours);
  options.retry.delay_notice_after = std::chrono::hours(config.queue.delay_notice_hours);
  options.use_dane = config.relay.dane;
  return options;
}

Result<std::unique_ptr<Outgoing>> Outgoing::open(const Config& config, keystonemail::Server& server, libuv::UvLoop& loop,
                                                 resolver::Resolver& resolver, std::vector<Endpoint> own_endpoints,
                                                 web::Fetcher& fetcher, relay::TlsObserver* tls_observer) {
  std::unique_ptr<Outgoing> outgoing(new Outgoing(loop));
  KM_TRY(relay::Options options, relay_options(config));
  outgoing->set_source_addresses(config);
  options.own_endpoints = std::move(own_endpoints);
  KM_TRY(const tls::ClientOptions tls, client_trust(config.relay));
  KM_TRY(const auto client, tls::ClientContext::create(tls));
  if (config.relay.mta_sts) {
    mta_sts::Options policies;
    policies.port = static_cast<std::uint16_t>(config.relay.mta_sts_port);
    outgoing->mta_sts_ = server.make_mta_sts(policies, resolver, fetcher);
  }
  const RelayPorts ports{resolver, loop, client, tls_observer, outgoing->mta_sts_.get()};
  outgoing->relay_ = server.make_relay(std::move(options), ports);
  return outgoing;
}

void Outgoing::set_source_addresses(const Config& config) {
  loop_.set_source_addresses(IpAddress::parse(config.relay.source_address4), IpAddress::parse(config.relay.source_address6));
}

void Outgoing::reload(const Config& config, relay::Options options, std::shared_ptr<const forwarding::Forwarder> forwarder) {
  set_source_addresses(config);
  relay_->set_options(std::move(options));
  relay_->set_forwarder(std::move(forwarder));
}

void Outgoing::start() {
  const Context context(&loop_, stop_.get_token());
  running_.push_back(relay_->run(context));
  if (mta_sts_) running_.push_back(mta_sts_->run(context));
}

void Outgoing::stop() { stop_.request_stop(); }

Task<void> Outgoing::finish() {
  std::vector<Task<void>> running = std::exchange(running_, {});
  for (Task<void>& task : running) co_await task;
}

}  // namespace keystonemail::host
