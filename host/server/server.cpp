// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "server/server.hpp"

#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "base/format.hpp"
#include "base/try.hpp"
#include "control/control.hpp"
#include "keystonemail/backends/libuv/uv_server.hpp"
#include "keystonemail/service/web/https_fetcher.hpp"
#include "server/directory_plugin.hpp"
#include "server/host_lookup.hpp"
#include "server/inbound.hpp"
#include "server/outgoing.hpp"
#include "server/policies.hpp"
#include "server/privileges.hpp"
#include "server/reporter.hpp"
#include "server/stderr_log.hpp"
#include "server/stores.hpp"
#include "operations/offline.hpp"
#include "server/tls_material.hpp"
#include "zone/zone_facts.hpp"

namespace keystonemail::host {

namespace {

constexpr std::chrono::milliseconds drain_grace{30'000};
constexpr std::chrono::milliseconds second_signal_grace{0};

// As many descriptors as the system lets us have.
void raise_descriptor_limit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max == RLIM_INFINITY ? 1 << 20 : std::min<rlim_t>(limit.rlim_max, 1 << 20);
  (void)setrlimit(RLIMIT_NOFILE, &limit);
}

libuv::UvServerOptions loop_options(const Config& config) {
  constexpr std::size_t files = 64;
  return {.loops = config.loops, .connections_max = config.limits.connections, .descriptors_reserved = files + config.relay.connections};
}

keystonemail::ListenerOptions listener_options(const ListenerConfig& listener) {
  keystonemail::ListenerOptions options;
  switch (listener.protocol) {
    case Protocol::smtp: options.protocol = keystonemail::Protocol::smtp; break;
    case Protocol::submission:
    case Protocol::submissions: options.protocol = keystonemail::Protocol::submission; break;
    case Protocol::lmtp: options.protocol = keystonemail::Protocol::lmtp; break;
    case Protocol::imap:
    case Protocol::imaps: options.protocol = keystonemail::Protocol::imap; break;
    case Protocol::https:
    case Protocol::http: options.protocol = keystonemail::Protocol::http; break;
  }
  switch (listener.tls) {
    case TlsUse::none: options.tls = keystonemail::TlsUse::none; break;
    case TlsUse::starttls: options.tls = keystonemail::TlsUse::starttls; break;
    case TlsUse::implicit: options.tls = keystonemail::TlsUse::implicit; break;
  }
  options.allow_plaintext_auth = listener.allow_plaintext_auth;
  return options;
}

// Names that strangers give never lead to where we listen ourselves.
Result<std::unique_ptr<web::Fetcher>> make_fetcher(const Config& config, resolver::Resolver& resolver, libuv::UvLoop& loop) {
  KM_TRY(auto tls, client_trust(config.relay));
  KM_TRY(auto client, tls::ClientContext::create(web::fetcher_tls(std::move(tls))));
  web::HttpsFetcherOptions options;
  for (const ListenerConfig& listener : config.listeners) {
    const IpAddress& address = listener.address.address;
    options.denied.push_back({address, address.family() == IpAddress::Family::v4 ? 32U : 128U});
  }
  return std::make_unique<web::HttpsFetcher>(std::move(options), resolver, loop, std::move(client));
}

bool is_same(const ListenerConfig& x, const ListenerConfig& y) {
  return x.protocol == y.protocol && x.address == y.address && x.tls == y.tls && x.allow_plaintext_auth == y.allow_plaintext_auth &&
         x.client_certificates == y.client_certificates &&
         std::ranges::equal(x.proxy_trusted, y.proxy_trusted, {}, &IpNetwork::to_string, &IpNetwork::to_string);
}

bool is_same(const DirectoryConfig& x, const DirectoryConfig& y) {
  return x.type == y.type && x.path == y.path && x.options.kind == y.options.kind && x.options.name == y.options.name;
}

// Leaves in `fresh` what a running server cannot change as it is in `running`; returns the names of what that was.
std::vector<std::string_view> keep_what_needs_restart(const Config& running, Config& fresh) {
  std::vector<std::string_view> kept;
  const auto keep = [&kept](std::string_view name, const auto& old, auto& now) {
    if (old == now) return;
    kept.push_back(name);
    now = old;
  };
  keep("hostname", running.hostname, fresh.hostname);
  keep("primary_domain", running.primary_domain, fresh.primary_domain);
  keep("data_directory", running.data_directory, fresh.data_directory);
  keep("user", running.user, fresh.user);
  keep("loops", running.loops, fresh.loops);
  if (!std::ranges::equal(running.listeners, fresh.listeners, [](const auto& x, const auto& y) { return is_same(x, y); })) {
    kept.emplace_back("[[listener]]");
    fresh.listeners = running.listeners;
  }
  if (!is_same(running.directory, fresh.directory)) {
    kept.emplace_back("[directory]");
    fresh.directory = running.directory;
  }
  keep("[store]", running.notes, fresh.notes);
  keep("[relay] enabled", running.relay.enabled, fresh.relay.enabled);
  keep("[relay] authorities", running.relay.authorities, fresh.relay.authorities);
  keep("[relay] mta_sts", running.relay.mta_sts, fresh.relay.mta_sts);
  keep("[relay] mta_sts_port", running.relay.mta_sts_port, fresh.relay.mta_sts_port);
  keep("[resolver]", running.resolver, fresh.resolver);
  keep("[reports]", running.reports, fresh.reports);
  return kept;
}

class Program {
 public:
  Program(Config config, std::string path, Output output)
      : config_(std::move(config)), path_(std::move(path)), output_(output), log_(log_format(config_), config_.log_level),
        loops_(loop_options(config_)), inherited_(libuv::inherited_sockets()) {}

