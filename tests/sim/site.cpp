// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "sim/site.hpp"

#include <algorithm>
#include <stdexcept>
#include <utility>

#include "keystonemail/backends/memory/blob_store.hpp"
#include "keystonemail/backends/memory/kv_store.hpp"
#include "keystonemail/service/authentication/checks.hpp"
#include "service/mta_sts/policy_row.hpp"
#include "sim/keys.hpp"
#include "sim/store_tables.hpp"

namespace keystonemail::sim {
namespace {

constexpr auto patience_to_end = std::chrono::hours(3);  // with a server that goes down

// The way to the queue and the mailboxes, which writes down what was accepted.
class WatchedDelivery final : public delivery::Delivery {
 public:
  WatchedDelivery(delivery::Delivery& inner, Records& records, const std::string& host)
      : inner_(inner), records_(records), own_id_("@" + host + ">") {}

  Result<std::unique_ptr<mailstore::MessageWriter>> create_message() override {
    auto writer = inner_.create_message();
    if (!writer) return writer;
    return std::make_unique<Writer>(*std::move(writer), *this);
  }
  Task<Result<delivery::Accepted>> deliver(delivery::Submission submission, Context context) override {
    const delivery::Submission copy = submission;
    auto accepted = co_await inner_.deliver(std::move(submission), context);
    if (!accepted) co_return accepted;
    write_down(copy, accepted->queued);
    for (std::size_t i = 0; i < copy.together.size(); ++i) write_down(copy.together[i], accepted->together[i]);
    co_return accepted;
  }
  Task<Result<bool>> has_room(mailstore::AccountId account, std::uint64_t octets, Context context) override {
    return inner_.has_room(account, octets, std::move(context));
  }

 private:
  class Writer final : public mailstore::MessageWriter {
   public:
    Writer(std::unique_ptr<mailstore::MessageWriter> inner, WatchedDelivery& owner) : inner_(std::move(inner)), owner_(owner) {}
    Task<Result<void>> write(std::string_view piece, Context context) override {
      text_ += piece;
      return inner_->write(piece, std::move(context));
    }
    Result<void> read(std::uint64_t offset, std::size_t octets, std::string& out) const override { return inner_->read(offset, octets, out); }
    Task<Result<std::unique_ptr<mailstore::StagedMessage>>> finish(Context context) override {
      auto staged = co_await inner_->finish(std::move(context));
      if (staged) owner_.texts_[staged->get()] = std::move(text_);
      co_return staged;
    }

   private:
    std::unique_ptr<mailstore::MessageWriter> inner_;
    WatchedDelivery& owner_;
    std::string text_;
  };

  void write_down(const delivery::Submission& one, std::optional<queue::EntryId> queued) {
    const std::string text = texts_[one.message.get()];
    const std::string key = key_of(text);
    const auto& remote = one.remote;
    if (remote) records_.queued.push_back({*queued, key, remote->envelope, remote->recipients});
    const bool comes_back = std::ranges::any_of(records_.reports, [&](const ReportRecord& known) { return known.key == key; });
    if (!key.ends_with(own_id_) || comes_back) return;
    ReportRecord report{.key = key, .text = text, .to = {}, .settlement = one.settlement};
    if (remote && remote->recipients.size() == 1) report.to = remote->recipients[0].address;
    if (!remote && one.local.size() == 1) report.to = delivered_to(one.local[0].prefix);
    records_.reports.push_back(std::move(report));
  }

  static std::string delivered_to(std::string_view prefix) {
    constexpr std::string_view name = "Delivered-To: ";
    const auto at = prefix.find(name);
    if (at == std::string_view::npos) return {};
    const auto value = prefix.substr(at + name.size());
    return std::string(value.substr(0, value.find("\r\n")));
  }

  delivery::Delivery& inner_;
  Records& records_;
  const std::string own_id_;  // how Message-IDs of reports made here end
  std::map<const mailstore::StagedMessage*, std::string> texts_;
};

// A DNS that cannot always say.
class WeatheredResolver final : public resolver::Resolver {
 public:
  WeatheredResolver(resolver::Resolver& inner, PortWeather& weather, std::uint64_t& struck, Bug bug)
      : inner_(inner), weather_(weather), struck_(struck), bug_(bug) {}

