// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
#include "keystonemail/sasl/client.hpp"

#include <algorithm>
#include <utility>

#include "sasl/scram.hpp"

namespace keystonemail::sasl {
namespace {

// One message, sent first or as the answer to an empty challenge.
class OneMessage final : public ClientExchange {
 public:
  explicit OneMessage(crypto::SecretString message) : message_(std::move(message)) {}

  std::optional<std::string> initial_response() override {
    sent_ = true;
    return std::string(message_.view());
  }
  ClientEvent receive(std::string_view challenge) override {
    if (std::exchange(sent_, true) || !challenge.empty()) return ClientFailed{ClientFailure::unexpected_challenge};
    return Response{std::string(message_.view())};
  }
  [[nodiscard]] bool complete() const noexcept override { return sent_; }

 private:
  crypto::SecretString message_;
  bool sent_ = false;
};

crypto::SecretString plain_message(const Credentials& credentials) {
  std::string message;
  // Room for all at once: a string that grows leaves parts of the password behind.
  message.reserve(credentials.authorization_id.size() + credentials.login.size() + credentials.password.view().size() + 2);
  message.append(credentials.authorization_id).append(1, '\0').append(credentials.login).append(1, '\0');
  message.append(credentials.password.view());
  return crypto::SecretString::adopt(message);
}

class LoginClient final : public ClientExchange {
 public:
  explicit LoginClient(Credentials credentials) : credentials_(std::move(credentials)) {}

  std::optional<std::string> initial_response() override { return std::nullopt; }
  // The prompts differ between servers and are not read: login first, password second.
  ClientEvent receive(std::string_view) override {
    switch (step_++) {
      case 0: return Response{credentials_.login};
      case 1: return Response{std::string(credentials_.password.view())};
      default: step_ = 3; return ClientFailed{ClientFailure::unexpected_challenge};
    }
  }
  [[nodiscard]] bool complete() const noexcept override { return step_ == 2; }

 private:
  Credentials credentials_;
  int step_ = 0;
};

}  // namespace

std::string_view to_string(ClientFailure failure) noexcept {
  switch (failure) {
    case ClientFailure::malformed: return "malformed";
    case ClientFailure::wrong_nonce: return "wrong-nonce";
    case ClientFailure::too_few_iterations: return "too-few-iterations";
    case ClientFailure::too_many_iterations: return "too-many-iterations";
    case ClientFailure::server_signature: return "server-signature";
    case ClientFailure::server_error: return "server-error";
    case ClientFailure::unexpected_challenge: return "unexpected-challenge";
    case ClientFailure::unusable_password: return "unusable-password";
  }
  return {};
}

std::optional<Mechanism> choose_mechanism(std::span<const Mechanism> offered, const ChannelBindings& bindings, bool confidential) noexcept {
  const bool can_bind = bindings.exporter || bindings.end_point;
  for (const auto candidate : {Mechanism::scram_sha_256_plus, Mechanism::scram_sha_256, Mechanism::plain, Mechanism::login}) {
    if (std::ranges::find(offered, candidate) == offered.end()) continue;
    if (needs_channel_binding(candidate) && !can_bind) continue;
    if (is_plaintext(candidate) && !confidential) continue;
    return candidate;
  }
  return std::nullopt;
}

std::unique_ptr<ClientExchange> make_client(Mechanism mechanism, Credentials credentials, ClientOptions options, Random& random) {
  switch (mechanism) {
    case Mechanism::plain: return std::make_unique<OneMessage>(plain_message(credentials));
    case Mechanism::login: return std::make_unique<LoginClient>(std::move(credentials));
    case Mechanism::external: return std::make_unique<OneMessage>(crypto::SecretString(credentials.authorization_id));
    case Mechanism::scram_sha_256:
    case Mechanism::scram_sha_256_plus:
    case Mechanism::scram_sha_1:
    case Mechanism::scram_sha_1_plus: break;
  }
  const bool sha_1 = mechanism == Mechanism::scram_sha_1 || mechanism == Mechanism::scram_sha_1_plus;
  return scram::make_client(sha_1 ? crypto::Hash::sha1 : crypto::Hash::sha256, needs_channel_binding(mechanism),
                            std::move(credentials), std::move(options), scram::make_nonce(random));
}

}  // namespace keystonemail::sasl
