// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
#include "keystonemail/sasl/mechanism.hpp"

#include "keystonemail/base/text.hpp"

namespace keystonemail::sasl {

std::string_view to_string(Mechanism mechanism) noexcept {
  switch (mechanism) {
    case Mechanism::plain: return "PLAIN";
    case Mechanism::login: return "LOGIN";
    case Mechanism::scram_sha_256: return "SCRAM-SHA-256";
    case Mechanism::scram_sha_256_plus: return "SCRAM-SHA-256-PLUS";
    case Mechanism::scram_sha_1: return "SCRAM-SHA-1";
    case Mechanism::scram_sha_1_plus: return "SCRAM-SHA-1-PLUS";
    case Mechanism::external: return "EXTERNAL";
  }
  return {};
}

std::optional<Mechanism> parse_mechanism(std::string_view name) noexcept {
  for (const auto mechanism : {Mechanism::plain, Mechanism::login, Mechanism::scram_sha_256, Mechanism::scram_sha_256_plus,
                               Mechanism::scram_sha_1, Mechanism::scram_sha_1_plus, Mechanism::external}) {
    if (iequals(name, to_string(mechanism))) return mechanism;
  }
  return std::nullopt;
}

bool is_plaintext(Mechanism mechanism) noexcept { return mechanism == Mechanism::plain || mechanism == Mechanism::login; }

bool needs_channel_binding(Mechanism mechanism) noexcept {
  return mechanism == Mechanism::scram_sha_256_plus || mechanism == Mechanism::scram_sha_1_plus;
}

}  // namespace keystonemail::sasl
