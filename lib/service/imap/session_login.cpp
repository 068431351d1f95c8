// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// The part of Session that logs in: AUTHENTICATE (RFC 9051 §6.2.2) and LOGIN (§6.2.3), both by access::Authenticator.
#include <algorithm>
#include <utility>

#include "service/imap/session.hpp"

namespace keystonemail::service::imap {

std::string mechanism_names(const access::LoginServices& logins, const access::ConnectionFacts& facts) {
  std::string names;
  for (const sasl::Mechanism mechanism : access::offered_mechanisms(logins, facts)) {
    if (!names.empty()) names += ' ';
    names += sasl::to_string(mechanism);
  }
  return names;
}

access::ConnectionFacts Session::facts() const {
  const bool secure = engine_.secure() || channel_.bindings.exporter || channel_.bindings.end_point;
  return connection_facts(service_, stream_->peer().address, secure, channel_);
}

ChannelFacts channel_facts(const tls::Channel& channel) {
  return {{channel.exporter_binding(), channel.end_point_binding()}, access::external_identity(channel)};
}

access::ConnectionFacts connection_facts(const Service& service, const IpAddress& peer, bool secure, ChannelFacts channel) {
  return {.peer = peer,
          .service = "imap",
          .confidential = secure || service.options().allow_plaintext_auth,
          .bindings = std::move(channel.bindings),
          .external_identity = std::move(channel.external_identity)};
}

Task<Reply> Session::login(engine::Login command) {
  access::Authenticator authenticator(services_.logins, facts());
  auto step = co_await authenticator.password(command.user, crypto::SecretString::adopt(command.password), working());
  co_return reply_to_login(std::move(step));
}

Task<void> Session::on(engine::AuthStart event) {
  ++commands_;
  const auto mechanism = sasl::parse_mechanism(event.mechanism);
  const auto offered = access::offered_mechanisms(services_.logins, facts());
  if (!mechanism || std::ranges::find(offered, *mechanism) == offered.end()) {
    engine_.complete(engine::StatusKind::no, engine::Code::cannot, "No such mechanism here", now());
    co_return;
  }
  authenticator_ = std::make_unique<access::Authenticator>(services_.logins, facts());
  answer_login(co_await authenticator_->start(*mechanism, std::move(event.initial_response), working()));
}

Task<void> Session::on(engine::AuthResponse event) {
  answer_login(co_await authenticator_->respond(std::move(event.data), working()));
}

void Session::answer_login(access::LoginStep step) {
  if (const auto* challenge = std::get_if<access::LoginChallenge>(&step)) {
    engine_.decide(engine::AuthChallenge{challenge->text}, now());
    return;
  }
  const Reply reply = reply_to_login(std::move(step));
  authenticator_.reset();
  engine_.complete(reply.kind, reply.code, reply.text, now());
}

// REQUIRES: not a challenge.
Reply Session::reply_to_login(access::LoginStep step) {
  if (auto* accepted = std::get_if<access::LoginAccepted>(&step)) return log_in(std::move(*accepted));
  return refuse_login(std::get<access::LoginRefused>(step));
}

Reply Session::log_in(access::LoginAccepted accepted) {
  const std::string peer = stream_->peer().to_string();
  auto place = services_.limits.admit_login(accepted.account.login, stream_->peer().address);
  if (!place) {
    services_.log.event(LogLevel::warning, "imap.login.limited",
                        {{"session", id_}, {"peer", peer}, {"login", accepted.account.login}});
    return no(engine::Code::limit, "Too many connections of this account");
  }
  services_.log.event(LogLevel::info, "imap.login",
                      {{"session", id_}, {"peer", peer}, {"login", accepted.account.login},
                       {"credential", accepted.credential}, {"tls", engine_.secure()}});
  login_place_ = *std::move(place);
  login_ = std::move(accepted.lease);
  account_ = std::move(accepted.account);
  return ok("Logged in");
}

Reply Session::refuse_login(const access::LoginRefused& refused) {
  services_.log.event(LogLevel::warning, "imap.login.failed",
                      {{"session", id_}, {"peer", stream_->peer().to_string()}, {"login", refused.login},
                       {"reason", refused.reason}});
  if (refused.temporary) return no(engine::Code::unavailable, "Login is not possible now, try again later");
  if (refused.malformed) return bad("Malformed authentication exchange");
  return no(engine::Code::authentication_failed, "Login failed");
}

}  // namespace keystonemail::service::imap
