// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "keystonemail/service/reports/reporting.hpp"

#include <algorithm>
#include <new>
#include <utility>

#include "base/try.hpp"
#include "keystonemail/base/text.hpp"
#include "keystonemail/crypto/digest.hpp"
#include "keystonemail/reports/report_reader.hpp"
#include "service/reports/collector.hpp"
#include "service/reports/failures.hpp"
#include "service/reports/intake.hpp"
#include "service/reports/posts.hpp"
#include "service/reports/sender.hpp"

namespace keystonemail::reporting {
namespace {

constexpr std::size_t rows_at_once = 500;        // in one commit
constexpr std::chrono::minutes send_interval{1}; // between looks at what is due
constexpr std::chrono::hours prune_interval{1};
constexpr std::chrono::milliseconds turn_wait{20};
constexpr std::size_t key_octets = 16;

// The first rows of a batch, taken out of it.
Batch take_some(Batch& batch) {
  Batch out;
  std::size_t rows = 0;
  while (!batch.empty() && rows < rows_at_once) {
    auto one = batch.extract(batch.begin());
    rows += one.mapped().rows.size() + 1;
    out.insert(std::move(one));
  }
  return out;
}

}  // namespace

struct Reporting::State {
  State(Options given, Services with, ReportStore& kept)
      : options(std::move(given)),
        services(std::move(with)),
        store(kept),
        collector(options),
        failures(options, services.random.hex(key_octets)),
        room(std::make_shared<IntakeRoom>(options)),
        posts(options, services, store),
        sender(options, services, store, [this](std::string message, const std::string& to) { received_here(std::move(message), to); }) {}

  [[nodiscard]] Task<Result<void>> flush(Context context);
  [[nodiscard]] Task<void> read_incoming(Context context);
  [[nodiscard]] Task<Result<void>> keep(const reports::Reports& found, const Incoming& incoming, Context context);
  [[nodiscard]] Task<Result<void>> keep_one(Report report, std::string from, bool verified, Context context);
  [[nodiscard]] Task<void> send_due(Context context);
  [[nodiscard]] Task<void> send_failures(Context context);
  [[nodiscard]] Task<Result<std::vector<Sent>>> send_all(bool with_today, Context context);
  [[nodiscard]] Task<void> prune(Context context);
  [[nodiscard]] bool is_due(const Waiting& waiting, WallTime now) const;
  void received_here(std::string message, const std::string& to);