  Task<Result<dns::Answer>> resolve(dns::Question question, Context context) override {
    co_await weather_.pass(context);
    if (!weather_.strikes()) co_return co_await inner_.resolve(std::move(question), context);
    ++struck_;
    if (bug_ == Bug::invents_denials) co_return dns::Answer::none(dns::AnswerStatus::no_such_name, question.name);
    using enum dns::AnswerStatus;
    constexpr dns::AnswerStatus faults[] = {server_failure, refused, timeout, bogus, malformed};
    const std::uint64_t draw = weather_.random.below(std::size(faults) + 1);
    if (draw < std::size(faults)) co_return dns::Answer::none(faults[draw], question.name);
    co_await sleep_until(context.deadline, context);
    co_return fail(context.stop.stop_requested() ? ErrorKind::cancelled : ErrorKind::timeout);
  }

 private:
  resolver::Resolver& inner_;
  PortWeather& weather_;
  std::uint64_t& struck_;
  Bug bug_;
};

// A queue that is broken on purpose.
class FlawedQueue final : public queue::Queue {
 public:
  FlawedQueue(queue::Queue& inner, Bug bug, SeededRandom random) : inner_(inner), bug_(bug), random_(random) {}

  Task<Result<std::vector<queue::Entry>>> list(queue::EntryId after, std::size_t entries_max, Context context) override {
    return inner_.list(after, entries_max, std::move(context));
  }
  Task<Result<queue::Entry>> show(queue::EntryId id, Context context) override {
    auto entry = co_await inner_.show(id, std::move(context));
    if (entry && bug_ == Bug::forgets_require_tls) entry->envelope.require_tls = false;
    co_return entry;
  }
  Task<Result<std::unique_ptr<mailstore::MessageReader>>> open(queue::EntryId id, Context context) override {
    return inner_.open(id, std::move(context));
  }
  Task<Result<void>> update(const queue::Entry& entry, Context context) override { return inner_.update(entry, std::move(context)); }
  Task<Result<void>> remove(queue::EntryId id, Context context) override { return inner_.remove(id, std::move(context)); }
  Task<Result<std::vector<queue::Due>>> due(queue::Due after, std::size_t entries_max, Context context) override {
    return inner_.due(after, entries_max, std::move(context));
  }
  Task<Result<void>> settle(queue::Settlement settlement, Context context) override {
    const bool strikes = random_.below(4) == 0;
    if (bug_ == Bug::forgets_settlements && strikes) {  // it says that it noted what it did not
      for (auto& change : settlement.changes) {
        change.state = queue::RecipientState::pending;
        change.next_attempt = context.executor->wall_now() + std::chrono::minutes(5);
      }
    }
    if (bug_ == Bug::drops_entries && strikes) co_return co_await inner_.remove(settlement.id, context);
    co_return co_await inner_.settle(std::move(settlement), context);
  }
  Task<Result<void>> handle(queue::EntryId id, queue::Handling handling, Context context) override {
    return inner_.handle(id, handling, std::move(context));
  }
  std::unique_ptr<mailstore::Subscription> subscribe(Executor& executor, std::function<void(WallTime)> changed) override {
    return inner_.subscribe(executor, std::move(changed));
  }

 private:
  queue::Queue& inner_;
  Bug bug_;
  SeededRandom random_;
};

Task<void> count_session(Task<void> session, std::shared_ptr<std::size_t> sessions) {
  ++*sessions;
  co_await session;
  --*sessions;
}

}  // namespace

// What a restart makes anew.
struct Site::Server {
  Server(Site& site, std::unique_ptr<service::KvMailStore> store)
      : mail(std::move(store)),
        queue(*mail, {.first_table = queue_table(), .lifetime = site.around_.lifetime}),
        flawed_queue(queue, site.around_.bug, SeededRandom(site.random_.next_u64())),
        kv_delivery(*mail, queue),
        watched(kv_delivery, site.records_, Country::host(site.number_)),
        delivery(watched, site.delivery_weather_, site.around_.bug),
        dns(site.promising_, site.dns_weather_, site.struck_, site.around_.bug),
        policy_hosts(site.around_.promises, site.number_, site.fetch_weather_, site.around_.bug),
        policies({.table = policies_table()}, {*site.faulty_kv_, dns, policy_hosts, site.witness_}),
        connector(site.around_.network, site.number_),
        random(site.random_.next_u64()),
        logins{site.directory_, gate, random, "0123456789abcdef"},
        checks(std::make_shared<authentication::Checks>(dns, random)),
        chain(std::make_shared<policy::Chain>(std::vector<std::shared_ptr<policy::Policy>>{checks, site.witness_.policy()})),
        forwarder(site.around_.bug == Bug::seals_wrongly ? Country::make_forwarder(Country::domain(site.number_), other_key())
                                                         : site.around_.country.forwarder(site.number_)),
        redirects(*site.faulty_kv_, redirects_table()),
        smtp(reception(site, smtp::Protocol::smtp), services(site)),
        submission(reception(site, smtp::Protocol::submission), services(site, Desk::people)),
        lmtp(reception(site, smtp::Protocol::lmtp), services(site)),
        relay(relay_options(site),
              {flawed_queue, delivery, site.directory_, dns, connector, random, site.witness_, client_tls(), nullptr,
               site.around_.bug == Bug::ignores_policies ? nullptr : &policies, forwarder}) {}

