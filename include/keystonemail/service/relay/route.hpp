// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Route: where mail for a domain goes when it is not where the DNS says, and how its connections are secured.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "keystonemail/crypto/secret.hpp"
#include "keystonemail/smtp/server_options.hpp"

namespace keystonemail::relay {

enum class RouteTls : std::uint8_t {
  none,           // never
  opportunistic,  // where it is offered; a handshake that fails is followed by an attempt without (RFC 7435). What the domain
                  // itself asks for by DANE or MTA-STS goes before that
  required,       // encrypted, whoever it is
  verified,       // and by a certificate for the host's name that the system trusts, or by DANE where the host has that
  implicit,       // verified, from the first octet (RFC 8314), as on port 465
  dane,           // verified by DANE, of which DNSSEC vouches for all (RFC 7672 §6)
};

// As the configuration has it: "opportunistic".
[[nodiscard]] std::string_view to_string(RouteTls tls) noexcept;

// What we prove ourselves with (RFC 4954). Shared by the routes that use it.
struct RouteLogin {
  std::string name;
  crypto::SecretString password;
};

// Ownership: a value.
struct Route {
  std::string host;                     // a name or an address; empty: the mail exchangers of the domain
  std::uint16_t port = 25;
  smtp::Protocol protocol = smtp::Protocol::smtp;  // lmtp: RFC 2033, which answers for each recipient
  RouteTls tls = RouteTls::opportunistic;
  std::shared_ptr<const RouteLogin> login = nullptr;  // used under TLS, or on loopback, alone

  // "host:port", "[2001:db8::1]:port", "lmtp:host:port"; without a port the usual one. Nothing for anything else.
  [[nodiscard]] static std::optional<Route> parse(std::string_view text);
  // As parse() reads it; "mx" without a host.
  [[nodiscard]] std::string to_string() const;
  // With how its connections are secured and whose they are: those that differ in it are never used for each other's mail.
  [[nodiscard]] std::string connection() const;
};

// Ownership: a value. Threads: immutable once in use.
struct RouteTable {
  Route usual;                          // of all domains but those below
  std::map<std::string, Route, std::less<>> domains;  // by A-labels in lower case; ".example.com" is all below it

  [[nodiscard]] const Route& find(std::string_view domain) const;
};

}  // namespace keystonemail::relay
