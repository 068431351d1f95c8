// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "keystonemail/service/policies/sending_limits.hpp"

#include <algorithm>
#include <iterator>
#include <map>
#include <mutex>
#include <set>
#include <utility>

#include "base/format.hpp"
#include "base/try.hpp"
#include "keystonemail/base/text.hpp"
#include "service/policies/kept_map.hpp"
#include "service/policies/sending_record.hpp"

namespace keystonemail::policies {
namespace {

using policy::Decision;
using policy::Stage;

constexpr char account_prefix = 'a', written_to_prefix = 'k', exception_prefix = 'e';
constexpr std::size_t exceptions_max = 100'000;

std::string account_key(std::string_view login) { return short_name({to_lower(login)}); }
std::string written_to_key(std::string_view login, std::string_view recipient) { return short_name({to_lower(login), to_lower(recipient)}); }
std::string exception_row(std::string_view login) { return std::string(1, exception_prefix).append(login); }

Decision put_off(std::string text, std::string reason) {
  Decision decision = Decision::defer(std::move(text), "4.7.1", std::move(reason));
  decision.refusal.code = 450;
  return decision;
}

// What is counted of whom, for whom a ceiling is reached; nothing when none is.
struct Reached {
  std::uint32_t most;
  std::string_view what;
};
std::optional<Reached> reached(const SendingCeilings& ceilings, const SendingRecord& record, bool is_new) {
  const auto is_full = [](const Window& window, std::uint32_t most) { return most != 0 && window.count >= most; };
  if (is_full(record.recipients_minute, ceilings.recipients_per_minute)) return Reached{ceilings.recipients_per_minute, "recipients a minute"};
  if (is_full(record.recipients_hour, ceilings.recipients_per_hour)) return Reached{ceilings.recipients_per_hour, "recipients an hour"};
  if (is_full(record.recipients_day, ceilings.recipients_per_day)) return Reached{ceilings.recipients_per_day, "recipients a day"};
  if (is_new && is_full(record.new_recipients_day, ceilings.new_recipients_per_day))
    return Reached{ceilings.new_recipients_per_day, "new recipients a day"};
  return std::nullopt;
}
std::optional<Reached> reached_messages(const SendingCeilings& ceilings, const SendingRecord& record) {
  if (ceilings.messages_per_hour != 0 && record.messages_hour.count >= ceilings.messages_per_hour) return Reached{ceilings.messages_per_hour, "messages an hour"};
  if (ceilings.messages_per_day != 0 && record.messages_day.count >= ceilings.messages_per_day) return Reached{ceilings.messages_per_day, "messages a day"};
  return std::nullopt;
}

Decision put_off(const Reached& one, std::string_view login) {
  return put_off(format("You may send {} {}: try the rest later", one.most, one.what), format("{} has sent its {} {}", login, one.most, one.what));
}

}  // namespace

struct SendingLimits::State {
  // What a transaction has counted so far.
  struct Counted {
    std::uint32_t recipients = 0;
    std::set<std::string> new_recipients;  // their keys
  };

  State(kv::Store& opened, kv::Table rows, Log& events, SendingOptions chosen)
      : store(opened), table(rows), log(events), options(std::move(chosen)) {}

  kv::Store& store;
  const kv::Table table;
  Log& log;
  mutable std::mutex mutex;
  SendingOptions options;  // this and all below guarded by mutex
  KeptMap<SendingRecord> accounts{account_prefix, accounts_max};
  KeptMap<WrittenTo> written_to{written_to_prefix, recipients_max};
  std::map<std::string, SendingException, std::less<>> exceptions;  // by login in lower case
  std::set<std::string, std::less<>> unwritten;                     // of those
  std::map<std::string, Suspension, std::less<>> new_suspensions;   // not written yet
  SuspensionWriter writer;

  SendingRecord& record(std::string_view login, WallTime now) {
    SendingRecord& found = accounts.touch(account_key(login), now);
    found.renew(now);
    return found;
  }
  [[nodiscard]] const SendingException* exception(std::string_view login) const {
    const auto found = exceptions.find(to_lower(login));
    return found == exceptions.end() ? nullptr : &found->second;
  }
  [[nodiscard]] const SendingCeilings& ceilings(const SendingException* one) const noexcept {
    return one && one->ceilings ? *one->ceilings : options.usual;
  }
  [[nodiscard]] static bool is_suspended(const SendingException* one) noexcept { return one && one->suspended != WallTime{}; }

