// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// SCRAM (RFC 5802, RFC 7677): messages and proofs that both sides share, and the exchanges with a given nonce.
// Private to lib/sasl and its tests.
#pragma once

#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "keystonemail/crypto/digest.hpp"
#include "keystonemail/sasl/client.hpp"
#include "keystonemail/sasl/server.hpp"

namespace keystonemail::sasl::scram {

enum class Binding : std::uint8_t { unsupported, believed_absent, used };  // "n", "y", "p="

// What can be wrong with a message; RFC 5802 §7 has a word for each.
enum class Fault : std::uint8_t { grammar, mandatory_extension };

struct ClientFirst {
  Binding binding = Binding::unsupported;
  std::string_view binding_name;  // "tls-exporter"
  std::string authorization_id;
  std::string login;
  std::string_view nonce;
  std::string_view gs2_header;
  std::string_view bare;
};
struct ClientFinal {
  std::string_view binding;       // base64 of the GS2 header and the binding's data
  std::string_view nonce;
  std::string proof;
  std::string_view without_proof;
};
struct ServerFirst {
  std::string_view nonce;
  std::string salt;
  std::uint32_t iterations = 0;
};

// Views point into `message`.
[[nodiscard]] std::expected<ClientFirst, Fault> parse_client_first(std::string_view message);
[[nodiscard]] std::expected<ClientFinal, Fault> parse_client_final(std::string_view message);
[[nodiscard]] std::expected<ServerFirst, Fault> parse_server_first(std::string_view message);
// The base64 of "v="; nothing for "e=" and all else.
[[nodiscard]] std::optional<std::string> parse_server_final(std::string_view message);
// RFC 5802 §5.1: ',' and '=' as "=2C" and "=3D".
[[nodiscard]] std::string encode_name(std::string_view name);

// The octets of the binding of that name; nothing when the channel has none.
[[nodiscard]] const std::optional<std::string>* find_binding(const ChannelBindings& bindings, std::string_view name) noexcept;
[[nodiscard]] std::string exclusive_or(std::string_view a, std::string_view b);  // of equal sizes
// A nonce of 18 random octets, in base64.
[[nodiscard]] std::string make_nonce(Random& random);

[[nodiscard]] std::unique_ptr<ServerExchange> make_server(crypto::Hash hash, bool plus, ServerOptions options, std::string nonce);
[[nodiscard]] std::unique_ptr<ClientExchange> make_client(crypto::Hash hash, bool plus, Credentials credentials,
                                                          ClientOptions options, std::string nonce);

}  // namespace keystonemail::sasl::scram
