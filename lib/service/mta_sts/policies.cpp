// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "keystonemail/service/mta_sts/policies.hpp"

#include <algorithm>
#include <expected>
#include <map>
#include <utility>
#include <vector>

#include "base/try.hpp"
#include "keystonemail/mailauth/mta_sts/record.hpp"
#include "service/mta_sts/policy_row.hpp"
#include "transport/waiter.hpp"

namespace keystonemail::mta_sts {

namespace sts = mailauth::mta_sts;

namespace {

constexpr auto refresh_poll = std::chrono::minutes(1);
constexpr auto refresh_interval_min = std::chrono::minutes(10);  // of policies that live for seconds
constexpr auto refresh_retry = std::chrono::hours(1);
constexpr std::size_t failures_max = 10'000;                     // remembered; then those that count no more are forgotten
constexpr std::size_t rows_read = 256;

struct Failure {
  std::string id;
  Problem problem = Problem::none;
  std::string detail;
  Instant when{};
};

Problem problem_of(web::FetchFault fault) noexcept {
  switch (fault) {
    case web::FetchFault::certificate: return Problem::certificate;
    case web::FetchFault::too_large: return Problem::policy;
    default: return Problem::fetch;
  }
}

// RFC 8461 §3.3: the response is a policy with 200 alone, and its type should be text/plain (§3.2).
std::expected<sts::Policy, Failure> policy_in(const web::FetchResult& result) {
  Failure failure;
  if (!result) {
    failure.problem = problem_of(result.error().fault());
    failure.detail = std::string(to_string(result.error().fault())) + ": " + result.error().detail();
  } else if (result->status != 200) {
    failure.problem = Problem::fetch;
    failure.detail = "HTTP status " + std::to_string(result->status);
  } else if (const std::string type = http::media_type(result->headers); type != "text/plain") {
    failure.problem = Problem::policy;
    failure.detail = "media type " + (type.empty() ? "missing" : type);
  } else if (auto policy = sts::parse_policy(result->body)) {
    return *std::move(policy);
  } else {
    failure.problem = Problem::policy;
    failure.detail = to_string(policy.error());
  }
  return std::unexpected(std::move(failure));
}

}  // namespace

struct Policies::State {
  struct Entry {
    KeptPolicy kept;
    std::size_t octets = 0;
    Instant checked{};                   // when its record was looked at last
    WallTime next_refresh{};
  };
  enum class How : std::uint8_t { if_changed, always };
  // Whether there is a record, as far as the DNS can say.
  struct Lookup {
    bool is_answered = false;
    std::optional<sts::Record> record;
  };

  State(Options given, Services with) : options(given), services(with) {}

  [[nodiscard]] Task<bool> be_loaded(Context context);
  [[nodiscard]] Task<bool> load(Context context);
  [[nodiscard]] Task<void> look(dns::Name domain, How how, Context context);
  [[nodiscard]] Task<void> update(dns::Name domain, How how, Context context);
  [[nodiscard]] Task<Lookup> look_up(dns::Name domain, Context context);
  [[nodiscard]] Task<void> fetch(dns::Name domain, std::string id, Context context);
  [[nodiscard]] Task<void> keep(dns::Name domain, KeptPolicy kept, Context context);
  [[nodiscard]] Task<void> drop(std::vector<std::string> rows, Context context);
  [[nodiscard]] Task<void> refresh_due(Context context);
  void put(const dns::Name& domain, KeptPolicy kept);
  [[nodiscard]] std::vector<std::string> make_room(const dns::Name& kept);
  void note_failure(const dns::Name& domain, Failure failure, Instant now);
  [[nodiscard]] Finding finding(const dns::Name& domain, WallTime now) const;
  [[nodiscard]] Entry* entry_of(const dns::Name& domain);

