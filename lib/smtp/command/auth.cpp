// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// AUTH (RFC 4954). The engine does the framing; who drives the mechanism answers the questions.
#include <cassert>
#include <utility>

#include "keystonemail/base/text.hpp"
#include "keystonemail/codec/base64.hpp"
#include "smtp/server_engine.hpp"

namespace keystonemail::smtp {
namespace {

// The name as it stands in the list, which is upper case; empty when it is not there.
std::string_view find_mechanism(std::string_view offered, std::string_view name) noexcept {
  while (!offered.empty()) {
    const std::string_view word = offered.substr(0, offered.find(' '));
    if (iequals(word, name)) return word;
    offered.remove_prefix(word.size());
    while (offered.starts_with(' ')) offered.remove_prefix(1);
  }
  return {};
}

}  // namespace

std::string_view ServerEngine::offered_mechanisms() const noexcept {
  if (secure_) return tls_mechanisms_;
  return options_->allow_plaintext_auth ? std::string_view(options_->auth_mechanisms) : std::string_view();
}

// §4: AUTH mechanism [initial-response]
void ServerEngine::run_auth(std::string_view argument) {
  const std::string_view offered = offered_mechanisms();
  if (offered.empty()) {
    const bool later = !secure_ && options_->offer_starttls && options_->protocol == Protocol::submission;
    return fault(later ? PeerFault::auth_needs_tls : PeerFault::auth_unavailable);
  }
  if (authenticated_) return fault(PeerFault::auth_already_done);
  if (!may(Verb::auth)) return;
  if (argument.empty()) return fault(PeerFault::argument_missing);
  const std::size_t space = argument.find(' ');
  const std::string_view mechanism = find_mechanism(offered, argument.substr(0, space));
  if (mechanism.empty()) return fault(PeerFault::auth_mechanism_unknown);
  AuthStart start{mechanism, std::nullopt};
  if (space != std::string_view::npos) {
    const std::string_view response = argument.substr(space + 1);
    start.initial_response = response == "=" ? std::string() : codec::decode_base64(response);  // §4: "=" is empty
    if (!start.initial_response) return fault(PeerFault::auth_not_base64);
  }
  ask(Question::auth, std::move(start));
}

void ServerEngine::take_auth_response(std::string_view line) {
  if (line == "*") return abort_auth(PeerFault::auth_cancelled);
  auto data = codec::decode_base64(line);
  if (!data) return abort_auth(PeerFault::auth_not_base64);
  ask(Question::auth, AuthResponse{std::move(*data)});
}

void ServerEngine::abort_auth(PeerFault reason) {
  state_ = State::ready;
  fault(reason);
  tell(AuthAborted{reason});
  count_auth_failure();
}

void ServerEngine::count_auth_failure() {
  if (++auth_failures_ >= options_->auth_failures_max) close_with(PeerFault::too_many_auth_failures);
}

void ServerEngine::decide(const AuthChallenge& answer, Instant now) {
  const Question question = settle(now);
  if (question == Question::none) return;
  assert(question == Question::auth);
  state_ = State::auth;
  reply(334, {}, codec::encode_base64(answer.data));
}

void ServerEngine::decide(const AuthSuccess& answer, Instant now) {
  const Question question = settle(now);
  if (question == Question::none) return;
  assert(question == Question::auth);
  state_ = State::ready;
  authenticated_ = true;
  identity_ = answer.identity;
  reply(235, {2, 7, 0}, "Authentication successful");
}

void ServerEngine::decide(AuthFailure, Instant now) {
  const Question question = settle(now);
  if (question == Question::none) return;
  assert(question == Question::auth);
  state_ = State::ready;
  fault(PeerFault::auth_failed);
  count_auth_failure();
  check_errors();
}

}  // namespace keystonemail::smtp