  Decision on_mail(std::string_view login, WallTime now) {
    const std::lock_guard lock(mutex);
    const SendingException* own = exception(login);
    if (is_suspended(own)) return Decision::proceed();
    const auto full = reached_messages(ceilings(own), record(login, now));
    return full ? put_off(*full, login) : Decision::proceed();
  }

  Decision on_recipient(const policy::Facts& facts, Counted& counted) {
    const std::lock_guard lock(mutex);
    SendingRecord& account = record(facts.login, facts.time);
    account.tries_hour.add();
    const SendingException* own = exception(facts.login);
    const SendingCeilings& most = ceilings(own);
    if (!is_suspended(own) && goes_wild(account, most)) own = suspend(facts, account);
    if (is_suspended(own)) return held(facts.login, account);
    const std::string key = written_to_key(facts.login, facts.recipients.back().address);
    const bool is_new = !written_to.find(key) && !counted.new_recipients.contains(key);
    if (const auto full = reached(most, account, is_new)) return put_off(*full, facts.login);
    for (Window* window : {&account.recipients_minute, &account.recipients_hour, &account.recipients_day}) window->add();
    ++counted.recipients;
    if (is_new) {
      account.new_recipients_day.add();
      counted.new_recipients.insert(key);
    }
    return Decision::proceed();
  }

  [[nodiscard]] bool goes_wild(const SendingRecord& account, const SendingCeilings& most) const noexcept {
    return options.suspend_at != 0 && most.recipients_per_hour != 0 && account.tries_hour.count >= options.suspend_at &&
           account.tries_hour.count > most.recipients_per_hour;
  }

  const SendingException* suspend(const policy::Facts& facts, const SendingRecord& account) {
    const std::string login = to_lower(facts.login);
    SendingException& own = exceptions[login];
    own.suspended = facts.time;
    new_suspensions[login] = {.login = login, .when = facts.time, .recipients = account.tries_hour.count, .peer = facts.connection.peer.to_string()};
    log.event(LogLevel::error, "sending.suspended",
              {{"login", facts.login}, {"recipients", account.tries_hour.count}, {"session", facts.connection.session},
               {"peer", facts.connection.peer.to_string()}, {"why", "it tried as many recipients within an hour: its password may be known to others"}});
    return &own;
  }

  [[nodiscard]] bool has_new_suspension(std::string_view login) const {
    const std::lock_guard lock(mutex);
    return !new_suspensions.empty() && new_suspensions.contains(to_lower(login));
  }

  Decision held(std::string_view login, const SendingRecord& account) const {
    if (account.held_day.count >= options.held_messages_per_day_max)
      return put_off("Sending is suspended for your account: ask your administrator", format("{} is suspended, and {} messages are held", login, account.held_day.count));
    return Decision::quarantine(format("{} is suspended: held until somebody looks", login));
  }

  void on_submit(const policy::Facts& facts, Counted& counted) {
    const std::lock_guard lock(mutex);
    SendingRecord& account = record(facts.login, facts.time);
    account.messages_hour.add();
    account.messages_day.add();
    if (is_suspended(exception(facts.login))) account.held_day.add();
    for (const policy::Recipient& recipient : facts.recipients) written_to.touch(written_to_key(facts.login, recipient.address), facts.time);
    counted = {};
  }

  // The transaction came to nothing.
  void take_back(std::string_view login, const Counted& counted) {
    const std::lock_guard lock(mutex);
    const std::string key = account_key(login);
    const SendingRecord* found = accounts.find(key);
    if (!found) return;
    SendingRecord& account = accounts.touch(key, found->last);
    for (Window* window : {&account.recipients_minute, &account.recipients_hour, &account.recipients_day}) window->take_back(counted.recipients);
    account.new_recipients_day.take_back(static_cast<std::uint32_t>(counted.new_recipients.size()));
  }

