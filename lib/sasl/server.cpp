// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
#include "keystonemail/sasl/server.hpp"

#include <cassert>

#include "keystonemail/base/text.hpp"
#include "sasl/scram.hpp"
#include "sasl/text.hpp"

namespace keystonemail::sasl {
namespace {

template <class... F>
struct Overloaded : F... {
  using F::operator()...;
};

// What PLAIN and LOGIN make of the answer to NeedVerifyPassword.
Event password_outcome(bool accepted, std::string login, std::string authorization_id) {
  if (!accepted) return Failed{Failure::wrong_credentials};
  return Authenticated{std::move(login), std::move(authorization_id), std::nullopt};
}

bool is_password_size(std::string_view password) noexcept { return !password.empty() && password.size() <= limits::password_octets_max; }

// RFC 4616 §2: message = [authzid] NUL authcid NUL passwd
class Plain final : public ServerExchange {
  Event on_message(std::string_view message) override {
    const auto authorization = take_until(message, '\0');
    const auto login = authorization ? take_until(message, '\0') : std::nullopt;
    if (!login || message.find('\0') != std::string_view::npos) return Failed{Failure::malformed};
    if (login->size() > limits::login_octets_max || message.size() > limits::password_octets_max) return Failed{Failure::too_large};
    if (!authorization->empty() && !is_identity(*authorization, limits::authorization_id_octets_max)) return Failed{Failure::malformed};
    if (!is_identity(*login, limits::login_octets_max) || !is_password_size(message) || !is_utf8(message)) return Failed{Failure::malformed};
    login_ = *login;
    authorization_id_ = *authorization;
    return NeedVerifyPassword{login_, crypto::SecretString(message), authorization_id_};
  }

  Event on_answer(Answer answer) override {
    if (std::holds_alternative<Unavailable>(answer)) return Failed{Failure::temporary};
    return password_outcome(std::get<Verdict>(answer) == Verdict::accept, login_, authorization_id_);
  }

  std::string login_;
  std::string authorization_id_;
};

// LOGIN was never standardised: two prompts that clients do not read, and the login as initial response from some.
class LoginServer final : public ServerExchange {
  std::string first_challenge() const override { return "Username:"; }

  Event on_message(std::string_view message) override {
    if (login_.empty()) {
      if (message.size() > limits::login_octets_max) return Failed{Failure::too_large};
      if (!is_identity(message, limits::login_octets_max)) return Failed{Failure::malformed};
      login_ = message;
      return Challenge{"Password:"};
    }
    if (message.size() > limits::password_octets_max) return Failed{Failure::too_large};
    if (message.empty() || message.find('\0') != std::string_view::npos || !is_utf8(message)) return Failed{Failure::malformed};
    return NeedVerifyPassword{login_, crypto::SecretString(message), {}};
  }

  Event on_answer(Answer answer) override {
    if (std::holds_alternative<Unavailable>(answer)) return Failed{Failure::temporary};
    return password_outcome(std::get<Verdict>(answer) == Verdict::accept, login_, {});
  }

  std::string login_;
};

// RFC 4422 §A: the response is the authorization identity, which may be empty.
class External final : public ServerExchange {
 public:
  explicit External(std::string identity) : identity_(std::move(identity)) {}

 private:
  Event on_message(std::string_view message) override {
    if (!message.empty() && !is_identity(message, limits::authorization_id_octets_max)) return Failed{Failure::malformed};
    if (identity_.empty()) return Failed{Failure::wrong_credentials};
    authorization_id_ = message;
    return NeedExternalLogin{identity_, authorization_id_};
  }

  Event on_answer(Answer answer) override {
    return std::visit(Overloaded{[](Unavailable) -> Event { return Failed{Failure::temporary}; },
                                 [this](ExternalLogin& found) -> Event {
                                   assert(!found.login.empty());
                                   return Authenticated{std::move(found.login), authorization_id_, std::nullopt};
                                 },
                                 [](auto&) -> Event { return Failed{Failure::wrong_credentials}; }},
                      answer);
  }

  std::string identity_;
  std::string authorization_id_;
};

}  // namespace

std::string_view to_string(Failure failure) noexcept {
  switch (failure) {
    case Failure::malformed: return "malformed";
    case Failure::too_large: return "too-large";
    case Failure::wrong_credentials: return "wrong-credentials";
    case Failure::channel_binding: return "channel-binding";
    case Failure::not_authorised: return "not-authorised";
    case Failure::temporary: return "temporary";
  }
  return {};
}

Event ServerExchange::note(Event event) {
  waiting_ = std::visit(Overloaded{[](const Challenge&) { return Waiting::response; },
                                   [](const NeedVerifyPassword&) { return Waiting::verdict; },
                                   [](const NeedExternalLogin&) { return Waiting::external; },
                                   [](const NeedScramKeys&) { return Waiting::keys; },
                                   [](const Authenticated&) { return Waiting::over; },
                                   [](const Failed&) { return Waiting::over; }},
                        event);
  return event;
}

Event ServerExchange::start(std::optional<std::string_view> initial_response) {
  assert(waiting_ == Waiting::start);
  waiting_ = Waiting::response;
  if (initial_response) return receive(*initial_response);
  return note(Challenge{first_challenge()});
}

Event ServerExchange::receive(std::string_view response) {
  assert(waiting_ == Waiting::response);
  if (response.size() > limits::message_octets_max) return note(Failed{Failure::too_large});
  return note(on_message(response));
}

Event ServerExchange::decide(Verdict verdict) {
  assert(waiting_ == Waiting::verdict || (waiting_ == Waiting::external && verdict == Verdict::refuse));
  return note(on_answer(verdict));
}

Event ServerExchange::decide(ExternalLogin login) {
  assert(waiting_ == Waiting::external);
  return note(on_answer(std::move(login)));
}

Event ServerExchange::decide(ScramAnswer answer) {
  assert(waiting_ == Waiting::keys);
  return note(on_answer(std::move(answer)));
}

Event ServerExchange::decide(Unavailable) {
  assert(waiting_ == Waiting::verdict || waiting_ == Waiting::external || waiting_ == Waiting::keys);
  return note(on_answer(Unavailable{}));
}

std::unique_ptr<ServerExchange> make_server(Mechanism mechanism, ServerOptions options, Random& random) {
  switch (mechanism) {
    case Mechanism::plain: return std::make_unique<Plain>();
    case Mechanism::login: return std::make_unique<LoginServer>();
    case Mechanism::external: return std::make_unique<External>(std::move(options.external_identity));
    case Mechanism::scram_sha_256:
    case Mechanism::scram_sha_256_plus:
    case Mechanism::scram_sha_1:
    case Mechanism::scram_sha_1_plus: break;
  }
  const bool sha_1 = mechanism == Mechanism::scram_sha_1 || mechanism == Mechanism::scram_sha_1_plus;
  return scram::make_server(sha_1 ? crypto::Hash::sha1 : crypto::Hash::sha256, needs_channel_binding(mechanism), std::move(options),
                            scram::make_nonce(random));
}

}  // namespace keystonemail::sasl
