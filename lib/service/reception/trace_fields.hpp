// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// The trace fields that a server puts on top of a message (RFC 5321 §4.4).
#pragma once

#include <string>
#include <string_view>

#include "keystonemail/base/time.hpp"

namespace keystonemail::reception {

struct ReceivedFacts {
  std::string_view hello_name;     // what the peer called itself
  std::string_view peer_literal;   // "[192.0.2.1]"
  std::string_view hostname;       // ours
  std::string_view protocol;       // RFC 3848: "ESMTPS"
  std::string_view tls;            // "TLS1.3 with cipher ... (128 bits)"; empty in the clear
  std::string_view id;
  std::string_view recipient;      // only where there is exactly one: others must not learn of each other
  WallTime time;
};

// As it stands behind "for": in ASCII, since it must not be our field that a message cannot go on for where SMTPUTF8 is not
// offered. Empty: it cannot.
[[nodiscard]] std::string traced_recipient(std::string_view address);

// Each returns whole lines that end in CRLF, folded below 78 octets where words allow. What a peer chose is reduced
// to characters that can neither end a line nor a comment.
[[nodiscard]] std::string received_field(const ReceivedFacts& facts);
[[nodiscard]] std::string return_path_field(std::string_view sender);
[[nodiscard]] std::string delivered_to_field(std::string_view address);

}  // namespace keystonemail::reception
