// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Recipients who are here: their domain has become one of ours while their mail waited, or it was held back for them (RFC 4865).
#include <algorithm>
#include <map>
#include <utility>
#include <variant>

#include "base/try.hpp"
#include "keystonemail/mime/address.hpp"
#include "service/relay/clerk.hpp"
#include "service/relay/envelope.hpp"
#include "service/relay/letter.hpp"

namespace keystonemail::relay {

namespace {

constexpr auto looked_up_lately = std::chrono::minutes(1);

smtp::Reply reply_for(const directory::Resolution& resolution) {
  if (std::holds_alternative<directory::UnknownRecipient>(resolution)) return {550, {5, 1, 1}, "There is no such address here"};
  if (std::holds_alternative<directory::DisabledRecipient>(resolution)) return {550, {5, 2, 1}, "This account takes no mail"};
  return {451, {4, 3, 0}, "The domain was here a moment ago"};
}

std::string_view owner_of(const directory::Mailboxes& found, std::string_view list) {
  const auto known = std::ranges::find(found.lists, list, &directory::Mailboxes::List::address);
  return known == found.lists.end() ? std::string_view() : std::string_view(known->owner);
}

}  // namespace

// What came just now was looked up when it came, so that this costs nothing where all goes well.
Task<std::vector<std::size_t>> Clerk::those_here(const queue::Entry& entry, WallTime now, Context context) const {
  std::vector<std::size_t> here;
  if (!entry.route.empty()) co_return here;  // an administrator's word
  const bool is_new = entry.envelope.released == WallTime{} && now - entry.arrived < looked_up_lately;
  std::map<std::string, bool> known;
  for (std::size_t i = 0; i < entry.recipients.size(); ++i) {
    const queue::Recipient& recipient = entry.recipients[i];
    const bool is_due = recipient.state == queue::RecipientState::pending && recipient.next_attempt <= now;
    if (!is_due || (is_new && recipient.attempts == 0)) continue;
    const auto address = mime::Address::parse(recipient.address);
    if (!address) continue;
    const std::string domain = address->domain();
    if (!known.contains(domain)) {
      const auto is_ours = co_await services_.directory.is_local_domain(domain, context);
      known[domain] = is_ours && *is_ours;
    }
    if (known[domain]) here.push_back(i);
  }
  co_return here;
}

// Each on its own: a mailbox that is full does not keep the others waiting.
Task<void> Clerk::bring_home(Job job, Context context) {
  const Context working = context.with_stop({});
  Job left{job.active, {}};
  std::vector<Outcome> outcomes;
  for (const std::size_t index : job.recipients) {
    auto problem = co_await bring_home(job, index, working);
    if (!problem) continue;
    left.recipients.push_back(index);
    Outcome& outcome = outcomes.emplace_back();
    outcome.reply = *std::move(problem);
  }
  if (!left.recipients.empty()) co_await conclude(std::move(left), std::move(outcomes), std::move(context));
}

// Into the mailboxes, out of the queue and, where it is asked for, a report, in one commit; or why not.
Task<std::optional<smtp::Reply>> Clerk::bring_home(const Job& job, std::size_t index, Context context) {
  const queue::Entry& entry = job.active->entry;
  const queue::Recipient& recipient = entry.recipients[index];
  const auto resolution = co_await services_.directory.resolve(recipient.address, context);
  if (!resolution) co_return smtp::Reply{451, {4, 3, 0}, "Who has the address cannot be looked up now"};
  const auto* found = std::get_if<directory::Mailboxes>(&*resolution);
  if (found == nullptr) co_return reply_for(*resolution);
  const auto done = co_await bring_home(job, index, *found, context);
  if (done || done.error().kind() == ErrorKind::not_found) co_return std::nullopt;  // taken out of the queue meanwhile
  if (done.error().kind() == ErrorKind::over_quota) co_return smtp::Reply{452, {4, 2, 2}, "The mailbox is full"};
  co_return smtp::Reply{451, {4, 3, 0}, "It cannot be delivered now: " + done.error().describe()};
}

Task<Result<void>> Clerk::bring_home(const Job& job, std::size_t index, const directory::Mailboxes& found, Context context) {
  const queue::Entry& entry = job.active->entry;
  const queue::Recipient& recipient = entry.recipients[index];
  const WallTime now = context.executor->wall_now();
  Outcome outcome{.reply = {250, {2, 1, 5}, "Delivered here"}, .host = {}, .final_host = true};
  const Job one{job.active, {index}};
  std::vector<Outcome> outcomes{outcome};
  const Verdict verdict = judge(one, outcomes, now);
  delivery::Submission submission;
  submission.settlement = verdict.settlement;
  for (const directory::Mailboxes::Local& mailbox : found.local) {
    const std::string_view owner = owner_of(found, mailbox.list);
    delivery::LocalRecipient& local = submission.local.emplace_back();
    local.account = mailbox.account;
    local.prefix = "Return-Path: <" + (owner.empty() ? entry.envelope.sender : std::string(owner)) + ">\r\n";
    local.prefix += "Delivered-To: " + (mailbox.address.empty() ? recipient.address : mailbox.address) + "\r\n";
  }
  std::map<std::string, delivery::Submission> forwards;  // by the sender
  for (const directory::Mailboxes::Remote& remote : found.remote) {
    const std::string_view owner = owner_of(found, remote.list);
    std::string sender = owner.empty() ? entry.envelope.sender : std::string(owner);
    if (owner.empty() && services_.forwarder) sender = services_.forwarder->sender_for(to_path(sender), now);
    delivery::Submission& forward = forwards[sender];
    if (!forward.remote) {
      queue::NewEntry& made = forward.remote.emplace();
      made.envelope = entry.envelope;
      made.envelope.sender = sender;
      made.envelope.released = {};
      made.prefix = "Delivered-To: " + recipient.address + "\r\n";
      made.message_id = entry.message_id;
      made.login = entry.login;
      made.session = entry.session;
      made.origin = "queue entry " + std::to_string(static_cast<std::uint64_t>(entry.id));
    }
    queue::Recipient& to = forward.remote->recipients.emplace_back();
    to.address = remote.address;
    to.notify = recipient.notify;
    to.original_recipient = recipient.original_recipient.empty() ? "rfc822;" + recipient.address : recipient.original_recipient;
  }
  KM_CO_TRY(const auto letter, co_await Letter::open(services_.queue, entry.id, context));
  KM_CO_TRY(const auto writer, services_.delivery.create_message());
  for (std::uint64_t offset = 0; offset < letter->octets();) {
    KM_CO_TRY(const std::string_view piece, co_await letter->read(offset, context));
    if (piece.empty()) break;
    KM_CO_CHECK(co_await writer->write(piece, context));
    offset += piece.size();
  }
  KM_CO_TRY(submission.message, co_await writer->finish(context));
  for (auto& [sender, forward] : forwards) {
    forward.message = submission.message;
    submission.together.push_back(std::move(forward));
  }
  if (!verdict.reports.empty()) {
    delivery::Submission report;
    KM_CO_TRY(const bool somebody, co_await write_report(verdict, entry, report, context));
    if (somebody) submission.together.push_back(std::move(report));
  }
  KM_CO_CHECK(co_await services_.delivery.deliver(std::move(submission), context));
  co_return Result<void>();
}

}  // namespace keystonemail::relay
