// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// What the server says it can do, which depends on where the session stands (RFC 9051 §6.1.1).
#pragma once

#include <string>
#include <string_view>

#include "keystonemail/imap/server_options.hpp"
#include "keystonemail/imap/server_session.hpp"

namespace keystonemail::imap {

struct Standing {
  SessionState state;
  bool secure, compressing;
  std::string_view auth_mechanisms;
};

// "CAPABILITY IMAP4rev1 ..."
void append_capability(std::string& out, const ServerOptions& options, const Standing& standing);
// Whether `mechanism` is a word of `mechanisms`.
[[nodiscard]] bool offers_mechanism(std::string_view mechanisms, std::string_view mechanism) noexcept;

}  // namespace keystonemail::imap
