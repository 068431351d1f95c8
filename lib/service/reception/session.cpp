// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "service/reception/session.hpp"

#include <algorithm>
#include <cassert>
#include <iterator>
#include <utility>

#include "service/reception/replies.hpp"

namespace keystonemail::reception {
namespace {

constexpr auto handshake_time_max = std::chrono::seconds(60);
constexpr auto farewell_time_max = std::chrono::seconds(5);
constexpr auto policy_farewell_time_max = std::chrono::seconds(1);

policy::Screening open_screening(const Services& services, const transport::ByteStream& stream, const std::string& id,
                                 std::string_view service, const std::string& hostname) {
  const auto policies = services.policies ? services.policies() : nullptr;
  policy::Connection connection{.session = id, .service = std::string(service), .hostname = hostname, .peer = stream.peer(),
                                .local = stream.local(), .trusted = services.limits.is_trusted(stream.peer().address)};
  return (policies ? *policies : policy::Chain()).open(std::move(connection), services.log);
}

}  // namespace

Session::Session(const Reception& reception, std::unique_ptr<transport::ByteStream> stream, Context context)
    : options_(reception.options()),
      services_(reception.services()),
      stream_(std::move(stream)),
      context_(std::move(context)),
      engine_(reception.engine_options(stream_->peer().address), context_.executor->now()),
      id_(services_.random.hex(8)),
      peer_(stream_->peer().to_string()),
      place_(services_.limits.admit(stream_->peer().address, context_.executor->now())),
      screening_(open_screening(services_, *stream_, id_, service_name(), options_.engine.hostname)),
      connected_(context_.executor->wall_now()) {
  if (options_.offer_auth && options_.engine.allow_plaintext_auth) {
    authenticator_.emplace(services_.logins, access::ConnectionFacts{.peer = stream_->peer().address,
                                                                     .service = std::string(service_name()),
                                                                     .confidential = true});
  }
}

Task<void> Session::run() {
  co_await converse();
  end_transaction();
  if (!screening_.empty()) co_await screening_.close(working().until(now() + policy_farewell_time_max));
}

Task<void> Session::converse() {
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
    auto got = co_await read();
    if (got && got->empty()) {
      engine_.receive_end(now());
    } else if (got) {
      input = *got;
    } else if (got.error().kind() == ErrorKind::timeout) {
      engine_.expire(now());
    } else if (const auto farewell = revoked()) {
      engine_.end(*farewell);
    } else if (got.error().kind() == ErrorKind::cancelled) {
      engine_.end({421, {4, 3, 2}, "The server is shutting down, try again shortly"});
    } else {
      engine_.receive_end(now());
    }
  }
  (void)co_await flush();
  co_await stream_->close(context_.until(now() + farewell_time_max));
}

// Until something comes, the login ends or the server stops; a message under way is finished first.
Task<Result<std::string_view>> Session::read() {
  std::stop_source enough;
  const std::stop_callback on_end(login_.token(), [enough]() mutable { enough.request_stop(); });
  const std::stop_callback on_stop(transaction_ ? std::stop_token() : context_.stop, [enough]() mutable { enough.request_stop(); });
  Context wait = context_.with_stop(enough.get_token());
  if (const auto deadline = engine_.deadline()) wait.deadline = *deadline;
  co_return co_await stream_->read(std::move(wait));
}

std::optional<smtp::Reply> Session::revoked() {
  if (!login_.has_ended()) return std::nullopt;
  services_.log.event(LogLevel::info, "smtp.login.revoked", {{"session", id_}, {"peer", peer_}, {"login", account_ ? account_->login : std::string()}});
  return smtp::Reply{421, {4, 7, 0}, "What you logged in with is no longer valid"};
}

