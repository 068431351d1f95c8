// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// From TOML to Config. The only file that knows the TOML library.
#include <toml++/toml.h>

#include <algorithm>
#include <utility>

#include "base/format.hpp"
#include "config/config.hpp"
#include "config/keys.hpp"

namespace keystonemail::host {

namespace {

std::size_t line_of(const toml::node& node) { return node.source().begin.line; }

std::optional<std::string> as_text(const toml::node& node) {
  const auto* text = node.as_string();
  return text ? std::optional(text->get()) : std::nullopt;
}

Value to_value(const toml::node& node) {
  if (const auto* flag = node.as_boolean()) return flag->get();
  if (const auto* number = node.as_integer()) return number->get();
  if (const auto text = as_text(node)) return *text;
  if (const auto* list = node.as_array()) {
    std::vector<std::string> all;
    for (const toml::node& one : *list) {
      const auto text = as_text(one);
      if (!text) return std::monostate{};
      all.push_back(*text);
    }
    return all;
  }
  if (const auto* table = node.as_table()) {
    std::map<std::string, std::string> all;
    for (const auto& [name, one] : *table) {
      const auto text = as_text(one);
      if (!text) return std::monostate{};
      all.emplace(name.str(), *text);
    }
    return all;
  }
  return std::monostate{};  // dates and fractions: no key takes them
}

class Reader {
 public:
  ConfigReading read(std::string_view text);

 private:
  // In the order of the file.
  void error(std::size_t line, std::string text) {
    auto& errors = reading_.errors;
    errors.insert(std::ranges::upper_bound(errors, line, {}, &ConfigProblem::line), {line, std::move(text)});
  }
  void take(std::string_view section, std::string_view name, std::size_t line, const toml::node& value, Draft draft);
  void take_section(std::string_view section, const toml::table& table, Draft draft);
  void take_named_section(std::string_view section, const toml::node& node);
  void take_top(const toml::table& root);
  template <class Each>
  void take_list(std::string_view section, const toml::node& node, Each each);
  void take_listener(const toml::table& table);
  void take_milter(const toml::table& table);
  void take_dns_list(const toml::table& table);
  void take_webhook(const toml::table& table);
  void take_route(const toml::table& table);
  void take_certificate(const toml::table& table);
  void finish_listeners();
  void add_usual_listeners();
  void check_whole();
  void check_directory();
  void check_client_certificates(const ListenerConfig& listener);

