// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// SASL (RFC 4422), the client's side.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>

#include "keystonemail/base/random.hpp"
#include "keystonemail/crypto/secret.hpp"
#include "keystonemail/sasl/mechanism.hpp"
#include "keystonemail/sasl/server.hpp"

namespace keystonemail::sasl {

struct Credentials {
  std::string login;
  crypto::SecretString password;
  std::string authorization_id = {};  // empty: the login itself
};

enum class ClientFailure : std::uint8_t {
  malformed,       // the server's message does not follow the grammar
  wrong_nonce,     // RFC 5802 §5.1: the server's nonce does not begin with ours
  too_few_iterations,  // below 4,096: a server that wants the password cheap to guess
  too_many_iterations,
  server_signature,    // the server does not know the password's keys
  server_error,        // "e=", RFC 5802 §7
  unexpected_challenge,
  unusable_password,   // RFC 8265 forbids it, or it is too long
};

[[nodiscard]] std::string_view to_string(ClientFailure failure) noexcept;

struct Response { std::string text; };
struct ClientFailed { ClientFailure reason; };
using ClientEvent = std::variant<Response, ClientFailed>;

// ClientExchange answers one server.
//
// Ownership: owns a copy of what it needs, wiped when destroyed. Threads: not synchronised.
class ClientExchange {
 public:
  virtual ~ClientExchange() = default;
  ClientExchange(const ClientExchange&) = delete;
  ClientExchange& operator=(const ClientExchange&) = delete;

  // The initial response; nothing when the mechanism waits for a challenge first (LOGIN).
  [[nodiscard]] virtual std::optional<std::string> initial_response() = 0;
  // Answers a challenge. Over after a failure: abort with "*".
  [[nodiscard]] virtual ClientEvent receive(std::string_view challenge) = 0;
  // Whether the server has proved all that the mechanism has it prove. A success reply before that must not be
  // believed (RFC 5802 §5): feed the additional data of the reply to receive() first.
  [[nodiscard]] virtual bool complete() const noexcept = 0;

 protected:
  ClientExchange() = default;
};

// The best of `offered` that the bindings and TLS state allow; nothing when none does. Plaintext mechanisms only where
// `confidential`. SCRAM-SHA-1 is never chosen.
[[nodiscard]] std::optional<Mechanism> choose_mechanism(std::span<const Mechanism> offered, const ChannelBindings& bindings,
                                                        bool confidential) noexcept;

struct ClientOptions {
  ChannelBindings bindings;       // of the TLS channel
  bool server_offers_plus = false;
};

[[nodiscard]] std::unique_ptr<ClientExchange> make_client(Mechanism mechanism, Credentials credentials, ClientOptions options,
                                                          Random& random);

}  // namespace keystonemail::sasl
