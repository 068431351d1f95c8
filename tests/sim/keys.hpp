// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Keys: what the servers of a simulation prove themselves with. Their octets differ from process to process, their lengths do
// not, so that a seed is the same run everywhere.
#pragma once

#include <memory>
#include <string>

#include "keystonemail/crypto/key.hpp"
#include "keystonemail/tls/context.hpp"

namespace keystonemail::sim {

// RSA, made once in a process: the public half of sealing keys as the DNS has it, and the key.
[[nodiscard]] const crypto::PrivateKey& shared_key();
[[nodiscard]] const std::string& shared_key_record();
// One that the DNS does not have.
[[nodiscard]] const crypto::PrivateKey& other_key();

// With a certificate that nobody has a reason to trust.
[[nodiscard]] std::shared_ptr<const tls::ServerContext> good_tls();
// One that the client below cannot come to terms with: it speaks TLS 1.2 only.
[[nodiscard]] std::shared_ptr<const tls::ServerContext> broken_tls();
[[nodiscard]] std::shared_ptr<const tls::ClientContext> client_tls();

}  // namespace keystonemail::sim
