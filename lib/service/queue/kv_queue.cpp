// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "keystonemail/service/queue/kv_queue.hpp"

#include <algorithm>
#include <map>

#include "base/record.hpp"
#include "service/mailstore/content.hpp"
#include "service/mailstore/store_core.hpp"
#include "service/queue/entry_row.hpp"
#include "service/queue/queue_notifier.hpp"
#include "service/queue/trace_rows.hpp"

namespace keystonemail::service {

namespace {

constexpr std::string_view counter_key = "entry";
constexpr std::uint64_t forget_every = 16;              // entries: how often old steps are looked for
constexpr std::uint32_t administrators_place = UINT32_MAX;  // behind all steps of one moment

Task<Result<queue::Entry>> get_entry(kv::Reader& reader, const QueueTables& tables, queue::EntryId id) {
  const std::string key = entry_key(id);
  KM_CO_TRY(const auto value, co_await reader.get(tables.entry, key));
  if (!value) co_return fail(ErrorKind::not_found, "no such queue entry");
  auto entry = read_entry(id, *value);
  if (!entry) co_return damaged("queue entry");
  co_return *std::move(entry);
}

// The number of the next entry; changes nothing.
Task<Result<std::uint64_t>> last_id(kv::Reader& reader, const QueueTables& tables) {
  KM_CO_TRY(const auto value, co_await reader.get(tables.counter, counter_key));
  co_return value ? read_big_endian(*value) : 0;
}

// --- What each login has waiting ---

std::string use_key(std::string_view login) { return "use:" + std::string(login); }

Task<Result<KvQueue::Use>> get_use(kv::Reader& reader, const QueueTables& tables, std::string_view login) {
  const std::string key = use_key(login);
  KM_CO_TRY(const auto value, co_await reader.get(tables.counter, key));
  KvQueue::Use use;
  if (!value) co_return use;
  RecordReader row(*value);
  use.entries = row.number();
  use.octets = row.number();
  if (!row.ok() || !row.at_end()) co_return damaged("use of the queue");
  co_return use;
}

void put_use(kv::Transaction& t, const QueueTables& tables, std::string_view login, const KvQueue::Use& use) {
  RecordWriter row;
  row.number(use.entries).number(use.octets);
  if (use.entries == 0) t.erase(tables.counter, use_key(login));
  else t.put(tables.counter, use_key(login), row.take());
}

Task<Result<void>> add_use(kv::Transaction& t, const QueueTables& tables, const queue::Entry& entry, const QueueOptions& options) {
  if (entry.login.empty()) co_return Result<void>();
  KM_CO_TRY(KvQueue::Use use, co_await get_use(t, tables, entry.login));
  ++use.entries;
  use.octets += entry.octets;
  const bool too_many = options.account_entries_max != 0 && use.entries > options.account_entries_max;
  if (too_many || (options.account_octets_max != 0 && use.octets > options.account_octets_max))
    co_return fail(ErrorKind::over_quota, "Too much of your mail is waiting to be sent, try again later", "queue");
  put_use(t, tables, entry.login, use);
  co_return Result<void>();
}

// Entries of an earlier version were not counted, so there may be less than is taken off.
Task<Result<void>> drop_use(kv::Transaction& t, const QueueTables& tables, const queue::Entry& entry) {
  if (entry.login.empty()) co_return Result<void>();
  KM_CO_TRY(KvQueue::Use use, co_await get_use(t, tables, entry.login));
  use.entries -= std::min<std::uint64_t>(use.entries, 1);
  use.octets -= std::min(use.octets, entry.octets);
  put_use(t, tables, entry.login, use);
  co_return Result<void>();
}

Task<Result<void>> apply_remove(kv::Transaction& t, StoreCore& core, const QueueTables& tables, queue::EntryId id) {
  KM_CO_TRY(const auto entry, co_await get_entry(t, tables, id));
  const std::string key = entry_key(id);
  KM_CO_TRY(const auto content, co_await t.get(tables.content, key));
  const auto blobs = Content::decode_blobs(content.value_or(std::string_view()));
  if (const auto when = next_attempt(entry)) t.erase(tables.due, due_key(*when, id));
  t.erase(tables.entry, key);
  t.erase(tables.content, key);
  KM_CO_CHECK(co_await drop_use(t, tables, entry));
  if (blobs) {
    for (const BlobUse& use : *blobs) KM_CO_CHECK(co_await core.blobs.release(t, use.id));
  }
  co_return Result<void>();
}

// Writes a changed entry, and its due time when it is not that from `before`.
void put_entry(kv::Transaction& t, const QueueTables& tables, const queue::Entry& entry, std::optional<WallTime> before) {
  const auto after = next_attempt(entry);
  if (before && before != after) t.erase(tables.due, due_key(*before, entry.id));
  if (after && before != after) t.put(tables.due, due_key(*after, entry.id), std::string_view("\1", 1));
  t.put(tables.entry, entry_key(entry.id), encode_entry(entry));
}

Task<Result<void>> apply_update(kv::Transaction& t, StoreCore& core, const QueueTables& tables, const queue::Entry& wanted) {
  KM_CO_TRY(auto entry, co_await get_entry(t, tables, wanted.id));
  const bool pending = std::ranges::any_of(
      wanted.recipients, [](const auto& r) { return r.state == queue::RecipientState::pending; });
  if (!pending) co_return co_await apply_remove(t, core, tables, wanted.id);
  const auto before = next_attempt(entry);
  entry.recipients = wanted.recipients;
  entry.held = wanted.held;
  put_entry(t, tables, entry, before);
  co_return Result<void>();
}

std::string_view word_for(queue::RecipientState state) noexcept {
  switch (state) {
    case queue::RecipientState::pending: return "deferred";
    case queue::RecipientState::delivered: return "delivered";
    case queue::RecipientState::failed: return "failed";
  }
  __builtin_unreachable();
}

void put_attempt(kv::Transaction& t, const QueueTables& tables, const queue::Entry& entry, const queue::Settlement& settlement) {
  const std::size_t most = std::min(settlement.changes.size(), limits::trace_steps_per_commit_max);
  for (std::size_t i = 0; settlement.when != WallTime{} && i < most; ++i) {
    const queue::RecipientChange& change = settlement.changes[i];
    const queue::Recipient& recipient = entry.recipients[change.index];
    // Put off, since the destination is known to be away: that is no step.
    if (change.state == queue::RecipientState::pending && change.attempts == recipient.attempts) continue;
    const queue::TraceStep step{.when = settlement.when, .what = std::string(word_for(change.state)), .recipient = recipient.address,
                                .host = change.last_host, .text = change.last_reply, .attempts = change.attempts,
                                .security = change.security};
    put_step(t, tables, entry.id, step, static_cast<std::uint32_t>(change.index + 1));
  }
}

Task<Result<void>> apply_settlement(kv::Transaction& t, StoreCore& core, const QueueTables& tables,
                                    const queue::Settlement& settlement, OutcomeWriter* outcome_writer) {
  KM_CO_TRY(auto entry, co_await get_entry(t, tables, settlement.id));
  const auto before = next_attempt(entry);
  for (const queue::RecipientChange& change : settlement.changes)
    if (change.index >= entry.recipients.size()) co_return fail(ErrorKind::conflict, "the queue entry has changed");
  put_attempt(t, tables, entry, settlement);
  if (outcome_writer != nullptr) outcome_writer->write(t, entry, settlement);
  for (const queue::RecipientChange& change : settlement.changes) {
    queue::Recipient& recipient = entry.recipients[change.index];
    recipient.state = change.state;
    recipient.attempts = change.attempts;
    recipient.next_attempt = change.next_attempt;
    recipient.last_reply = change.last_reply;
    recipient.last_host = change.last_host;
    recipient.delay_told = change.delay_told;
  }
  const bool pending = std::ranges::any_of(
      entry.recipients, [](const auto& r) { return r.state == queue::RecipientState::pending; });
  if (!pending) co_return co_await apply_remove(t, core, tables, settlement.id);
  put_entry(t, tables, entry, before);
  co_return Result<void>();
}

std::string_view word_for(queue::Handling handling) noexcept {
  switch (handling) {
    case queue::Handling::hold: return "held";
    case queue::Handling::release: return "released";
    case queue::Handling::retry: return "retried";
  }
  __builtin_unreachable();
}

void put_administration(kv::Transaction& t, const QueueTables& tables, queue::EntryId id, std::string_view what, std::string text, WallTime now) {
  put_step(t, tables, id, {.when = now, .what = std::string(what), .recipient = {}, .host = {}, .text = std::move(text)}, administrators_place);
}

Task<Result<void>> apply_move(kv::Transaction& t, const QueueTables& tables, queue::EntryId id, const std::string& route, WallTime now) {
  KM_CO_TRY(auto entry, co_await get_entry(t, tables, id));
  const auto before = next_attempt(entry);
  entry.route = route;
  for (auto& recipient : entry.recipients) recipient.next_attempt = WallTime{};
  put_entry(t, tables, entry, before);
  put_administration(t, tables, id, "moved", route.empty() ? "to where its recipients are" : "to " + route, now);
  co_return Result<void>();
}

Task<Result<void>> apply_handling(kv::Transaction& t, const QueueTables& tables, queue::EntryId id, queue::Handling handling,
                                  std::optional<WallTime>& due, WallTime now) {
  KM_CO_TRY(auto entry, co_await get_entry(t, tables, id));
  const auto before = next_attempt(entry);
  switch (handling) {
    case queue::Handling::hold: entry.held = true; break;
    case queue::Handling::release: entry.held = false; break;
    case queue::Handling::retry:
      for (auto& recipient : entry.recipients) recipient.next_attempt = WallTime{};
      break;
  }
  put_entry(t, tables, entry, before);
  put_administration(t, tables, id, word_for(handling), {}, now);
  due = next_attempt(entry);
  co_return Result<void>();
}

}  // namespace

std::span<const std::string_view> queue_tables() noexcept { return queue_table_names; }

KvQueue::KvQueue(KvMailStore& mail, QueueOptions options)
    : mail_(mail), options_(options), lifetime_(options.lifetime), account_entries_max_(options.account_entries_max),
      account_octets_max_(options.account_octets_max), notifier_(std::make_shared<Notifier>()) {}
KvQueue::~KvQueue() = default;

void KvQueue::set_limits(std::chrono::hours lifetime, std::uint64_t account_entries_max, std::uint64_t account_octets_max) noexcept {
  lifetime_ = lifetime;
  account_entries_max_ = account_entries_max;
  account_octets_max_ = account_octets_max;
}

QueueOptions KvQueue::options() const noexcept {
  return {.first_table = options_.first_table, .lifetime = lifetime_, .account_entries_max = account_entries_max_, .account_octets_max = account_octets_max_};
}

QueuePlan KvQueue::plan(const queue::NewEntry& entry, const mailstore::StagedMessage& message, WallTime now) const {
  const auto& staged = dynamic_cast<const KvStagedMessage&>(message);
  QueuePlan plan;
  plan.entry.envelope = entry.envelope;
  plan.entry.recipients = entry.recipients;
  for (auto& recipient : plan.entry.recipients) {
    if (recipient.next_attempt == WallTime{}) recipient.next_attempt = now;
    recipient.next_attempt = std::max(recipient.next_attempt, entry.envelope.released);
  }
  plan.entry.message_id = entry.message_id;
  plan.entry.login = entry.login;
  plan.entry.held = entry.held;
  plan.entry.arrived = now;
  plan.entry.session = entry.session;
  plan.origin = entry.origin;
  plan.hold_reason = entry.hold_reason;
  plan.entry.expires = std::max(now, entry.envelope.released) + lifetime_.load();
  plan.entry.octets = entry.prefix.size() + staged.octets();
  plan.content = staged.content_record(entry.prefix);
  plan.blobs = staged.blobs();
  return plan;
}

Task<Result<void>> KvQueue::apply(kv::Transaction& t, QueuePlan& plan) const {
  const QueueTables tables = QueueTables::from(options_.first_table);
  KM_CO_TRY(const std::uint64_t last, co_await last_id(t, tables));
  plan.id = plan.entry.id = queue::EntryId{last + 1};
  const std::string key = entry_key(plan.id);
  t.put(tables.counter, counter_key, key);
  KM_CO_CHECK(co_await add_use(t, tables, plan.entry, options()));
  t.put(tables.entry, key, encode_entry(plan.entry));
  t.put(tables.content, key, plan.content);
  if (const auto when = next_attempt(plan.entry)) t.put(tables.due, due_key(*when, plan.id), std::string_view("\1", 1));
  if (plan.history.steps.empty()) put_first_step(t, tables, plan.entry, plan.origin);
  else put_history(t, tables, plan.id, plan.history, plan.entry.arrived);
  if (plan.entry.held) {
    const queue::TraceStep step{.when = plan.entry.arrived, .what = "held", .recipient = {}, .host = {}, .text = plan.hold_reason};
    put_step(t, tables, plan.id, step, 1);
  }
  if (static_cast<std::uint64_t>(plan.id) % forget_every == 0) KM_CO_CHECK(co_await forget_old_steps(t, tables, plan.id, plan.entry.arrived));
  for (const auto& staged : plan.blobs) KM_CO_CHECK(co_await mail_.core().blobs.add_reference(t, *staged));
  co_return Result<void>();
}

Task<Result<void>> KvQueue::apply(kv::Transaction& t, const queue::History& history, WallTime now) const {
  const QueueTables tables = QueueTables::from(options_.first_table);
  KM_CO_TRY(const std::uint64_t last, co_await last_id(t, tables));
  const queue::EntryId id{last + 1};
  t.put(tables.counter, counter_key, entry_key(id));
  put_history(t, tables, id, history, now);
  if (static_cast<std::uint64_t>(id) % forget_every == 0) KM_CO_CHECK(co_await forget_old_steps(t, tables, id, now));
  co_return Result<void>();
}

Task<Result<void>> KvQueue::note(queue::History history, Context context) {
  const WallTime now = context.executor->wall_now();
  co_return co_await mail_.core().kv.transact([&](kv::Transaction& t) { return apply(t, history, now); }, mail_.core().adds(), context);
}

Task<Result<KvQueue::Use>> KvQueue::use(std::string login, Context context) {
  KM_CO_TRY(const auto snapshot, co_await mail_.core().kv.snapshot(context));
  co_return co_await get_use(*snapshot, QueueTables::from(options_.first_table), login);
}

Task<Result<std::vector<queue::Entry>>> KvQueue::list(queue::EntryId after, std::size_t entries_max, Context context) {
  std::vector<queue::Entry> entries;
  if (after == queue::EntryId{UINT64_MAX} || entries_max == 0) co_return entries;
  KM_CO_TRY(const auto snapshot, co_await mail_.core().kv.snapshot(context));
  const std::string first = entry_key(queue::EntryId{static_cast<std::uint64_t>(after) + 1});
  const kv::Range range{.first = first, .rows_max = entries_max};
  KM_CO_TRY(const auto rows, co_await snapshot->scan(QueueTables::from(options_.first_table).entry, range));
  for (const kv::Row& row : rows) {
    auto entry = read_entry(queue::EntryId{read_big_endian(row.key)}, row.value);
    if (!entry) co_return damaged("queue entry");
    entries.push_back(*std::move(entry));
  }
  co_return entries;
}

Task<Result<queue::Entry>> KvQueue::show(queue::EntryId id, Context context) {
  KM_CO_TRY(const auto snapshot, co_await mail_.core().kv.snapshot(context));
  co_return co_await get_entry(*snapshot, QueueTables::from(options_.first_table), id);
}

Task<Result<std::unique_ptr<mailstore::MessageReader>>> KvQueue::open(queue::EntryId id, Context context) {
  StoreCore& core = mail_.core();
  KM_CO_TRY(const auto snapshot, co_await core.kv.snapshot(context));
  const std::string key = entry_key(id);
  KM_CO_TRY(const auto value, co_await snapshot->get(QueueTables::from(options_.first_table).content, key));
  if (!value) co_return fail(ErrorKind::not_found, "no such queue entry");
  KM_CO_TRY(auto content, Content::decode(*value));
  co_return make_content_reader(core.kv, core.blobs, std::move(content));
}

Task<Result<void>> KvQueue::update(const queue::Entry& entry, Context context) {
  StoreCore& core = mail_.core();
  const QueueTables tables = QueueTables::from(options_.first_table);
  KM_CO_CHECK(co_await core.kv.transact([&](kv::Transaction& t) { return apply_update(t, core, tables, entry); },
                                        StoreCore::frees(), context));
  notify(entry);
  co_return Result<void>();
}

Task<Result<void>> KvQueue::settle(queue::Settlement settlement, Context context) {
  StoreCore& core = mail_.core();
  co_return co_await core.kv.transact([&](kv::Transaction& t) { return apply(t, settlement); }, StoreCore::frees(), context);
}

Task<Result<void>> KvQueue::handle(queue::EntryId id, queue::Handling handling, Context context) {
  const QueueTables tables = QueueTables::from(options_.first_table);
  std::optional<WallTime> due;
  const WallTime now = context.executor->wall_now();
  KM_CO_CHECK(co_await mail_.core().kv.transact([&](kv::Transaction& t) { return apply_handling(t, tables, id, handling, due, now); },
                                                StoreCore::frees(), context));
  if (due) notifier_->notify(*due);
  co_return Result<void>();
}

Task<Result<void>> KvQueue::apply(kv::Transaction& t, const queue::Settlement& settlement) const {
  return apply_settlement(t, mail_.core(), QueueTables::from(options_.first_table), settlement, outcome_writer_);
}

void KvQueue::notify(const queue::Entry& entry) {
  if (const auto when = next_attempt(entry)) notifier_->notify(*when);
}

std::unique_ptr<mailstore::Subscription> KvQueue::subscribe(Executor& executor, std::function<void(WallTime)> changed) {
  return notifier_->subscribe(notifier_, executor, std::move(changed));
}

Task<Result<void>> KvQueue::remove(queue::EntryId id, Context context) {
  StoreCore& core = mail_.core();
  const QueueTables tables = QueueTables::from(options_.first_table);
  const WallTime now = context.executor->wall_now();
  co_return co_await core.kv.transact([&](kv::Transaction& t) {
    put_administration(t, tables, id, "cancelled", {}, now);  // undone with all else when there is no such entry
    return apply_remove(t, core, tables, id);
  }, StoreCore::frees(), context);
}

Task<Result<void>> KvQueue::move(queue::EntryId id, std::string route, Context context) {
  const QueueTables tables = QueueTables::from(options_.first_table);
  const WallTime now = context.executor->wall_now();
  KM_CO_CHECK(co_await mail_.core().kv.transact([&](kv::Transaction& t) { return apply_move(t, tables, id, route, now); },
                                                StoreCore::frees(), context));
  notifier_->notify(WallTime{});
  co_return Result<void>();
}

Task<Result<std::vector<queue::TraceStep>>> KvQueue::trace(queue::EntryId id, Context context) {
  KM_CO_TRY(const auto snapshot, co_await mail_.core().kv.snapshot(context));
  co_return co_await read_steps(*snapshot, QueueTables::from(options_.first_table), id);
}

Task<Result<std::vector<queue::EntryId>>> KvQueue::find(std::string message_id, Context context) {
  const QueueTables tables = QueueTables::from(options_.first_table);
  KM_CO_TRY(const auto snapshot, co_await mail_.core().kv.snapshot(context));
  KM_CO_TRY(const std::uint64_t newest, co_await last_id(*snapshot, tables));
  co_return co_await find_traced(*snapshot, tables, message_id, queue::EntryId{newest});
}

Task<Result<std::vector<queue::Due>>> KvQueue::due(queue::Due after, std::size_t entries_max, Context context) {
  std::vector<queue::Due> all;
  KM_CO_TRY(const auto snapshot, co_await mail_.core().kv.snapshot(context));
  const std::string first = due_key(after.when, queue::EntryId{static_cast<std::uint64_t>(after.id) + 1});
  const kv::Range range{.first = first, .rows_max = entries_max};
  KM_CO_TRY(const auto rows, co_await snapshot->scan(QueueTables::from(options_.first_table).due, range));
  all.reserve(rows.size());
  for (const kv::Row& row : rows) {
    const auto due = read_due_key(row.key);
    if (!due) co_return damaged("due time of the queue");
    all.push_back(*due);
  }
  co_return all;
}

Task<Result<std::vector<Finding>>> KvQueue::verify(Context context) {
  std::vector<Finding> findings;
  const QueueTables tables = QueueTables::from(options_.first_table);
  StoreCore& core = mail_.core();
  std::size_t dues = 0;
  std::map<std::string, Use> uses;
  queue::EntryId after{0};
  for (;;) {
    KM_CO_TRY(const auto snapshot, co_await core.kv.snapshot(context));
    const std::string first = entry_key(queue::EntryId{static_cast<std::uint64_t>(after) + 1});
    const kv::Range range{.first = first, .rows_max = 100};
    KM_CO_TRY(const auto rows, co_await snapshot->scan(tables.entry, range));
    for (const kv::Row& row : rows) {
      after = queue::EntryId{read_big_endian(row.key)};
      const std::string name = "queue entry " + std::to_string(static_cast<std::uint64_t>(after));
      const auto entry = read_entry(after, row.value);
      if (!entry) {
        findings.push_back({name + " cannot be read"});
        continue;
      }
      if (!entry->login.empty()) ++uses[entry->login].entries, uses[entry->login].octets += entry->octets;
      if (const auto when = next_attempt(*entry)) {
        ++dues;
        const std::string key = due_key(*when, after);
        const auto there = co_await snapshot->get(tables.due, key);
        if (!there || !*there) findings.push_back({name + " has no due time"});
      }
      const auto stored = co_await snapshot->get(tables.content, row.key);
      auto content = stored && *stored ? Content::decode(**stored) : damaged("missing");
      if (!content || content->octets() != entry->octets) {
        findings.push_back({name + " has no readable content"});
        continue;
      }
      for (const BlobUse& use : content->blobs) {
        const auto octets = co_await core.blobs.read(*snapshot, use.id, 0, use.octets);
        if (!octets || octets->size() != use.octets) findings.push_back({name + ": blob " + use.id.hex() + " cannot be read"});
      }
    }
    if (rows.size() < range.rows_max) break;
  }
  KM_CO_TRY(const auto snapshot, co_await core.kv.snapshot(context));
  const kv::Range all{.rows_max = dues + 1};
  KM_CO_TRY(const auto rows, co_await snapshot->scan(tables.due, all));
  if (rows.size() > dues) findings.push_back({"the queue has due times without entries"});
  for (const auto& [login, counted] : uses) {  // more than there is would keep somebody from sending; less is as of an earlier version
    KM_CO_TRY(const Use stored, co_await get_use(*snapshot, tables, login));
    if (stored.entries > counted.entries || stored.octets > counted.octets) findings.push_back({"the queue counts too much mail of " + login});
  }
  co_return findings;
}

}  // namespace keystonemail::service
