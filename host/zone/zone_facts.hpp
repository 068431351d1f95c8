// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// What the configuration, the certificate and the keys that are kept say for a domain's zone.
#pragma once

#include <string>
#include <vector>

#include "config/config.hpp"
#include "zone/zone_plan.hpp"

namespace keystonemail::host {

// `domain` empty: the primary one. `addresses` empty: those of the listeners, else the public ones of this machine. A certificate
// that cannot be read is left out. Errors: invalid (the domain, an address).
[[nodiscard]] Result<ZoneFacts> zone_facts(const Config& config, const std::string& domain, const std::vector<std::string>& addresses);

// What [mta_sts] says, as the server takes it.
[[nodiscard]] web::OwnPolicy own_policy(const MtaStsConfig& config) noexcept;

// The lower-case hexadecimal SHA-256 of a certificate's public key, as TLSA 3 1 1 has it; empty when that is none.
[[nodiscard]] std::string public_key_fingerprint(std::string_view certificate_der);

}  // namespace keystonemail::host