  ConfigReading reading_;
};

ConfigReading Reader::read(std::string_view text) {
  toml::table root;
  try {
    root = toml::parse(text);
  } catch (const toml::parse_error& failure) {
    error(failure.source().begin.line, std::string(failure.description()));
    return std::move(reading_);
  }
  take_top(root);
  if (reading_.config.listeners.empty()) add_usual_listeners();
  finish_listeners();
  check_whole();
  return std::move(reading_);
}

bool is_section(std::string_view name) {
  return std::ranges::any_of(config_keys(), [&](const Key& key) { return key.section == name; });
}

void Reader::take_top(const toml::table& root) {
  for (const auto& [name, node] : root) {
    const std::string_view section = name.str();
    if (is_section(section)) take_named_section(section, node);
    else take("", section, name.source().begin.line, node, {reading_.config});
  }
}

void Reader::take_named_section(std::string_view section, const toml::node& node) {
  if (section == "listener") {
    take_list(section, node, [this](const toml::table& table) { take_listener(table); });
  } else if (section == "milter") {
    take_list(section, node, [this](const toml::table& table) { take_milter(table); });
  } else if (section == "route") {
    take_list(section, node, [this](const toml::table& table) { take_route(table); });
  } else if (section == "policy.list") {
    take_list(section, node, [this](const toml::table& table) { take_dns_list(table); });
  } else if (section == "certificate") {
    take_list(section, node, [this](const toml::table& table) { take_certificate(table); });
  } else if (section == "webhook") {
    take_list(section, node, [this](const toml::table& table) { take_webhook(table); });
  } else if (const auto* table = node.as_table()) {
    take_section(section, *table, {reading_.config});
  } else {
    error(line_of(node), format("{} is a section: write [{}]", section, section));
  }
}

// A section may hold others, as [policy] holds [policy.rates].
void Reader::take_section(std::string_view section, const toml::table& table, Draft draft) {
  for (const auto& [name, node] : table) {
    const std::string inner = format("{}.{}", section, name.str());
    if (is_section(inner)) take_named_section(inner, node);
    else take(section, name.str(), name.source().begin.line, node, draft);
  }
}

void Reader::take_route(const toml::table& table) {
  RouteConfig route;
  route.line = line_of(table);
  take_section("route", table, {.config = reading_.config, .route = &route});
  if (route.domains.empty()) error(route.line, "this route has no domains");
  if (route.host.empty()) error(route.line, "this route has no host");
  if (!route.login.empty() && route.password.kind == SecretSource::Kind::none) error(route.line, "route.login needs route.password");
  reading_.config.routes.push_back(std::move(route));
}

template <class Each>
void Reader::take_list(std::string_view section, const toml::node& node, Each each) {
  const auto* list = node.as_array();
  if (!list) return error(line_of(node), format("{} is a list of sections: write [[{}]] for each", section, section));
  for (const toml::node& one : *list) {
    if (const auto* table = one.as_table()) each(*table);
    else error(line_of(one), format("{} is a list of sections: write [[{}]] for each", section, section));
  }
}

void Reader::take_listener(const toml::table& table) {
  ListenerConfig listener;
  listener.line = line_of(table);
  take_section("listener", table, {.config = reading_.config, .listener = &listener});
  if (!listener.protocol_given) error(listener.line, "this listener has no protocol");
  if (!listener.address_given) error(listener.line, "this listener has no address");
  reading_.config.listeners.push_back(std::move(listener));
}

void Reader::take_milter(const toml::table& table) {
  MilterConfig milter;
  take_section("milter", table, {.config = reading_.config, .milter = &milter});
  const bool has_address = std::ranges::any_of(table, [](const auto& entry) { return entry.first.str() == "address"; });
  if (!has_address) error(line_of(table), "this milter has no address");
  reading_.config.milters.push_back(std::move(milter));
}

void Reader::take_dns_list(const toml::table& table) {
  auto& lists = reading_.config.policy.lists.lists;
  policies::DnsList list;
  take_section("policy.list", table, {.config = reading_.config, .list = &list});
  if (!table.contains("zone")) error(line_of(table), "this list has no zone");
  lists.push_back(std::move(list));
  if (lists.size() == policies::DnsLists::lists_max + 1)
    error(line_of(table), format("policy.list: at most {} lists can be asked", policies::DnsLists::lists_max));
}

void Reader::take_webhook(const toml::table& table) {
  WebhookConfig webhook;
  webhook.line = line_of(table);
  take_section("webhook", table, {.config = reading_.config, .webhook = &webhook});
  const bool is_known = std::ranges::any_of(reading_.config.webhooks, [&](const WebhookConfig& other) { return other.url == webhook.url; });
  if (!table.contains("url")) error(webhook.line, "this webhook has no url");
  else if (is_known) error(webhook.line, "this webhook has the url of another");
  reading_.config.webhooks.push_back(std::move(webhook));
}

void Reader::take_certificate(const toml::table& table) {
  CertificateConfig certificate;
  certificate.line = line_of(table);
  take_section("certificate", table, {.config = reading_.config, .certificate = &certificate});
  if (!table.contains("chain")) error(certificate.line, "this certificate has no chain");
  if (!table.contains("private_key")) error(certificate.line, "this certificate has no private_key");
  reading_.config.certificates.push_back(std::move(certificate));
}

void Reader::take(std::string_view section, std::string_view name, std::size_t line, const toml::node& value,
                  Draft draft) {
  const std::string shown = section.empty() ? std::string(name) : format("{}.{}", section, name);
  if (const Key* key = find_key(section, name)) {
    if (auto problem = key->set(draft, to_value(value))) error(line, format("{} {}", shown, *problem));
    return;
  }
  std::vector<std::string_view> known;
  for (const Key& key : config_keys()) {
    if (key.section == section) known.push_back(key.name);
    if (section.empty() && !key.section.empty() && !key.section.contains('.')) known.push_back(key.section);
    if (!section.empty() && key.section.starts_with(section) && key.section.substr(section.size()).starts_with('.'))
      known.push_back(key.section.substr(section.size() + 1));
  }
  const auto near = suggestion(name, known);
  error(line, near.empty() ? format("unknown key {}", shown) : format("unknown key {}; did you mean {}?", shown, near));
}

void Reader::add_usual_listeners() {
  const IpAddress everywhere = IpAddress::v6({});
  using enum Protocol;
  for (const auto& [protocol, port] : {std::pair<Protocol, std::uint16_t>{smtp, 25}, {submission, 587}, {submissions, 465},
                                       {imap, 143}, {imaps, 993}, {https, 443}}) {
    ListenerConfig listener;
    listener.protocol = protocol;
    listener.address = {everywhere, port};
    reading_.config.listeners.push_back(std::move(listener));
  }
}

void Reader::finish_listeners() {
  auto& listeners = reading_.config.listeners;
  for (ListenerConfig& listener : listeners) {
    using enum Protocol;
    const auto first = std::ranges::find(listeners, listener.address, &ListenerConfig::address);
    if (&*first != &listener && listener.address_given && listener.address.port != 0)
      error(listener.line, format("listener.address {} is that of the listener at line {} already", listener.address.to_string(), first->line));
    const bool implicit = listener.protocol == submissions || listener.protocol == imaps || listener.protocol == https;
    const bool plain = listener.protocol == lmtp || listener.protocol == http;
    if (!listener.tls_given) listener.tls = implicit ? TlsUse::implicit : plain ? TlsUse::none : TlsUse::starttls;
    if (listener.protocol == http && listener.tls != TlsUse::none) error(listener.line, "listener.tls must be \"none\" for http: with TLS it is https");
    if (implicit && listener.tls != TlsUse::implicit)
      error(listener.line, format("listener.tls must be \"implicit\" for {}", to_string(listener.protocol)));
    if (listener.client_certificates) check_client_certificates(listener);
    if (listener.allow_plaintext_auth && !listener.address.address.is_loopback())
      error(listener.line, format("listener.allow_plaintext_auth would send passwords in the clear: {} is not a loopback address",
                                  listener.address.to_string()));
  }
}

void Reader::check_client_certificates(const ListenerConfig& listener) {
  using enum Protocol;
  const bool takes_logins = listener.protocol != smtp && listener.protocol != lmtp && listener.protocol != https && listener.protocol != http;
  if (!takes_logins) error(listener.line, format("listener.client_certificates: nobody logs in to {}", to_string(listener.protocol)));
  if (listener.tls == TlsUse::none) error(listener.line, "listener.client_certificates needs TLS");
  if (reading_.config.client_authorities.empty()) error(listener.line, "listener.client_certificates needs [tls] client_authorities");
}

void Reader::check_directory() {
  const DirectoryConfig& directory = reading_.config.directory;
  const bool is_plugin = directory.type == DirectoryType::plugin;
  if (is_plugin && directory.path.empty()) error(0, "directory.path is missing: type = \"plugin\" needs the path of its shared object");
  if (is_plugin && !directory.path.empty() && !directory.path.starts_with('/')) error(0, "directory.path must be absolute");
  const bool has_options = directory.options.kind != SecretSource::Kind::none;
  if (!is_plugin && (has_options || !directory.path.empty()))
    error(0, "directory.path and directory.options are for type = \"plugin\"");
}

void Reader::check_whole() {
  const Config& config = reading_.config;
  for (const auto& [name, value] : {std::pair<std::string_view, const std::string&>{"hostname", config.hostname},
                                    {"primary_domain", config.primary_domain}, {"data_directory", config.data_directory}})
    if (value.empty() && std::ranges::none_of(reading_.errors, [&](const ConfigProblem& p) { return p.text.starts_with(name); }))
      error(0, format("{} is missing", name));
  check_directory();
  if (!config.relay.login.empty() && config.relay.password.kind == SecretSource::Kind::none) error(0, "relay.login needs relay.password");
  if (!config.relay.login.empty() && config.relay.host.empty()) error(0, "relay.login is for relay.host, which is missing");
  const bool has_https = std::ranges::any_of(config.listeners, [](const ListenerConfig& l) { return l.protocol == Protocol::https; });
  if (config.reports.tls_https && !config.reports.enabled) error(0, "reports.tls_https needs reports.enabled");
  if (config.reports.tls_https && !has_https) error(0, "reports.tls_https needs a listener with protocol = \"https\"");
  const bool has_certificate = !config.certificate.empty(), has_key = config.private_key.kind != SecretSource::Kind::none;
  if (!config.certificates.empty() && !has_certificate) error(config.certificates.front().line, "[[certificate]] is beside that of [tls], which is missing");
  if (has_certificate != has_key) error(0, "[tls] needs both certificate and private_key");
  const bool uses_tls = std::ranges::any_of(config.listeners, [](const ListenerConfig& l) { return l.tls != TlsUse::none; });
  if (uses_tls && !has_certificate && !has_key)
    error(0, "a listener uses TLS, so [tls] certificate and private_key are needed; or say tls = \"none\" in each listener");
}

}  // namespace

ConfigReading read_config(std::string_view text) { return Reader().read(text); }

}  // namespace keystonemail::host
