// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
#include <cassert>

#include "base/format.hpp"
#include "crypto/base64.hpp"
#include "keystonemail/crypto/key_derivation.hpp"
#include "keystonemail/crypto/password.hpp"
#include "sasl/scram.hpp"

namespace keystonemail::sasl::scram {
namespace {

class Client final : public ClientExchange {
 public:
  Client(crypto::Hash hash, bool plus, Credentials credentials, ClientOptions options, std::string nonce)
      : hash_(hash), credentials_(std::move(credentials)), nonce_(std::move(nonce)) {
    header_ = gs2_header(plus, options);
    bare_ = format("n={},r={}", encode_name(credentials_.login), nonce_);
  }

  std::optional<std::string> initial_response() override { return header_ + bare_; }

  ClientEvent receive(std::string_view challenge) override {
    if (challenge.size() > limits::message_octets_max) return fail_with(ClientFailure::malformed);
    switch (step_) {
      case Step::server_first: return on_first(challenge);
      case Step::server_final: return on_final(challenge);
      case Step::complete:
      case Step::failed: break;
    }
    return fail_with(ClientFailure::unexpected_challenge);
  }

  [[nodiscard]] bool complete() const noexcept override { return step_ == Step::complete; }

 private:
  enum class Step : std::uint8_t { server_first, server_final, complete, failed };

  // RFC 5802 §6: "y" lets the server notice that its -PLUS forms were hidden from us.
  std::string gs2_header(bool plus, const ClientOptions& options) {
    const auto& [exporter, end_point] = options.bindings;
    std::string flag = "n";
    if (plus) {
      assert(exporter || end_point);
      flag = exporter ? "p=tls-exporter" : "p=tls-server-end-point";
      binding_ = exporter ? *exporter : *end_point;
    } else if ((exporter || end_point) && !options.server_offers_plus) {
      flag = "y";
    }
    const auto& identity = credentials_.authorization_id;
    return format("{},{},", flag, identity.empty() ? "" : "a=" + encode_name(identity));
  }

  ClientEvent on_first(std::string_view message) {
    const auto first = parse_server_first(message);
    if (!first) return fail_with(message.starts_with("e=") ? ClientFailure::server_error : ClientFailure::malformed);
    // RFC 5802 §5.1: the server's nonce is ours with something of its own behind it.
    if (!first->nonce.starts_with(nonce_) || first->nonce.size() == nonce_.size()) return fail_with(ClientFailure::wrong_nonce);
    if (first->iterations < crypto::limits::scram_iterations_min) return fail_with(ClientFailure::too_few_iterations);
    if (first->iterations > crypto::limits::scram_iterations_max) return fail_with(ClientFailure::too_many_iterations);
    const auto prepared = crypto::prepare_password(credentials_.password.view());
    if (!prepared) return fail_with(ClientFailure::unusable_password);
    const auto without_proof = format("c={},r={}", crypto::to_base64(header_ + binding_), first->nonce);
    const auto authentication = format("{},{},{}", bare_, message, without_proof);
    auto salted = crypto::pbkdf2(hash_, prepared->view(), first->salt, first->iterations, crypto::digest_octets(hash_));
    auto client_key = crypto::hmac(hash_, salted, "Client Key");
    const auto signature = crypto::hmac(hash_, crypto::digest(hash_, client_key), authentication);
    const auto proof = exclusive_or(client_key, signature);
    auto server_key = crypto::hmac(hash_, salted, "Server Key");
    expected_ = crypto::hmac(hash_, server_key, authentication);
    for (auto* secret : {&salted, &client_key, &server_key}) crypto::wipe(*secret);
    step_ = Step::server_final;
    return Response{format("{},p={}", without_proof, crypto::to_base64(proof))};
  }

  ClientEvent on_final(std::string_view message) {
    if (message.starts_with("e=")) return fail_with(ClientFailure::server_error);
    const auto signature = parse_server_final(message);
    if (!signature) return fail_with(ClientFailure::malformed);
    if (!crypto::constant_time_equal(*signature, expected_)) return fail_with(ClientFailure::server_signature);
    step_ = Step::complete;
    return Response{};
  }

  ClientEvent fail_with(ClientFailure reason) {
    step_ = Step::failed;
    return ClientFailed{reason};
  }

  crypto::Hash hash_;
  Credentials credentials_;
  std::string nonce_;
  std::string header_;
  std::string binding_;
  std::string bare_;      // client-first-message-bare
  std::string expected_;  // the server's signature
  Step step_ = Step::server_first;
};

}  // namespace

std::unique_ptr<ClientExchange> make_client(crypto::Hash hash, bool plus, Credentials credentials, ClientOptions options,
                                            std::string nonce) {
  return std::make_unique<Client>(hash, plus, std::move(credentials), std::move(options), std::move(nonce));
}

}  // namespace keystonemail::sasl::scram
