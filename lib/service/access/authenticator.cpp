// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "keystonemail/service/access/authenticator.hpp"

#include <algorithm>
#include <cassert>
#include <utility>

#include "keystonemail/base/text.hpp"
#include "keystonemail/crypto/certificate.hpp"

namespace keystonemail::access {

namespace {

constexpr auto unguessable_delay = std::chrono::seconds(2);

}  // namespace

std::string external_identity(const tls::Channel& channel) {
  if (channel.trust() != tls::Trust::trusted) return {};
  const auto chain = channel.peer_chain();
  if (chain.empty()) return {};
  const auto certificate = crypto::read_certificate_der(chain.front());
  if (!certificate || certificate->email_addresses.empty()) return {};
  return certificate->email_addresses.front();
}

std::vector<sasl::Mechanism> offered_mechanisms(const LoginServices& services, const ConnectionFacts& facts) {
  using enum sasl::Mechanism;
  const bool scram = services.directory.has_scram();
  const bool binds = scram && (facts.bindings.exporter || facts.bindings.end_point);
  std::vector<sasl::Mechanism> out;
  if (!facts.external_identity.empty()) out.push_back(external);
  if (binds) out.push_back(scram_sha_256_plus);
  if (scram && facts.confidential) out.push_back(scram_sha_256);
  if (services.offer_scram_sha_1 && binds) out.push_back(scram_sha_1_plus);
  if (scram && services.offer_scram_sha_1 && facts.confidential) out.push_back(scram_sha_1);
  if (facts.confidential) out.insert(out.end(), {plain, login});
  return out;
}

void Authenticator::begin() {
  guessable_refused_ = false;
  if (services_.open != nullptr) begun_ = services_.open->now();
}

std::string Authenticator::counted_login() const {
  const bool whole = services_.primary_domain.empty() || login_.contains('@');
  return whole ? login_ : login_ + "@" + services_.primary_domain;
}

Task<void> Authenticator::note_success(Context context) {
  auto known = services_.gate.succeeded(facts_.peer, counted_login(), context.executor->wall_now());
  if (known && services_.keep_known) co_await services_.keep_known(*std::move(known), std::move(context));
}

LoginGate::Verdict Authenticator::ask_gate(Context context) {
  auto verdict = services_.gate.before(facts_.peer, counted_login(), context.executor->wall_now());
  guessable_refused_ = verdict.guessable_refused;
  return verdict;
}

bool Authenticator::is_let_in(std::string_view credential) const noexcept {
  return !guessable_refused_ || credential != directory::human_password;
}

void Authenticator::enter(LoginAccepted& accepted) const {
  if (services_.open != nullptr) accepted.lease = services_.open->enter(accepted.account.login, begun_);
}

Task<LoginStep> Authenticator::start(sasl::Mechanism mechanism, std::optional<std::string> initial_response, Context context) {
  begin();
  sasl::ServerOptions options;
  options.bindings = facts_.bindings;
  options.offers_plus = facts_.bindings.exporter || facts_.bindings.end_point;
  options.external_identity = facts_.external_identity;
  options.invented_salt_secret = services_.invented_salt_secret;
  options.primary_domain = services_.primary_domain;
  exchange_ = sasl::make_server(mechanism, std::move(options), services_.random);
  accepted_.reset();
  checked_.reset();
  login_.clear();
  std::optional<std::string_view> initial;
  if (initial_response) initial = *initial_response;
  co_return co_await drive(exchange_->start(initial), context);
}

Task<LoginStep> Authenticator::respond(std::string response, Context context) {
  if (accepted_) {  // RFC 5802 §5: the answer to the server's last message is empty
    if (!response.empty()) co_return LoginRefused{.malformed = true, .reason = "answer to the last SCRAM message", .login = login_};
    co_return *std::exchange(accepted_, std::nullopt);
  }
  assert(exchange_);
  co_return co_await drive(exchange_->receive(response), context);
}

Task<LoginStep> Authenticator::password(std::string login, crypto::SecretString password, Context context) {
  begin();
  sasl::NeedVerifyPassword need{std::move(login), std::move(password), {}};
  login_ = need.login;
  if (ask_gate(context).refused) co_return co_await refuse(sasl::Failure::wrong_credentials, context);
  std::string typed(need.password.view());
  directory::PasswordAttempt attempt{login_, std::move(typed), facts_.service, facts_.peer, guessable_refused_};
  auto checked = co_await services_.directory.authenticate(std::move(attempt), context);
  crypto::wipe(attempt.password);
  if (checked && !is_let_in(checked->credential)) co_return co_await refuse(sasl::Failure::wrong_credentials, context);
  if (checked) {
    co_await note_success(context);
    LoginAccepted accepted{std::move(checked->account), std::move(checked->credential)};
    enter(accepted);
    co_return accepted;
  }
  const bool wrong = checked.error().kind() == ErrorKind::denied;
  co_return co_await refuse(wrong ? sasl::Failure::wrong_credentials : sasl::Failure::temporary, context);
}

Task<LoginStep> Authenticator::drive(sasl::Event event, Context context) {
  for (;;) {
    if (auto* challenge = std::get_if<sasl::Challenge>(&event)) co_return LoginChallenge{std::move(challenge->text)};
    if (auto* who = std::get_if<sasl::Authenticated>(&event)) co_return co_await accept(std::move(*who), context);
    if (auto* failed = std::get_if<sasl::Failed>(&event)) co_return co_await refuse(failed->reason, context);
    if (auto* verify = std::get_if<sasl::NeedVerifyPassword>(&event)) {
      auto need = std::move(*verify);
      event = co_await answer(std::move(need), context);
    } else if (auto* keys = std::get_if<sasl::NeedScramKeys>(&event)) {
      auto need = std::move(*keys);
      event = co_await answer(std::move(need), context);
    } else {
      auto need = std::move(std::get<sasl::NeedExternalLogin>(event));
      event = co_await answer(std::move(need), context);
    }
  }
}

Task<sasl::Event> Authenticator::answer(sasl::NeedVerifyPassword need, Context context) {
  login_ = need.login;
  if (ask_gate(context).refused) co_return exchange_->decide(sasl::Verdict::refuse);
  std::string typed(need.password.view());
  directory::PasswordAttempt attempt{login_, std::move(typed), facts_.service, facts_.peer, guessable_refused_};
  auto checked = co_await services_.directory.authenticate(std::move(attempt), context);
  crypto::wipe(attempt.password);
  if (checked && !is_let_in(checked->credential)) co_return exchange_->decide(sasl::Verdict::refuse);
  if (checked) {
    checked_ = std::move(*checked);
    co_return exchange_->decide(sasl::Verdict::accept);
  }
  if (checked.error().kind() != ErrorKind::denied) co_return exchange_->decide(sasl::Unavailable{});
  co_return exchange_->decide(sasl::Verdict::refuse);
}

Task<sasl::Event> Authenticator::answer(sasl::NeedScramKeys need, Context context) {
  login_ = need.login;
  scram_names_.clear();
  if (ask_gate(context).refused) co_return exchange_->decide(sasl::ScramAnswer{});
  auto found = co_await services_.directory.scram_credentials(login_, need.hash, facts_.service, context);
  if (!found) co_return exchange_->decide(sasl::Unavailable{});
  sasl::ScramAnswer keys;
  for (auto& credential : *found) {
    scram_names_.push_back(std::move(credential.name));
    keys.credentials.push_back(std::move(credential.keys));
  }
  co_return exchange_->decide(std::move(keys));
}

Task<sasl::Event> Authenticator::answer(sasl::NeedExternalLogin need, Context context) {
  login_ = need.authorization_id.empty() ? need.identity : need.authorization_id;
  // The certificate names a person; it says nothing about being let act for another.
  if (!need.authorization_id.empty() && !iequals(need.authorization_id, need.identity)) {
    co_return exchange_->decide(sasl::Verdict::refuse);
  }
  auto account = co_await services_.directory.find_account(need.identity, context);
  if (account) co_return exchange_->decide(sasl::ExternalLogin{account->login});
  const bool no = account.error().kind() == ErrorKind::not_found || account.error().kind() == ErrorKind::denied;
  if (!no) co_return exchange_->decide(sasl::Unavailable{});
  co_return exchange_->decide(sasl::Verdict::refuse);
}

Task<LoginStep> Authenticator::accept(sasl::Authenticated who, Context context) {
  LoginAccepted accepted;
  if (checked_) {
    accepted = {std::move(checked_->account), std::move(checked_->credential)};
  } else {
    auto account = co_await services_.directory.find_account(who.login, context);
    if (!account) {
      const bool no = account.error().kind() == ErrorKind::not_found || account.error().kind() == ErrorKind::denied;
      co_return co_await refuse(no ? sasl::Failure::wrong_credentials : sasl::Failure::temporary, context);
    }
    accepted.account = std::move(*account);
    accepted.credential = who.credential < scram_names_.size() ? scram_names_[who.credential] : "external";
    if (!is_let_in(accepted.credential)) co_return co_await refuse(sasl::Failure::wrong_credentials, context);
  }
  if (!who.authorization_id.empty() && !iequals(who.authorization_id, who.login) &&
      !iequals(who.authorization_id, accepted.account.login)) {
    co_return co_await refuse(sasl::Failure::not_authorised, context);
  }
  co_await note_success(context);
  enter(accepted);
  if (!who.final_text) co_return accepted;
  accepted_ = std::move(accepted);
  co_return LoginChallenge{*std::move(who.final_text)};
}

Task<LoginStep> Authenticator::refuse(sasl::Failure failure, Context context) {
  LoginRefused refused{.reason = std::string(to_string(failure)), .login = login_};
  switch (failure) {
    case sasl::Failure::temporary: refused.temporary = true; co_return refused;
    case sasl::Failure::malformed:
    case sasl::Failure::too_large: refused.malformed = true; co_return refused;
    case sasl::Failure::wrong_credentials:
    case sasl::Failure::channel_binding:
    case sasl::Failure::not_authorised: break;
  }
  if (guessable_refused_) {
    // Right or wrong: it tells nothing about this network, where the owner himself may be.
    refused.reason += ", account under attack, unknown address";
    co_await sleep_until(context.executor->now() + unguessable_delay, context);
    co_return refused;
  }
  auto bans = services_.gate.failed(facts_.peer, counted_login(), context.executor->wall_now());
  const auto verdict = services_.gate.before(facts_.peer, counted_login(), context.executor->wall_now());
  if (!bans.empty() && services_.keep_bans) co_await services_.keep_bans(std::move(bans), context);
  if (!verdict.reason.empty()) refused.reason += ", " + verdict.reason;
  if (verdict.delay > std::chrono::milliseconds(0)) co_await sleep_until(context.executor->now() + verdict.delay, context);
  co_return refused;
}

}  // namespace keystonemail::access
