// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "service/relay/clerk.hpp"

#include <algorithm>
#include <array>
#include <utility>
#include <variant>

#include "base/try.hpp"
#include "keystonemail/mime/header.hpp"
#include "keystonemail/service/forwarding/report_route.hpp"
#include "service/relay/letter.hpp"

namespace keystonemail::relay {

namespace {

using queue::RecipientState;

constexpr auto store_wait_min = std::chrono::seconds(1);
constexpr auto store_wait_max = std::chrono::seconds(60);
constexpr auto untold_wait = std::chrono::minutes(5);  // before a failure that nobody could be told of is met again
constexpr std::size_t reply_octets_max = 2'000;        // of a reply, in the queue's row
constexpr std::size_t header_octets_max = 64 * 1024;   // of a header that goes back

// RFC 3461 §4.1: without NOTIFY the sender hears of failures, and may hear of delays.
bool wants(const queue::Notify& notify, dsn::Action action) noexcept {
  if (notify.never) return false;
  switch (action) {
    case dsn::Action::failed: return !notify.specified || notify.failure;
    case dsn::Action::delayed: return !notify.specified || notify.delay;
    case dsn::Action::delivered:
    case dsn::Action::relayed:
    case dsn::Action::expanded: return notify.specified && notify.success;
  }
  __builtin_unreachable();
}

std::string status_of(const Outcome& outcome, bool expired) {
  const smtp::Reply& reply = outcome.reply;
  // RFC 3463 §3.5: delivery time expired; but where it was all the time too unsafe to send, §3.8 says more.
  const bool too_unsafe = outcome.host.empty() && reply.status.subject == 7;
  if (expired && too_unsafe) return "5.7." + std::to_string(reply.status.detail);
  if (expired) return "5.4.7";
  if (reply.status.given()) return reply.status.to_string();
  return std::to_string(reply.code / 100) + ".0.0";
}

std::string_view event_name(const queue::RecipientChange& change, const Outcome& outcome) noexcept {
  if (change.state == RecipientState::delivered) return "relay.delivered";
  if (change.state == RecipientState::failed) return "relay.failed";
  return outcome.attempted ? "relay.deferred" : "relay.put_off";
}

}  // namespace

WallTime Clerk::expiry(const queue::Entry& entry) const noexcept {
  const WallTime usual = entry.envelope.sender.empty() ? std::min(entry.expires, entry.arrived + options_.retry.bounce_lifetime) : entry.expires;
  const auto& by = entry.envelope.deliver_by;
  return by && by->returns ? std::min(usual, by->when) : usual;  // RFC 2852 §4.1.3: then it comes back
}

// Since when the sender is to hear that it takes longer.
WallTime Clerk::delay_notice(const queue::Entry& entry) const noexcept {
  if (entry.envelope.deliver_by && !entry.envelope.deliver_by->returns) return entry.envelope.deliver_by->when;
  return std::max(entry.arrived, entry.envelope.released) + options_.retry.delay_notice_after;
}

queue::RecipientChange Clerk::change_for(const queue::Entry& entry, std::size_t index, const Outcome& outcome, WallTime now) {
  const queue::Recipient& recipient = entry.recipients[index];
  queue::RecipientChange change{.index = index, .last_reply = outcome.reply.to_string().substr(0, reply_octets_max), .last_host = outcome.host, .security = outcome.security};
  change.attempts = recipient.attempts + (outcome.attempted ? 1 : 0);
  change.delay_told = recipient.delay_told;
  if (outcome.delivered()) {
    change.state = RecipientState::delivered;
  } else if (!outcome.temporary() || now >= expiry(entry)) {
    change.state = RecipientState::failed;
  } else {
    const WallTime own = outcome.attempted ? now + options_.retry.wait_after(change.attempts, services_.random) : now;
    const auto& by = entry.envelope.deliver_by;
    const bool until_told = by && !by->returns && by->when > now && !change.delay_told;  // RFC 2852 §4.1.3: the sender hears of it then
    const WallTime wanted = std::max({own, outcome.not_before, now + std::chrono::seconds(1)});
    const WallTime next = until_told ? std::min(wanted, by->when) : wanted;
    change.next_attempt = std::min(next, std::max(expiry(entry), now + std::chrono::seconds(1)));  // the last one is at the end
  }
  return change;
}

std::optional<dsn::RecipientStatus> Clerk::report_for(const queue::Entry& entry, const queue::RecipientChange& change,
                                                      const Outcome& outcome, WallTime now) const {
  const queue::Recipient& recipient = entry.recipients[change.index];
  const auto& deadline = entry.envelope.deliver_by;
  dsn::RecipientStatus status;
  const bool expired = change.state == RecipientState::failed && outcome.temporary();
  switch (change.state) {
    case RecipientState::delivered:
      // By LMTP it has come to where it was to come to, whatever the deadline: whoever notifies there tells of it, and no other.
      if (outcome.notifies && (outcome.final_host || !deadline || (outcome.keeps_deadline && !deadline->trace))) return std::nullopt;
      status.action = outcome.final_host ? dsn::Action::delivered : dsn::Action::relayed;
      break;
    case RecipientState::failed: status.action = dsn::Action::failed; break;
    case RecipientState::pending:
      if (change.delay_told || now < delay_notice(entry)) return std::nullopt;
      status.action = dsn::Action::delayed;
      status.retried_until = expiry(entry);
      break;
  }
  // RFC 2852 §4.1.4.2: the next server does not promise the time, and the sender hears of that.
  // §4.1.4: of one that does it hears when it asked for that.
  const bool passed_on = deadline && status.action == dsn::Action::relayed && !recipient.notify.never && (!outcome.keeps_deadline || deadline->trace);
  if (!passed_on && !wants(recipient.notify, status.action)) return std::nullopt;
  status.recipient = recipient.address;
  status.original_recipient = recipient.original_recipient;
  status.status = status_of(outcome, expired);
  if (deadline && status.action == dsn::Action::delayed) status.status = "4.4.7";  // RFC 2852 §4.1.3
  status.remote_host = outcome.host;
  status.diagnostic = outcome.reply.to_string();
  status.last_attempt = now;
  return status;
}

Clerk::Verdict Clerk::judge(const Job& job, const std::vector<Outcome>& outcomes, WallTime now) {
  const queue::Entry& entry = job.active->entry;
  Verdict verdict;
  verdict.settlement.id = entry.id;
  verdict.settlement.when = now;
  for (std::size_t i = 0; i < job.recipients.size(); ++i) {
    auto change = change_for(entry, job.recipients[i], outcomes[i], now);
    log(entry, change, outcomes[i]);
    const bool nobody = entry.envelope.sender.empty() || entry.envelope.unproven;  // attack E3
    auto report = nobody ? std::nullopt : report_for(entry, change, outcomes[i], now);
    if (report) {
      change.delay_told = change.delay_told || report->action == dsn::Action::delayed;
      verdict.reported.push_back(verdict.settlement.changes.size());
      verdict.reports.push_back(*std::move(report));
    }
    verdict.settlement.changes.push_back(std::move(change));
  }
  return verdict;
}

void Clerk::log(const queue::Entry& entry, const queue::RecipientChange& change, const Outcome& outcome) const {
  const auto level = change.state == RecipientState::failed ? LogLevel::warning : LogLevel::info;
  services_.log.event(level, event_name(change, outcome),
                      {{"queued", static_cast<std::uint64_t>(entry.id)},
                       {"message_id", entry.message_id},
                       {"from", entry.envelope.sender},
                       {"to", entry.recipients[change.index].address},
                       {"host", outcome.host},
                       {"tls", outcome.security},
                       {"attempts", change.attempts},
                       {"reply", outcome.reply.to_string()}});
}

Task<void> Clerk::conclude(Job job, std::vector<Outcome> outcomes, Context context) {
  const Context working = context.with_stop({});
  Verdict verdict = judge(job, outcomes, context.executor->wall_now());
  for (std::chrono::seconds wait = store_wait_min;; wait = std::min<std::chrono::seconds>(wait * 2, store_wait_max)) {
    const auto done = co_await settle(verdict, job.active->entry, working);
    if (done || done.error().kind() == ErrorKind::not_found || done.error().kind() == ErrorKind::conflict) co_return;
    services_.log.event(LogLevel::error, "relay.store.failed", {{"queued", static_cast<std::uint64_t>(verdict.settlement.id)}, {"error", done.error().describe()}});
    if (context.stop.stop_requested()) co_return;
    co_await sleep_until(context.executor->now() + wait, context);
  }
}

Task<Result<void>> Clerk::settle(Verdict verdict, const queue::Entry& entry, Context context) {
  if (verdict.reports.empty()) co_return co_await services_.queue.settle(std::move(verdict.settlement), context);
  const auto told = co_await tell(verdict, entry, context);
  if (told || told.error().kind() == ErrorKind::not_found) co_return told;
  services_.log.event(LogLevel::warning, "relay.report.failed",
                      {{"queued", static_cast<std::uint64_t>(entry.id)}, {"error", told.error().describe()}});
  // Nobody could be told. What was delivered is noted all the same; a failure is met again a little later, until long after
  // the entry's time, when there is no sense in it any more.
  const WallTime now = context.executor->wall_now();
  const bool given_up = now >= expiry(entry) + options_.retry.bounce_lifetime;
  for (const std::size_t place : verdict.reported) {
    queue::RecipientChange& change = verdict.settlement.changes[place];
    const bool delay = change.state == RecipientState::pending;
    change.delay_told = entry.recipients[change.index].delay_told;
    if (delay || change.state == RecipientState::delivered || given_up) continue;
    change.state = RecipientState::pending;
    change.next_attempt = now + untold_wait;
  }
  co_return co_await services_.queue.settle(std::move(verdict.settlement), context);
}

// To where the sender is: mailboxes here, the queue for elsewhere. False: there is nobody to tell.
Task<Result<bool>> Clerk::write_report(const Verdict& verdict, const queue::Entry& entry, delivery::Submission& submission, Context context) {
  std::string sender = entry.envelope.sender;
  KM_CO_TRY(const bool somebody, co_await forwarding::address_report(services_.directory, services_.forwarder.get(), std::move(sender),
                                                                     entry.envelope, submission, context));
  if (!somebody) co_return false;
  const std::string unique = services_.random.hex(16);
  if (submission.remote) submission.remote->message_id = "<" + unique + "@" + options_.hostname + ">";
  KM_CO_TRY(const std::string text, co_await compose(verdict, entry, unique, context));
  KM_CO_TRY(const auto writer, services_.delivery.create_message());
  KM_CO_CHECK(co_await writer->write(text, context));
  KM_CO_TRY(submission.message, co_await writer->finish(context));
  co_return true;
}

Task<Result<void>> Clerk::tell(const Verdict& verdict, const queue::Entry& entry, Context context) {
  delivery::Submission submission;
  KM_CO_TRY(const bool somebody, co_await write_report(verdict, entry, submission, context));
  if (!somebody) {  // a sender of ours that is no more: there is nobody to tell
    services_.log.event(LogLevel::warning, "relay.report.dropped",
                        {{"queued", static_cast<std::uint64_t>(entry.id)}, {"to", entry.envelope.sender}});
    queue::Settlement settlement = verdict.settlement;
    co_return co_await services_.queue.settle(std::move(settlement), context);
  }
  submission.settlement = verdict.settlement;
  KM_CO_TRY(const auto accepted, co_await services_.delivery.deliver(std::move(submission), context));
  services_.log.event(LogLevel::info, "relay.reported",
                      {{"queued", static_cast<std::uint64_t>(entry.id)}, {"to", entry.envelope.sender},
                       {"report", accepted.queued ? static_cast<std::uint64_t>(*accepted.queued) : 0}});
  co_return Result<void>();
}

Task<Result<std::string>> Clerk::compose(const Verdict& verdict, const queue::Entry& entry, const std::string& unique, Context context) {
  dsn::Report report;
  report.reporting_host = options_.hostname;
  report.sender = entry.envelope.sender;
  report.envelope_id = entry.envelope.envelope_id;
  report.original_message_id = entry.message_id;
  report.arrived = entry.arrived;
  report.now = context.executor->wall_now();
  report.unique = unique;
  report.internationalized = entry.envelope.smtputf8;
  report.recipients = verdict.reports;
  // RFC 3461 §4.3: RET speaks of failures alone. RFC 8689 §5: a message with REQUIRETLS does not go back whole.
  const bool failed = std::ranges::any_of(report.recipients, [](const auto& r) { return r.action == dsn::Action::failed; });
  const bool whole = failed && !entry.envelope.require_tls && entry.envelope.dsn_return == queue::DsnReturn::full && entry.octets <= options_.returned_octets_max;
  report.returned = whole ? dsn::Return::whole : dsn::Return::header;
  KM_CO_TRY(const auto letter, co_await Letter::open(services_.queue, entry.id, context));
  KM_CO_TRY(report.original, co_await letter->begin(whole ? SIZE_MAX : header_octets_max, context));
  if (!whole) report.original.resize(mime::header_octets(report.original));
  co_return dsn::build_report(report);
}

}  // namespace keystonemail::relay
