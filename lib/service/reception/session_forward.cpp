// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Session: what goes on to addresses elsewhere for people here, what comes back from there, and what senders hear.
#include "service/reception/session.hpp"

#include <algorithm>
#include <cassert>
#include <map>
#include <utility>

#include "base/try.hpp"
#include "keystonemail/base/text.hpp"
#include "keystonemail/dsn/report.hpp"
#include "keystonemail/mime/address.hpp"
#include "keystonemail/mime/header.hpp"
#include "keystonemail/service/forwarding/report_route.hpp"
#include "service/authentication/fields.hpp"
#include "service/reception/list_fields.hpp"
#include "service/reception/replies.hpp"
#include "service/reception/trace_fields.hpp"

namespace keystonemail::reception {
namespace {

constexpr std::size_t returned_header_octets_max = 64 * 1024;
constexpr std::size_t returned_octets_max = 256 * 1024;  // of a message that goes back whole
constexpr std::size_t sealed_piece_octets = 64 * 1024;

std::string typed(std::string_view address) { return (is_ascii(address) ? "rfc822;" : "utf-8;") + std::string(address); }

// RFC 3461 §5.2.7: what is asked of the next server about a recipient.
queue::Notify notify_of(const directory::Mailboxes::Remote& found, queue::Notify asked, bool alone) {
  if (!found.list.empty()) return {.specified = true, .failure = true};  // §5.2.7.1: for the owner of the list
  if (found.is_copy) return {.specified = true, .never = true};          // §5.2.7.3 (b): the copy here is the one that counts
  if (alone || !asked.specified || asked.never) return asked;            // §5.2.7.2
  asked.success = false;                                                 // §5.2.7.3 (c)
  asked.never = !asked.failure && !asked.delay;
  return asked;
}

}  // namespace

// --- The envelope ---

void Session::add_forwards(std::vector<directory::Mailboxes::Remote> found, std::size_t leads_to, const smtp::RcptTo& event,
                           std::string_view address) {
  const Given given = given_by(event);
  for (auto& remote : found) {
    const std::string via = remote.via.empty() ? std::string(address) : remote.via;
    if (!transaction_->elsewhere.empty()) transaction_->elsewhere.back().push_back({remote.address, via, remote.list});
    const bool is_redirect = remote.account && remote.list.empty();
    if (is_redirect) transaction_->redirectors.push_back({*remote.account, via, remote.address, transaction_->accepted.size()});
    if (transaction_->goes_to(remote.address)) continue;  // one copy an address
    Forward forward;
    forward.via = via;
    forward.list = remote.list;
    forward.is_redirect = is_redirect;
    forward.recipient.notify = notify_of(remote, given.notify, leads_to == 1);
    if (remote.list.empty()) forward.recipient.original_recipient = given.original_recipient.empty() ? typed(address) : given.original_recipient;
    forward.recipient.next_attempt = context_.executor->wall_now();
    forward.recipient.address = std::move(remote.address);
    transaction_->forwards.push_back(std::move(forward));
  }
}

void Session::add_wish(const directory::Mailboxes& found, const smtp::RcptTo& event, std::string_view address) {
  if (!event.parameters.notify.success) return;
  const auto member = [](const auto& one) { return !one.list.empty(); };
  const bool is_list = std::ranges::all_of(found.local, member) && std::ranges::all_of(found.remote, member);
  const bool is_kept = found.local.size() == 1 && std::ranges::all_of(found.remote, &directory::Mailboxes::Remote::is_copy);
  const bool is_passed_on = found.local.empty() && found.remote.size() == 1;
  if (!is_list && is_passed_on) return;  // the next server is asked
  transaction_->wishes.push_back({.address = std::string(address), .original_recipient = given_by(event).original_recipient,
                                  .expanded = !is_list && !is_kept, .accepted = transaction_->accepted.size()});
}

// A report for mail that went on in our name goes to whom that mail was from. Only reports do: whoever has seen such an
// address may not send through us to the one behind it.
Task<std::optional<smtp::Reply>> Session::accept_return(const smtp::RcptTo& event, smtp::Path original) {
  if (!transaction_->sender.is_null()) {
    smtp::Reply refusal{550, {5, 7, 1}, "This address takes reports only"};
    co_return refusal;
  }
  std::string address = original.to_string();
  auto resolved = co_await services_.directory.resolve(address, working());
  if (!resolved) co_return reply_of_directory(resolved.error());
  if (!std::holds_alternative<directory::NotLocal>(*resolved)) co_return co_await accept_here(*std::move(resolved), event, std::move(address));
  const std::string as_given = event.recipient.to_string();
  Way way{.target = address, .via = as_given};
  transaction_->elsewhere.back().push_back(std::move(way));
  if (!transaction_->goes_to(address)) {
    Forward forward;
    forward.via = as_given;
    forward.recipient.address = std::move(address);
    forward.recipient.notify = {.specified = true, .never = true};
    forward.recipient.next_attempt = context_.executor->wall_now();
    transaction_->forwards.push_back(std::move(forward));
  }
  ++transaction_->addresses_here;
  transaction_->accepted.emplace_back();
  co_return std::nullopt;
}

// --- The message ---

// Mail that goes too far (attack E1), and answers of machines to machines (RFC 3834 §2). Who logged in may send again what is in
// a mailbox here.
std::optional<smtp::Reply> Session::find_loop(const HeaderFindings& findings) const {
  if (findings.received > options_.hops_max) return smtp::Reply{554, {5, 4, 6}, "Too many hops, this message is going round in circles"};  // RFC 5321 §6.3
  if (account_) return std::nullopt;
  if (findings.automatic > options_.automatic_max) return smtp::Reply{554, {5, 4, 6}, "Automatic answers to automatic answers are a loop"};
  if (transaction_->lists.empty()) return std::nullopt;
  if (findings.is_automatic_reply) return smtp::Reply{554, {5, 4, 6}, "Automatic answers do not go to mailing lists"};
  if (transaction_->sender.is_null()) return smtp::Reply{550, {5, 7, 1}, "Reports do not go to mailing lists"};
  return std::nullopt;
}

// Mail that comes back to where it went on from (attacks E1, E2) does not go on from there once more. In a mailbox mail goes no
// further, so there it may have been before: where it moves here from another server, all of it says so.
std::optional<smtp::Reply> Session::stop_rounds(const HeaderFindings& findings) {
  if (account_ || findings.delivered_to.empty()) return std::nullopt;
  Transaction& transaction = *transaction_;
  const std::vector<std::string> stopped = transaction.stop_rounds(findings.delivered_to);
  for (const std::string& via : stopped) {
    services_.log.event(LogLevel::warning, "smtp.loop", {{"session", id_}, {"peer", peer_}, {"message_id", findings.message_id}, {"via", via}});
    transaction.note(context_.executor->wall_now(), "not passed on", via, "it has gone on from there before, and came back");
  }
  if (transaction.refused.empty()) return std::nullopt;
  if (!transaction.has_recipients()) return gone_round();
  for (const std::size_t place : transaction.refused) {
    const Given& given = transaction.given[place];
    log_refused("data", given.address, gone_round());
    if (is_lmtp()) continue;  // it has a reply of its own
    const bool hears = !given.notify.specified || given.notify.failure;
    if (hears) transaction.wishes.push_back({.address = given.address, .original_recipient = given.original_recipient, .failed = true, .accepted = place});
  }
  return std::nullopt;
}

// RFC 3461 §4.3: RET speaks of failures alone. RFC 8689 §5: a message with REQUIRETLS does not go back whole.
Result<void> Session::keep_for_return() {
  Transaction& transaction = *transaction_;
  const bool is_wanted = transaction.parameters.dsn_return == smtp::DsnReturn::full && !transaction.parameters.require_tls;
  if (!is_wanted || std::ranges::none_of(transaction.wishes, &Wish::failed)) return {};
  KM_CHECK(transaction.writer->read(0, returned_octets_max + 1, transaction.returned));
  if (transaction.returned.size() > returned_octets_max) transaction.returned.clear();
  return {};
}

// A message that went to that address for somebody here not long ago has come back by a way that left no field of ours in it,
// or was sent again. It is not passed on once more, nor lost: it stays with whom it was for.
Task<Result<void>> Session::hold_repeats(std::string message_id) {
  if (services_.redirects == nullptr) co_return Result<void>();
  for (std::size_t i = 0; i < transaction_->forwards.size();) {
    const Forward& forward = transaction_->forwards[i];
    std::string name = forward.is_redirect ? forwarding::Redirects::name(message_id, forward.recipient.address) : std::string();
    KM_CO_TRY(const bool known, co_await services_.redirects->knows(std::move(name), working()));
    if (!known) {
      ++i;
      continue;
    }
    services_.log.event(LogLevel::warning, "smtp.redirect_repeated", {{"session", id_}, {"message_id", message_id}, {"via", forward.via},
                                                                      {"to", forward.recipient.address}});
    transaction_->note(context_.executor->wall_now(), "kept here", forward.via, forward.recipient.address + " has had this message, less than 12 hours ago");
    transaction_->keep_here(i);
  }
  co_return Result<void>();
}

kv::Operation Session::remember_redirects(std::string_view message_id) const {
  std::vector<std::string> names;
  if (services_.redirects != nullptr) {
    for (const Forward& forward : transaction_->forwards)
      if (forward.is_redirect) names.push_back(forwarding::Redirects::name(message_id, forward.recipient.address));
    std::erase(names, std::string());
  }
  return names.empty() ? kv::Operation() : services_.redirects->remember(std::move(names), context_.executor->wall_now());
}

// The fields of ARC, of the message as it was written in the end; none when nobody looked at it, as there is nothing to say then.
Result<void> Session::make_seal() {
  Transaction& transaction = *transaction_;
  const std::string_view chain = screening_.tag("arc");
  if (!services_.forwarder || transaction.forwards.empty() || account_ || chain.empty() || !transaction.draft) return {};
  const auto via = mime::Address::parse(transaction.forwards.front().via);
  auto seal = via ? services_.forwarder->seal(via->domain()) : nullptr;
  if (!seal) seal = services_.forwarder->seal(options_.primary_domain);
  if (!seal) return {};
  const std::string_view top = transaction.draft->top();
  if (transaction.top_is_apart) seal->receive(top);
  std::string piece;
  for (std::uint64_t at = 0;; at += piece.size()) {
    piece.clear();
    KM_CHECK(transaction.writer->read(at, sealed_piece_octets, piece));
    if (piece.empty()) break;
    seal->receive(piece);
  }
  mailauth::AuthenticationResults results;
  results.authserv_id = options_.engine.hostname;
  mime::HeaderReader reader(top);
  while (const auto field = reader.next()) {
    if (!iequals(field->name, "Authentication-Results")) continue;
    auto read = mailauth::parse_authentication_results(field->value);
    if (!read || !iequals(read->authserv_id, options_.engine.hostname)) continue;
    std::ranges::move(read->results, std::back_inserter(results.results));
  }
  using mailauth::arc::ChainStatus;
  const ChainStatus status = chain == "pass" ? ChainStatus::pass : chain == "none" ? ChainStatus::none : ChainStatus::fail;
  auto fields = seal->finish(status, results, context_.executor->wall_now());
  if (fields) transaction.seal = *std::move(fields);
  else services_.log.event(LogLevel::warning, "smtp.not_sealed", {{"session", id_}, {"reason", fields.error().describe()}});
  return {};
}

// Attack E3: a reverse-path that nobody vouches for may be anybody's address, and hears of nothing. DMARC vouches for the author: for
// other addresses of that domain and those below it as well, and for no others.
bool Session::is_vouched_for() const {
  const std::string_view spf = screening_.tag("spf");
  if (account_ || is_lmtp() || spf.empty() || spf == "pass") return true;
  const auto author = authentication::author_domain(transaction_->header_text());
  const auto sender = mime::Address::parse(transaction_->sender_address);
  if (screening_.tag("dmarc") != "pass" || !author || !sender) return false;
  return sender->domain() == *author || sender->domain().ends_with("." + *author);
}

std::string Session::sender_of_members(std::string_view list) const {
  const auto found = std::ranges::find(transaction_->lists, list, &directory::Mailboxes::List::address);
  if (list.empty() || found == transaction_->lists.end() || transaction_->sender.is_null()) return transaction_->sender_address;
  return found->owner;
}

// In place of the sender, when that one's SPF does not know us.
Task<Result<std::string>> Session::sender_of_forwards() {
  const smtp::Path& sender = transaction_->sender;
  if (!services_.forwarder || sender.is_null()) co_return transaction_->sender_address;
  KM_CO_TRY(const bool ours, co_await services_.directory.is_local_domain(sender.domain, working()));
  if (ours) co_return transaction_->sender_address;
  std::string made = services_.forwarder->sender_for(sender, context_.executor->wall_now());
  if (made.empty()) services_.log.event(LogLevel::warning, "smtp.sender_too_long", {{"session", id_}, {"from", transaction_->sender_address}});
  co_return made;
}

std::string Session::origin() const { return peer_ + " with " + std::string(engine_.with_protocol()) + (tls_clause_.empty() ? "" : " " + tls_clause_); }

queue::Envelope Session::envelope() const {
  const auto& parameters = transaction_->parameters;
  queue::Envelope envelope;
  envelope.sender = transaction_->sender_address;
  envelope.envelope_id = parameters.envelope_id;
  envelope.dsn_return = static_cast<queue::DsnReturn>(parameters.dsn_return);
  envelope.smtputf8 = parameters.smtputf8;
  envelope.eight_bit = parameters.body != smtp::BodyType::seven_bit;
  envelope.binary = parameters.body == smtp::BodyType::binary_mime;
  envelope.require_tls = parameters.require_tls;
  envelope.tls_optional = !parameters.require_tls && inspect_header(transaction_->header_text()).tls_optional;
  envelope.released = transaction_->released;
  if (parameters.deliver_by) {
    envelope.deliver_by = queue::DeliverBy{.when = context_.executor->wall_now() + parameters.deliver_by->within,
                                           .returns = parameters.deliver_by->mode == smtp::DeliverByMode::return_to_sender,
                                           .trace = parameters.deliver_by->trace};
  }
  envelope.priority = parameters.priority.value_or(0);
  return envelope;
}

Task<Result<std::vector<delivery::Submission>>> Session::forwarded(std::shared_ptr<mailstore::StagedMessage> message, std::string prefix,
                                                                   std::string message_id) {
  std::vector<delivery::Submission> all;
  if (transaction_->forwards.empty()) co_return all;
  KM_CO_TRY(const std::string sender, co_await sender_of_forwards());
  const std::string_view header = transaction_->header_text();
  std::map<std::pair<std::string, std::string>, std::size_t> places;  // by way and list
  for (const Forward& forward : transaction_->forwards) {
    const auto [place, is_new] = places.try_emplace({forward.via, forward.list}, all.size());
    if (is_new) {
      delivery::Submission& made = all.emplace_back();
      made.message = message;
      queue::NewEntry& entry = made.remote.emplace();
      entry.envelope = envelope();
      entry.envelope.unproven = !is_vouched_for();
      entry.envelope.sender = forward.list.empty() ? sender : sender_of_members(forward.list);
      entry.prefix = delivered_to_field(forward.via);
      if (!forward.list.empty()) {  // RFC 3461 §5.2.7.1 (b)
        entry.envelope.envelope_id.clear();
        entry.envelope.dsn_return = queue::DsnReturn::unspecified;
        entry.envelope.deliver_by.reset();
        entry.envelope.unproven = false;  // it is the owner who hears
        entry.prefix += list_fields(forward.list, header);
      }
      entry.prefix += transaction_->seal + prefix;
      entry.message_id = message_id;
      entry.login = account_ ? account_->login : std::string();
      entry.session = id_;
      entry.origin = origin();
      entry.held = transaction_->verdict == policy::Verdict::quarantine;
      if (entry.held) entry.hold_reason = transaction_->verdict_reason;
    }
    all[place->second].remote->recipients.push_back(forward.recipient);
  }
  for (auto& one : all) {
    const queue::NewEntry& entry = *one.remote;
    one.history.message_id = message_id;
    std::string text = "from <" + entry.envelope.sender + "> for " + std::to_string(entry.recipients.size()) + ", session " + id_;
    if (entry.held) text += ", held";
    one.history.steps.push_back({.when = context_.executor->wall_now(), .what = "forwarded", .recipient = message_id, .host = {}, .text = std::move(text)});
  }
  co_return all;
}

Task<Result<std::optional<delivery::Submission>>> Session::report_to_sender(std::vector<Wish> wishes, std::string prefix, std::string message_id) {
  std::optional<delivery::Submission> submission;
  const bool may_be_told = !transaction_->sender.is_null() && is_vouched_for();
  if (wishes.empty() || !may_be_told) co_return submission;
  submission.emplace();
  std::string sender = transaction_->sender_address;
  const queue::Envelope original = envelope();
  KM_CO_TRY(const bool somebody, co_await forwarding::address_report(services_.directory, services_.forwarder.get(), std::move(sender),
                                                                     original, *submission, working()));
  if (!somebody) {
    submission.reset();
    co_return submission;
  }
  dsn::Report report;
  report.reporting_host = options_.engine.hostname;
  report.sender = transaction_->sender_address;
  report.envelope_id = transaction_->parameters.envelope_id;
  report.original_message_id = message_id;
  report.arrived = report.now = context_.executor->wall_now();
  report.unique = services_.random.hex(16);
  report.internationalized = transaction_->parameters.smtputf8;
  const bool whole = !transaction_->returned.empty() && std::ranges::any_of(wishes, &Wish::failed);
  for (Wish& wish : wishes) {
    dsn::RecipientStatus& status = report.recipients.emplace_back();
    status.recipient = std::move(wish.address);
    status.original_recipient = std::move(wish.original_recipient);
    if (wish.failed) {
      status.status = gone_round().status.to_string();
      status.diagnostic = gone_round().to_string();
      continue;
    }
    status.action = wish.expanded ? dsn::Action::expanded : dsn::Action::delivered;
    status.status = "2.0.0";
    status.diagnostic = wish.expanded ? "It went on to the addresses behind this one." : "It has arrived.";
  }
  report.original = std::move(prefix);
  report.returned = whole ? dsn::Return::whole : dsn::Return::header;
  const std::string_view header = transaction_->header_text();
  if (whole) report.original += transaction_->returned;
  else if (header.size() <= returned_header_octets_max) report.original += header.substr(0, mime::header_octets(header));
  const std::string text = dsn::build_report(report);
  KM_CO_TRY(const auto writer, services_.delivery.create_message());
  KM_CO_CHECK(co_await writer->write(text, working()));
  KM_CO_TRY(submission->message, co_await writer->finish(working()));
  if (submission->remote) submission->remote->message_id = "<" + report.unique + "@" + report.reporting_host + ">";
  co_return submission;
}

// --- The trace ---

void Session::note_verdict(policy::Stage stage, const policy::Outcome& outcome) {
  const WallTime now = context_.executor->wall_now();
  if (outcome.verdict != policy::Verdict::proceed && outcome.verdict != transaction_->verdict) {
    std::string text = std::string(to_string(stage)) + ": " + std::string(to_string(outcome.verdict));
    if (!outcome.reason.empty()) text += ", " + outcome.reason;
    transaction_->note(now, "judged", {}, std::move(text), outcome.policy);
  }
  if (stage != policy::Stage::deliver && stage != policy::Stage::submit) return;
  std::string found;
  for (const policy::Tag& tag : screening_.tags()) found += (found.empty() ? "" : " ") + tag.name + "=" + tag.value;
  if (!found.empty()) transaction_->note(now, "judged", {}, std::move(found));
}

// From the connection to `what` came of it.
queue::History Session::history(std::string_view what, const std::string& message_id, const smtp::Reply& reply) {
  const WallTime now = context_.executor->wall_now();
  queue::History history;
  history.message_id = message_id;
  std::string text = std::string(service_name()) + ", " + std::string(engine_.hello_name()) + " with " + std::string(engine_.with_protocol());
  if (!tls_clause_.empty()) text += " " + tls_clause_;
  text += ", session " + id_;
  if (account_) text += ", login " + account_->login;
  history.steps.push_back({.when = connected_, .what = "connected", .recipient = {}, .host = peer_, .text = std::move(text)});
  std::ranges::copy(transaction_->journey, std::back_inserter(history.steps));
  history.steps.push_back({.when = now, .what = std::string(what), .recipient = message_id, .host = {}, .text = reply.to_string()});
  return history;
}

// Without a message id nobody would find it.
Task<void> Session::note_refusal(const smtp::Reply& reply) {
  const HeaderFindings findings = inspect_header(transaction_->header_text());
  if (findings.message_id.empty()) co_return;
  queue::History refused = history("refused", findings.message_id, reply);
  (void)co_await services_.delivery.note(std::move(refused), working());
}

}  // namespace keystonemail::reception
