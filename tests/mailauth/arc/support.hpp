// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Hands that seal, for the tests of ARC.
#pragma once

#include <string>
#include <string_view>

#include "keystonemail/mailauth/arc/sealer.hpp"
#include "keystonemail/mailauth/arc/verifier.hpp"
#include "mailauth/support.hpp"

namespace keystonemail::mailauth::testing {

inline arc::Chain verify_arc(const Zone& zone, std::string_view message, std::size_t piece = std::string_view::npos,
                             const dkim::VerifierOptions& options = {}) {
  arc::Verifier verifier(options, at(1'800'000'000));
  run(verifier, zone, message, piece, [](const Event& event) { return std::holds_alternative<Verified>(event); });
  return verifier.chain();
}

inline std::string describe(const arc::Chain& chain) {
  return std::string(to_string(chain.status)) + (chain.reason.empty() ? "" : ": " + chain.reason);
}

inline const std::string arc_message =
    "From: a@example.com\r\nTo: list@example.net\r\nSubject: x\r\nDate: Fri, 11 Jul 2003 21:00:37 -0700\r\n\r\nHi.\r\nThere.\r\n";

// Domains that publish their keys in one zone and seal one after the other.
struct Hands {
  Zone zone;

  [[nodiscard]] arc::SealerOptions hand(const std::string& domain) {
    static const auto rsa = crypto::PrivateKey::generate(crypto::KeyType::rsa).value();
    static const auto ed25519 = crypto::PrivateKey::generate(crypto::KeyType::ed25519).value();
    const auto& key = domain.starts_with("ed") ? ed25519 : rsa;
    zone.texts["arc._domainkey." + domain] = {dkim::key_record_text(key.public_key())};
    return {.key = {domain, "arc", key}};
  }
  [[nodiscard]] std::string fields(const std::string& domain, std::string_view message, arc::ChainStatus status) {
    const auto options = hand(domain);
    arc::Sealer sealer(options);
    sealer.receive(message);
    const AuthenticationResults results{domain, {{.method = "spf", .result = "pass", .comment = {}, .reason = {}, .properties = {}}}, 1, 0};
    return sealer.receive_end(status, results, at(1'800'000'000)).value();
  }
  // As a server does: verify, then seal what was found.
  [[nodiscard]] std::string seal(const std::string& domain, const std::string& message) {
    return fields(domain, message, verify_arc(zone, message).status) + message;
  }
};

inline std::string replaced(std::string text, std::string_view from, std::string_view to) {
  const auto place = text.find(from);
  if (place != std::string::npos) text.replace(place, from.size(), to);
  return text;
}

}  // namespace keystonemail::mailauth::testing
