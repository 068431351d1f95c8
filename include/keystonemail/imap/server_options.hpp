// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// What an IMAP listener is like.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>

#include "keystonemail/imap/limits.hpp"

namespace keystonemail::imap {

enum class LiteralPolicy : std::uint8_t { plus, minus };  // which of LITERAL+ and LITERAL- is offered (RFC 7888)

struct ServerOptions {
  std::string greeting = "Keystone Mail ready";
  std::string auth_mechanisms;             // space-separated, offered while the connection is not secure
  bool secure = false;                     // TLS was there before the first octet
  bool starttls = false;                   // offered while not secure
  bool allow_login = false;                // LOGIN without TLS; else LOGINDISABLED until secure
  bool compress = false;                   // offer COMPRESS=DEFLATE (RFC 4978)
  bool sort = false;                       // offer SORT and THREAD (RFC 5256): set it when the service answers them
  bool quota = false;                      // offer QUOTA (RFC 9208)
  LiteralPolicy literals = LiteralPolicy::plus;
  std::uint64_t append_octets_max = 50 * 1024 * 1024;  // APPENDLIMIT (RFC 7889)
  std::chrono::seconds preauth_time_max = limits::preauth_time_max;
  std::chrono::seconds inactivity_max = limits::inactivity_max;
  std::chrono::seconds literal_rate_grace = limits::literal_rate_grace;  // before the rate below counts
  std::uint64_t literal_rate_min = limits::literal_rate_min;             // octets a second over the whole of a literal; zero: any
  unsigned auth_failures_max = limits::auth_failures_max;
};

}  // namespace keystonemail::imap
