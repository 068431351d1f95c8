// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "keystonemail/service/relay/relay.hpp"

#include <algorithm>
#include <utility>

#include "keystonemail/mime/address.hpp"
#include "service/relay/envelope.hpp"
#include "service/relay/relay_state.hpp"

namespace keystonemail::relay {

namespace {

constexpr std::size_t due_batch = 256;
constexpr auto sweep_interval = std::chrono::seconds(60);     // all that is due is looked at again, as a clock may step
constexpr auto store_wait = std::chrono::seconds(5);          // after the store could not be read
constexpr auto memory_of_failures = std::chrono::hours(1);    // beyond the time a destination is left alone
constexpr std::uint32_t losses_max = 3;                       // sessions broken off in a row before the destination is left alone
constexpr auto put_off_spread_max = std::chrono::minutes(1);
constexpr auto farewell_poll = std::chrono::milliseconds(20);
constexpr auto account_pause_min = std::chrono::seconds(5);    // before entries of an account that went too fast are read again

// An order that is the same in each run.
struct ByName {
  bool operator()(const Destination* a, const Destination* b) const noexcept { return a->name < b->name; }
};

// The place right before `due`.
queue::Due before(queue::Due due) noexcept {
  if (due.when <= WallTime{}) return {};
  const auto id = static_cast<std::uint64_t>(due.id);
  if (id > 0) return {due.when, queue::EntryId{id - 1}};
  return {due.when - std::chrono::milliseconds(1), queue::EntryId{UINT64_MAX - 1}};
}

}  // namespace

Relay::Relay(Options options, Services services)
    : state_(std::make_unique<State>(std::move(options), std::move(services))) {}
Relay::~Relay() = default;

Task<void> Relay::run(Context context) { return state_->run(std::move(context)); }
void Relay::set_options(Options options) { state_->take_options(std::move(options)); }
void Relay::set_forwarder(std::shared_ptr<const forwarding::Forwarder> forwarder) { state_->set_forwarder(std::move(forwarder)); }
Relay::Load Relay::load() const noexcept { return state_->load(); }

Task<void> Relay::State::run(Context given) {
  context.emplace(std::move(given));
  auto subscription = services.queue.subscribe(*context->executor, [this](WallTime soonest) {
    const queue::Due from{soonest, queue::EntryId{0}};
    look_again(from);
  });
  while (!stopping()) {
    co_await read_due(*context);
    co_await pause(*context);
  }
  subscription.reset();
  const Context working = context->with_stop({});
  const Instant end = context->executor->now() + options.stop_grace;
  while (connections > 0 || unfinished > 0) {
    if (context->executor->now() >= end) hurry.request_stop();
    for (auto& [name, destination] : destinations) {
      for (transport::Waiter* idle : destination->idle) idle->wake_later();
    }
    co_await sleep_until(context->executor->now() + farewell_poll, working);
  }
}

// --- Reading the queue ---

// Takes entries in until none is due or the ceiling is reached.
Task<void> Relay::State::read_due(Context with) {
  again = false;
  full = false;
  next_due.reset();
  if (with.executor->now() >= next_sweep) sweep(wall_now());
  for (bool first = true; !stopping(); first = false) {
    if (!first) co_await yield(*with.executor);  // whoever else is on this loop, and the first attempts, do not wait for all that is due
    const std::uint64_t rewinds_before = rewinds;  // the store may let others run before it answers
    auto batch = co_await services.queue.due(seen, due_batch, with);
    if (!batch) {
      if (batch.error().kind() == ErrorKind::cancelled) co_return;
      services.log.event(LogLevel::error, "relay.queue.unreadable", {{"error", batch.error().describe()}});
      next_due = wall_now() + store_wait;
      co_return;
    }
    for (const queue::Due& due : *batch) {
      if (rewinds != rewinds_before) break;  // something before it came in meanwhile
      if (due.when > wall_now()) {
        next_due = due.when;
        end_refill();
        co_return;
      }
      full = active.size() >= options.active_max;
      if (full) co_return;
      if (!co_await take(due, with)) co_return;
      if (rewinds != rewinds_before) break;
      seen = due;
      if (refill && short_of.empty()) break;
    }
    if (rewinds != rewinds_before) continue;
    if (refill && (short_of.empty() || *refill <= seen)) {  // the rest was looked at before
      seen = std::max(seen, *refill);
      end_refill();
      continue;
    }
    if (batch->size() < due_batch && !std::exchange(again, false)) {
      end_refill();
      co_return;
    }
  }
}

// Reads one entry; false when the store cannot be read now.
Task<bool> Relay::State::take(queue::Due due, Context with) {
  if (active.contains(static_cast<std::uint64_t>(due.id))) co_return true;
  auto entry = co_await services.queue.show(due.id, with);
  if (entry) {
    const std::vector<std::size_t> here = co_await clerk.those_here(*entry, wall_now(), with);
    activate(*std::move(entry), due, here);
    co_return true;
  }
  const ErrorKind kind = entry.error().kind();
  if (kind == ErrorKind::not_found) co_return true;
  if (kind == ErrorKind::cancelled) co_return false;
  services.log.event(LogLevel::error, "relay.entry.unreadable",
                     {{"queued", static_cast<std::uint64_t>(due.id)}, {"error", entry.error().describe()}});
  if (kind == ErrorKind::corrupt) co_return true;
  next_due = wall_now() + store_wait;
  co_return false;
}

// `here`: recipients who are reached without any network.
void Relay::State::activate(queue::Entry entry, queue::Due due, const std::vector<std::size_t>& here) {
  const WallTime now = wall_now();
  std::map<Destination*, std::vector<std::size_t>, ByName> groups;
  const auto is_forced = [&](const queue::Recipient& recipient) { return recipient.next_attempt < entry.arrived; };
  for (std::size_t i = 0; i < entry.recipients.size(); ++i) {
    const queue::Recipient& recipient = entry.recipients[i];
    if (recipient.state != queue::RecipientState::pending || recipient.next_attempt > now) continue;
    if (std::ranges::binary_search(here, i)) continue;
    Destination& destination = destination_of(entry, recipient.address);
    if (is_forced(recipient)) destination.not_before = {};  // an administrator's word (queue::Handling::retry)
    groups[&destination].push_back(i);
  }
  if ((groups.empty() && here.empty()) || entry.held) return;
  if (!entry.login.empty() && !has_turn(entry.login, due)) return;
  std::erase_if(groups, [&](const auto& group) {
    Destination& destination = *group.first;
    const bool no_room = !destination.is_away(now) && destination.waiting.size() >= options.waiting_per_destination_max;
    if (no_room && !destination.passed_over) destination.passed_over = due;
    if (no_room) short_of.erase(&destination);
    return no_room;
  });
  if (groups.empty() && here.empty()) return;
  if (!entry.login.empty()) {
    Account& account = accounts[entry.login];
    ++account.active;
    account.pacer.take(context->executor->now());
  }
  auto shared = std::make_shared<ActiveEntry>(ActiveEntry{std::move(entry), due, groups.size() + (here.empty() ? 0 : 1)});
  active.emplace(static_cast<std::uint64_t>(due.id), shared);
  if (!here.empty()) bring_home(Job{shared, here});
  for (auto& [destination, recipients] : groups) {
    if (destination->is_away(now)) {
      put_off(*destination, shared, std::move(recipients));
    } else {
      add(*destination, shared, std::move(recipients));
      connect(*destination);
    }
  }
}

// Whether another entry of the account may be worked on now; if not, it is come back to.
bool Relay::State::has_turn(const std::string& login, queue::Due due) {
  const auto [found, is_new] = accounts.try_emplace(login);
  Account& account = found->second;
  if (is_new) account.pacer = Pacer(options.account_messages_per_minute_max);
  const Instant now = context->executor->now();
  const Instant turn = account.pacer.next(now);
  if (account.active < options.active_per_account_max && turn <= now) return true;
  if (!account.passed_over) account.passed_over = due;
  short_of.erase(&account);
  if (turn > now && !std::exchange(account.is_resuming, true)) resume_account(login, std::max<Instant>(turn, now + account_pause_min)).detach();
  return false;
}

Task<void> Relay::State::resume_account(std::string login, Instant when) {
  ++unfinished;
  co_await sleep_until(when, *context);
  --unfinished;
  const auto account = accounts.find(login);
  if (account == accounts.end()) co_return;
  account->second.is_resuming = false;
  if (const auto from = std::exchange(account->second.passed_over, std::nullopt); from && !stopping()) refill_for(&account->second, *from);
}

// Something new is due: what is behind it is read again.
void Relay::State::look_again(queue::Due from) {
  if (refill) refill = std::min(*refill, before(from));
  if (refill && *refill <= seen) end_refill();
  go_back(from);
}

// Somebody who was passed over has room again: entries are read once more, until there is none. Reading on to the end each
// time would cost the square of what waits.
void Relay::State::refill_for(const void* whom, queue::Due from) {
  if (!refill) refill = seen;
  short_of.insert(whom);
  go_back(from);
}

void Relay::State::go_back(queue::Due from) {
  if (from <= seen) {
    seen = before(from);
    ++rewinds;
  }
  again = true;
  wake();
}

void Relay::State::end_refill() {
  refill.reset();
  short_of.clear();
}

void Relay::State::wake() {
  if (waiter.waiting()) waiter.wake_later();
}

Task<void> Relay::State::pause(Context with) {
  if (again || stopping()) co_return;
  with.deadline = next_sweep;
  if (next_due && !full) {
    const auto left = std::max(*next_due - wall_now(), std::chrono::milliseconds(0));
    with.deadline = std::min<Instant>(with.deadline, with.executor->now() + left);
  }
  (void)co_await waiter.wait(std::move(with));
}

// Everything that is due is looked at anew, and what is known of destinations long gone is dropped.
void Relay::State::sweep(WallTime now) {
  next_sweep = context->executor->now() + sweep_interval;
  seen = {};
  end_refill();
  std::erase_if(accounts, [&](const auto& item) {
    const Account& account = item.second;
    return account.active == 0 && !account.passed_over && !account.is_resuming && account.pacer.is_idle(context->executor->now());
  });
  std::erase_if(destinations, [&](const auto& item) {
    const Destination& destination = *item.second;
    return destination.is_unused() && (destination.failures == 0 || now > destination.not_before + memory_of_failures);
  });
}

// --- Jobs ---

// An entry that was moved goes to a host, or to where mail for another domain goes.
Destination& Relay::State::destination_of(const queue::Entry& entry, const std::string& address) {
  const std::string& moved_to = entry.route;
  const TlsDemand demand = demand_of(entry.envelope);
  const std::string prefix = demand == TlsDemand::usual ? "" : demand == TlsDemand::required ? "requiretls " : "tls-optional ";
  auto own = moved_to.find(':') == std::string::npos ? std::nullopt : Route::parse(moved_to);
  if (own) {
    std::string name = prefix + "moved:" + own->to_string();
    auto& place = destinations[name];
    if (!place) {
      place = std::make_unique<Destination>();
      place->name = std::move(name);
      place->domain = "moved:" + own->to_string();
      place->demand = demand;
      place->route = *std::move(own);
      place->is_moved_to = true;
      place->pacer = Pacer(options.messages_per_minute_max);
    }
    return *place;
  }
  const auto parsed = mime::Address::parse(address);
  const std::string domain = !moved_to.empty() ? moved_to
                             : parsed ? parsed->domain() : address.substr(std::min(address.rfind('@') + 1, address.size()));
  const Route& route = options.routes.find(domain);
  std::string place_name = route.host.empty() ? domain : route.to_string();
  const std::string paced = own_rate_of(domain) ? domain : "";
  std::string name = prefix + (route.host.empty() ? domain : route.connection() + (paced.empty() ? "" : " for " + paced));
  auto& place = destinations[name];
  if (!place) {
    place = std::make_unique<Destination>();
    place->name = std::move(name);
    place->domain = std::move(place_name);
    place->paced = paced;
    place->demand = demand;
    place->route = route;
    place->pacer = Pacer(own_rate_of(paced).value_or(options.messages_per_minute_max));
  }
  return *place;
}

std::optional<std::uint32_t> Relay::State::own_rate_of(std::string_view domain) const {
  if (const auto found = options.rates.find(domain); found != options.rates.end()) return found->second;
  for (std::size_t dot = domain.find('.'); dot != std::string_view::npos; dot = domain.find('.', dot + 1)) {
    if (const auto found = options.rates.find(domain.substr(dot)); found != options.rates.end()) return found->second;
  }
  return std::nullopt;
}

// --- New options ---

// Only what may change: views of all else are held across waits.
void Relay::State::take_options(Options fresh) {
  const bool is_paced_anew = fresh.rates != options.rates || fresh.messages_per_minute_max != options.messages_per_minute_max;
  const bool are_accounts_paced_anew = fresh.account_messages_per_minute_max != options.account_messages_per_minute_max;
  options.routes = std::move(fresh.routes);
  options.retry = std::move(fresh.retry);
  options.use_dane = fresh.use_dane;
  options.connections_max = fresh.connections_max;
  options.connections_per_destination_max = fresh.connections_per_destination_max;
  options.messages_per_minute_max = fresh.messages_per_minute_max;
  options.rates = std::move(fresh.rates);
  options.account_messages_per_minute_max = fresh.account_messages_per_minute_max;
  if (!context) return;  // it has not begun
  std::vector<Job> jobs;
  for (auto& [name, destination] : destinations) {
    std::ranges::move(std::exchange(destination->waiting, {}), std::back_inserter(jobs));
    renew(*destination, is_paced_anew);
  }
  if (are_accounts_paced_anew)
    for (auto& [login, account] : accounts) account.pacer = Pacer(options.account_messages_per_minute_max);
  line_up_again(std::move(jobs));
  next_sweep = {};  // what was passed over for want of room may have it elsewhere now
  again = true;
  wake();
}

void Relay::State::renew(Destination& destination, bool is_paced_anew) const {
  ++destination.generation;
  destination.failures = 0;
  destination.not_before = {};
  destination.passed_over.reset();  // all is read again
  destination.connections_max = std::min(destination.connections_max, std::max<std::size_t>(options.connections_per_destination_max, 1));
  const bool is_by_mx = destination.route.host.empty();
  if (is_paced_anew) destination.pacer = Pacer(own_rate_of(is_by_mx ? destination.domain : destination.paced).value_or(options.messages_per_minute_max));
  if (destination.is_moved_to) return;
  // One that no message takes any more keeps what it had.
  const std::string connection = destination.route.connection();  // as in its name
  const auto is_this = [&](const Route& route) { return is_by_mx ? route.host.empty() : route.connection() == connection; };
  if (is_by_mx) {
    if (const Route& route = options.routes.find(destination.domain); is_this(route)) destination.route = route;
  } else if (is_this(options.routes.usual)) {
    destination.route = options.routes.usual;
  } else {
    const auto found = std::ranges::find_if(options.routes.domains, [&](const auto& item) { return is_this(item.second); });
    if (found != options.routes.domains.end()) destination.route = found->second;
  }
}

// Where they belong by now.
void Relay::State::line_up_again(std::vector<Job> jobs) {
  std::set<Destination*> found;
  for (Job& job : jobs) {
    std::map<Destination*, std::vector<std::size_t>, ByName> groups;
    for (const std::size_t i : job.recipients) groups[&destination_of(job.active->entry, job.active->entry.recipients[i].address)].push_back(i);
    job.active->open_jobs += groups.size() - 1;
    for (auto& [destination, recipients] : groups) {
      add(*destination, job.active, std::move(recipients));
      found.insert(destination);
    }
  }
  for (Destination* const destination : found) connect(*destination);
}

// The destination is known not to answer: that is noted without asking it again.
void Relay::State::put_off(Destination& destination, std::shared_ptr<ActiveEntry> entry, std::vector<std::size_t> recipients) {
  Outcome outcome = destination.last_failure;
  outcome.attempted = false;
  // A little apart, so that they do not all come back in one moment.
  const std::chrono::milliseconds step = options.retry.step(destination.failures);
  const auto spread = std::min<std::chrono::milliseconds>(step / 10, put_off_spread_max);
  outcome.not_before = destination.not_before + std::chrono::milliseconds(services.random.below(static_cast<std::uint64_t>(spread.count()) + 1));
  std::vector<Outcome> outcomes(recipients.size(), outcome);
  Job job{std::move(entry), std::move(recipients)};
  conclude(std::move(job), std::move(outcomes));
}

void Relay::State::add(Destination& destination, std::shared_ptr<ActiveEntry> entry, std::vector<std::size_t> recipients) {
  const std::size_t most = options.recipients_per_message_max;
  for (std::size_t at = 0; at < recipients.size(); at += most) {
    const auto begin = recipients.begin() + static_cast<std::ptrdiff_t>(at);
    const auto end = recipients.begin() + static_cast<std::ptrdiff_t>(std::min(at + most, recipients.size()));
    if (at > 0) ++entry->open_jobs;  // the first is counted already
    line_up(destination, Job{entry, {begin, end}});
  }
}

// RFC 6710 §5.2: what is more urgent goes first; of equals, what came first.
void Relay::State::line_up(Destination& destination, Job job) {
  const int priority = job.active->entry.envelope.priority;
  auto place = destination.waiting.end();
  while (place != destination.waiting.begin() && std::prev(place)->active->entry.envelope.priority < priority) --place;
  destination.waiting.insert(place, std::move(job));
}

// Sees to it that somebody takes what waits.
void Relay::State::connect(Destination& destination) {
  const Instant now = context->executor->now();
  if (const Instant turn = destination.pacer.next(now); turn > now) {
    if (!destination.waiting.empty() && !std::exchange(destination.is_resuming, true)) resume(destination, turn).detach();
    return;
  }
  std::size_t left = destination.waiting.size();
  while (left > 0 && !destination.idle.empty()) {
    destination.idle.back()->wake_later();
    destination.idle.pop_back();
    --left;
  }
  while (left > 0 && destination.connections < destination.connections_max && has_place(destination) && !stopping()) {
    ++destination.connections;
    ++connections;
    --left;
    serve(destination).detach();
  }
  if (left == 0 || destination.connections > 0 || destination.is_hungry || stopping()) return;
  destination.is_hungry = true;
  (destination.failures > 0 ? hungry_doubtful : hungry).push_back(destination.name);
}

// When the next message may go to it.
Task<void> Relay::State::resume(Destination& destination, Instant when) {
  ++unfinished;
  co_await sleep_until(when, *context);
  --unfinished;
  destination.is_resuming = false;
  if (!stopping()) connect(destination);
}

// What has failed before may take half of the connections, so that it cannot keep those waiting who answer.
bool Relay::State::has_place(const Destination& destination) const noexcept {
  if (connections >= options.connections_max) return false;
  return destination.failures == 0 || doubtful < std::max<std::size_t>(options.connections_max / 2, 1);
}

// Those that found no connection free, in the order in which they came.
void Relay::State::connect_hungry() {
  for (auto* line : {&hungry, &hungry_doubtful}) {
    while (!line->empty()) {
      const auto found = destinations.find(line->front());
      Destination* const destination = found == destinations.end() ? nullptr : found->second.get();
      if (destination && !has_place(*destination)) break;
      line->pop_front();
      if (!destination) continue;
      destination->is_hungry = false;
      if (destination->connections == 0) connect(*destination);
    }
  }
}

// One connection, from the first job to the last; another is opened in its place when it has done its share.
Task<void> Relay::State::serve(Destination& destination) {
  const bool is_doubtful = destination.failures > 0;
  if (is_doubtful) ++doubtful;
  co_await yield(*context->executor);  // whoever called goes on first
  std::unique_ptr<Courier> courier;
  std::uint32_t generation = destination.generation;
  while (!stopping() && !destination.waiting.empty()) {
    if (courier && generation != destination.generation) {
      co_await courier->quit();
      courier.reset();
    }
    if (!courier) {
      generation = destination.generation;
      courier = co_await open(destination);
    }
    if (!courier) break;
    if (generation != destination.generation) continue;  // while it was opened
    if (destination.waiting.empty()) {  // others were quicker
      co_await wait_for_job(destination);
      continue;
    }
    const Instant now = context->executor->now();
    if (destination.pacer.next(now) > now) break;  // resume() comes back to it
    destination.pacer.take(now);
    Job job = std::move(destination.waiting.front());
    destination.waiting.pop_front();
    job_taken(destination);
    const bool good = co_await deliver(destination, *courier, std::move(job), generation);
    if (!good || courier->messages() >= options.messages_per_connection_max) {
      co_await courier->quit();
      courier.reset();
      if (destination.is_away(wall_now())) break;
    }
    if (courier && destination.waiting.empty()) co_await wait_for_job(destination);
  }
  if (courier) co_await courier->quit();
  courier.reset();
  end_connection(destination, is_doubtful);
}

void Relay::State::end_connection(Destination& destination, bool was_doubtful) {
  if (was_doubtful) --doubtful;
  --destination.connections;
  --connections;
  if (destination.connections == 0 && !destination.waiting.empty()) connect(destination);
  connect_hungry();
  wake();
}

// A session, or nothing after its failure has been noted for all that wait.
Task<std::unique_ptr<Courier>> Relay::State::open(Destination& destination) {
  Route route = destination.route;
  std::string domain = destination.domain;
  const std::uint32_t generation = destination.generation;
  auto opened = co_await finder.open(std::move(domain), std::move(route), destination.demand, *context);
  if (auto* courier = std::get_if<std::unique_ptr<Courier>>(&opened)) {
    destination.reached();
    services.log.event(LogLevel::debug, "relay.connected",
                       {{"destination", destination.name}, {"host", (*courier)->host().to_string()}, {"tls", (*courier)->security()}});
    co_return std::move(*courier);
  }
  if (!stopping() && generation == destination.generation) note_failure(destination, std::move(std::get<HostFailure>(opened)));
  co_return nullptr;
}

void Relay::State::note_failure(Destination& destination, HostFailure failure) {
  if (destination.connections > 1) {  // it answers, but not to so many at once
    destination.connections_max = destination.connections - 1;
    return;
  }
  services.log.event(LogLevel::info, "relay.unreachable",
                     {{"destination", destination.name}, {"reply", failure.reply.to_string()}, {"waiting", destination.waiting.size()}});
  Outcome outcome{.reply = std::move(failure.reply), .host = std::move(failure.host)};
  if (outcome.temporary()) {
    ++destination.failures;
    destination.connections_max = 1;
    const auto wait = std::min<std::chrono::milliseconds>(options.retry.wait_after(destination.failures, services.random), options.destination_wait_max);
    destination.not_before = wall_now() + wait;
    outcome.not_before = destination.not_before;
    destination.last_failure = outcome;
  }
  auto waiting = std::exchange(destination.waiting, {});
  for (Job& job : waiting) {
    Outcome own = outcome;
    // Where an administrator sent it is not where its sender did, who must not lose it by a slip of the hand.
    if (!job.active->entry.route.empty() && !own.temporary()) own.reply = {451, {4, 4, 4}, "Moved to where no mail can go: " + own.reply.to_string()};
    std::vector<Outcome> outcomes(job.recipients.size(), own);
    conclude(std::move(job), std::move(outcomes));
  }
  job_taken(destination);
}

Task<void> Relay::State::wait_for_job(Destination& destination) {
  transport::Waiter idle;
  destination.idle.push_back(&idle);
  const Context wait = context->until(context->executor->now() + options.idle_connection_max);
  (void)co_await idle.wait(wait);
  std::erase(destination.idle, &idle);
}

// Whether it still goes this way: an administrator may have held it, moved it or taken it out while it stood in line.
Task<bool> Relay::State::may_go(Job& job) {
  const Context working = context->with_stop({});
  const auto current = co_await services.queue.show(job.active->entry.id, working);
  if (!current) co_return current.error().kind() != ErrorKind::not_found;
  job.active->was_moved = job.active->was_moved || current->route != job.active->entry.route;
  co_return !current->held && !job.active->was_moved;
}

// False when the session is over, or had better be. `generation`: of the route that the session was opened by.
Task<bool> Relay::State::deliver(Destination& destination, Courier& courier, Job job, std::uint32_t generation) {
  const queue::Entry& entry = job.active->entry;
  const Context working = context->with_stop({});
  if (!co_await may_go(job)) {
    forget(job.active);
    co_return true;
  }
  auto letter = co_await Letter::open(services.queue, entry.id, working);
  if (!letter) {
    if (letter.error().kind() == ErrorKind::not_found) {  // taken out of the queue meanwhile
      forget(job.active);
      co_return true;
    }
    Outcome outcome{.reply = {451, {4, 3, 0}, "The message cannot be read: " + letter.error().describe()}, .host = {}};
    std::vector<Outcome> outcomes(job.recipients.size(), outcome);
    conclude(std::move(job), std::move(outcomes));
    co_return true;
  }
  if (generation != destination.generation) {  // it is not begun, and goes where it belongs by now
    put_back(destination, std::move(job), generation);
    co_return false;
  }
  Consignment consignment{.envelope = envelope_for(entry, job.recipients, wall_now()), .letter = letter->get(),
                          .internationalized = entry.envelope.smtputf8};
  auto outcomes = co_await courier.deliver(std::move(consignment));
  if (courier.was_stale()) {  // the server had closed it while it was idle; no word was said of this message
    put_back(destination, std::move(job), generation);
    co_return false;
  }
  const bool good = courier.usable();
  if (good) {
    destination.reached();
    destination.connections_max = std::min(destination.connections_max + 1, options.connections_per_destination_max);
    connect(destination);
  } else if (generation == destination.generation && ++destination.losses >= losses_max) {
    HostFailure failure{.reply = outcomes.front().reply, .host = outcomes.front().host};
    if (failure.reply.temporary()) note_failure(destination, std::move(failure));
  }
  sort_out(destination, std::move(job), std::move(outcomes), generation);
  co_return good;
}

// What was taken for a session and is still to be sent: it is next in line, or where it belongs when the route has changed.
void Relay::State::put_back(Destination& destination, Job job, std::uint32_t generation) {
  if (generation == destination.generation) {
    destination.waiting.push_front(std::move(job));
    return;
  }
  std::vector<Job> jobs;
  jobs.push_back(std::move(job));
  line_up_again(std::move(jobs));
}

// RFC 5321 §4.5.3.1.10: recipients beyond what the server takes at once go in a transaction of their own, right away.
void Relay::State::sort_out(Destination& destination, Job job, std::vector<Outcome> outcomes, std::uint32_t generation) {
  const bool progress = std::ranges::any_of(outcomes, &Outcome::delivered);
  Job later{job.active, {}};
  Job done{job.active, {}};
  std::vector<Outcome> kept;
  for (std::size_t i = 0; i < outcomes.size(); ++i) {
    const bool too_many = outcomes[i].reply.code == 452 && outcomes[i].reply.status != smtp::EnhancedStatus{4, 2, 2};
    if (progress && too_many && !outcomes[i].delivered()) {
      later.recipients.push_back(job.recipients[i]);
    } else {
      done.recipients.push_back(job.recipients[i]);
      kept.push_back(std::move(outcomes[i]));
    }
  }
  if (!later.recipients.empty()) {
    ++job.active->open_jobs;
    put_back(destination, std::move(later), generation);
  }
  conclude(std::move(done), std::move(kept));
}

// --- Conclusions ---

void Relay::State::conclude(Job job, std::vector<Outcome> outcomes) {
  ++unfinished;
  conclude_and_forget(std::move(job), std::move(outcomes)).detach();
}

Task<void> Relay::State::conclude_and_forget(Job job, std::vector<Outcome> outcomes) {
  const std::shared_ptr<ActiveEntry> entry = job.active;
  co_await clerk.conclude(std::move(job), std::move(outcomes), *context);
  --unfinished;
  forget(entry);
}

void Relay::State::bring_home(Job job) {
  ++unfinished;
  bring_home_and_forget(std::move(job)).detach();
}

Task<void> Relay::State::bring_home_and_forget(Job job) {
  const std::shared_ptr<ActiveEntry> entry = job.active;
  co_await clerk.bring_home(std::move(job), *context);
  --unfinished;
  forget(entry);
}

// One job of the entry is over; with the last one it leaves the memory.
void Relay::State::forget(const std::shared_ptr<ActiveEntry>& entry) {
  if (--entry->open_jobs > 0) return;
  active.erase(static_cast<std::uint64_t>(entry->entry.id));
  if (entry->was_moved) look_again({});  // it has been due since it was moved
  if (const auto account = accounts.find(entry->entry.login); account != accounts.end()) {
    if (account->second.active > 0) --account->second.active;
    const bool has_room = account->second.active <= options.active_per_account_max / 2 && !account->second.is_resuming;
    if (has_room && account->second.passed_over) refill_for(&account->second, *std::exchange(account->second.passed_over, std::nullopt));
    if (account->second.active == 0 && !account->second.is_resuming && account->second.pacer.is_idle(context->executor->now())) accounts.erase(account);
  }
  if (full && active.size() <= options.active_max / 2) {
    full = false;
    again = true;
    wake();
  }
}

// Room in its line for entries that were passed over.
void Relay::State::job_taken(Destination& destination) {
  if (!destination.passed_over || destination.waiting.size() > options.waiting_per_destination_max / 2) return;
  refill_for(&destination, *std::exchange(destination.passed_over, std::nullopt));
}

}  // namespace keystonemail::relay