  const Options options;
  Services services;
  bool is_loaded = false, is_loading = false;
  std::vector<transport::Waiter*> loaders;  // who wait until it is
  std::map<dns::Name, Entry> entries;
  std::size_t octets = 0;                // of them
  std::map<dns::Name, Failure> failures;
  std::map<dns::Name, std::vector<transport::Waiter*>> under_way;
};

Policies::Policies(Options options, Services services) : state_(std::make_unique<State>(options, services)) {}
Policies::~Policies() = default;

std::size_t Policies::size() const noexcept { return state_->entries.size(); }

Task<Finding> Policies::find(dns::Name domain, Context context) {
  State& s = *state_;
  const bool is_loaded = co_await s.be_loaded(context);
  Finding unknown;
  unknown.is_known = false;
  if (!is_loaded) co_return unknown;
  co_await s.look(domain, State::How::if_changed, context);
  const WallTime now = context.executor->wall_now();
  if (auto* entry = s.entry_of(domain)) entry->kept.used = now;
  co_return s.finding(domain, now);
}

Task<void> Policies::run(Context context) {
  State& s = *state_;
  while (!context.stop.stop_requested()) {
    const bool is_loaded = co_await s.be_loaded(context);
    if (is_loaded) co_await s.refresh_due(context);
    co_await sleep_until(context.executor->now() + refresh_poll, context);
  }
}

Finding Policies::State::finding(const dns::Name& domain, WallTime now) const {
  Finding finding;
  if (const auto found = entries.find(domain); found != entries.end() && found->second.kept.is_valid(now)) {
    finding.policy = found->second.kept.policy;
  }
  if (const auto failed = failures.find(domain); failed != failures.end()) {
    finding.problem = failed->second.problem;
    finding.detail = failed->second.detail;
  }
  return finding;
}

Policies::State::Entry* Policies::State::entry_of(const dns::Name& domain) {
  const auto found = entries.find(domain);
  return found == entries.end() ? nullptr : &found->second;
}

// --- Finding out ---

// One at a time for each domain; who comes meanwhile waits for what the first one finds.
Task<void> Policies::State::look(dns::Name domain, How how, Context context) {
  if (const auto other = under_way.find(domain); other != under_way.end()) {
    transport::Waiter waiter;
    other->second.push_back(&waiter);
    (void)co_await waiter.wait(context);
    if (const auto still = under_way.find(domain); still != under_way.end()) std::erase(still->second, &waiter);
    co_return;
  }
  const Entry* entry = entry_of(domain);
  const Instant now = context.executor->now();
  if (how == How::if_changed && entry != nullptr && entry->checked != Instant{} && now < entry->checked + options.check_interval) co_return;
  under_way.try_emplace(domain);
  co_await update(domain, how, context);
  auto ended = under_way.extract(domain);
  for (transport::Waiter* waiter : ended.mapped()) waiter->wake_later();
}

Task<void> Policies::State::update(dns::Name domain, How how, Context context) {
  const Lookup lookup = co_await look_up(domain, context);
  Entry* entry = entry_of(domain);
  const Instant now = context.executor->now();
  if (entry != nullptr && lookup.is_answered) entry->checked = now;
  const bool is_valid = entry != nullptr && entry->kept.is_valid(context.executor->wall_now());
  std::string id = lookup.record ? lookup.record->id : is_valid ? entry->kept.id : std::string();
  if (how == How::if_changed) {
    if (lookup.is_answered && !lookup.record) failures.erase(domain);
    if (!lookup.record || (is_valid && entry->kept.id == id)) co_return;
    const auto failed = failures.find(domain);
    if (failed != failures.end() && failed->second.id == id && now < failed->second.when + options.failure_wait) co_return;
  }
  co_await fetch(std::move(domain), std::move(id), std::move(context));
}

Task<Policies::State::Lookup> Policies::State::look_up(dns::Name domain, Context context) {
  Lookup lookup;
  auto name = domain.prefixed("_mta-sts");
  if (!name) co_return lookup;
  dns::Question question{.name = *std::move(name), .type = dns::RecordType::txt};
  const Context brief = context.until(std::min(context.deadline, context.executor->now() + options.lookup_timeout));
  const auto answer = co_await services.resolver.resolve(std::move(question), brief);
  if (!answer || dns::is_temporary(answer->status)) co_return lookup;
  std::vector<std::string> texts;
  for (const dns::RecordData& data : answer->records) {
    if (const auto* text = std::get_if<dns::Txt>(&data)) texts.push_back(text->joined());
  }
  lookup.is_answered = true;
  lookup.record = sts::choose_record(texts);
  co_return lookup;
}

Task<void> Policies::State::fetch(dns::Name domain, std::string id, Context context) {
  web::FetchRequest request;
  request.url = "https://mta-sts." + domain.text() + (options.port == 443 ? "" : ":" + std::to_string(options.port)) + "/.well-known/mta-sts.txt";
  request.octets_max = sts::limits::policy_octets_max;
  request.time_max = options.fetch_timeout;
  const auto result = co_await services.fetcher.fetch(std::move(request), context);
  if (!result && result.error().fault() == web::FetchFault::cancelled) co_return;
  auto policy = policy_in(result);
  const WallTime now = context.executor->wall_now();
  Entry* entry = entry_of(domain);
  if (!policy) {
    const bool alarming = entry != nullptr && entry->kept.is_valid(now) && entry->kept.policy.mode != sts::Mode::none;
    services.log.event(alarming ? LogLevel::warning : LogLevel::info, "mta_sts.failed", {{"domain", domain.text()}, {"why", policy.error().detail}});
    if (entry != nullptr) entry->next_refresh = now + refresh_retry;
    Failure failure = std::move(policy).error();
    failure.id = std::move(id);
    note_failure(domain, std::move(failure), context.executor->now());
    co_return;
  }
  failures.erase(domain);
  services.log.event(LogLevel::info, "mta_sts.fetched",
                     {{"domain", domain.text()}, {"id", id}, {"mode", to_string(policy->mode)}, {"max_age", policy->max_age.count()}});
  KeptPolicy kept{.id = std::move(id), .policy = *std::move(policy), .fetched = now, .used = entry != nullptr ? entry->kept.used : now};
  co_await keep(std::move(domain), std::move(kept), std::move(context));
}

void Policies::State::note_failure(const dns::Name& domain, Failure failure, Instant now) {
  if (failures.size() >= failures_max) {
    std::erase_if(failures, [&](const auto& item) { return now >= item.second.when + options.failure_wait; });
    if (failures.size() >= failures_max) return;
  }
  failure.when = now;
  failures.insert_or_assign(domain, std::move(failure));
}

// --- Keeping ---

void Policies::State::put(const dns::Name& domain, KeptPolicy kept) {
  Entry& entry = entries[domain];
  octets -= entry.octets;
  entry.octets = domain.text().size() + encode_policy(kept).size();
  octets += entry.octets;
  const auto half = std::chrono::duration_cast<std::chrono::milliseconds>(kept.policy.max_age) / 2;
  const auto wait = std::clamp<std::chrono::milliseconds>(half, refresh_interval_min, std::max<std::chrono::milliseconds>(options.refresh_interval, refresh_interval_min));
  entry.next_refresh = kept.fetched + wait;
  entry.kept = std::move(kept);
}

// Rows of those that had to go for it.
std::vector<std::string> Policies::State::make_room(const dns::Name& kept) {
  std::vector<std::string> gone;
  while (entries.size() > 1 && (entries.size() > options.domains_max || octets > options.octets_max)) {
    auto victim = entries.end();
    for (auto it = entries.begin(); it != entries.end(); ++it) {
      if (it->first != kept && (victim == entries.end() || it->second.kept.used < victim->second.kept.used)) victim = it;
    }
    octets -= victim->second.octets;
    gone.push_back(victim->first.text());
    entries.erase(victim);
  }
  return gone;
}

Task<void> Policies::State::keep(dns::Name domain, KeptPolicy kept, Context context) {
  const std::string row = encode_policy(kept);
  put(domain, std::move(kept));
  entries[domain].checked = context.executor->now();
  const std::vector<std::string> gone = make_room(domain);
  const std::string key = domain.text();
  const kv::Operation write = [&](kv::Transaction& t) -> Task<Result<void>> {
    t.put(options.table, key, row);
    for (const std::string& other : gone) t.erase(options.table, other);
    co_return Result<void>();
  };
  const kv::TransactOptions adds;
  const auto done = co_await services.store.transact(write, adds, context.with_stop({}));
  if (!done) services.log.event(LogLevel::warning, "mta_sts.not_kept", {{"domain", key}, {"why", done.error().describe()}});
}

Task<void> Policies::State::drop(std::vector<std::string> rows, Context context) {
  const kv::Operation erase = [&](kv::Transaction& t) -> Task<Result<void>> {
    for (const std::string& row : rows) t.erase(options.table, row);
    co_return Result<void>();
  };
  const kv::TransactOptions frees{.growth = kv::Growth::frees};
  (void)co_await services.store.transact(erase, frees, context.with_stop({}));
}

// One reads, and who comes meanwhile waits: without what was kept before, a policy whose record is held back would be none.
Task<bool> Policies::State::be_loaded(Context context) {
  if (is_loaded) co_return true;
  if (is_loading) {
    transport::Waiter waiter;
    loaders.push_back(&waiter);
    (void)co_await waiter.wait(context);
    std::erase(loaders, &waiter);
    co_return is_loaded;
  }
  is_loading = true;
  is_loaded = co_await load(std::move(context));
  is_loading = false;
  for (transport::Waiter* waiter : std::exchange(loaders, {})) waiter->wake_later();
  co_return is_loaded;
}

// False: it cannot be read now.
Task<bool> Policies::State::load(Context context) {
  const WallTime now = context.executor->wall_now();
  auto snapshot = co_await services.store.snapshot(context);
  std::string last;
  while (snapshot) {
    const std::string first = last.empty() ? last : last + '\0';
    const kv::Range range{.first = first, .rows_max = rows_read};
    const auto rows = co_await (*snapshot)->scan(options.table, range);
    if (!rows) break;
    for (const kv::Row& row : *rows) {
      last = row.key;
      const auto domain = dns::Name::parse(row.key);
      auto kept = read_policy(row.value);
      if (domain && kept && kept->is_valid(now) && entries.size() < options.domains_max) put(*domain, *std::move(kept));
    }
    if (rows->size() < rows_read) co_return true;
  }
  services.log.event(LogLevel::error, "mta_sts.unreadable", {{"what", table_name}});
  co_return false;
}

// RFC 8461 §10.2: whatever its record says now, so that suppressing that one is not enough.
Task<void> Policies::State::refresh_due(Context context) {
  const WallTime now = context.executor->wall_now();
  std::vector<dns::Name> due;
  std::vector<std::string> expired;
  for (const auto& [domain, entry] : entries) {
    if (!entry.kept.is_valid(now)) expired.push_back(domain.text());
    else if (now >= entry.next_refresh && now < entry.kept.used + options.unused_max) due.push_back(domain);
  }
  if (!expired.empty()) {
    std::erase_if(entries, [&](const auto& item) {
      const bool gone = !item.second.kept.is_valid(now);
      if (gone) octets -= item.second.octets;
      return gone;
    });
    co_await drop(std::move(expired), context);
  }
  for (dns::Name& domain : due) {
    if (context.stop.stop_requested()) co_return;
    co_await look(std::move(domain), How::always, context);
  }
}

}  // namespace keystonemail::mta_sts