  [[nodiscard]] Standing standing(std::string_view login, WallTime now) const {  // REQUIRES: mutex
    const SendingException* own = exception(login);
    const SendingRecord* found = accounts.find(account_key(login));
    SendingRecord account = found ? *found : SendingRecord{};
    account.renew(now);
    return {.login = std::string(login),
            .ceilings = ceilings(own),
            .has_own_ceilings = own && own->ceilings,
            .recipients_this_minute = account.recipients_minute.count,
            .recipients_this_hour = account.recipients_hour.count,
            .recipients_today = account.recipients_day.count,
            .new_recipients_today = account.new_recipients_day.count,
            .messages_this_hour = account.messages_hour.count,
            .messages_today = account.messages_day.count,
            .suspended = is_suspended(own)};
  }

  // Writes a suspension, if there is a new one: whoever is suspended stays so, whatever happens next.
  Task<Result<void>> keep_suspension(std::string login, Context context) {
    login = to_lower(login);
    Suspension suspension;
    SuspensionWriter tell;
    {
      const std::lock_guard lock(mutex);
      const auto found = new_suspensions.find(login);
      if (found == new_suspensions.end()) co_return Result<void>();
      suspension = std::move(found->second);
      new_suspensions.erase(found);
      tell = writer;
    }
    kv::Operation operation = [&](kv::Transaction& transaction) -> Task<Result<void>> {
      put_exception(transaction, login);
      if (tell) tell(transaction, suspension);
      co_return Result<void>();
    };
    auto written = co_await store.transact(std::move(operation), {}, context);
    if (!written) {
      const std::lock_guard lock(mutex);
      if (is_suspended(exception(login))) new_suspensions.try_emplace(login, std::move(suspension));
    }
    co_return written;
  }

  // As it is when the transaction runs: what was decided meanwhile is not overwritten, in whatever order writers get their turn.
  void put_exception(kv::Transaction& transaction, std::string_view login) const {
    const std::lock_guard lock(mutex);
    const SendingException* own = exception(login);
    if (own) transaction.put(table, exception_row(login), own->encode());
    else transaction.erase(table, exception_row(login));
  }

  Task<Result<void>> write_exceptions(std::set<std::string, std::less<>> logins, Context context) {
    if (logins.empty()) co_return Result<void>();
    kv::Operation operation = [&](kv::Transaction& transaction) -> Task<Result<void>> {
      for (const std::string& login : logins) put_exception(transaction, login);
      co_return Result<void>();
    };
    auto written = co_await store.transact(std::move(operation), {}, context);
    if (!written) {
      const std::lock_guard lock(mutex);
      unwritten.merge(logins);
    }
    co_return written;
  }

  // Changes what is decided about an account, and writes it.
  template <class Change>
  Task<Result<void>> decide(std::string login, Change change, Context context) {
    login = to_lower(login);
    {
      const std::lock_guard lock(mutex);
      if (exceptions.size() >= exceptions_max && !exceptions.contains(login)) co_return fail(ErrorKind::conflict, "too many accounts have limits of their own");
      SendingException& own = exceptions[login];
      change(own);
      if (own.suspended == WallTime{}) new_suspensions.erase(login);
      if (own.is_none()) exceptions.erase(login);
      unwritten.erase(login);
    }
    std::set<std::string, std::less<>> logins{std::move(login)};
    co_return co_await write_exceptions(std::move(logins), std::move(context));
  }
};

// One connection.
class SendingLimits::Session final : public policy::Inspector {
 public:
  explicit Session(std::shared_ptr<State> state) : state_(std::move(state)) {}
  ~Session() override { give_back(); }

  Task<Result<Decision>> judge(Stage stage, const policy::Facts& facts, Context context) override {
    if (facts.login.empty()) co_return Decision::proceed();
    if (stage == Stage::mail) {
      login_ = facts.login;
      co_return state_->on_mail(facts.login, facts.time);
    }
    if (stage == Stage::rcpt) {
      Decision decision = state_->on_recipient(facts, counted_);
      if (state_->has_new_suspension(facts.login)) {  // a store that does not take it now gets it from keep()
        std::string login(facts.login);
        (void)co_await state_->keep_suspension(std::move(login), Context(context.executor));
      }
      co_return decision;
    }
    if (stage == Stage::submit) state_->on_submit(facts, counted_);
    co_return Decision::proceed();
  }
  void reset() noexcept override { give_back(); }

