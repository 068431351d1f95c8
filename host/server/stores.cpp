// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "server/stores.hpp"

#include <filesystem>
#include <thread>
#include <utility>

#include "base/try.hpp"
#include "keystonemail/backends/memory/blob_store.hpp"
#include "keystonemail/backends/memory/kv_store.hpp"
#include "keystonemail/codec/idna.hpp"
#include "server/directory_plugin.hpp"
#include "zone/zone_facts.hpp"
#include "server/srs_key.hpp"

namespace keystonemail::host {

namespace {

template <class Names>
kv::Table append_tables(std::vector<std::string>& tables, const Names& names) {
  const auto first = static_cast<kv::Table>(tables.size());
  for (const auto& name : names) tables.emplace_back(name);
  return first;
}

}  // namespace

keystonemail::Limits server_limits(const Config& config) {
  keystonemail::Limits limits;
  limits.message_octets_max = config.limits.message_size;
  limits.recipients_max = static_cast<std::uint32_t>(config.limits.recipients);
  limits.submitted = {config.limits.message_size_submitted, static_cast<std::uint32_t>(config.limits.recipients_submitted)};
  limits.trusted = {config.limits.message_size_trusted, static_cast<std::uint32_t>(config.limits.recipients_trusted)};
  if (config.limits.connections > 0) limits.connections.total_max = config.limits.connections;
  limits.connections.per_address_max = config.limits.connections_per_address;
  limits.connections.per_address_and_minute_max = config.limits.connections_per_minute;
  limits.connections.per_account_max = config.limits.connections_per_account;
  limits.connections.trusted = config.limits.trusted;
  limits.trusted_logins = config.limits.trusted;
  return limits;
}

namespace {

// REQUIRES: the secret has been read.
webhook::Hook to_hook(const WebhookConfig& config) {
  webhook::Hook hook{.url = config.url, .events = {}, .secret = config.secret.kind == SecretSource::Kind::literal ? config.secret.name : std::string()};
  for (const WebhookEvent event : config.events) {
    switch (event) {
      case WebhookEvent::delivered: hook.events.push_back(webhook::Event::delivered); break;
      case WebhookEvent::delayed: hook.events.push_back(webhook::Event::delayed); break;
      case WebhookEvent::failed: hook.events.push_back(webhook::Event::failed); break;
      case WebhookEvent::suspended: hook.events.push_back(webhook::Event::suspended); break;
    }
  }
  return hook;
}

}  // namespace

std::vector<webhook::Hook> hooks_of(const Config& config) {
  std::vector<webhook::Hook> hooks;
  for (const WebhookConfig& webhook : config.webhooks) hooks.push_back(to_hook(webhook));
  return hooks;
}

namespace {

keystonemail::ServerOptions server_options(const Config& config, kv::Table first_table) {
  keystonemail::ServerOptions options;
  options.hostname = config.hostname;
  options.primary_domain = config.primary_domain;
  options.first_table = first_table;
  auto limits = server_limits(config);
  options.message_octets_max = limits.message_octets_max;
  options.notes = config.notes;
  options.recipients_max = limits.recipients_max;
  options.submitted = limits.submitted;
  options.trusted = limits.trusted;
  options.mta_sts = own_policy(config.mta_sts);
  options.webhooks = hooks_of(config);
  options.queue_lifetime = std::chrono::hours(config.queue.lifetime_hours);
  options.queued_per_account_max = config.queue.messages_per_account;
  options.queued_octets_per_account_max = config.queue.octets_per_account;
  options.connections = std::move(limits.connections);
  options.logins.trusted = std::move(limits.trusted_logins);
  return options;
}

}  // namespace

Result<std::shared_ptr<const forwarding::Forwarder>> make_forwarder(const Config& config, Stores& stores) {
  forwarding::Options options;
  if (config.forwarding.rewrite) {
    const std::string& domain = config.forwarding.domain.empty() ? config.primary_domain : config.forwarding.domain;
    const auto name = codec::to_ascii_domain(domain);
    if (!name) return fail(ErrorKind::invalid, domain + " is no domain to rewrite senders to");
    KM_TRY(auto secrets, srs_secrets(config.data_directory, stores.random));
    options.srs = mailauth::srs::Options{.domain = *name, .secrets = std::move(secrets)};
  }
  if (config.forwarding.seal) options.keys = [dkim = stores.dkim.get()](std::string_view domain) { return dkim->signer(domain); };
  return forwarding::Forwarder::create(std::move(options));
}

Task<Result<std::unique_ptr<Stores>>> Stores::open(const Config& config, Log& log, TlsProvider tls, Context context) {
  return open_for(Use::work, config, log, std::move(tls), std::move(context));
}

Task<Result<std::unique_ptr<Stores>>> Stores::open_copy(const Stores& of, std::string directory, Context context) {
  Config config = of.config;
  config.data_directory = std::move(directory);
  config.directory = {};
  return open_for(Use::look, std::move(config), *of.log, nullptr, std::move(context));
}

lmdb::KvOptions Stores::index_options(const Config& config) {
  lmdb::KvOptions options;
  options.directory = config.data_directory;
  append_tables(options.tables, segments::blob_tables());
  append_tables(options.tables, keystonemail::Server::tables());
  options.tables.emplace_back(policies::Greylist::table_name);
  options.tables.emplace_back(policies::SendingLimits::table_name);
  return options;
}

// Segments without an index: an empty one in its place would hide what was lost.
Result<void> Stores::check_index(const Config& config) {
  std::error_code code;
  const std::filesystem::path data(config.data_directory);
  if (std::filesystem::exists(data / "data.mdb", code)) return {};
  for (const auto& entry : std::filesystem::directory_iterator(data / "blobs", code))
    if (entry.path().extension() == ".segment")
      return fail(ErrorKind::corrupt, "the index is gone, but there is mail: restore a backup, or see keystone-mail salvage",
                  (data / "data.mdb").string());
  return {};
}

Task<Result<std::unique_ptr<Stores>>> Stores::open_for(Use use, Config config, Log& log, TlsProvider tls, Context context) {
  auto stores = std::make_unique<Stores>();
  stores->config = config;
  stores->log = &log;
  lmdb::KvOptions kv_options = index_options(config);
  kv_options.log = &log;
  segments::BlobOptions blob_options;
  blob_options.first_table = kv::Table{0};
  blob_options.directory = config.data_directory + "/blobs";
  blob_options.log = &log;
  blob_options.read_only = use == Use::look;
  if (std::thread::hardware_concurrency() > 1) stores->readers = std::make_unique<WorkerPool>(WorkerPoolOptions{.threads = 1});
  blob_options.workers = stores->readers.get();
  const auto first_table = static_cast<kv::Table>(segments::blob_tables().size());

  KM_CO_CHECK(check_index(config));
  KM_CO_TRY(stores->kv, lmdb::open_kv_store(std::move(kv_options)));
  KM_CO_TRY(stores->blobs, co_await segments::open_blob_store(*stores->kv, std::move(blob_options), context));
  keystonemail::ServerOptions options = server_options(config, first_table);
  KM_CO_TRY(stores->plugin, open_plugin(config, log));
  stores->dkim = DkimKeys::open(config.data_directory + "/dkim");
  for (const std::string& problem : stores->dkim->problems()) log.event(LogLevel::warning, "dkim.key.unusable", {{"why", problem}});
  keystonemail::ServerPorts ports{*stores->kv, *stores->blobs, stores->random, log, std::move(tls), stores->plugin.get()};
  if (use == Use::work) {
    KM_CO_TRY(ports.forwarder, make_forwarder(config, *stores));
  }
  ports.signing_keys = [dkim = stores->dkim.get()](std::string_view domain) { return dkim->signer(domain); };
  ports.policies = [stores = stores.get()] { return stores->policies ? stores->policies() : nullptr; };
  KM_CO_TRY(stores->server, co_await keystonemail::Server::open(std::move(options), std::move(ports), context));
  const auto after = static_cast<std::uint8_t>(segments::blob_tables().size() + keystonemail::Server::tables().size());
  stores->policy_tables = {kv::Table{after}, kv::Table{static_cast<std::uint8_t>(after + 1)}};
  if (use == Use::work) {
    policies::SendingOptions sending = config.policy.sending;
    KM_CO_TRY(stores->sending, co_await policies::SendingLimits::open(*stores->kv, stores->policy_tables.sending, log, std::move(sending), context));
    stores->sending->set_suspension_writer([server = stores->server.get()](kv::Transaction& transaction, const policies::Suspension& one) {
      const webhook::Suspended suspended{.login = one.login, .when = one.when, .recipients = one.recipients, .peer = one.peer};
      server->webhooks().write(transaction, suspended);
    });
  }
  co_return std::move(stores);
}

Task<Result<std::unique_ptr<Stores>>> Stores::open_in_memory(const Config& config, Log& log, TlsProvider tls, Context context) {
  auto stores = std::make_unique<Stores>();
  memory::KvOptions kv_options;
  kv_options.tables = {"blobs"};
  const kv::Table first_table = append_tables(kv_options.tables, keystonemail::Server::tables());
  stores->memory_kv = memory::make_kv_store(std::move(kv_options));
  stores->memory_blobs = memory::make_blob_store({.table = kv::Table{0}});
  keystonemail::ServerOptions options = server_options(config, first_table);
  keystonemail::ServerPorts ports{*stores->memory_kv, *stores->memory_blobs, stores->random, log, std::move(tls)};
  KM_CO_TRY(stores->server, co_await keystonemail::Server::open(std::move(options), std::move(ports), context));
  co_return std::move(stores);
}

}  // namespace keystonemail::host
