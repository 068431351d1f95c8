// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "service/relay/courier.hpp"

#include <algorithm>
#include <cassert>
#include <utility>

#include "base/try.hpp"
#include "keystonemail/base/text.hpp"
#include "keystonemail/sasl/client.hpp"

namespace keystonemail::relay {

namespace {

constexpr auto quit_time_max = std::chrono::seconds(10);
constexpr auto early_reply_poll = std::chrono::milliseconds(1);

// Of STARTTLS, that is.
smtp::TlsPolicy policy_for(const CourierTarget& target, bool have_context) {
  if (target.tls == RouteTls::none || target.tls == RouteTls::implicit) return smtp::TlsPolicy::never;
  const bool shows_password = target.login && !target.host.endpoint.address.is_loopback();
  if (target.rules.has_to_be_encrypted || shows_password) return smtp::TlsPolicy::required;
  return have_context ? smtp::TlsPolicy::opportunistic : smtp::TlsPolicy::never;
}

smtp::ClientOptions engine_options(const CourierServices& services, const CourierTarget& target) {
  smtp::ClientOptions options = services.options.engine;
  options.hostname = services.options.hostname;
  options.protocol = target.protocol;
  options.starttls = policy_for(target, services.tls != nullptr);
  return options;
}

smtp::Reply unreachable(const MailHost& host, const Error& error) {
  const std::string& why = error.detail().empty() ? error.text() : error.detail();
  return {451, {4, 4, 1}, "Cannot connect to " + host.to_string() + ": " + (why.empty() ? std::string(to_string(error.kind())) : why)};
}

}  // namespace

Courier::Courier(const CourierServices& services, CourierTarget target, std::unique_ptr<transport::ByteStream> stream,
                 Context context)
    : services_(services),
      target_(std::move(target)),
      engine_options_(engine_options(services, target_)),
      stream_(std::move(stream)),
      context_(std::move(context)),
      engine_(engine_options_, context_.executor->now()) {}

Task<Courier::Opened> Courier::open(const CourierServices& services, CourierTarget target, Context context) {
  const Context connecting = context.until(context.executor->now() + services.options.connect_timeout);
  auto stream = co_await services.connector.connect(target.host.endpoint, connecting);
  if (!stream) {
    HostFailure failure{.reply = unreachable(target.host, stream.error()), .host = {}};
    co_return failure;
  }
  std::unique_ptr<Courier> courier(new Courier(services, std::move(target), *std::move(stream), context));
  courier->facts_.local = courier->stream_->local().address;
  auto failure = co_await courier->greet(context);
  if (failure) co_return *std::move(failure);
  co_return std::move(courier);
}

// From the first octet to a session that is ready for messages.
Task<std::optional<HostFailure>> Courier::greet(Context context) {
  if (target_.tls == RouteTls::implicit) {
    auto failure = co_await start_tls(transport::TlsStart::implicit);
    if (failure) co_return *std::move(failure);
  }
  for (;;) {
    auto event = co_await next(context);
    if (const auto* closed = std::get_if<smtp::ClientClosed>(&event)) co_return failure_of(*closed);
    if (std::holds_alternative<smtp::ClientReady>(event)) break;
    if (!std::holds_alternative<smtp::ClientStartTls>(event)) continue;
    auto failure = co_await start_tls(transport::TlsStart::upgrade);
    if (failure) co_return *std::move(failure);
  }
  ready_ = true;
  if (facts_.stage == TlsStage::none && engine_options_.starttls != smtp::TlsPolicy::never) {
    facts_.stage = engine_.capabilities().starttls ? TlsStage::refused : TlsStage::not_offered;
  }
  if (target_.rules.announces_require_tls && !engine_.capabilities().require_tls) {  // RFC 8689 §4.2.1
    co_await quit();
    HostFailure failure{.reply = {550, {5, 7, 30}, "REQUIRETLS support required, and " + target_.host.to_string() + " does not offer it"}, .host = {}};
    failure.tls = facts_;
    co_return failure;
  }
  if (!target_.login) co_return std::nullopt;
  co_return co_await log_in(std::move(context));
}

HostFailure Courier::insecure(smtp::EnhancedStatus status, std::string text) const {
  smtp::Reply reply{454, status, std::move(text)};
  if (target_.rules.announces_require_tls) reply = {550, {5, 7, 10}, "Encryption needed: " + reply.text};
  return {.reply = std::move(reply), .host = {}, .handshake = false, .tls = facts_};
}

// The handshake, and the judgement: no octet of the session goes over before that.
Task<std::optional<HostFailure>> Courier::start_tls(transport::TlsStart start) {
  const std::string failed = "TLS with " + target_.host.to_string() + " failed: ";
  if (!services_.tls) {
    HostFailure failure{.reply = {454, {4, 7, 5}, failed + "it is not set up here"}, .host = {}};
    co_return failure;
  }
  tls::ClientRequest request;
  request.server_name = target_.dane && !target_.rules.by_pkix ? target_.dane->base : target_.host.name;  // RFC 7672 §8.1
  request.verification = tls::Verification::opportunistic;
  const Context handshake = working().until(now() + services_.options.handshake_timeout);
  auto secured = co_await transport::TlsStream::connect(std::move(stream_), services_.tls, std::move(request), start, handshake);
  if (!secured) {
    const Error& error = secured.error();
    facts_.stage = TlsStage::broken;
    facts_.detail = error.detail().empty() ? error.describe() : error.detail();
    const bool may_pass = error.kind() == ErrorKind::timeout || error.kind() == ErrorKind::unavailable || error.kind() == ErrorKind::cancelled;
    HostFailure failure = insecure({4, 7, 5}, failed + facts_.detail);
    if (may_pass) failure.reply = {454, {4, 7, 5}, failed + facts_.detail};
    // Octets between STARTTLS and the handshake are an injection (attack A4): what follows in the clear is not to be trusted.
    failure.handshake = error.kind() != ErrorKind::denied;
    co_return failure;
  }
  const tls::Channel& channel = (*secured)->channel();
  const tls::ConnectionInfo info = channel.info();
  facts_.stage = TlsStage::established;
  facts_.trust = channel.trust();
  facts_.protocol = (info.version == tls::Version::tls1_3 ? "TLSv1.3 " : "TLSv1.2 ") + info.cipher;
  if (target_.dane && !target_.dane->usable.empty()) {
    facts_.dane = tls::verify_dane(target_.dane->usable, channel.peer_chain(), target_.dane->names, context_.executor->wall_now());
  }
  if (auto why = violation(target_.rules, facts_)) {
    facts_.detail = *why;
    co_await (*secured)->close(handshake);
    co_return insecure({4, 7, 5}, "No mail for " + target_.host.to_string() + ": " + *why);
  }
  stream_ = *std::move(secured);
  engine_.tls_established(now());
  co_return std::nullopt;
}

// RFC 4954, as the client.
Task<std::optional<HostFailure>> Courier::log_in(Context context) {
  std::vector<sasl::Mechanism> offered;
  for (const std::string& name : engine_.capabilities().auth_mechanisms) {
    if (const auto mechanism = sasl::parse_mechanism(name)) offered.push_back(*mechanism);
  }
  const bool confidential = engine_.secure() || target_.host.endpoint.address.is_loopback();
  const auto mechanism = sasl::choose_mechanism(offered, {}, confidential);
  if (!mechanism) {
    HostFailure failure{.reply = {454, {4, 7, 0}, target_.host.to_string() + " offers no usable way to log in"}, .host = {}};
    co_return failure;
  }
  sasl::Credentials credentials{.login = target_.login->name, .password = crypto::SecretString(target_.login->password.view())};
  const auto exchange = sasl::make_client(*mechanism, std::move(credentials), {}, services_.random);
  const auto initial = exchange->initial_response();
  engine_.authenticate(to_string(*mechanism), initial, now());
  bool was_cancelled = false;
  for (;;) {
    auto event = co_await next(context);
    if (const auto* closed = std::get_if<smtp::ClientClosed>(&event)) co_return failure_of(*closed);
    if (const auto* challenge = std::get_if<smtp::ClientAuthChallenge>(&event)) {
      if (was_cancelled) {  // RFC 4954 §4: it was to say 501
        ready_ = false;
        HostFailure failure{.reply = {454, {4, 7, 0}, target_.host.to_string() + " does not let the login be broken off"}, .host = {}};
        co_return failure;
      }
      auto answer = exchange->receive(challenge->data);
      const auto* response = std::get_if<sasl::Response>(&answer);
      was_cancelled = response == nullptr;
      if (response != nullptr) engine_.respond(response->text, now());
      else engine_.cancel_authentication(now());
    }
    if (const auto* done = std::get_if<smtp::ClientAuthDone>(&event)) {
      if (done->reply.positive() && exchange->complete()) continue;
      // A password that is wrong is the administrator's to mend; the mail waits for it.
      HostFailure failure{.reply = {454, {4, 7, 0}, target_.host.to_string() + " refused our login: " + done->reply.to_string()}, .host = {}};
      ready_ = false;
      co_return failure;
    }
    if (std::holds_alternative<smtp::ClientReady>(event)) co_return std::nullopt;
  }
}

// What the engine wants next, once all is written and read that comes before it. Octets that are there already are looked
// at before anything is sent, so that an answer that nobody asked for is never taken for that of the next command.
Task<smtp::ClientEvent> Courier::next(Context context) {
  for (;;) {
    smtp::ClientEvent event = engine_.next_event();
    if (!std::holds_alternative<smtp::ClientNeedInput>(event)) co_return event;
    Context wait = context;
    if (const auto deadline = engine_.deadline()) wait.deadline = std::min(wait.deadline, *deadline);
    ErrorKind lost = ErrorKind::unavailable;
    bool alive = true;
    const std::string_view output = engine_.pending_output();
    if (stream_->unconsumed() == 0 && !output.empty()) {
      const auto written = co_await stream_->write({&output, 1}, wait);
      alive = written.has_value();
      if (alive) engine_.consume_output(output.size(), now());
      else lost = written.error().kind();
    } else {
      const auto got = co_await stream_->read(wait);
      alive = got && !got->empty();
      if (alive) stream_->consume(engine_.receive(*got, now()));
      else if (!got) lost = got.error().kind();
    }
    if (alive) continue;
    // The engine knows when its own time is up, but not the caller's.
    if (lost == ErrorKind::timeout && now() < context.deadline) engine_.expire(now());
    else engine_.receive_end(now());
    is_out_of_time_ = lost == ErrorKind::timeout;
  }
}

HostFailure Courier::failure_of(const smtp::ClientClosed& closed) {
  const std::string host = target_.host.to_string();
  if (closed.reply) {
    // RFC 5321 §3.1: it has no service for us; whether for good is for people to find out, so the mail waits.
    smtp::Reply reply = *closed.reply;
    if (!reply.temporary()) reply = {450, {4, 4, 0}, host + " said: " + closed.reply->to_string()};
    return {.reply = std::move(reply), .host = closed.reply->temporary() ? target_.host.name : std::string(), .tls = facts_};
  }
  const std::string why = closed.fault ? std::string(to_string(*closed.fault)) : is_out_of_time_ ? "it took too long" : "closed by the server";
  if (closed.fault == smtp::ServerFault::tls_not_offered || closed.fault == smtp::ServerFault::tls_refused) {
    facts_.stage = closed.fault == smtp::ServerFault::tls_refused ? TlsStage::refused : TlsStage::not_offered;
    facts_.detail = why;
    return insecure({4, 7, 4}, host + ": TLS is required here, and " + why);
  }
  return {.reply = {451, {4, 4, 2}, "Connection to " + host + " lost: " + why}, .host = {}, .tls = facts_};
}

// Makes the message fit the server, or says why that cannot be.
Task<std::optional<Outcome>> Courier::prepare(Consignment& consignment) {
  Letter& letter = *consignment.letter;
  smtp::ClientEnvelope& envelope = consignment.envelope;
  const smtp::Capabilities& offered = engine_.capabilities();
  envelope.smtputf8 = consignment.internationalized && letter.eight_bit_header();
  const bool needs_downgrade = letter.eight_bit_body() && !offered.eight_bit_mime;
  if (needs_downgrade || consignment.envelope.binary) {
    const auto made = co_await letter.make_seven_bit(working());
    if (!made) {
      Outcome outcome{.reply = {451, {4, 3, 0}, "The message cannot be read now"}, .host = {}};
      co_return outcome;
    }
  }
  envelope.eight_bit = offered.eight_bit_mime && (letter.eight_bit_body() || letter.eight_bit_header());
  envelope.octets = letter.octets();
  // RFC 8689 §5: a report goes on without it rather than not at all.
  if (envelope.sender.is_null()) envelope.require_tls = envelope.require_tls && engine_.secure() && offered.require_tls;
  co_return refusal_for(envelope.deliver_by);
}

// RFC 2852 §4.1.4.1: only to a server that promises the same.
std::optional<Outcome> Courier::refusal_for(const std::optional<smtp::DeliverBy>& by) const {
  if (!by || by->mode != smtp::DeliverByMode::return_to_sender || target_.protocol == smtp::Protocol::lmtp) return std::nullopt;
  const auto offered = engine_.capabilities().deliver_by;
  if (offered && static_cast<std::int64_t>(*offered) <= by->within.count()) return std::nullopt;
  const std::string why = offered ? " promises no delivery so soon" : " does not promise to deliver by a time";
  return Outcome{.reply = {550, {5, 4, 7}, target_.host.to_string() + why}, .host = {}};
}

// RFC 2852 §4.1.4.2: a server that does not know of the deadline is at least to tell of delays.
void Courier::ask_about_delays(smtp::ClientEnvelope& envelope) const {
  if (!envelope.deliver_by || engine_.capabilities().deliver_by || !engine_.capabilities().dsn) return;
  for (smtp::ClientRecipient& recipient : envelope.recipients) {
    smtp::DsnNotify& notify = recipient.parameters.notify;
    if (notify.never) continue;
    if (!notify.given()) notify.failure = true;
    notify.delay = true;
  }
}

Task<std::vector<Outcome>> Courier::deliver(Consignment consignment) {
  assert(ready_);
  ready_ = false;
  stale_ = false;
  const std::size_t recipients = consignment.envelope.recipients.size();
  if (const auto problem = co_await prepare(consignment)) {
    ready_ = true;
    co_return std::vector<Outcome>(recipients, *problem);
  }
  ask_about_delays(consignment.envelope);
  Letter& letter = *consignment.letter;
  engine_.send(std::move(consignment.envelope), now());
  std::uint64_t offset = 0;
  bool wanted = false;
  const auto for_its_size = std::chrono::seconds(letter.octets() / services_.options.octets_per_second_min);
  const Context limited = working().until(now() + services_.options.transaction_time_max + for_its_size);
  for (;;) {
    // Once all of it is sent, only the answer tells whether it will have to be sent again.
    const bool is_sent = wanted && offset >= letter.octets();
    const Context within = is_sent ? working() : limited;
    auto event = co_await next(within);
    if (std::holds_alternative<smtp::ClientNeedMessage>(event)) {
      wanted = true;
      if (co_await give_message(letter, offset)) continue;
      stream_.reset();  // half a message must not end: the connection breaks off
      Outcome outcome{.reply = {451, {4, 3, 0}, "The message cannot be read now"}, .host = {}};
      co_return std::vector<Outcome>(recipients, outcome);
    }
    if (auto* done = std::get_if<smtp::ClientMessageDone>(&event)) {
      stale_ = messages_ > 0 && !wanted;
      ++messages_;
      if (done->is_unsaid) {
        for (smtp::Reply& reply : done->replies) reply.text = target_.host.to_string() + ": " + reply.text;
      }
      co_return outcomes_of(std::move(done->replies), done->is_unsaid);
    }
  }
}

Task<bool> Courier::give_message(Letter& letter, std::uint64_t& offset) {
  const auto piece = co_await letter.read(offset, working());
  if (!piece) co_return false;
  offset += piece->size();
  const bool last = offset >= letter.octets() || piece->empty();
  // A server that answers a large message before its end has not read it to there, so the end must not be sent.
  if (last && offset > piece->size()) co_await hear_early_reply();
  if (!piece->empty()) engine_.give_message(*piece, now());
  if (last) engine_.end_message(now());
  co_return true;
}

Task<void> Courier::hear_early_reply() {
  const Context brief = working().until(now() + early_reply_poll);
  const auto got = co_await stream_->read(brief);
  if (!got) co_return;
  for (std::string_view input = *got; !input.empty();) {
    const std::size_t taken = engine_.receive(input, now());
    if (taken == 0) co_return;  // it has made up its mind
    stream_->consume(taken);
    input.remove_prefix(taken);
  }
}

std::vector<Outcome> Courier::outcomes_of(std::vector<smtp::Reply> replies, bool are_ours) {
  const smtp::ClientEvent after = engine_.next_event();
  ready_ = std::holds_alternative<smtp::ClientReady>(after);
  const auto* closed = std::get_if<smtp::ClientClosed>(&after);
  stale_ = stale_ && closed != nullptr;
  std::vector<Outcome> outcomes;
  outcomes.reserve(replies.size());
  for (smtp::Reply& reply : replies) {
    Outcome& outcome = outcomes.emplace_back();
    if (!are_ours) outcome.host = target_.host.name;
    outcome.security = security();
    outcome.notifies = engine_.capabilities().dsn;
    outcome.final_host = target_.protocol == smtp::Protocol::lmtp;
    outcome.keeps_deadline = engine_.capabilities().deliver_by.has_value();
    // Words of the engine, for a recipient the server has not answered.
    if (closed != nullptr && !closed->reply && reply == smtp::connection_lost_reply()) {
      const HostFailure failure = failure_of(*closed);
      outcome.reply = failure.reply;
      outcome.host = failure.host;
    } else {
      outcome.reply = std::move(reply);
    }
  }
  return outcomes;
}

Task<void> Courier::quit() {
  if (!std::exchange(ready_, false)) co_return;
  engine_.quit(now());
  const Context brief = working().until(now() + quit_time_max);
  for (;;) {
    const auto event = co_await next(brief);
    if (std::holds_alternative<smtp::ClientClosed>(event)) break;
  }
  co_await stream_->close(brief);
}

}  // namespace keystonemail::relay
