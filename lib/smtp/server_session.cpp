// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "keystonemail/smtp/server_session.hpp"

#include "smtp/server_engine.hpp"

namespace keystonemail::smtp {

ServerSession::ServerSession(const ServerOptions& options, Instant now)
    : engine_(std::make_unique<ServerEngine>(options, now)) {}
ServerSession::ServerSession(ServerSession&&) noexcept = default;
ServerSession& ServerSession::operator=(ServerSession&&) noexcept = default;
ServerSession::~ServerSession() = default;

std::size_t ServerSession::receive(std::string_view octets, Instant now) { return engine_->receive(octets, now); }
void ServerSession::receive_end(Instant now) { engine_->receive_end(now); }
void ServerSession::expire(Instant now) { engine_->expire(now); }
std::optional<Instant> ServerSession::deadline() const noexcept { return engine_->deadline(); }
ServerEvent ServerSession::next_event() { return engine_->next_event(); }

void ServerSession::decide(Accept answer, Instant now) { engine_->decide(answer, now); }
void ServerSession::decide(const Reply& answer, Instant now) { engine_->decide(answer, now); }
void ServerSession::decide(const AuthChallenge& answer, Instant now) { engine_->decide(answer, now); }
void ServerSession::decide(const AuthSuccess& answer, Instant now) { engine_->decide(answer, now); }
void ServerSession::decide(AuthFailure answer, Instant now) { engine_->decide(answer, now); }
void ServerSession::decide(std::span<const Reply> answers, Instant now) { engine_->decide(answers, now); }

void ServerSession::refuse_message(Reply reply) { engine_->refuse_message(std::move(reply)); }
void ServerSession::tls_established(std::string_view auth_mechanisms, Instant now) {
  engine_->tls_established(auth_mechanisms, now);
}
void ServerSession::end(const Reply& reply) { engine_->end(reply); }

std::string_view ServerSession::pending_output() const noexcept { return engine_->pending_output(); }
void ServerSession::consume_output(std::size_t octets) { engine_->consume_output(octets); }
bool ServerSession::secure() const noexcept { return engine_->secure(); }
std::string_view ServerSession::hello_name() const noexcept { return engine_->hello_name(); }
std::string_view ServerSession::authenticated() const noexcept { return engine_->authenticated(); }
std::uint32_t ServerSession::recipients() const noexcept { return engine_->recipients(); }
std::string_view ServerSession::with_protocol() const noexcept { return engine_->with_protocol(); }

}  // namespace keystonemail::smtp
