// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "sim/world.hpp"

#include <algorithm>
#include <stdexcept>
#include <utility>

#include "keystonemail/backends/memory/blob_store.hpp"
#include "keystonemail/backends/memory/kv_store.hpp"
#include "sim/store_tables.hpp"

namespace keystonemail::sim {
namespace {

service::MailStoreOptions draw_store_options(SeededRandom& random) {
  service::MailStoreOptions options;
  if (random.below(3) == 0) options.log_rows_max = 8;       // changes are soon forgotten
  if (random.below(3) == 0) options.cache_octets_max = 1;   // nothing is remembered
  draw_staging(options, random);
  return options;
}

std::set<std::string> flags_of(const mailstore::MessageRow& row, const std::vector<std::string>& names) {
  using enum mailstore::SystemKeyword;
  std::set<std::string> flags;
  if (row.keywords.has(seen)) flags.insert("\\Seen");
  if (row.keywords.has(answered)) flags.insert("\\Answered");
  if (row.keywords.has(flagged)) flags.insert("\\Flagged");
  if (row.keywords.has(draft)) flags.insert("\\Draft");
  for (const auto number : row.keywords.numbers()) flags.insert(names.at(number));
  return flags;
}

}  // namespace

// What a restart makes anew.
struct World::Server {
  Server(World& world, std::unique_ptr<service::KvMailStore> store)
      : mail(std::move(store)),
        queue(*mail, {.first_table = queue_table()}),
        kv_delivery(*mail, queue),
        delivery(kv_delivery, world.delivery_weather_, world.options.bug),
        random(world.random.next_u64()),
        logins{world.directory_, gate, random, "0123456789abcdef"},
        smtp(reception(smtp::Protocol::smtp), services(world)),
        submission(reception(smtp::Protocol::submission), services(world)),
        lmtp(reception(smtp::Protocol::lmtp), services(world)),
        imap({.engine = {.append_octets_max = 200'000}, .allow_plaintext_auth = true},
             {*mail, logins, limits, random, world.trace, {}}) {}

  static reception::Options reception(smtp::Protocol protocol) {
    smtp::ServerOptions engine;
    engine.protocol = protocol;
    engine.hostname = "mail.example.test";
    engine.message_octets_max = 200'000;
    engine.allow_plaintext_auth = protocol == smtp::Protocol::submission;
    return {.engine = engine, .offer_auth = protocol == smtp::Protocol::submission, .primary_domain = domain};
  }
  reception::Services services(World& world) {
    return {world.directory_, delivery, logins, limits, random, world.trace, {}};
  }

  std::unique_ptr<service::KvMailStore> mail;
  service::KvQueue queue;
  service::KvDelivery kv_delivery;
  WeatheredDelivery delivery;
  SeededRandom random;
  access::LoginGate gate{{}};
  access::LoginServices logins;
  access::ConnectionLimits limits{{}};
  std::stop_source drain;
  reception::Reception smtp, submission, lmtp;
  service::imap::Service imap;
};

World::World(WorldOptions given)
    : options(given),
      executor(given.seed),
      random(SeededRandom(given.seed).next_u64()),
      store_options_(draw_store_options(random)),
      kv_(memory::make_kv_store({.tables = table_names()})),
      blobs_(memory::make_blob_store({.table = blob_table()})),
      late_kv_(*kv_, kv_weather_, given.bug),
      late_blobs_(*blobs_, kv_weather_),
      faulty_kv_(kv::make_faulty(late_kv_, faults_)),
      faulty_blobs_(blob::make_faulty(late_blobs_, faults_)),
      directory_(people_, directory_weather_) {
  make_accounts();
  start();
}

World::~World() = default;

void World::make_accounts() {
  for (const Person& person : people) people_.add(person.place, address_of(person), password_of(person));
  directory::Mailboxes all;
  for (const Person& person : people) {
    if (person.quota.octets_limit == 0) all.local.push_back({mailstore::AccountId{person.place}, address_of(person), {}});
  }
  people_.aliases["all@example.test"] = all;
  auto mail = now(service::KvMailStore::open(*kv_, *blobs_, random, store_options_, context_));
  for (const Person& person : people) {
    if (!executor.run(mail->create_account(mailstore::AccountId{person.place}, person.quota, context_))) {
      throw std::runtime_error("no account");
    }
  }
}

void World::start() {
  auto mail = now(service::KvMailStore::open(*faulty_kv_, *faulty_blobs_, random, store_options_, context_));
  if (!executor.run(mail->finish_removals(context_))) throw std::runtime_error("removals cannot be finished");
  server_ = std::make_unique<Server>(*this, std::move(mail));
}

Task<void> World::count_session(Task<void> session, std::shared_ptr<std::size_t> sessions) {
  ++*sessions;
  co_await session;
  --*sessions;
}

std::unique_ptr<transport::ByteStream> World::connect(Port port, std::size_t capacity, test::StreamFaults faults) {
  if (++next_port_ == 0) next_port_ = 1024;
  const Endpoint from{IpAddress::v4({192, 0, 2, static_cast<std::uint8_t>(1 + next_port_ % 200)}), next_port_};
  auto pipe = transport::make_pipe({.client = from, .server = *Endpoint::parse("192.0.2.250:25"), .capacity = capacity});
  auto stream = std::make_unique<test::FaultyStream>(std::move(pipe.server), faults);
  const Context context{&executor, server_->drain.get_token()};
  const auto serve = [&](auto& service) { count_session(service.serve(std::move(stream), context), sessions_).detach(); };
  switch (port) {
    case Port::smtp: serve(server_->smtp); break;
    case Port::submission: serve(server_->submission); break;
    case Port::lmtp: serve(server_->lmtp); break;
    case Port::imap: serve(server_->imap); break;
  }
  return std::move(pipe.client);
}

void World::draw_weather() {
  fair_weather();
  if (!options.faults) return;
  constexpr std::uint64_t rates[] = {0, 100, 40, 15, 6};
  const auto rate = [&] { return rates[random.below(std::size(rates))]; };
  for (PortWeather* weather : {&kv_weather_, &directory_weather_, &delivery_weather_}) {
    weather->random = SeededRandom(random.next_u64());
    weather->delay_max = std::chrono::milliseconds(random.below(3) == 0 ? 0 : random.below(2) == 0 ? 20 : 3'000);
  }
  directory_weather_.fail_one_in = rate();
  delivery_weather_.fail_one_in = rate();
  using enum kv::Call;
  const std::set<kv::Call> plans[] = {
      {}, {snapshot, get, scan}, {put, erase, transact, commit}, {transact, commit},
      {blob_write, blob_finish, blob_stage, blob_add_reference, blob_release, blob_read, blob_sync}};
  faults_.watch(plans[random.below(std::size(plans))]);
  constexpr ErrorKind kinds[] = {ErrorKind::unavailable, ErrorKind::unavailable, ErrorKind::internal, ErrorKind::timeout};
  // Every row read is a call, so a sound share of requests needs a lower rate.
  faults_.fail_by_seed(random.next_u64(), rate() * 2, kinds[random.below(std::size(kinds))]);
}

void World::fair_weather() {
  faults_.clear();
  for (PortWeather* weather : {&kv_weather_, &directory_weather_, &delivery_weather_}) *weather = PortWeather{};
}

void World::restart(End how) {
  // A connection may be so slow that one message takes half a day. It hangs when nothing moves.
  constexpr auto patience = std::chrono::hours(3), patience_in_all = std::chrono::hours(24 * 60);
  constexpr const char* words[] = {"the server crashes", "the server is to go down", "the server goes when everybody has gone"};
  trace.note(words[static_cast<std::size_t>(how)]);
  if (how == End::crash) {
    for (PortWeather* weather : {&kv_weather_, &directory_weather_, &delivery_weather_}) weather->dead = true;
    faults_.watch({});
    faults_.fail_at(1, kv::Repeat::sticky);
    clients_end_->request_stop();
  } else if (how == End::drain) {
    server_->drain.request_stop();
  }
  last_progress = executor.now();
  const Instant end = executor.now() + patience_in_all;
  while ((sessions() > 0 || clients > 0) && executor.now() < std::min(end, last_progress + patience)) {
    executor.advance(std::chrono::seconds(10));
  }
  check_nothing_left();
  if (sessions() > 0 || clients > 0) throw std::runtime_error("cannot go on");
  fair_weather();
  server_.reset();
  clients_end_.emplace();
  start();
  audit();
}

void World::check_nothing_left() {
  if (sessions() > 0) ledger.violation(std::to_string(sessions()) + " sessions never ended");
  if (clients > 0) ledger.violation(std::to_string(clients) + " clients never ended");
  executor.run_until_idle();
  if (server_->limits.connections() != sessions()) ledger.violation("connections are still counted");
  if (sessions() == 0 && executor.timers() > 0) ledger.violation(std::to_string(executor.timers()) + " timers are left");
}

void World::audit() {
  // Its own view of the store: no cache of the server's, no fault, no wait.
  SeededRandom own(1);
  auto mail = now(service::KvMailStore::open(*kv_, *blobs_, own, store_options_, context_));
  service::KvQueue queue(*mail, {.first_table = queue_table()});
  StoredState state;
  collect(state, *mail, queue);
  ledger.audit(state);
  verify(*mail, queue);
}

std::string World::read_all(Result<std::unique_ptr<mailstore::MessageReader>> opened) {
  if (!opened) {
    ledger.violation("a stored message cannot be opened: " + opened.error().describe());
    return {};
  }
  std::string text;
  while (text.size() < (*opened)->octets()) {
    const auto piece = executor.run((*opened)->read(text.size(), 65'536, context_));
    if (!piece || piece->empty()) {
      ledger.violation("a stored message cannot be read");
      return {};
    }
    text += *piece;
  }
  return text;
}

StoredAccount World::collect_account(service::KvMailStore& mail, const Person& person) {
  const mailstore::AccountId id{person.place};
  StoredAccount account{.place = person.place, .facts = now(mail.account(id, context_)), .mailboxes = {}};
  const auto names = now(mail.keyword_names(id, context_));
  std::map<mailstore::EmailId, std::string> texts;
  for (auto& facts : now(mail.mailboxes(id, context_))) {
    StoredMailbox mailbox{.facts = facts, .rows = {}};
    for (const auto& row : now(mail.messages(id, facts.id, {}, 0, context_))) {
      auto [text, fresh] = texts.try_emplace(row.email);
      if (fresh) text->second = read_all(executor.run(mail.open(id, row.email, context_)));
      mailbox.rows.push_back({row.uid, row.modseq, row.octets, flags_of(row, names), text->second});
    }
    account.mailboxes.push_back(std::move(mailbox));
  }
  return account;
}

void World::collect(StoredState& state, service::KvMailStore& mail, service::KvQueue& queue) {
  for (const Person& person : people) state.accounts.push_back(collect_account(mail, person));
  for (const auto& entry : now(queue.list(queue::EntryId{}, 10'000, context_))) {
    state.queued.push_back(read_all(executor.run(queue.open(entry.id, context_))));
  }
}

void World::verify(service::KvMailStore& mail, service::KvQueue& queue) {
  for (const auto& finding : now(mail.verify({}, context_)).findings) ledger.violation("verify: " + finding.what);
  for (const auto& finding : now(queue.verify(context_))) ledger.violation("verify queue: " + finding.what);
}

}  // namespace keystonemail::sim