 private:
  void give_back() noexcept {
    if (counted_.recipients > 0) state_->take_back(login_, counted_);
    counted_ = {};
  }

  std::shared_ptr<State> state_;
  State::Counted counted_;
  std::string login_;
};

Task<Result<std::shared_ptr<SendingLimits>>> SendingLimits::open(kv::Store& store, kv::Table table, Log& log, SendingOptions options,
                                                                 Context context) {
  auto state = std::make_shared<State>(store, table, log, std::move(options));
  RowVisitor load = [&state](std::string_view key, std::string_view row) {
    if (state->accounts.owns(key)) return state->accounts.load(key, row);
    if (state->written_to.owns(key)) return state->written_to.load(key, row);
    auto exception = key.starts_with(exception_prefix) ? SendingException::decode(row) : std::nullopt;
    if (exception) state->exceptions.emplace(key.substr(1), *std::move(exception));
    return exception.has_value();
  };
  KM_CO_CHECK(co_await read_rows(store, table, std::move(load), context));
  state->accounts.loaded();
  state->written_to.loaded();
  co_return std::shared_ptr<SendingLimits>(new SendingLimits(std::move(state)));
}

SendingLimits::~SendingLimits() = default;

void SendingLimits::set_options(SendingOptions options) {
  const std::lock_guard lock(state_->mutex);
  state_->options = std::move(options);
}

void SendingLimits::set_suspension_writer(SuspensionWriter writer) {
  const std::lock_guard lock(state_->mutex);
  state_->writer = std::move(writer);
}

std::unique_ptr<policy::Inspector> SendingLimits::inspect(const policy::Connection& connection) {
  if (connection.service == "lmtp" || connection.trusted) return nullptr;
  return std::make_unique<Session>(state_);
}

SendingLimits::Standing SendingLimits::standing(std::string_view login, WallTime now) const {
  const std::lock_guard lock(state_->mutex);
  return state_->standing(login, now);
}

std::vector<SendingLimits::Standing> SendingLimits::notable(WallTime now) const {
  const std::lock_guard lock(state_->mutex);
  std::vector<Standing> all;
  for (const auto& [login, exception] : state_->exceptions) all.push_back(state_->standing(login, now));
  return all;
}

Task<Result<void>> SendingLimits::set_ceilings(std::string login, std::optional<SendingCeilings> ceilings, Context context) {
  const auto change = [ceilings](SendingException& own) { own.ceilings = ceilings; };
  co_return co_await state_->decide(std::move(login), change, context);
}

Task<Result<void>> SendingLimits::release(std::string login, Context context) {
  {
    const std::lock_guard lock(state_->mutex);
    state_->accounts.erase(account_key(login));
  }
  const auto change = [](SendingException& own) { own.suspended = WallTime{}; };
  co_return co_await state_->decide(std::move(login), change, context);
}

Task<Result<void>> SendingLimits::keep(Context context) {
  std::vector<std::string> suspended;
  {
    const std::lock_guard lock(state_->mutex);
    for (const auto& [login, suspension] : state_->new_suspensions) suspended.push_back(login);
  }
  for (std::string& login : suspended) KM_CO_CHECK(co_await state_->keep_suspension(std::move(login), context));
  std::vector<RowChange> changes;
  std::set<std::string, std::less<>> exceptions;
  {
    const std::lock_guard lock(state_->mutex);
    changes = state_->accounts.take_changes();
    std::ranges::move(state_->written_to.take_changes(), std::back_inserter(changes));
    exceptions = std::exchange(state_->unwritten, {});
  }
  auto decided = co_await state_->write_exceptions(std::move(exceptions), context);
  auto written = co_await write_rows(state_->store, state_->table, changes, context);
  if (!written) {
    const std::lock_guard lock(state_->mutex);
    state_->accounts.put_back(changes);
    state_->written_to.put_back(changes);
  }
  co_return written ? decided : written;
}

}  // namespace keystonemail::policies