  Options options;
  Services services;
  ReportStore& store;
  Collector collector;
  Failures failures;
  std::shared_ptr<IntakeRoom> room;
  Posts posts;
  Sender sender;
  bool is_sending = false;
};

Reporting::Reporting(Options options, Services services, ReportStore& store)
    : state_(std::make_unique<State>(std::move(options), std::move(services), store)) {}
Reporting::~Reporting() = default;

void Reporting::observed(const authentication::DmarcFinding& finding) noexcept {
  try {
    state_->collector.count(finding);
    state_->failures.consider(finding);
  } catch (const std::bad_alloc&) {  // mail goes first
  }
}

void Reporting::observed(const relay::TlsSession& session) noexcept {
  try {
    state_->collector.count(session);
  } catch (const std::bad_alloc&) {
  }
}

std::shared_ptr<policy::Policy> Reporting::intake() { return std::make_shared<Intake>(state_->room); }

Task<void> Reporting::run(Context context) {
  State& s = *state_;
  Instant next_sending = context.executor->now() + send_interval, next_pruning = context.executor->now();
  const Context working = context.with_stop({});
  while (!context.stop.stop_requested()) {
    co_await sleep_until(context.executor->now() + s.options.flush_interval, context);
    (void)co_await s.flush(working);
    co_await s.read_incoming(working);
    if (context.stop.stop_requested()) break;
    co_await s.send_failures(context);
    const Instant now = context.executor->now();
    if (now >= next_sending) {
      co_await s.send_due(context);
      next_sending = context.executor->now() + send_interval;
    }
    if (now >= next_pruning) {
      co_await s.prune(context);
      next_pruning = now + prune_interval;
    }
  }
}

Task<Result<std::vector<Sent>>> Reporting::send_now(Context context) {
  KM_CO_CHECK(co_await state_->flush(context));
  while (state_->is_sending) co_await sleep_until(context.executor->now() + turn_wait, context);
  co_return co_await state_->send_all(true, context);
}

web::Router::Handler Reporting::https_intake() {
  return [posts = &state_->posts](web::Exchange& exchange, Context context) { return posts->answer(exchange, std::move(context)); };
}

// What cannot be stored waits for the next time.
Task<Result<void>> Reporting::State::flush(Context context) {
  Batch batch = collector.take();
  while (!batch.empty()) {
    Batch some = take_some(batch);
    const auto done = co_await store.add(some, context);
    if (done) continue;
    services.log.event(LogLevel::warning, "reports.store.failed", {{"error", done.error().describe()}});
    collector.give_back(std::move(some));
    collector.give_back(std::move(batch));
    co_return done;
  }
  co_return Result<void>();
}

// A report of ours to an address of ours: it never passes by the intake.
void Reporting::State::received_here(std::string message, const std::string& to) {
  if (!is_report_address(options, to) || !room->reserve(message.size())) return;
  room->put({.message = std::move(message), .author = options.contact, .verified = true, .verified_tls = true});
}

Task<void> Reporting::State::read_incoming(Context context) {
  std::vector<Incoming> all = room->take();
  for (Incoming& incoming : all) {
    reports::Reports found;
    if (services.workers != nullptr) {
      auto work = [&incoming] { return reports::read_message(incoming.message); };
      auto read = co_await run_on(*services.workers, std::move(work), context);
      if (!read) continue;
      found = *std::move(read);
    } else {
      found = reports::read_message(incoming.message);
    }
    for (const std::string& problem : found.problems)
      services.log.event(LogLevel::warning, "reports.unreadable", {{"from", incoming.author}, {"why", problem}});
    const auto kept = co_await keep(found, incoming, context);
    if (!kept) services.log.event(LogLevel::warning, "reports.store.failed", {{"from", incoming.author}, {"error", kept.error().describe()}});
  }
}

Task<Result<void>> Reporting::State::keep(const reports::Reports& found, const Incoming& incoming, Context context) {
  const std::string& from = incoming.author;
  const bool verified = incoming.verified;
  for (const auto& report : found.aggregates) {
    if (!report.records.empty()) KM_CO_CHECK(co_await keep_one(report, from, verified, context));
  }
  for (const auto& report : found.tls) {
    if (!incoming.verified_tls) {  // RFC 8460 §3: those without a signature are ignored
      services.log.event(LogLevel::warning, "reports.ignored", {{"kind", "tls"}, {"from", from}, {"why", "its domain has not signed it"}});
      continue;
    }
    KM_CO_CHECK(co_await keep_one(report, from, true, context));
  }
  for (const auto& report : found.failures) KM_CO_CHECK(co_await keep_one(report, from, verified, context));
  co_return Result<void>();
}

Task<Result<void>> Reporting::State::keep_one(Report report, std::string from, bool verified, Context context) {
  const WallTime now = context.executor->wall_now();
  auto kept = co_await store.keep(report, from, verified, now, context);
  if (!kept && kept.error().kind() != ErrorKind::too_large) co_return std::unexpected(kept.error());
  const std::string_view what = !kept ? "too large" : *kept == Kept::yes ? "kept" : *kept == Kept::duplicate ? "there already" : "too many today";
  services.log.event(LogLevel::info, "reports.received", {{"from", from}, {"verified", verified}, {"result", what}});
  co_return Result<void>();
}

// A day's reports go out some time after it, at a moment that is this server's and this day's own.
bool Reporting::State::is_due(const Waiting& waiting, WallTime now) const {
  const auto seconds = static_cast<std::uint64_t>(std::max<std::int64_t>(std::chrono::seconds(options.send_jitter).count(), 1));
  const std::string about = options.hostname + " " + std::to_string(waiting.of.day.time_since_epoch().count());
  const auto hash = crypto::sha256(about);
  std::uint64_t drawn = 0;
  for (std::size_t i = 0; i < 8; ++i) drawn = drawn << 8 | hash[i];
  const WallTime due = waiting.of.day + std::chrono::days(1) + options.send_after + std::chrono::seconds(static_cast<std::int64_t>(drawn % seconds));
  return now >= due && now >= waiting.next_attempt;
}

Task<Result<std::vector<Sent>>> Reporting::State::send_all(bool with_today, Context context) {
  is_sending = true;
  std::vector<Sent> out;
  auto waiting = co_await store.waiting(context);
  if (!waiting) {
    is_sending = false;
    co_return std::unexpected(waiting.error());
  }
  for (const Waiting& one : *waiting) {
    if (context.stop.stop_requested()) break;
    if (!with_today && !is_due(one, context.executor->wall_now())) continue;
    auto sent = co_await sender.send(one.of, context);
    if (sent) {
      out.push_back(*std::move(sent));
      continue;
    }
    services.log.event(LogLevel::warning, "reports.failed", {{"kind", to_string(one.of.kind)}, {"domain", one.of.domain}, {"error", sent.error().describe()}});
  }
  is_sending = false;
  co_return out;
}

Task<void> Reporting::State::send_due(Context context) {
  if (is_sending) co_return;
  (void)co_await send_all(false, context);
}

Task<void> Reporting::State::send_failures(Context context) {
  std::vector<FailureJob> jobs = failures.take();
  for (FailureJob& job : jobs) {
    if (context.stop.stop_requested()) co_return;
    co_await sender.send(std::move(job), context);
  }
}

Task<void> Reporting::State::prune(Context context) {
  const auto gone = co_await store.prune(context.executor->wall_now() - options.keep, context);
  if (gone && *gone > 0) services.log.event(LogLevel::info, "reports.pruned", {{"reports", *gone}});
}

}  // namespace keystonemail::reporting
