// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Keys: what the servers of a simulation prove themselves with. Their octets differ from process to process, their lengths do
// not, so that a seed is the same run everywhere.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

#include "keystonemail/base/time.hpp"
#include "keystonemail/crypto/key.hpp"
#include "keystonemail/tls/context.hpp"

namespace keystonemail::sim {

// RSA, made once in a process: the public half of sealing keys as the DNS has it, and the key.
[[nodiscard]] const crypto::PrivateKey& shared_key();
[[nodiscard]] const std::string& shared_key_record();
// One that the DNS does not have.
[[nodiscard]] const crypto::PrivateKey& other_key();

// One that everybody trusts, and signs certificates.
[[nodiscard]] const crypto::PrivateKey& authority_key();
// SHA-256 of the public half, as TLSA records have it.
[[nodiscard]] std::string key_digest(const crypto::PrivateKey& key);

// What a host shows of itself.
enum class Certificate : std::uint8_t {
  trusted,      // from the authority, for all hosts here
  renewed,      // the same with the other key
  brief,        // like the first, for six hours
  misnamed,     // like the second, for a host that is none of ours
  self_signed,  // of the first key
};
inline constexpr WallTime brief_certificate_end = std::chrono::sys_days(std::chrono::year{2026} / 1 / 1) + std::chrono::hours(6);
[[nodiscard]] std::shared_ptr<const tls::ServerContext> good_tls(Certificate certificate = Certificate::self_signed);
// One that the client below cannot come to terms with: it speaks TLS 1.2 only.
[[nodiscard]] std::shared_ptr<const tls::ServerContext> broken_tls();
[[nodiscard]] std::shared_ptr<const tls::ClientContext> client_tls();

}  // namespace keystonemail::sim