// Handles what the engine has to say about the octets it took.
Task<Session::Next> Session::take_events() {
  for (;;) {
    auto event = engine_.next_event();
    if (std::holds_alternative<smtp::NeedInput>(event)) co_return Next::proceed;
    if (const auto* closed = std::get_if<smtp::Closed>(&event)) {
      services_.log.event(LogLevel::info, "smtp.closed",
                          {{"session", id_},
                           {"peer", peer_},
                           {"messages", message_number_},
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
    } else if (auto* unknown = std::get_if<smtp::UnknownCommand>(&event)) {
      co_await on(*unknown);
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
  facts.external_identity = access::external_identity(channel);
  stream_ = *std::move(upgraded);
  account_.reset();
  login_ = {};
  end_transaction();
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
  } else if (auto refusal = co_await screen(policy::Stage::connect)) {
    // RFC 5321 §3.1, §4.3.2: in the place of a greeting there is 554, or 421 for now.
    refusal->code = refusal->code >= 500 ? 554 : 421;
    engine_.decide(*refusal, now());
  } else {
    engine_.decide(smtp::Accept{}, now());
  }
}

Task<void> Session::on(smtp::UnknownCommand event) {
  if (!screening_.empty()) {
    const policy::Outcome outcome = co_await screening_.unknown(event.line, facts(), working());
    if (outcome.verdict != policy::Verdict::proceed) {
      engine_.decide(reply_for(outcome), now());
      co_return;
    }
  }
  engine_.decide(smtp::Accept{}, now());  // in our own words
}

// RFC 5321 §4.1.4: accepted, it resets; refused, nothing has changed.
Task<void> Session::on(const smtp::Helo& event) {
  if (const auto refusal = co_await screen(policy::Stage::helo, event.name)) {
    log_refused("helo", event.name, *refusal);
    engine_.decide(*refusal, now());
  } else {
    end_transaction();
    engine_.decide(smtp::Accept{}, now());
  }
}

Task<void> Session::on(smtp::AuthStart event) {
  mechanism_ = event.mechanism;
  const auto mechanism = sasl::parse_mechanism(event.mechanism);
  assert(mechanism && authenticator_);  // the engine lets only offered ones through
  auto step = co_await authenticator_->start(*mechanism, std::move(event.initial_response), working());
  co_await answer_login(std::move(step));
}

Task<void> Session::on(smtp::AuthResponse event) {
  assert(authenticator_);
  auto step = co_await authenticator_->respond(std::move(event.data), working());
  co_await answer_login(std::move(step));
}

Task<void> Session::on(smtp::AuthAborted event) {
  services_.log.event(LogLevel::info, "smtp.login.aborted",
                      {{"session", id_}, {"peer", peer_}, {"fault", smtp::reply_for(event.fault).text}});
  co_return;
}

Task<void> Session::answer_login(access::LoginStep step) {
  if (auto* challenge = std::get_if<access::LoginChallenge>(&step)) {
    engine_.decide(smtp::AuthChallenge{std::move(challenge->text)}, now());
    co_return;
  }
  if (auto* accepted = std::get_if<access::LoginAccepted>(&step)) {
    services_.log.event(LogLevel::info, "smtp.login",
                        {{"session", id_}, {"peer", peer_}, {"login", accepted->account.login},
                         {"credential", accepted->credential}});
    account_ = std::move(accepted->account);
    login_ = std::move(accepted->lease);
    if (auto refusal = co_await screen(policy::Stage::auth)) {
      account_.reset();
      login_ = {};
      engine_.decide(*std::move(refusal), now());
      co_return;
    }
    engine_.decide(smtp::AuthSuccess{account_->login}, now());
    co_return;
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

Task<std::optional<smtp::Reply>> Session::screen(policy::Stage stage, std::string_view hello) {
  if (screening_.empty()) co_return std::nullopt;
  policy::Draft* draft = transaction_ && transaction_->draft ? &*transaction_->draft : nullptr;
  policy::Outcome outcome = co_await screening_.judge(stage, facts(hello), working(), draft);
  if (transaction_) note_verdict(stage, outcome);
  if (outcome.delay > outcome.delay.zero()) {
    const Instant when = now() + outcome.delay;
    if (stage == policy::Stage::connect) co_await listen_until(when);
    else co_await sleep_until(when, context_);
  }
  const bool kept = outcome.verdict == policy::Verdict::proceed || outcome.verdict == policy::Verdict::quarantine ||
                    outcome.verdict == policy::Verdict::discard;
  if (!kept) co_return reply_for(outcome);
  if (transaction_) {
    transaction_->verdict = outcome.verdict;
    transaction_->verdict_reason = outcome.policy.empty() ? std::string() : outcome.policy + ": " + outcome.reason;
    std::ranges::move(outcome.edits, std::back_inserter(transaction_->edits));
  }
  co_return std::nullopt;
}

Task<void> Session::listen_until(Instant when) {
  const auto early = co_await stream_->read(context_.until(when));
  if (!early) co_return;  // silence
  if (early->empty()) engine_.receive_end(now());
  else stream_->consume(engine_.receive(*early, now()));
}

policy::Facts Session::facts(std::string_view hello) const {
  policy::Facts facts = screening_.facts();
  facts.hello = hello.empty() ? engine_.hello_name() : hello;
  facts.tls = tls_clause_;
  if (account_) {
    facts.login = account_->login;
    facts.mechanism = mechanism_;
  }
  facts.time = context_.executor->wall_now();
  if (transaction_) transaction_->describe(facts);
  return facts;
}

Task<void> Session::refuse(policy::Stage stage, std::string address, smtp::Reply reply) {
  log_refused(policy::to_string(stage), address, reply);
  if (!screening_.empty()) {
    const bool is_recipient = stage == policy::Stage::rcpt;
    if (is_recipient) transaction_->judged.push_back({address, false});
    const std::string said = reply.to_string();
    policy::Facts known = facts();
    known.refusal = said;
    const policy::Outcome outcome = co_await screening_.refused(stage, known, reply.code, working());
    if (is_recipient) transaction_->judged.pop_back();
    if (outcome.delay > outcome.delay.zero()) co_await sleep_until(now() + outcome.delay, context_);
    if (outcome.verdict == policy::Verdict::disconnect) reply = reply_for(outcome);
  }
  engine_.decide(reply, now());
}

void Session::end_transaction() noexcept {
  transaction_.reset();
  screening_.reset();
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