  [[nodiscard]] Result<void> start();
  void run();

 private:
  [[nodiscard]] const libuv::InheritedSocket* inherited_for(const ListenerConfig& listener) const;
  [[nodiscard]] Result<void> refuse_unclaimed_sockets() const;
  [[nodiscard]] LogFormat log_format(const Config& config) const { return output_ == Output::json ? LogFormat::json : config.log_format; }
  [[nodiscard]] Result<void> prepare_directory();
  [[nodiscard]] Result<std::string> secret(const SecretSource& source);
  [[nodiscard]] Result<Config> with_secrets_read(Config config);
  [[nodiscard]] Result<void> listen(const ListenerConfig& listener, std::size_t index);
  void make_handlers();
  [[nodiscard]] transport::Handler handler(std::size_t index);
  void set_policies();
  [[nodiscard]] std::shared_ptr<const policy::Chain> policies();
  Result<void> reload();
  [[nodiscard]] Result<void> read_again();
  void end();

  Config config_;
  std::string path_;
  Output output_;
  StderrLog log_;
  TlsMaterial tls_;
  std::unique_ptr<resolver::Resolver> resolver_;  // outlives the sessions that ask it
  std::unique_ptr<web::Fetcher> fetcher_;         // of the main loop
  libuv::UvLoop opening_;  // for the stores, so that the others do not accept before all is there
  libuv::UvServer loops_;
  std::vector<libuv::InheritedSocket> inherited_;
  HostLookup hosts_;                               // of filters
  milter::Connections filters_{[](Executor& on) { return dynamic_cast<transport::Connector*>(&on); },  // every loop makes its own
                               [this](std::string host, Context context) { return hosts_.find(std::move(host), std::move(context)); }};
  std::unique_ptr<Stores> stores_;
  std::unique_ptr<Reporter> reporter_;        // null: there are no reports
  std::unique_ptr<Inbound> inbound_;
  std::unique_ptr<Outgoing> outgoing_;        // null: mail for elsewhere stays in the queue
  std::stop_source webhooks_stop_;
  std::optional<Task<void>> webhooks_;        // whether mail leaves or not: they hear of more than that
  std::vector<Endpoint> own_endpoints_;       // where other servers bring mail
  std::unique_ptr<transport::Listener> control_;
  std::mutex mutex_;
  std::vector<transport::Handler> handlers_;  // as config_.listeners; guarded by mutex_
  std::shared_ptr<const policy::Chain> policies_;  // guarded by mutex_
  std::uint16_t https_port_ = 0;              // where people who come without TLS are sent; 0: nowhere
  std::vector<std::pair<SecretSource, std::string>> secrets_;  // as they were read last
  std::string addresses_;
  bool is_ending_ = false;
};

Result<void> Program::start() {
  KM_CHECK(refuse_unclaimed_sockets());
  KM_CHECK(tls_.load(config_));
  KM_CHECK(prepare_directory());
  for (std::size_t i = 0; i < config_.listeners.size(); ++i) KM_CHECK(listen(config_.listeners[i], i));
  KM_TRY(Config opened, with_secrets_read(config_));
  KM_TRY(opened.directory, with_options_read(config_.directory));
  if (!config_.user.empty()) KM_CHECK(become(config_.user));  // the ports are open now
  KM_TRY(stores_, opening_.run_until(Stores::open(opened, log_, {}, Context{&opening_})));
  KM_TRY(resolver_, unbound::open_resolver(resolver_options(config_.resolver)));
  KM_TRY(fetcher_, make_fetcher(opened, *resolver_, loops_.main_loop()));
  if (opened.reports.enabled) {
    reporter_ = std::make_unique<Reporter>(opened, *stores_, *resolver_, loops_.main_loop(), fetcher_.get());
    stores_->reporting = &reporter_->reporting();
    if (opened.reports.tls_https) stores_->server->site().add("POST", std::string(reporting::tls_report_path), stores_->reporting->https_intake());
  }
  KM_TRY(inbound_, opening_.run_until(Inbound::open(config_, *stores_, *resolver_, Context{&opening_})));
  stores_->inbound = inbound_.get();
  set_policies();
  stores_->policies = [this] { return policies(); };
  make_handlers();
  if (opened.relay.enabled) {
    KM_TRY(outgoing_, Outgoing::open(opened, *stores_->server, loops_.main_loop(), *resolver_, own_endpoints_, *fetcher_, stores_->reporting));
  }
  stores_->reload = [this] { return reload(); };
  stores_->upkeep = std::make_unique<Upkeep>(*stores_->blobs, log_);
  auto control = control::listen(loops_.main_loop(), config_.data_directory, *stores_);
  if (control) control_ = std::move(*control);
  else log_.event(LogLevel::warning, "control.unavailable", {{"why", control.error().describe()}});  // serving mail goes first
  return {};
}

// What root could read, the user that the server became may not: then what was read before is taken.
Result<std::string> Program::secret(const SecretSource& source) {
  auto read = read_secret(source);
  const auto known = std::ranges::find(secrets_, source, &std::pair<SecretSource, std::string>::first);
  if (!read && known != secrets_.end()) {
    log_.event(LogLevel::warning, "config.secret_kept", {{"source", source.name}, {"why", read.error().describe()}});
    return known->second;
  }
  if (!read) return read;
  while (read->ends_with('\n') || read->ends_with('\r')) read->pop_back();
  if (known == secrets_.end()) secrets_.emplace_back(source, *read);
  else known->second = *read;
  return read;
}

Result<Config> Program::with_secrets_read(Config config) {
  std::vector<SecretSource*> sources{&config.relay.password};
  for (WebhookConfig& webhook : config.webhooks) sources.push_back(&webhook.secret);
  for (RouteConfig& route : config.routes) sources.push_back(&route.password);
  for (SecretSource* const source : sources) {
    KM_TRY(std::string text, secret(*source));
    *source = {SecretSource::Kind::literal, std::move(text)};
  }
  return config;
}

// By its address, or else by the name of the protocol.
const libuv::InheritedSocket* Program::inherited_for(const ListenerConfig& listener) const {
  const libuv::InheritedSocket* named = nullptr;
  for (const auto& socket : inherited_) {
    if (!socket.listens) continue;
    if (socket.local.port != 0 && socket.local == listener.address) return &socket;
    if (socket.name == to_string(listener.protocol)) named = &socket;
  }
  return named;
}

// Whoever connects to a port that nobody serves waits for ever, and the service manager believes that all is well.
Result<void> Program::refuse_unclaimed_sockets() const {
  std::string names;
  for (const auto& socket : inherited_) {
    const bool claimed = std::ranges::any_of(config_.listeners, [&](const ListenerConfig& listener) { return inherited_for(listener) == &socket; });
    if (!claimed) names += (names.empty() ? "" : ", ") + socket.address + (socket.name.empty() ? "" : " (" + socket.name + ")");
  }
  if (names.empty()) return {};
  return fail(ErrorKind::invalid, "the service manager opened what no [[listener]] of the configuration serves: " + names +
                                      ". Write a [[listener]] with the same address, or take it out of the socket unit");
}

Result<void> Program::prepare_directory() {
  if (config_.user.empty() || geteuid() != 0) return {};
  (void)mkdir(config_.data_directory.c_str(), 0700);
  return give_data(config_.data_directory, config_.user);
}

Result<void> Program::listen(const ListenerConfig& listener, std::size_t index) {
  libuv::ListenOptions options;
  options.address = listener.address;
  options.proxy_trusted = listener.proxy_trusted;
  if (const auto* socket = inherited_for(listener)) options.inherited_socket = socket->descriptor;
  auto bound = loops_.listen(options, [this, index](std::unique_ptr<transport::ByteStream> stream, Context context) {
    return handler(index)(std::move(stream), std::move(context));
  });
  if (!bound)
    return fail(bound.error().kind(), format("cannot listen at {} for {}: {}", listener.address.to_string(),
                                             to_string(listener.protocol), bound.error().detail()));
  if (listener.protocol == Protocol::smtp) own_endpoints_.push_back(*bound);
  if (listener.protocol == Protocol::https && https_port_ == 0) https_port_ = bound->port;
  format_to(addresses_, " {}={}", to_string(listener.protocol), bound->to_string());
  return {};
}

// With the limits as they are now.
void Program::make_handlers() {
  std::vector<transport::Handler> fresh;
  for (const ListenerConfig& listener : config_.listeners) {
    auto options = listener_options(listener);
    options.https_port = https_port_;
    if (listener.tls != TlsUse::none) options.tls_context = [this, kind = tls_kind(listener)] { return tls_.context(kind); };
    fresh.push_back(stores_->server->handler(options));
  }
  const std::lock_guard lock(mutex_);
  handlers_ = std::move(fresh);
}

transport::Handler Program::handler(std::size_t index) {
  const std::lock_guard lock(mutex_);
  return handlers_[index];
}

void Program::set_policies() {
  auto fresh = make_policies(config_, *resolver_, *stores_, filters_, stores_->reporting, *inbound_);
  const std::lock_guard lock(mutex_);
  policies_ = std::move(fresh);
}

std::shared_ptr<const policy::Chain> Program::policies() {
  const std::lock_guard lock(mutex_);
  return policies_;
}

void Program::run() {
  libuv::UvLoop& loop = loops_.main_loop();
  (void)signal(SIGPIPE, SIG_IGN);
  loop.on_signal(SIGTERM, [this] { end(); });
  loop.on_signal(SIGINT, [this] { end(); });
  loop.on_signal(SIGHUP, [this] { (void)reload(); });
  std::fprintf(stderr, "ready%s\n", addresses_.c_str());
  std::fflush(stderr);
  if (outgoing_) outgoing_->start();
  webhooks_.emplace(stores_->server->webhooks().run(*fetcher_, Context(&loop, webhooks_stop_.get_token())));
  if (reporter_) reporter_->start();
  inbound_->start(loop);
  loops_.run();
  if (outgoing_) loop.run_until(outgoing_->finish());
  loop.run_until(*std::exchange(webhooks_, std::nullopt));
  if (reporter_) loop.run_until(reporter_->finish());
  inbound_->stop();
  loop.run_until(inbound_->finish());
  log_.event(LogLevel::info, "server.stopped", {});
}

void Program::end() {
  log_.event(LogLevel::info, "server.draining", {{"connections", loops_.connections()}});
  if (outgoing_) outgoing_->stop();
  webhooks_stop_.request_stop();
  if (reporter_) reporter_->stop();
  loops_.drain(is_ending_ ? second_signal_grace : drain_grace);
  is_ending_ = true;
}

Result<void> Program::reload() {
  const auto done = read_again();
  if (done) log_.event(LogLevel::info, "config.reloaded", {{"file", path_}});
  else if (done.error().kind() == ErrorKind::conflict) log_.event(LogLevel::warning, "config.reloaded", {{"file", path_}, {"why", done.error().text()}});
  else log_.event(LogLevel::error, "config.refused", {{"file", path_}, {"why", done.error().text()}});
  return done;
}

// All is made before anything is changed: what cannot be had leaves the server as it was.
Result<void> Program::read_again() {
  KM_TRY(ConfigReading reading, read_config_file(path_));
  if (!reading.errors.empty()) return fail(ErrorKind::invalid, describe(reading.errors, path_));
  Config& fresh = reading.config;
  const auto kept = keep_what_needs_restart(config_, fresh);
  KM_TRY(const Config opened, with_secrets_read(fresh));
  KM_TRY(relay::Options relaying, relay_options(opened));
  KM_TRY(auto forwarder, make_forwarder(fresh, *stores_));
  if (const auto loaded = tls_.load(fresh); !loaded)
    return fail(loaded.error().kind(), loaded.error().text() + " " + loaded.error().detail());
  log_.set(log_format(fresh), fresh.log_level);
  config_ = std::move(fresh);
  loops_.set_connections_max(config_.limits.connections);
  keystonemail::Server& server = *stores_->server;
  server.set_limits(server_limits(config_));
  server.set_forwarder(forwarder);
  server.webhooks().set_hooks(hooks_of(opened));
  server.set_mta_sts(own_policy(config_.mta_sts));
  server.queue().set_limits(std::chrono::hours(config_.queue.lifetime_hours), config_.queue.messages_per_account, config_.queue.octets_per_account);
  if (outgoing_) outgoing_->reload(config_, std::move(relaying), std::move(forwarder));
  set_policies();
  make_handlers();
  if (kept.empty()) return {};
  std::string names;
  for (const std::string_view name : kept) names.append(names.empty() ? "" : ", ").append(name);
  return fail(ErrorKind::conflict, "reloaded, but this needs a restart: " + names);
}

}  // namespace

int serve(Config config, const std::string& config_path, Output output) {
  raise_descriptor_limit();
  umask(0077);
  forgo_new_privileges();
  Program program(std::move(config), config_path, output);
  if (const auto started = program.start(); !started) return report_error(output, error_text(started.error()));
  program.run();
  return 0;
}

}  // namespace keystonemail::host
