// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "keystonemail/service/server/server.hpp"

#include <cassert>
#include <optional>
#include <algorithm>
#include <utility>

#include "base/try.hpp"
#include "keystonemail/service/delivery/kv_delivery.hpp"
#include "keystonemail/service/imap/service.hpp"
#include "keystonemail/service/reception/reception.hpp"
#include "keystonemail/service/relay/relay.hpp"
#include "keystonemail/service/web/service.hpp"
#include "service/server/ban_rows.hpp"
#include "service/server/known_rows.hpp"
#include "service/server/provisioning_directory.hpp"

namespace keystonemail {
namespace {

kv::Table table_after(kv::Table first, std::size_t count) {
  return kv::Table{static_cast<std::uint8_t>(static_cast<std::size_t>(first) + count)};
}

kv::Table table_named(kv::Table first, std::string_view name) {
  const std::vector<std::string> names = Server::tables();
  return table_after(first, static_cast<std::size_t>(std::ranges::find(names, name) - names.begin()));
}

reception::TlsUse for_reception(TlsUse use) {
  switch (use) {
    case TlsUse::none: return reception::TlsUse::none;
    case TlsUse::starttls: return reception::TlsUse::starttls;
    case TlsUse::implicit: return reception::TlsUse::implicit;
  }
  return reception::TlsUse::none;
}

service::imap::TlsUse for_imap(TlsUse use) {
  switch (use) {
    case TlsUse::none: return service::imap::TlsUse::none;
    case TlsUse::starttls: return service::imap::TlsUse::starttls;
    case TlsUse::implicit: return service::imap::TlsUse::implicit;
  }
  return service::imap::TlsUse::none;
}

// The sessions of a service hold it, so that one made with other limits can take its place.
Task<void> serve_on(std::shared_ptr<reception::Reception> service, std::unique_ptr<transport::ByteStream> stream, Context context) {
  co_await service->serve(std::move(stream), std::move(context));
}
Task<void> serve_on(std::shared_ptr<service::imap::Service> service, std::unique_ptr<transport::ByteStream> stream, Context context) {
  co_await service->serve(std::move(stream), std::move(context));
}

Task<void> serve_on(std::shared_ptr<web::Service> service, std::unique_ptr<transport::ByteStream> stream, Context context) {
  co_await service->serve(std::move(stream), std::move(context));
}

template <class Service>
transport::Handler handler_of(std::shared_ptr<Service> service) {
  return [service = std::move(service)](std::unique_ptr<transport::ByteStream> stream, Context context) {
    return serve_on(service, std::move(stream), std::move(context));
  };
}

}  // namespace

struct Server::State {
  State(ServerOptions given, ServerPorts on)
      : options(std::move(given)),
        ports(std::move(on)),
        password_workers(options.password_workers),
        gate(options.logins),
        limits(options.connections) {}

  ServerOptions options;
  ServerPorts ports;
  std::unique_ptr<service::KvMailStore> mail;
  std::optional<service::KvQueue> queue;
  std::optional<service::KvDelivery> delivery;
  WorkerPool password_workers;
  std::optional<accounts::Accounts> accounts;
  std::optional<ProvisioningDirectory> foreign;
  access::LoginGate gate;
  access::OpenLogins open_logins;
  access::ConnectionLimits limits;
  std::optional<access::LoginServices> logins;
  std::optional<BanRows> ban_rows;
  std::optional<KnownRows> known_rows;
  std::optional<reporting::ReportStore> reports;
  std::optional<webhook::Webhooks> webhooks;
  std::optional<forwarding::Redirects> redirects;
  std::optional<autoreply::Answered> answered;
  std::optional<autoreply::Responder> responder;
  std::optional<web::MailSite> site;
  std::vector<std::unique_ptr<web::PlainSite>> plain_sites;  // one for each listener without TLS