  static reception::Options reception(Site& site, smtp::Protocol protocol) {
    smtp::ServerOptions engine;
    engine.protocol = protocol;
    engine.hostname = Country::host(site.number_);
    engine.message_octets_max = 100'000;
    engine.allow_plaintext_auth = protocol == smtp::Protocol::submission;
    engine.offer_chunking = protocol != smtp::Protocol::lmtp;  // Dialog counts on it
    const Habits& habits = site.around_.country.habits(site.number_);
    engine.offer_deliver_by = habits.offers_deliver_by;
    const bool tls = protocol == smtp::Protocol::submission || habits.tls != Habits::Tls::none;
    return {.engine = engine, .tls = tls ? reception::TlsUse::starttls : reception::TlsUse::none,
            .offer_auth = protocol == smtp::Protocol::submission, .primary_domain = Country::domain(site.number_), .hops_max = 12};
  }
  static relay::Options relay_options(Site& site) {
    relay::Options options;
    options.hostname = Country::host(site.number_);
    options.retry.bounce_lifetime = site.around_.bounce_lifetime;
    const Habits& habits = site.around_.country.habits(site.number_);
    if (habits.asks_for_tls && site.around_.bug != Bug::sends_in_the_clear) options.routes.usual.tls = relay::RouteTls::required;
    options.use_dane = site.around_.bug != Bug::ignores_dane;
    if (habits.has_lmtp_route) {
      const SiteNumber next = site.around_.country.next(site.number_);
      using enum relay::RouteTls;
      constexpr relay::RouteTls ways[] = {opportunistic, required, verified};  // as Habits::LmtpTls
      relay::Route route = relay::Route::parse("lmtp:" + Country::host(next) + ":24").value();
      route.tls = ways[static_cast<std::size_t>(habits.lmtp_tls)];
      options.routes.domains[Country::domain(next)] = std::move(route);
    }
    options.own_endpoints = {{Country::address(site.number_), smtp_port}};
    return options;
  }
  enum class Desk : std::uint8_t { servers, people };
  reception::Services services(Site& site, Desk desk = Desk::servers) {
    return {site.directory_, delivery, logins, limits, random, site.witness_,
            [&site, desk] { return desk == Desk::people ? good_tls() : site.show_certificate(); }, [this] { return chain; }, forwarder, &redirects};
  }

