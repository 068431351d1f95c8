// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "service/reception/session.hpp"

#include <algorithm>
#include <cassert>
#include <utility>

#include "base/format.hpp"
#include "keystonemail/base/text.hpp"
#include "keystonemail/mime/address.hpp"
#include "keystonemail/mime/date.hpp"
#include "service/reception/replies.hpp"
#include "service/reception/trace_fields.hpp"

namespace keystonemail::reception {
namespace {

constexpr auto handshake_time_max = std::chrono::seconds(60);
constexpr auto farewell_time_max = std::chrono::seconds(5);

}  // namespace

Session::Session(const Reception& reception, std::unique_ptr<transport::ByteStream> stream, Context context)
    : options_(reception.options()),
      services_(reception.services()),
      stream_(std::move(stream)),
      context_(std::move(context)),
      engine_(options_.engine, context_.executor->now()),
      id_(services_.random.hex(8)),
      peer_(stream_->peer().to_string()),
      place_(services_.limits.admit(stream_->peer().address, context_.executor->now())) {
  if (options_.offer_auth && options_.engine.allow_plaintext_auth) {
    authenticator_.emplace(services_.logins, access::ConnectionFacts{.peer = stream_->peer().address,
                                                                     .service = std::string(service_name()),
                                                                     .confidential = true});
  }
}

Task<void> Session::run() {
  if (options_.tls == TlsUse::implicit && !co_await start_tls()) co_return;
  std::string_view input;
  for (;;) {
    const std::size_t taken = engine_.receive(input, now());
    const Next next = co_await take_events();
    stream_->consume(taken);
    input.remove_prefix(taken);
    if (next == Next::upgrade) {
      if (!co_await flush() || !co_await start_tls()) co_return;
      input = {};
      continue;
    }
    if (next == Next::finish) break;
    if (!input.empty() && taken > 0) continue;
    if (!co_await flush()) co_return;
    if (!input.empty()) continue;
    // A message under way is finished before a stop is heard.
    Context wait = transaction_ ? working() : context_;
    if (const auto deadline = engine_.deadline()) wait.deadline = *deadline;
    auto got = co_await stream_->read(wait);
    if (got && got->empty()) {
      engine_.receive_end(now());
    } else if (got) {
      input = *got;
    } else if (got.error().kind() == ErrorKind::timeout) {
      engine_.expire(now());
    } else if (got.error().kind() == ErrorKind::cancelled) {
      engine_.end({421, {4, 3, 2}, "The server is shutting down, try again shortly"});
    } else {
      engine_.receive_end(now());
    }
  }
  (void)co_await flush();
  co_await stream_->close(context_.until(now() + farewell_time_max));
}

// Handles what the engine has to say about the octets it took.
Task<Session::Next> Session::take_events() {
  for (;;) {
    auto event = engine_.next_event();
    if (std::holds_alternative<smtp::NeedInput>(event)) co_return Next::proceed;
    if (const auto* closed = std::get_if<smtp::Closed>(&event)) {
      services_.log.event(LogLevel::debug, "smtp.closed",
                          {{"session", id_},
                           {"peer", peer_},
                           {"fault", closed->fault ? smtp::reply_for(*closed->fault).text : std::string_view()}});
      co_return Next::finish;
    }
    if (std::holds_alternative<smtp::StartTls>(event)) {
      engine_.decide(smtp::Accept{}, now());
      co_return Next::upgrade;
    }
    if (auto* chunk = std::get_if<smtp::MessageChunk>(&event)) {
      co_await on(*chunk);
    } else if (auto* rcpt = std::get_if<smtp::RcptTo>(&event)) {
      co_await on(*rcpt);
    } else if (auto* mail = std::get_if<smtp::MailFrom>(&event)) {
      co_await on(*mail);
    } else if (auto* begin = std::get_if<smtp::MessageBegin>(&event)) {
      co_await on(*begin);
    } else if (auto* end = std::get_if<smtp::MessageEnd>(&event)) {
      co_await on(*end);
    } else if (auto* aborted = std::get_if<smtp::MessageAborted>(&event)) {
      co_await on(*aborted);
    } else if (std::holds_alternative<smtp::Reset>(event)) {
      co_await on(smtp::Reset{});
    } else if (std::holds_alternative<smtp::Connected>(event)) {
      co_await on(smtp::Connected{});
    } else if (auto* helo = std::get_if<smtp::Helo>(&event)) {
      co_await on(*helo);
    } else if (auto* start = std::get_if<smtp::AuthStart>(&event)) {
      co_await on(std::move(*start));
    } else if (auto* response = std::get_if<smtp::AuthResponse>(&event)) {
      co_await on(std::move(*response));
    } else if (auto* given_up = std::get_if<smtp::AuthAborted>(&event)) {
      co_await on(*given_up);
    }
  }
}

// The handshake. What fails is told in the log: in the clear there is nobody to tell.
Task<bool> Session::start_tls() {
  const auto how = options_.tls == TlsUse::implicit ? transport::TlsStart::implicit : transport::TlsStart::upgrade;
  const Context handshake = context_.until(now() + handshake_time_max);
  auto upgraded = co_await transport::TlsStream::accept(std::move(stream_), services_.tls(), how, handshake);
  if (!upgraded) {
    services_.log.event(LogLevel::info, "smtp.tls.failed",
                        {{"session", id_}, {"peer", peer_}, {"reason", upgraded.error().describe()}});
    co_return false;
  }
  const tls::Channel& channel = (*upgraded)->channel();
  tls_clause_ = channel.info().received_clause();
  access::ConnectionFacts facts{.peer = (*upgraded)->peer().address, .service = std::string(service_name()), .confidential = true};
  facts.bindings = {.exporter = channel.exporter_binding(), .end_point = channel.end_point_binding()};
  stream_ = *std::move(upgraded);
  account_.reset();
  transaction_.reset();
  std::string mechanisms;
  if (options_.offer_auth) mechanisms = mechanism_names(services_.logins, facts);
  authenticator_.emplace(services_.logins, std::move(facts));
  engine_.tls_established(mechanisms, now());
  co_return true;
}

Task<bool> Session::flush() {
  const std::string_view output = engine_.pending_output();
  if (output.empty()) co_return true;
  // A peer that does not read its replies is as slow as one that does not write (RFC 5321 §4.5.3.2.7).
  const auto written = co_await stream_->write({&output, 1}, working().until(now() + options_.engine.command_timeout));
  if (!written) co_return false;
  engine_.consume_output(output.size());
  co_return true;
}

Task<void> Session::on(smtp::Connected) {
  if (!place_) {
    engine_.decide(smtp::Reply{421, {4, 7, 0}, place_.error().text()}, now());
  } else if (services_.logins.gate.is_banned(stream_->peer().address, context_.executor->wall_now())) {
    engine_.decide(smtp::Reply{421, {4, 7, 0}, "Too many failed logins from your network, try again later"}, now());
  } else {
    engine_.decide(smtp::Accept{}, now());
  }
  co_return;
}

Task<void> Session::on(const smtp::Helo&) {
  transaction_.reset();
  engine_.decide(smtp::Accept{}, now());
  co_return;
}

Task<void> Session::on(smtp::AuthStart event) {
  const auto mechanism = sasl::parse_mechanism(event.mechanism);
  assert(mechanism && authenticator_);  // the engine lets only offered ones through
  answer_login(co_await authenticator_->start(*mechanism, std::move(event.initial_response), working()));
}

Task<void> Session::on(smtp::AuthResponse event) {
  assert(authenticator_);
  answer_login(co_await authenticator_->respond(std::move(event.data), working()));
}

Task<void> Session::on(smtp::AuthAborted event) {
  services_.log.event(LogLevel::info, "smtp.login.aborted",
                      {{"session", id_}, {"peer", peer_}, {"fault", smtp::reply_for(event.fault).text}});
  co_return;
}

void Session::answer_login(access::LoginStep step) {
  if (auto* challenge = std::get_if<access::LoginChallenge>(&step)) {
    engine_.decide(smtp::AuthChallenge{std::move(challenge->text)}, now());
    return;
  }
  if (auto* accepted = std::get_if<access::LoginAccepted>(&step)) {
    services_.log.event(LogLevel::info, "smtp.login",
                        {{"session", id_}, {"peer", peer_}, {"login", accepted->account.login},
                         {"credential", accepted->credential}});
    account_ = std::move(accepted->account);
    engine_.decide(smtp::AuthSuccess{account_->login}, now());
    return;
  }
  const auto& refused = std::get<access::LoginRefused>(step);
  services_.log.event(LogLevel::warning, "smtp.login.failed",
                      {{"session", id_}, {"peer", peer_}, {"login", refused.login}, {"reason", refused.reason}});
  if (refused.temporary) {
    engine_.decide(smtp::Reply{454, {4, 7, 0}, "Temporary authentication failure, try again later"}, now());
  } else if (refused.malformed) {
    engine_.decide(smtp::Reply{501, {5, 5, 2}, "Malformed authentication exchange"}, now());
  } else {
    engine_.decide(smtp::AuthFailure{}, now());
  }
}

Task<void> Session::on(const smtp::MailFrom& event) {
  std::optional<smtp::Reply> refusal;
  if (is_submission() && !event.sender.is_null()) {
    assert(account_);  // the engine demands AUTH before MAIL
    const auto owned = co_await services_.directory.may_send_as(account_->id, event.sender.to_string(), working());
    if (!owned) {
      refusal = reply_for(owned.error());
    } else if (!*owned) {
      refusal = smtp::Reply{550, {5, 7, 1}, "Sender address does not belong to " + account_->login};
    }
  }
  if (refusal) {
    log_refused("mail", event.sender.to_string(), *refusal);
    engine_.decide(*refusal, now());
    co_return;
  }
  transaction_.emplace();
  transaction_->sender = event.sender;
  transaction_->parameters = event.parameters;
  engine_.decide(smtp::Accept{}, now());
}

Task<void> Session::on(const smtp::RcptTo& event) {
  assert(transaction_);
  const auto refusal = co_await accept_recipient(event);
  if (refusal) {
    log_refused("rcpt", event.recipient.to_string(), *refusal);
    engine_.decide(*refusal, now());
    co_return;
  }
  if (transaction_->first_recipient.empty()) transaction_->first_recipient = event.recipient.to_string();
  engine_.decide(smtp::Accept{}, now());
}

// Adds the recipient to the transaction, or says why not.
Task<std::optional<smtp::Reply>> Session::accept_recipient(const smtp::RcptTo& event) {
  std::string address = event.recipient.to_string();
  if (event.recipient.domain.empty()) address += "@" + options_.primary_domain;  // RFC 5321 §4.1.1.3: <Postmaster>
  auto resolved = co_await services_.directory.resolve(address, working());
  if (!resolved) co_return reply_for(resolved.error());
  if (auto* found = std::get_if<directory::Mailboxes>(&*resolved)) {
    co_return co_await add_mailboxes(std::move(*found), event, address);
  }
  if (std::holds_alternative<directory::NotLocal>(*resolved)) {
    // RFC 5321 §3.6.2; LMTP has no relaying (RFC 2033 §5).
    if (!account_ || is_lmtp()) co_return smtp::Reply{550, {5, 7, 1}, "Relaying denied: not a domain of this server"};
    const auto canonical = mime::Address::parse(address);
    if (!canonical) co_return smtp::Reply{553, {5, 1, 3}, "Bad recipient address"};
    add_remote(event, canonical->to_string());
    transaction_->accepted.emplace_back();
    co_return std::nullopt;
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
  std::vector<std::size_t> places;
  for (auto& local : found.local) {
    const auto same = std::ranges::find(transaction_->local, local.account, &delivery::LocalRecipient::account);
    places.push_back(static_cast<std::size_t>(same - transaction_->local.begin()));
    if (same != transaction_->local.end()) continue;  // one copy an account, however many addresses lead there
    transaction_->local.push_back({.account = local.account});
    transaction_->local_addresses.push_back(local.address.empty() ? std::string(address) : std::move(local.address));
  }
  for (auto& remote : found.remote) add_remote(event, std::move(remote));
  transaction_->accepted.push_back(std::move(places));
  co_return std::nullopt;
}

void Session::add_remote(const smtp::RcptTo& event, std::string address) {
  const auto& parameters = event.parameters;
  queue::Recipient recipient;
  recipient.address = std::move(address);
  if (!parameters.original_recipient_type.empty()) {
    recipient.original_recipient = parameters.original_recipient_type + ";" + parameters.original_recipient;
  }
  recipient.notify = {.specified = parameters.notify.given(), .never = parameters.notify.never,
                      .success = parameters.notify.success, .failure = parameters.notify.failure,
                      .delay = parameters.notify.delay};
  recipient.next_attempt = context_.executor->wall_now();
  const bool known = std::ranges::any_of(transaction_->remote, [&](const auto& other) { return other.address == recipient.address; });
  if (!known) transaction_->remote.push_back(std::move(recipient));
}

Task<void> Session::on(smtp::MessageBegin) {
  assert(transaction_);
  auto writer = services_.delivery.create_message();
  if (!writer) {
    engine_.decide(reply_for(writer.error()), now());
    co_return;
  }
  transaction_->writer = *std::move(writer);
  transaction_->header.emplace(options_.header_octets_max);
  engine_.decide(smtp::Accept{}, now());
}

Task<void> Session::on(smtp::MessageChunk event) {
  assert(transaction_ && transaction_->writer);
  transaction_->header->feed(event.octets);
  if (transaction_->header->too_large()) {
    engine_.refuse_message({552, {5, 3, 4}, "Message header too large"});
    transaction_.reset();
    co_return;
  }
  const auto written = co_await transaction_->writer->write(event.octets, working());
  if (written) co_return;
  engine_.refuse_message(reply_for(written.error()));
  transaction_.reset();
}

Task<void> Session::on(smtp::MessageEnd event) {
  assert(transaction_ && transaction_->writer);
  ++message_number_;
  const HeaderFindings findings = inspect_header(transaction_->header->header());
  if (findings.received > options_.hops_max) {  // RFC 5321 §6.3
    const smtp::Reply loop{554, {5, 4, 6}, "Too many hops, this message is going round in circles"};
    log_refused("data", transaction_->first_recipient, loop);
    transaction_.reset();
    engine_.decide(loop, now());
    co_return;
  }
  auto staged = co_await transaction_->writer->finish(working());
  if (!staged) {
    transaction_.reset();
    engine_.decide(reply_for(staged.error()), now());
    co_return;
  }
  const std::shared_ptr<mailstore::StagedMessage> message = *std::move(staged);
  if (is_lmtp()) {
    const auto replies = co_await deliver_each(message, findings);
    transaction_.reset();
    engine_.decide(replies, now());
    co_return;
  }
  const auto reply = co_await deliver(message, findings);
  if (!reply.positive()) log_refused("data", transaction_->first_recipient, reply);
  transaction_.reset();
  (void)event;
  engine_.decide(reply, now());
}

Task<void> Session::on(smtp::MessageAborted event) {
  log_refused("data", transaction_ ? transaction_->first_recipient : std::string(),
              {smtp::reply_for(event.fault).code, smtp::reply_for(event.fault).status, std::string(smtp::reply_for(event.fault).text)});
  transaction_.reset();
  co_return;
}

Task<void> Session::on(smtp::Reset) {
  transaction_.reset();
  co_return;
}

// RFC 6409 §8.2, §8.3: a submitted message without Date or Message-ID gets one; others are left as they are.
std::string Session::common_prefix(const HeaderFindings& findings, std::string& message_id) {
  const bool alone = transaction_->accepted.size() == 1;
  const std::string literal = stream_->peer().address.literal();
  std::string prefix = received_field({.hello_name = engine_.hello_name(),
                                       .peer_literal = literal,
                                       .hostname = options_.engine.hostname,
                                       .protocol = engine_.with_protocol(),
                                       .tls = tls_clause_,
                                       .id = id_,
                                       .recipient = alone ? std::string_view(transaction_->first_recipient) : std::string_view(),
                                       .time = context_.executor->wall_now()});
  message_id = findings.message_id;
  if (!is_submission()) return prefix;
  if (!findings.has_date) {
    prefix += "Date: " + mime::format_date({context_.executor->wall_now(), std::chrono::minutes(0)}) + "\r\n";
  }
  if (!findings.has_message_id) {
    message_id = "<" + services_.random.hex(16) + "@" + options_.engine.hostname + ">";
    prefix += "Message-ID: " + message_id + "\r\n";
  }
  return prefix;
}

Task<Result<delivery::Accepted>> Session::submit(std::shared_ptr<mailstore::StagedMessage> message,
                                                 std::vector<delivery::LocalRecipient> local, bool with_remote,
                                                 std::string prefix, const std::string& message_id) {
  delivery::Submission submission{.message = std::move(message), .local = std::move(local)};
  if (with_remote && !transaction_->remote.empty()) {
    const auto& parameters = transaction_->parameters;
    queue::NewEntry entry;
    entry.envelope = {.sender = transaction_->sender.to_string(),
                      .envelope_id = parameters.envelope_id,
                      .dsn_return = static_cast<queue::DsnReturn>(parameters.dsn_return),
                      .smtputf8 = parameters.smtputf8,
                      .eight_bit = parameters.body != smtp::BodyType::seven_bit,
                      .binary = parameters.body == smtp::BodyType::binary_mime,
                      .require_tls = parameters.require_tls};
    entry.recipients = transaction_->remote;
    entry.prefix = std::move(prefix);
    entry.message_id = message_id;
    entry.login = account_ ? account_->login : std::string();
    submission.remote = std::move(entry);
  }
  co_return co_await services_.delivery.deliver(std::move(submission), working());
}

Task<smtp::Reply> Session::deliver(std::shared_ptr<mailstore::StagedMessage> message, const HeaderFindings& findings) {
  std::string message_id;
  const std::string common = common_prefix(findings, message_id);
  const std::string return_path = return_path_field(transaction_->sender.to_string());
  for (std::size_t i = 0; i < transaction_->local.size(); ++i) {
    transaction_->local[i].prefix = return_path + delivered_to_field(transaction_->local_addresses[i]) + common;
  }
  const std::uint64_t octets = message->octets();
  const auto accepted = co_await submit(std::move(message), std::move(transaction_->local), true, common, message_id);
  if (!accepted) co_return reply_for(accepted.error());
  log_accepted(octets, *accepted, message_id);
  co_return smtp::Reply{250, {2, 0, 0}, format("Ok: {}.{}", id_, message_number_)};
}

// RFC 2033 §4.2: a reply for each recipient. All go in one commit if they can; if not, each on its own.
Task<std::vector<smtp::Reply>> Session::deliver_each(std::shared_ptr<mailstore::StagedMessage> message,
                                                     const HeaderFindings& findings) {
  const auto places = transaction_->accepted;
  const auto local = transaction_->local;
  const auto addresses = transaction_->local_addresses;
  const smtp::Reply together = co_await deliver(message, findings);
  if (together.positive()) co_return std::vector(places.size(), together);

  std::string message_id;
  const std::string common = common_prefix(findings, message_id);
  std::vector<smtp::Reply> by_account;
  bool forwarded = false;  // what goes elsewhere rides with the first that works
  for (std::size_t i = 0; i < local.size(); ++i) {
    auto recipient = local[i];
    recipient.prefix = return_path_field(transaction_->sender.to_string()) + delivered_to_field(addresses[i]) + common;
    std::vector<delivery::LocalRecipient> alone;
    alone.push_back(std::move(recipient));
    const auto accepted = co_await submit(message, std::move(alone), !forwarded, common, message_id);
    forwarded = forwarded || accepted.has_value();
    by_account.push_back(accepted ? smtp::Reply{250, {2, 0, 0}, "Ok"} : reply_for(accepted.error()));
    if (accepted) log_accepted(message->octets(), *accepted, message_id);
  }
  std::vector<smtp::Reply> replies;
  for (const auto& indices : places) {
    smtp::Reply worst{250, {2, 0, 0}, "Ok"};
    for (const std::size_t index : indices) {
      if (!by_account[index].positive()) worst = by_account[index];
    }
    replies.push_back(indices.empty() ? together : worst);
  }
  co_return replies;
}

void Session::log_accepted(std::uint64_t octets, const delivery::Accepted& accepted, const std::string& message_id) const {
  services_.log.event(LogLevel::info, "smtp.accepted",
                      {{"session", id_},
                       {"message", message_number_},
                       {"peer", peer_},
                       {"from", transaction_->sender.to_string()},
                       {"to", transaction_->first_recipient},
                       {"recipients", transaction_->accepted.size()},
                       {"octets", octets},
                       {"message_id", message_id},
                       {"login", account_ ? account_->login : std::string()},
                       {"delivered", accepted.local.size()},
                       {"queued", accepted.queued ? static_cast<std::uint64_t>(*accepted.queued) : 0}});
}

void Session::log_refused(std::string_view stage, std::string_view address, const smtp::Reply& reply) const {
  services_.log.event(LogLevel::info, "smtp.refused",
                      {{"session", id_}, {"peer", peer_}, {"stage", stage}, {"address", address},
                       {"reply", reply.to_string()}});
}

std::string_view Session::service_name() const noexcept {
  switch (options_.engine.protocol) {
    case smtp::Protocol::smtp: return "smtp";
    case smtp::Protocol::submission: return "submission";
    case smtp::Protocol::lmtp: return "lmtp";
  }
  return "smtp";
}

bool Session::is_submission() const noexcept { return options_.engine.protocol == smtp::Protocol::submission; }
bool Session::is_lmtp() const noexcept { return options_.engine.protocol == smtp::Protocol::lmtp; }

}  // namespace keystonemail::reception
