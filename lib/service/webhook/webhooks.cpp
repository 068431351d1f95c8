// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "keystonemail/service/webhook/webhooks.hpp"

#include <algorithm>
#include <memory>
#include <utility>

#include "base/format.hpp"
#include "base/record.hpp"
#include "base/try.hpp"
#include "keystonemail/crypto/digest.hpp"
#include "service/webhook/event_row.hpp"
#include "transport/waiter.hpp"

namespace keystonemail::webhook {
namespace {

constexpr std::size_t rows_per_commit_max = 1'000;
constexpr auto store_wait = std::chrono::seconds(5);
constexpr auto look_anyhow = std::chrono::seconds(5);  // the count is not to be relied on

Event event_of(queue::RecipientState state) noexcept {
  switch (state) {
    case queue::RecipientState::pending: return Event::delayed;
    case queue::RecipientState::delivered: return Event::delivered;
    case queue::RecipientState::failed: return Event::failed;
  }
  __builtin_unreachable();
}

bool wants(const Hook& hook, Event event) { return hook.events.empty() || std::ranges::find(hook.events, event) != hook.events.end(); }

// The first key behind all that begin with `prefix`.
std::string end_of(std::string prefix) {
  while (!prefix.empty() && prefix.back() == '\xff') prefix.pop_back();
  if (!prefix.empty()) prefix.back() = static_cast<char>(prefix.back() + 1);
  return prefix;
}

}  // namespace

std::string_view to_string(Event event) noexcept {
  switch (event) {
    case Event::delivered: return "delivered";
    case Event::delayed: return "delayed";
    case Event::failed: return "failed";
    case Event::suspended: return "suspended";
  }
  __builtin_unreachable();
}

std::string sign(std::string_view secret, std::string_view body) { return "sha256=" + crypto::to_hex(crypto::hmac(crypto::Hash::sha256, secret, body)); }

Webhooks::Webhooks(Options options, kv::Store& store, Random& random, Log& log)
    : options_(std::move(options)), store_(store), random_(random), log_(log), senders_(std::make_shared<const Senders>()),
      changed_(std::make_unique<transport::Waiter>()) {
  set_hooks(options_.hooks);
}

Webhooks::~Webhooks() = default;

void Webhooks::set_hooks(std::vector<Hook> hooks) {
  {
    const std::lock_guard lock(mutex_);
    auto fresh = std::make_shared<Senders>();
    for (Hook& hook : hooks) {
      const auto known = std::ranges::find_if(*senders_, [&](const auto& sender) { return sender->hook->url == hook.url; });
      const bool is_new = known == senders_->end();
      const auto& sender = fresh->emplace_back(is_new ? std::make_shared<Sender>() : *known);
      if (is_new) sender->key = hook_key(hook.url);  // nobody else has it yet
      sender->hook = std::make_shared<const Hook>(std::move(hook));
    }
    for (const auto& sender : *senders_) sender->is_gone = std::ranges::find(*fresh, sender) == fresh->end();
    senders_ = std::move(fresh);
  }
  if (changed_->waiting()) changed_->wake_later();
}

std::shared_ptr<const Webhooks::Senders> Webhooks::senders() const {
  const std::lock_guard lock(mutex_);
  return senders_;
}

std::shared_ptr<const Hook> Webhooks::hook_of(const Sender& sender) const {
  const std::lock_guard lock(mutex_);
  return sender.hook;
}

Task<Result<void>> Webhooks::open(Context context) {
  const auto known = senders();
  std::string first;
  for (;;) {
    std::vector<std::string> orphans;
    std::size_t seen = 0;
    {
      KM_CO_TRY(const auto snapshot, co_await store_.snapshot(context));
      const kv::Range range{.first = first, .rows_max = rows_per_commit_max};
      KM_CO_TRY(const auto rows, co_await snapshot->scan(options_.table, range));
      seen = rows.size();
      for (const kv::Row& row : rows) {
        const auto owner = std::ranges::find_if(*known, [&](const auto& sender) { return row.key.starts_with(sender->key); });
        if (owner != known->end()) ++(*owner)->waiting;
        else orphans.emplace_back(row.key);
      }
      if (!rows.empty()) first.assign(rows.back().key).push_back('\0');
    }
    if (!orphans.empty()) {
      kv::Operation operation = [this, &orphans](kv::Transaction& t) -> Task<Result<void>> {
        for (const std::string& key : orphans) t.erase(options_.table, key);
        co_return Result<void>();
      };
      const kv::TransactOptions frees{.growth = kv::Growth::frees};
      KM_CO_CHECK(co_await store_.transact(std::move(operation), frees, context));
      log_.event(LogLevel::warning, "webhook.forgotten", {{"events", std::uint64_t{orphans.size()}}, {"why", "their URL is not configured any more"}});
    }
    if (seen < rows_per_commit_max) co_return Result<void>();
  }
}

void Webhooks::write(kv::Transaction& transaction, const queue::Entry& entry, const queue::Settlement& settlement) {
  if (settlement.when == WallTime{}) return;
  for (const queue::RecipientChange& change : settlement.changes) {
    const queue::Recipient& recipient = entry.recipients[change.index];
    const Event event = event_of(change.state);
    if (event == Event::delayed && change.attempts == recipient.attempts) continue;  // put off: nothing was attempted
    EventRow row{.event = event, .when = settlement.when, .entry = static_cast<std::uint64_t>(entry.id), .recipient_index = static_cast<std::uint32_t>(change.index),
                 .attempts = change.attempts, .message_id = entry.message_id, .sender = entry.envelope.sender, .recipient = recipient.address,
                 .login = entry.login, .host = change.last_host, .reply = change.last_reply};
    write(transaction, row);
  }
}

void Webhooks::write(kv::Transaction& transaction, const Suspended& suspended) {
  EventRow row{.event = Event::suspended, .when = suspended.when, .login = std::string(suspended.login), .host = std::string(suspended.peer)};
  row.reply = format("{} recipients within an hour: its password may be known to others", suspended.recipients);
  row.recipient_index = static_cast<std::uint32_t>(read_big_endian(hook_key(suspended.login).substr(0, 4)));  // of two at once each has its row
  write(transaction, row);
}

void Webhooks::write(kv::Transaction& transaction, const EventRow& row) {
  const auto known = senders();
  for (const auto& sender : *known) {
    if (!wants(*hook_of(*sender), row.event)) continue;
    if (sender->waiting >= options_.events_max) {
      ++sender->dropped;
      continue;
    }
    ++sender->waiting;
    transaction.put(options_.table, row_key(sender->key, row), encode_event(row));
  }
}

std::size_t Webhooks::waiting() const noexcept {
  std::size_t all = 0;
  const auto known = senders();
  for (const auto& sender : *known) all += sender->waiting;
  return all;
}

Task<void> Webhooks::run(web::Fetcher& fetcher, Context context) {
  std::vector<Running> running;
  while (!context.stop.stop_requested()) {
    const auto known = senders();
    for (const auto& sender : *known)
      if (std::ranges::find(running, sender, &Running::sender) == running.end()) running.push_back({sender, serve(*sender, fetcher, context)});
    for (Running& one : running)
      if (one.task.done()) co_await one.task;
    std::erase_if(running, [](const Running& one) { return one.task.done(); });
    (void)co_await changed_->wait(context);
  }
  for (Running& one : running) co_await one.task;
}

Task<void> Webhooks::serve(Sender& sender, web::Fetcher& fetcher, Context context) {
  Executor& executor = *context.executor;
  Instant looked{};
  while (!context.stop.stop_requested() && !sender.is_gone) {
    report_drops(sender);
    if (sender.waiting == 0 && executor.now() < looked + look_anyhow) {
      co_await sleep_until(executor.now() + options_.poll, context);
      continue;
    }
    looked = executor.now();
    auto batch = co_await next_batch(sender, context);
    if (!batch) {
      co_await sleep_until(executor.now() + store_wait, context);
      continue;
    }
    if (batch->keys.empty()) {
      sender.waiting = 0;  // what is being written was counted, perhaps: it is found the next time
      co_await sleep_until(executor.now() + options_.poll, context);
      continue;
    }
    bool is_done = true;
    if (batch->stale == batch->keys.size()) {
      log_.event(LogLevel::error, "webhook.dropped", {{"url", hook_of(sender)->url}, {"events", std::uint64_t{batch->stale}}, {"why", "not taken in time"}});
    } else {
      is_done = co_await send(sender, fetcher, std::move(batch->body), context);
    }
    if (is_done) {
      sender.failures = 0;
      const auto forgotten = co_await forget(sender, std::move(batch->keys), context);
      if (!forgotten) co_await sleep_until(executor.now() + store_wait, context);  // they will be sent again
      continue;
    }
    const auto wait = std::min(options_.retry_first * (1U << std::min(sender.failures++, 16U)), options_.retry_max);
    const auto jitter = std::chrono::milliseconds(random_.below(static_cast<std::uint64_t>(std::chrono::milliseconds(wait).count()) / 4 + 1));
    co_await sleep_until(executor.now() + wait + jitter, context);
  }
}

// The oldest events: those that are too old alone, else some that are not.
Task<Result<Webhooks::Batch>> Webhooks::next_batch(const Sender& sender, Context context) {
  Batch batch;
  const WallTime now = context.executor->wall_now();
  json::Array events;
  {
    KM_CO_TRY(const auto snapshot, co_await store_.snapshot(context));
    const std::string end = end_of(sender.key);
    const kv::Range range{.first = sender.key, .end = end, .rows_max = options_.batch_max};
    KM_CO_TRY(const auto rows, co_await snapshot->scan(options_.table, range));
    for (const kv::Row& row : rows) {
      const auto event = read_event(row.value);
      const bool is_stale = !event || event->when + options_.kept <= now;
      if (!is_stale && batch.stale != 0) break;
      batch.keys.emplace_back(row.key);
      if (is_stale) ++batch.stale;
      else events.push_back(to_json(*event));
    }
  }
  if (!events.empty()) {
    json::Object body;
    body["sent"] = format_time(now);
    body["events"] = std::move(events);
    batch.body = json::serialise(body);
  }
  co_return batch;
}

Task<bool> Webhooks::send(Sender& sender, web::Fetcher& fetcher, std::string body, Context context) {
  const auto hook = hook_of(sender);
  web::FetchRequest request{.method = "POST", .url = hook->url, .time_max = options_.request_time_max, .scheme = web::Scheme::http_too};
  request.headers.push_back({"Content-Type", "application/json"});
  if (!hook->secret.empty()) request.headers.push_back({std::string(signature_field), sign(hook->secret, body)});
  request.body = std::move(body);
  const auto response = co_await fetcher.fetch(std::move(request), context);
  if (response && response->status >= 200 && response->status <= 299) co_return true;
  const std::string why = response ? "status " + std::to_string(response->status) : response.error().describe();
  // The first of a row of failures, then one in ten: an endpoint that is away for a day must not fill the log.
  if (sender.failures % 10 == 0 && !context.stop.stop_requested())
    log_.event(LogLevel::warning, "webhook.failed", {{"url", hook->url}, {"why", why}, {"waiting", std::uint64_t{sender.waiting}}});
  co_return false;
}

Task<Result<void>> Webhooks::forget(Sender& sender, std::vector<std::string> keys, Context context) {
  kv::Operation operation = [this, &keys](kv::Transaction& t) -> Task<Result<void>> {
    for (const std::string& key : keys) t.erase(options_.table, key);
    co_return Result<void>();
  };
  const kv::TransactOptions frees{.growth = kv::Growth::frees};
  const Context to_the_end = context.with_stop({});  // what was taken is not to be sent again for a stop alone
  KM_CO_CHECK(co_await store_.transact(std::move(operation), frees, to_the_end));
  const std::size_t waiting = sender.waiting;
  sender.waiting -= std::min(waiting, keys.size());
  co_return Result<void>();
}

void Webhooks::report_drops(Sender& sender) {
  const std::size_t dropped = sender.dropped.exchange(0);
  if (dropped != 0)
    log_.event(LogLevel::error, "webhook.dropped", {{"url", hook_of(sender)->url}, {"events", std::uint64_t{dropped}}, {"why", "too many wait already"}});
}

}  // namespace keystonemail::webhook
