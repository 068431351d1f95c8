// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "keystonemail/imap/server_session.hpp"

#include "imap/server_engine.hpp"

namespace keystonemail::imap {

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

void ServerSession::complete(StatusKind kind, const ResponseCode& code, std::string_view text, Instant now) {
  engine_->complete(kind, code, text, now);
}
void ServerSession::decide(AppendAccept, Instant now) { engine_->accept_append(now); }
void ServerSession::decide(const AuthChallenge& answer, Instant now) { engine_->challenge(answer.data, now); }
void ServerSession::refuse_append(const ResponseCode& code, std::string_view text, Instant now) {
  engine_->refuse_append(code, text, now);
}
void ServerSession::tls_established(std::string_view auth_mechanisms, Instant now) {
  engine_->tls_established(auth_mechanisms, now);
}
void ServerSession::compression_started() noexcept { engine_->compression_started(); }
void ServerSession::unselect() noexcept { engine_->unselect(); }
void ServerSession::end(const ResponseCode& code, std::string_view text) { engine_->end(code, text); }

ResponseWriter& ServerSession::responses() noexcept { return engine_->responses(); }
std::string_view ServerSession::pending_output() const noexcept { return engine_->pending_output(); }
void ServerSession::consume_output(std::size_t octets) { engine_->consume_output(octets); }

SessionState ServerSession::state() const noexcept { return engine_->state(); }
const Features& ServerSession::features() const noexcept { return engine_->features(); }
std::string_view ServerSession::tag() const noexcept { return engine_->tag(); }
bool ServerSession::secure() const noexcept { return engine_->secure(); }
std::size_t ServerSession::memory_octets() const noexcept { return sizeof *this + engine_->memory_octets(); }

}  // namespace keystonemail::imap