  std::unique_ptr<service::KvMailStore> mail;
  service::KvQueue queue;
  FlawedQueue flawed_queue;
  service::KvDelivery kv_delivery;
  WatchedDelivery watched;
  WeatheredDelivery delivery;
  WeatheredResolver dns;
  PolicyHosts policy_hosts;
  mta_sts::Policies policies;
  SiteConnector connector;
  SeededRandom random;
  access::LoginGate gate{{}};
  access::LoginServices logins;
  access::ConnectionLimits limits{{}};
  std::stop_source drain;
  std::shared_ptr<policy::Policy> checks;
  std::shared_ptr<const policy::Chain> chain;
  std::shared_ptr<const forwarding::Forwarder> forwarder;
  forwarding::Redirects redirects;
  reception::Reception smtp, submission, lmtp;
  relay::Relay relay;
  std::optional<Task<void>> relaying, refreshing;
};

Site::Site(Surroundings& surroundings, SiteNumber number, std::uint64_t seed)
    : around_(surroundings),
      number_(number),
      random_(seed),
      kv_(memory::make_kv_store({.tables = table_names()})),
      blobs_(memory::make_blob_store({.table = blob_table()})),
      late_kv_(*kv_, kv_weather_, surroundings.bug),
      late_blobs_(*blobs_, kv_weather_),
      faulty_kv_(kv::make_faulty(late_kv_, faults_)),
      faulty_blobs_(blob::make_faulty(late_blobs_, faults_)),
      directory_(people_, directory_weather_),
      zone_(surroundings.country.zone()),
      promising_(zone_, surroundings.promises, struck_),
      witness_(surroundings.trace, [this](std::string_view peer, Transfer transfer) { around_.network.taken(peer, std::move(transfer)); },
               [this](std::string_view peer, std::string key) { around_.network.seen(peer, std::move(key)); }) {
  draw_staging(store_options_, random_);
  around_.country.fill(people_, number);
  auto mail = now(service::KvMailStore::open(*kv_, *blobs_, random_, store_options_, context_));
  for (const Resident& resident : residents) {
    if (!around_.executor.run(mail->create_account(mailstore::AccountId{resident.place}, resident.quota, context_))) {
      throw std::runtime_error("no account");
    }
  }
  remember_policies();
  start();
}

Site::~Site() = default;

void Site::start() {
  auto mail = now(service::KvMailStore::open(*faulty_kv_, *faulty_blobs_, random_, store_options_, context_));
  recall_policies();
  server_ = std::make_unique<Server>(*this, std::move(mail));
  listen();
  server_->relaying.emplace(server_->relay.run(context_.with_stop(server_->drain.get_token())));
  server_->refreshing.emplace(server_->policies.run(context_.with_stop(server_->drain.get_token())));
  phase_ = Phase::up;
}

// Some of the others' it had fetched before all this began.
void Site::remember_policies() {
  for (SiteNumber site = 0; site < around_.country.sites(); ++site) {
    const Promise& promise = around_.promises.now(site);
    if (site == number_ || !promise.policy || random_.below(2) == 0) continue;
    const WallTime fetched = around_.executor.wall_now() - std::chrono::seconds(random_.below(1'800));
    const auto policy = as_taken(*promise.policy, around_.bug);
    const std::string row = mta_sts::encode_policy({.id = std::to_string(promise.policy_id), .policy = policy, .fetched = fetched, .used = fetched});
    const kv::Operation write = [&](kv::Transaction& t) -> Task<Result<void>> {
      t.put(policies_table(), Country::domain(site), row);
      co_return Result<void>();
    };
    if (!around_.executor.run(kv_->transact(write, {}, context_))) throw std::runtime_error("no policy");
    around_.promises.learn(number_, site, {.policy = promise.policy, .expires = fetched + policy.max_age});
  }
}

// What it fetched before and kept.
void Site::recall_policies() {
  if (around_.bug == Bug::enforces_tests) return;  // it keeps what was not so
  const auto snapshot = now(kv_->snapshot(context_));
  for (SiteNumber site = 0; site < around_.country.sites(); ++site) {
    Promises::Known known;
    const auto row = now(snapshot->get(policies_table(), Country::domain(site)));
    if (auto kept = row ? mta_sts::read_policy(*row) : std::nullopt) known = {.policy = kept->policy, .expires = kept->fetched + kept->policy.max_age};
    around_.promises.learn(number_, site, std::move(known));
  }
}

std::shared_ptr<const tls::ServerContext> Site::show_certificate() {
  const Certificate certificate = around_.promises.now(number_).certificate;
  around_.network.shows(number_, certificate);
  return around_.country.habits(number_).tls == Habits::Tls::broken ? broken_tls() : good_tls(certificate);
}

void Site::listen() {
  const auto serve = [this](reception::Reception& service) {
    return [this, &service](std::unique_ptr<transport::ByteStream> stream) {
      const Context context = context_.with_stop(server_->drain.get_token());
      count_session(service.serve(std::move(stream), context), sessions_).detach();
    };
  };
  const IpAddress here = Country::address(number_);
  around_.network.listen(number_, {here, smtp_port}, serve(server_->smtp));
  around_.network.listen(number_, {here, submission_port}, serve(server_->submission));
  around_.network.listen(number_, {here, lmtp_port}, serve(server_->lmtp));
}

void Site::draw_weather() {
  if (phase_ != Phase::up) return;
  fair_weather();
  constexpr std::uint64_t rates[] = {0, 0, 100, 40, 15, 6};
  const auto rate = [&] { return rates[random_.below(std::size(rates))]; };
  for (PortWeather* weather : {&kv_weather_, &directory_weather_, &delivery_weather_, &dns_weather_, &fetch_weather_}) {
    weather->random = SeededRandom(random_.next_u64());
    weather->delay_max = std::chrono::milliseconds(random_.below(3) == 0 ? 0 : random_.below(2) == 0 ? 20 : 3'000);
  }
  directory_weather_.fail_one_in = rate();
  delivery_weather_.fail_one_in = rate();
  constexpr std::uint64_t dns_rates[] = {0, 0, 10, 3, 1};
  dns_weather_.fail_one_in = dns_rates[random_.below(std::size(dns_rates))];
  fetch_weather_.fail_one_in = dns_rates[random_.below(std::size(dns_rates))];
  using enum kv::Call;
  const std::set<kv::Call> plans[] = {
      {}, {snapshot, get, scan}, {put, erase, transact, commit}, {transact, commit},
      {blob_write, blob_finish, blob_stage, blob_add_reference, blob_release, blob_read, blob_sync}};
  faults_.watch(plans[random_.below(std::size(plans))]);
  constexpr ErrorKind kinds[] = {ErrorKind::unavailable, ErrorKind::unavailable, ErrorKind::internal, ErrorKind::timeout};
  faults_.fail_by_seed(random_.next_u64(), rate() * 4, kinds[random_.below(std::size(kinds))]);
}

void Site::fair_weather() {
  if (phase_ == Phase::ending) return;
  faults_.clear();
  for (PortWeather* weather : {&kv_weather_, &directory_weather_, &delivery_weather_, &dns_weather_, &fetch_weather_}) *weather = PortWeather{};
}

void Site::end(End how, std::chrono::seconds away) {
  if (phase_ != Phase::up) return;
  around_.trace.note("site " + std::to_string(number_) + (how == End::crash ? " crashes" : " goes down"));
  around_.network.close(number_);
  around_.network.excuse(number_);
  if (how == End::crash) {
    for (PortWeather* weather : {&kv_weather_, &directory_weather_, &delivery_weather_}) weather->dead = true;
    faults_.watch({});
    faults_.fail_at(1, kv::Repeat::sticky);
    around_.network.sever(number_);
  }
  server_->drain.request_stop();
  phase_ = Phase::ending;
  away_ = away;
  next_step_ = around_.executor.now() + patience_to_end;
}

void Site::tick() {
  const Instant now = around_.executor.now();
  if (phase_ == Phase::ending && *sessions_ == 0 && server_->relaying->done() && server_->refreshing->done()) {
    server_->relaying->take();
    server_->refreshing->take();
    if (server_->limits.connections() != 0) around_.violation("connections are still counted");
    server_.reset();
    phase_ = Phase::down;
    fair_weather();
    next_step_ = now + away_;
    ++restarts_;
  } else if (phase_ == Phase::ending && now > next_step_) {
    throw std::runtime_error("site " + std::to_string(number_) + " does not go down: " + std::to_string(*sessions_) + " sessions, relay " +
                             (server_->relaying->done() ? "done" : "at work"));
  } else if (phase_ == Phase::down && now >= next_step_) {
    around_.trace.note("site " + std::to_string(number_) + " comes up");
    start();
  }
}

bool Site::is_quiet() {
  if (phase_ != Phase::up || *sessions_ > 0) return false;
  const auto load = server_->relay.load();
  if (load.active > 0 || load.connections > 0) return false;
  return now(server_->queue.list(queue::EntryId{}, 1, context_)).empty();
}

Site::Stored Site::look() {
  Stored stored;
  SeededRandom own(1);
  auto mail = now(service::KvMailStore::open(*kv_, *blobs_, own, store_options_, context_));
  service::KvQueue queue(*mail, {.first_table = queue_table()});
  const auto read_all = [&](Result<std::unique_ptr<mailstore::MessageReader>> opened) {
    std::string text;
    if (!opened) throw std::runtime_error("a stored message cannot be opened");
    while (text.size() < (*opened)->octets()) text += now((*opened)->read(text.size(), 65'536, context_));
    return text;
  };
  for (const Resident& resident : residents) {
    const mailstore::AccountId id{resident.place};
    auto& kept = stored.mailboxes[resident.place];
    for (const auto& mailbox : now(mail->mailboxes(id, context_))) {
      for (const auto& row : now(mail->messages(id, mailbox.id, {}, 0, context_))) {
        std::string text = read_all(around_.executor.run(mail->open(id, row.email, context_)));
        kept.push_back({key_of(text), text});
      }
    }
  }
  stored.queued = now(queue.list(queue::EntryId{}, 100'000, context_));
  for (const QueuedRecord& record : records_.queued) {
    stored.steps[static_cast<std::uint64_t>(record.id)] = now(queue.trace(record.id, context_));
  }
  for (const auto& finding : now(mail->verify({}, context_)).findings) around_.violation("verify: " + finding.what);
  for (const auto& finding : now(queue.verify(context_))) around_.violation("verify queue: " + finding.what);
  return stored;
}

}  // namespace keystonemail::sim
