// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Session: the envelope (RFC 5321 §4.1.1.2, §4.1.1.3).
#include "service/reception/session.hpp"

#include <algorithm>
#include <cassert>
#include <utility>

#include "keystonemail/base/text.hpp"
#include "keystonemail/mime/address.hpp"
#include "service/reception/replies.hpp"
#include "smtp/parameter_parser.hpp"

namespace keystonemail::reception {
namespace {

// A policy may say all that there is to say.
smtp::ParameterRules policy_parameters() {
  static const smtp::ServerOptions everything{.offer_require_tls_extension = true, .offer_deliver_by = true, .offer_mt_priority = true};
  return {.options = everything, .secure = true, .auth_offered = false};
}

}  // namespace

Task<void> Session::on(const smtp::MailFrom& event) {
  auto refusal = revoked();
  if (!refusal && is_submission() && !event.sender.is_null()) {
    assert(account_);  // the engine demands AUTH before MAIL
    const auto owned = co_await services_.directory.may_send_as(account_->id, event.sender.to_string(), working());
    if (!owned) {
      refusal = reply_of_directory(owned.error());
    } else if (!*owned) {
      refusal = smtp::Reply{550, {5, 7, 1}, "Sender address does not belong to " + account_->login};
    }
  }
  if (refusal) {
    co_await refuse(policy::Stage::mail, event.sender.to_string(), *std::move(refusal));
    co_return;
  }
  transaction_.emplace();
  transaction_->sender = event.sender;
  transaction_->sender_address = event.sender.to_string();
  transaction_->parameters = event.parameters;
  transaction_->note(context_.executor->wall_now(), "sender", {}, "<" + transaction_->sender_address + ">");
  refusal = take_release_time(event.parameters);
  if (!refusal) refusal = co_await screen(policy::Stage::mail);
  if (refusal) {
    std::string address = transaction_->sender_address;
    co_await refuse(policy::Stage::mail, std::move(address), *std::move(refusal));
    end_transaction();
    co_return;
  }
  engine_.decide(smtp::Accept{}, now());
}

// RFC 4865 §4.2, §4.3; the engine has seen to it that HOLDFOR is not longer than what was offered.
std::optional<smtp::Reply> Session::take_release_time(const smtp::MailParameters& parameters) {
  const WallTime wall_now = context_.executor->wall_now();
  if (parameters.hold_for) transaction_->released = wall_now + *parameters.hold_for;
  if (!parameters.hold_until) return std::nullopt;
  if (*parameters.hold_until > wall_now + options_.engine.future_release_max)
    return smtp::Reply{501, {5, 5, 4}, "HOLDUNTIL is later than this server holds mail back"};
  transaction_->released = std::max(*parameters.hold_until, wall_now);
  return std::nullopt;
}

// What was asked for in MAIL that cannot be had for this recipient.
std::optional<smtp::Reply> Session::unable_to_promise() const {
  const auto& by = transaction_->parameters.deliver_by;
  // RFC 2852 §4: a time that has passed cannot be kept. Whether servers elsewhere can, is seen when they are asked.
  if (by && by->mode == smtp::DeliverByMode::return_to_sender && by->within <= std::chrono::seconds(0))
    return smtp::Reply{501, {5, 5, 4}, "BY mode R needs a time to come"};
  return std::nullopt;
}

Task<void> Session::on(const smtp::RcptTo& event) {
  assert(transaction_);
  const auto mark = transaction_->mark();
  transaction_->given.push_back(given_by(event));
  transaction_->elsewhere.emplace_back();
  auto refusal = revoked();
  if (!refusal) refusal = co_await accept_recipient(event);
  if (!refusal) {
    const bool kept = transaction_->local.size() > mark.local || !transaction_->accepted.back().empty();
    const bool ours = kept || transaction_->addresses_here > mark.addresses_here;
    refusal = unable_to_promise();
    if (!refusal) {
      transaction_->judged.push_back({event.recipient.to_string(), ours});
      refusal = co_await screen(policy::Stage::rcpt);
      if (refusal) transaction_->judged.pop_back();
    }
  }
  transaction_->note(context_.executor->wall_now(), "recipient", event.recipient.to_string(), refusal ? refusal->to_string() : "taken");
  if (refusal) {
    transaction_->roll_back(mark);
    co_await refuse(policy::Stage::rcpt, event.recipient.to_string(), *std::move(refusal));
    co_return;
  }
  if (transaction_->first_recipient.empty()) transaction_->first_recipient = event.recipient.to_string();
  engine_.decide(smtp::Accept{}, now());
}

// Adds the recipient to the transaction, or says why not.
Task<std::optional<smtp::Reply>> Session::accept_recipient(const smtp::RcptTo& event) {
  std::string address = event.recipient.to_string();
  if (event.recipient.domain.empty()) address += "@" + options_.primary_domain;  // RFC 5321 §4.1.1.3: <Postmaster>
  if (services_.forwarder) {
    auto returned = services_.forwarder->original_of(event.recipient, context_.executor->wall_now());
    if (auto* original = std::get_if<forwarding::Original>(&returned)) co_return co_await accept_return(event, std::move(original->path));
    if (const auto* no = std::get_if<forwarding::RefusedReturn>(&returned)) {
      smtp::Reply refusal{550, {5, 7, 1}, "This return address is " + no->why};
      co_return refusal;
    }
  }
  auto resolved = co_await services_.directory.resolve(address, working());
  if (!resolved) co_return reply_of_directory(resolved.error());
  if (!std::holds_alternative<directory::NotLocal>(*resolved)) {
    co_return co_await accept_here(*std::move(resolved), event, std::move(address));
  }
  // RFC 5321 §3.6.2; LMTP has no relaying (RFC 2033 §5).
  if (!account_ || is_lmtp()) co_return smtp::Reply{550, {5, 7, 1}, "Relaying denied: not a domain of this server"};
  const auto canonical = mime::Address::parse(address);
  if (!canonical) co_return smtp::Reply{553, {5, 1, 3}, "Bad recipient address"};
  add_remote(event, canonical->to_string());
  transaction_->accepted.emplace_back();
  co_return std::nullopt;
}

Task<std::optional<smtp::Reply>> Session::accept_here(directory::Resolution resolved, const smtp::RcptTo& event, std::string address) {
  if (auto* found = std::get_if<directory::Mailboxes>(&resolved)) {
    // Said of the recipient, rather than of the message: others may have it.
    const bool is_report = transaction_->sender.is_null() && !account_;
    if (is_report && !found->lists.empty()) co_return smtp::Reply{550, {5, 7, 1}, "Reports do not go to mailing lists"};
    const auto canonical = mime::Address::parse(address);
    if (transaction_->released != WallTime{} && canonical) {  // RFC 4865: it waits in the queue, for mailboxes here as well
      add_remote(event, canonical->to_string());
      ++transaction_->addresses_here;
      transaction_->accepted.emplace_back();
      co_return std::nullopt;
    }
    co_return co_await add_mailboxes(std::move(*found), event, address);
  }
  // Unknown and disabled read the same from outside.
  co_return smtp::Reply{550, {5, 1, 1}, "No such user here"};
}

Task<std::optional<smtp::Reply>> Session::add_mailboxes(directory::Mailboxes found, const smtp::RcptTo& event,
                                                        std::string_view address) {
  for (const auto& local : found.local) {
    const auto room = co_await services_.delivery.has_room(local.account, transaction_->parameters.size.value_or(0), working());
    if (!room) co_return reply_for(room.error());
    if (!*room) co_return smtp::Reply{452, {4, 2, 2}, "Mailbox full"};
  }
  add_wish(found, event, address);
  ++transaction_->addresses_here;
  for (auto& list : found.lists) {
    const bool known = std::ranges::find(transaction_->lists, list.address, &directory::Mailboxes::List::address) != transaction_->lists.end();
    if (!known) transaction_->lists.push_back(std::move(list));
  }
  const std::size_t leads_to = found.local.size() + found.remote.size();
  std::vector<std::size_t> places;
  for (auto& local : found.local) {
    const auto same = std::ranges::find(transaction_->local, local.account, &delivery::LocalRecipient::account);
    places.push_back(static_cast<std::size_t>(same - transaction_->local.begin()));
    if (local.is_absent) transaction_->absent.insert(local.account);
    if (same != transaction_->local.end()) continue;  // one copy an account, however many addresses lead there
    transaction_->local.push_back({.account = local.account});
    transaction_->local_addresses.push_back(local.address.empty() ? std::string(address) : std::move(local.address));
    transaction_->local_lists.push_back(std::move(local.list));
  }
  add_forwards(std::move(found.remote), leads_to, event, address);
  transaction_->accepted.push_back(std::move(places));
  co_return std::nullopt;
}

void Session::add_remote(const smtp::RcptTo& event, std::string address) {
  Given given = given_by(event);
  queue::Recipient recipient;
  recipient.address = std::move(address);
  recipient.original_recipient = std::move(given.original_recipient);
  recipient.notify = given.notify;
  recipient.next_attempt = context_.executor->wall_now();
  if (!transaction_->elsewhere.empty()) transaction_->elsewhere.back().push_back({recipient.address, recipient.address});
  if (!transaction_->goes_to(recipient.address)) transaction_->remote.push_back(std::move(recipient));
}

// Makes the changes of sender and recipients that policies asked for.
Task<std::optional<smtp::Reply>> Session::edit_envelope() {
  const std::vector<policy::Edit> edits = std::exchange(transaction_->edits, {});
  for (const policy::Edit& edit : edits) {
    if (const auto* sender = std::get_if<policy::ReplaceSender>(&edit)) {
      const auto parsed = smtp::parse_mailbox(sender->address);
      if (!sender->address.empty() && !parsed) continue;
      transaction_->sender = parsed.value_or(smtp::Path{});
      transaction_->sender_address = transaction_->sender.to_string();
      take_parameters(sender->parameters);
    } else if (const auto* removed = std::get_if<policy::RemoveRecipient>(&edit)) {
      transaction_->remove_recipient(removed->address);
    } else if (const auto* added = std::get_if<policy::AddRecipient>(&edit)) {
      if (auto refusal = co_await add_recipient(added->address, added->parameters)) co_return refusal;
    }
  }
  co_return std::nullopt;
}

// What a policy says along with a sender, in place of what the peer said; of what is about the message's octets, nothing.
void Session::take_parameters(const std::string& text) {
  if (text.empty()) return;
  const auto read = smtp::parse_mail_parameters(" " + text, policy_parameters());
  if (!read) {
    services_.log.event(LogLevel::warning, "smtp.bad_parameters", {{"session", id_}, {"parameters", text}});
    return;
  }
  smtp::MailParameters& known = transaction_->parameters;
  if (!read->envelope_id.empty()) known.envelope_id = read->envelope_id;
  if (read->dsn_return != smtp::DsnReturn::unspecified) known.dsn_return = read->dsn_return;
  if (read->deliver_by) known.deliver_by = read->deliver_by;
  if (read->priority) known.priority = read->priority;
  known.require_tls = known.require_tls || read->require_tls;
  known.smtputf8 = known.smtputf8 || read->smtputf8;
}

// A recipient that a policy wants, here or elsewhere. Its word is enough for relaying.
Task<std::optional<smtp::Reply>> Session::add_recipient(const std::string& address, const std::string& parameters) {
  auto path = smtp::parse_mailbox(address);
  if (!path) co_return std::nullopt;
  smtp::RcptTo event{.recipient = *std::move(path), .parameters = {}};
  if (!parameters.empty()) {
    auto read = smtp::parse_rcpt_parameters(" " + parameters, policy_parameters());
    if (read) event.parameters = *std::move(read);
    else services_.log.event(LogLevel::warning, "smtp.bad_parameters", {{"session", id_}, {"address", address}, {"parameters", parameters}});
  }
  transaction_->elsewhere.emplace_back();  // of no RCPT of the peer's
  auto resolved = co_await services_.directory.resolve(address, working());
  if (!resolved) co_return reply_of_directory(resolved.error());
  if (auto* found = std::get_if<directory::Mailboxes>(&*resolved)) {
    auto refusal = co_await add_mailboxes(std::move(*found), event, address);
    if (refusal) co_return refusal;
    transaction_->accepted.pop_back();
    transaction_->judged.push_back({address, true});
  } else if (std::holds_alternative<directory::NotLocal>(*resolved)) {
    add_remote(event, address);
    transaction_->judged.push_back({address, false});
  }
  transaction_->elsewhere.pop_back();
  co_return std::nullopt;
}

}  // namespace keystonemail::reception