  [[nodiscard]] directory::Directory& directory() {
    return foreign ? static_cast<directory::Directory&>(*foreign) : *accounts;
  }
  [[nodiscard]] transport::Handler make_handler(const ListenerOptions& listener);
  [[nodiscard]] std::shared_ptr<reception::Reception> make_reception(const ListenerOptions& listener);
  [[nodiscard]] std::shared_ptr<service::imap::Service> make_imap(const ListenerOptions& listener);
  [[nodiscard]] std::shared_ptr<web::Service> make_web(const ListenerOptions& listener);
  // Bans that were just made go into the store and the log.
  [[nodiscard]] Task<void> keep_known(access::LoginGate::Known known, Context context);
  [[nodiscard]] Task<void> keep_bans(std::vector<access::LoginGate::Ban> bans, Context context);
};

std::vector<std::string> Server::tables() {
  std::vector<std::string> names;
  for (const auto name : service::mail_store_tables()) names.emplace_back(name);
  for (const auto name : service::queue_tables()) names.emplace_back(name);
  for (auto& name : accounts::table_names()) names.push_back(std::move(name));
  names.emplace_back(BanRows::table_name);
  names.emplace_back(mta_sts::table_name);
  names.emplace_back(reporting::ReportStore::table_name);
  names.emplace_back(webhook::table_name);
  names.emplace_back(forwarding::Redirects::table_name);
  names.emplace_back(KnownRows::table_name);
  names.emplace_back(autoreply::Answered::table_name);
  return names;
}

Task<Result<std::unique_ptr<Server>>> Server::open(ServerOptions options, ServerPorts ports, Context context) {
  auto state = std::make_unique<State>(std::move(options), std::move(ports));
  State& s = *state;
  const kv::Table mail_tables = s.options.first_table;
  const kv::Table queue_tables = table_after(mail_tables, service::mail_store_tables().size());
  const kv::Table account_tables = table_after(queue_tables, service::queue_tables().size());
  const kv::Table ban_table = table_after(account_tables, accounts::table_names().size());

  const service::MailStoreOptions mail_options{.first_table = mail_tables, .message_octets_max = s.options.message_octets_ceiling,
                                               .notes = s.options.notes};
  KM_CO_TRY(s.mail, co_await service::KvMailStore::open(s.ports.store, s.ports.blobs, s.ports.random, mail_options, context));
  KM_CO_CHECK(co_await s.mail->finish_removals(context));
  s.queue.emplace(*s.mail, service::QueueOptions{.first_table = queue_tables, .lifetime = s.options.queue_lifetime,
                                                     .account_entries_max = s.options.queued_per_account_max,
                                                     .account_octets_max = s.options.queued_octets_per_account_max});
  webhook::Options webhook_options{.hooks = s.options.webhooks, .table = table_named(s.options.first_table, webhook::table_name)};
  s.webhooks.emplace(std::move(webhook_options), s.ports.store, s.ports.random, s.ports.log);
  KM_CO_CHECK(co_await s.webhooks->open(context));
  s.queue->set_outcome_writer(&*s.webhooks);
  s.delivery.emplace(*s.mail, *s.queue);
  s.accounts.emplace(accounts::Options{.first_table = account_tables, .primary_domain = s.options.primary_domain,
                                       .password_cost = s.options.password_cost,
                                       .end_sessions = [&s](std::string_view login) { s.open_logins.end(login); }},
                     s.ports.store, *s.mail, s.password_workers, s.ports.random);
  if (s.ports.directory != nullptr) s.foreign.emplace(*s.ports.directory, *s.mail);
  s.site.emplace(s.options.hostname, s.options.mta_sts, s.directory());
  KM_CO_TRY(std::string secret, co_await s.accounts->login_secret(context));
  s.logins.emplace(access::LoginServices{s.directory(), s.gate, s.ports.random, std::move(secret)});
  s.logins->open = &s.open_logins;
  s.logins->primary_domain = s.options.primary_domain;
  s.logins->keep_bans = [&s](std::vector<access::LoginGate::Ban> bans, Context on) { return s.keep_bans(std::move(bans), std::move(on)); };
  s.logins->keep_known = [&s](access::LoginGate::Known known, Context on) { return s.keep_known(std::move(known), std::move(on)); };
  s.known_rows.emplace(s.ports.store, table_named(mail_tables, KnownRows::table_name));
  s.ban_rows.emplace(s.ports.store, ban_table);
  s.redirects.emplace(s.ports.store, table_named(mail_tables, forwarding::Redirects::table_name));
  s.answered.emplace(s.ports.store, table_named(mail_tables, autoreply::Answered::table_name));
  autoreply::Options answer_options{.hostname = s.options.hostname, .keys = s.ports.signing_keys};
  s.responder.emplace(std::move(answer_options), s.directory(), *s.delivery, *s.answered, s.ports.random);
  s.reports.emplace(s.ports.store, table_named(mail_tables, reporting::ReportStore::table_name));
  KM_CO_TRY(const auto bans, co_await s.ban_rows->load(context.executor->wall_now(), context));
  s.gate.restore(bans);
  KM_CO_TRY(const auto known, co_await s.known_rows->load(s.options.logins.entries_max, context));
  s.gate.restore(known);
  if (!s.options.primary_domain.empty()) {
    const auto added = co_await s.accounts->add_domain(s.options.primary_domain, context);
    if (!added && added.error().kind() != ErrorKind::conflict) co_return std::unexpected(added.error());
  }
  co_return std::unique_ptr<Server>(new Server(std::move(state)));
}

Server::Server(std::unique_ptr<State> state) : state_(std::move(state)) {}
Server::~Server() = default;

transport::Handler Server::handler(const ListenerOptions& options) {
  if (!options.allow_plaintext_auth) return state_->make_handler(options);
  // A load balancer passes on who comes from anywhere, whatever address is listened at.
  ListenerOptions without = options;
  without.allow_plaintext_auth = false;
  return [near = state_->make_handler(options), far = state_->make_handler(without)](std::unique_ptr<transport::ByteStream> stream, Context context) {
    const transport::Handler& chosen = stream->peer().address.is_loopback() ? near : far;
    return chosen(std::move(stream), std::move(context));
  };
}

void Server::set_limits(Limits limits) {
  for (const std::uint64_t octets : {limits.message_octets_max, limits.submitted.octets_max, limits.trusted.octets_max})
    assert(octets <= state_->options.message_octets_ceiling);
  state_->options.message_octets_max = limits.message_octets_max;
  state_->options.recipients_max = limits.recipients_max;
  state_->options.submitted = limits.submitted;
  state_->options.trusted = limits.trusted;
  state_->limits.set_options(std::move(limits.connections));
  state_->gate.set_trusted(std::move(limits.trusted_logins));
}

void Server::set_forwarder(std::shared_ptr<const forwarding::Forwarder> forwarder) { state_->ports.forwarder = std::move(forwarder); }
void Server::set_mta_sts(const web::OwnPolicy& policy) { state_->site->set_policy(policy); }

Task<Result<std::vector<IpNetwork>>> Server::unban(const IpAddress& peer, Context context) {
  auto lifted = state_->gate.unban(peer);
  if (!lifted.empty()) KM_CO_CHECK(co_await state_->ban_rows->erase(lifted, context));
  co_return lifted;
}

Task<void> Server::State::keep_bans(std::vector<access::LoginGate::Ban> bans, Context context) {
  for (const auto& ban : bans)
    ports.log.event(LogLevel::warning, "login.banned", {{"network", ban.network.to_string()}, {"times", ban.count},
                                                        {"seconds", (ban.until - context.executor->wall_now()) / std::chrono::seconds(1)}});
  const auto kept = co_await ban_rows->put(bans, context);
  if (!kept) ports.log.event(LogLevel::warning, "login.ban.not-kept", {{"why", kept.error().describe()}});
}

Task<void> Server::State::keep_known(access::LoginGate::Known known, Context context) {
  const auto kept = co_await known_rows->put(known, context);
  if (!kept) ports.log.event(LogLevel::warning, "login.known.not-kept", {{"login", known.login}, {"why", kept.error().describe()}});
}

transport::Handler Server::State::make_handler(const ListenerOptions& listener) {
  if (listener.protocol == Protocol::imap) return handler_of(make_imap(listener));
  if (listener.protocol == Protocol::http) return handler_of(make_web(listener));
  return handler_of(make_reception(listener));
}

std::shared_ptr<reception::Reception> Server::State::make_reception(const ListenerOptions& listener) {
  reception::Options made;
  made.engine.hostname = options.hostname;
  made.engine.message_octets_max = options.message_octets_max;
  made.engine.recipients_max = options.recipients_max;
  made.engine.allow_plaintext_auth = listener.allow_plaintext_auth;
  made.engine.protocol = listener.protocol == Protocol::submission ? smtp::Protocol::submission
                         : listener.protocol == Protocol::lmtp     ? smtp::Protocol::lmtp
                                                                   : smtp::Protocol::smtp;
  const MessageLimits own = listener.protocol == Protocol::submission ? options.submitted
                             : listener.protocol == Protocol::lmtp     ? options.trusted
                                                                       : MessageLimits{};
  if (own.octets_max > 0) made.engine.message_octets_max = own.octets_max;
  if (own.recipients_max > 0) made.engine.recipients_max = own.recipients_max;
  if (listener.protocol == Protocol::smtp) {
    made.trusted_message_octets_max = options.trusted.octets_max;
    made.trusted_recipients_max = options.trusted.recipients_max;
  }
  made.tls = for_reception(listener.tls);
  made.offer_auth = listener.protocol == Protocol::submission;
  made.primary_domain = options.primary_domain;
  const auto& tls = listener.tls_context ? listener.tls_context : ports.tls;
  return std::make_shared<reception::Reception>(
      std::move(made), reception::Services{directory(), *delivery, *logins, limits, ports.random, ports.log, tls, ports.policies, ports.forwarder, &*redirects, &*responder});
}

std::shared_ptr<service::imap::Service> Server::State::make_imap(const ListenerOptions& listener) {
  service::imap::Options made;
  made.engine.append_octets_max = options.message_octets_max;
  made.tls = for_imap(listener.tls);
  made.allow_plaintext_auth = listener.allow_plaintext_auth;
  const auto& tls = listener.tls_context ? listener.tls_context : ports.tls;
  return std::make_shared<service::imap::Service>(
      std::move(made), service::imap::Services{*mail, *logins, limits, ports.random, ports.log, tls});
}

std::shared_ptr<web::Service> Server::State::make_web(const ListenerOptions& listener) {
  web::Options made;
  made.tls = listener.tls == TlsUse::implicit ? web::TlsUse::implicit : web::TlsUse::none;
  web::Site* shown = &*site;
  if (made.tls == web::TlsUse::none) shown = plain_sites.emplace_back(std::make_unique<web::PlainSite>(*site, listener.https_port)).get();
  const auto& tls = listener.tls_context ? listener.tls_context : ports.tls;
  return std::make_shared<web::Service>(std::move(made), web::Services{*shown, limits, gate, ports.random, ports.log, tls});
}

std::unique_ptr<relay::Relay> Server::make_relay(relay::Options options, RelayPorts ports) {
  if (options.hostname.empty()) options.hostname = state_->options.hostname;
  relay::Services services{*state_->queue,  *state_->delivery,   state_->directory(), ports.resolver,
                           ports.connector, state_->ports.random, state_->ports.log,   std::move(ports.tls), ports.tls_observer,
                           ports.mta_sts, state_->ports.forwarder};
  return std::make_unique<relay::Relay>(std::move(options), std::move(services));
}

std::unique_ptr<mta_sts::Policies> Server::make_mta_sts(mta_sts::Options options, resolver::Resolver& resolver, web::Fetcher& fetcher) {
  options.table = table_named(state_->options.first_table, mta_sts::table_name);
  return std::make_unique<mta_sts::Policies>(options, mta_sts::Services{state_->ports.store, resolver, fetcher, state_->ports.log});
}

webhook::Webhooks& Server::webhooks() noexcept { return *state_->webhooks; }
accounts::Accounts& Server::accounts() noexcept { return *state_->accounts; }
directory::Directory& Server::directory() noexcept { return state_->directory(); }
service::KvMailStore& Server::mail() noexcept { return *state_->mail; }
service::KvQueue& Server::queue() noexcept { return *state_->queue; }
delivery::Delivery& Server::delivery() noexcept { return *state_->delivery; }
reporting::ReportStore& Server::reports() noexcept { return *state_->reports; }
web::MailSite& Server::site() noexcept { return *state_->site; }
access::LoginGate& Server::login_gate() noexcept { return state_->gate; }
access::ConnectionLimits& Server::connection_limits() noexcept { return state_->limits; }

}  // namespace keystonemail
