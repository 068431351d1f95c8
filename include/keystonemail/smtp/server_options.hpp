// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// ServerOptions: what one listener offers and bears. Shared by all of its sessions.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace keystonemail::smtp {

enum class Protocol : std::uint8_t {
  smtp,        // RFC 5321
  submission,  // RFC 6409
  lmtp,        // RFC 2033
};

struct ServerOptions {
  Protocol protocol = Protocol::smtp;
  std::string hostname = "localhost";  // in the greeting and EHLO
  std::string greeting = "ready";      // what follows "220 hostname ESMTP "

  // Offers. A keyword not offered is a parameter or command not known.
  bool offer_starttls = false;
  bool require_tls = false;            // all but EHLO, NOOP, QUIT, STARTTLS get 530 before TLS (RFC 3207 §4)
  bool offer_pipelining = true;
  bool offer_chunking = true;          // CHUNKING and BINARYMIME
  bool offer_smtputf8 = true;
  bool offer_dsn = true;
  bool offer_require_tls_extension = false;         // REQUIRETLS, under TLS alone (RFC 8689)
  std::chrono::seconds future_release_max{0};       // FUTURERELEASE; zero: not offered
  bool offer_deliver_by = false;
  bool offer_mt_priority = false;

  // AUTH. Space-separated mechanism names for sessions in the clear, offered with allow_plaintext_auth alone; those
  // for a session under TLS come with tls_established().
  std::string auth_mechanisms;
  bool allow_plaintext_auth = false;
  bool require_auth = false;           // MAIL before AUTH gets 530 5.7.0

  bool asks_of_unknown_commands = false;            // whether somebody wants to hear of them (UnknownCommand)

  // Ceilings. Defaults from the secure-defaults table; see limits.hpp for those that are fixed.
  std::uint64_t message_octets_max = 52'428'800;    // SIZE
  std::uint64_t message_line_octets_max = 1'048'576;  // RFC 5321 §4.5.3.1.6 says 998; mail in the wild passes it
  std::uint32_t recipients_max = 100;               // RCPTMAX; beyond: 452 4.5.3
  std::uint32_t recipients_overshoot_max = 10'000;  // so many 452 for that since the last accepted message; then 421
  std::uint32_t recipient_domains_max = 0;          // RCPTDOMAINMAX; zero: any number
  std::uint32_t transactions_max = 0;               // MAILMAX; zero: any number
  std::uint32_t errors_max = 20;                    // replies 5yz, and lines that are no command, since the last accepted message; then 421
  std::uint32_t junk_commands_max = 10;             // NOOP, RSET, VRFY, HELP ... since the last accepted message
  std::uint32_t commands_max = 1'000;               // all but RCPT and BDAT since the last accepted message
  std::uint32_t auth_failures_max = 3;

  // Times. RFC 5321 §4.5.3.2.7 asks for five minutes; a busy server may shorten it.
  std::chrono::seconds command_timeout{300};        // for a whole command, however slowly its octets come
  std::chrono::seconds data_timeout{180};           // without an octet of the message (RFC 5321 §4.5.3.2.5)
  std::chrono::seconds data_rate_grace{60};         // before the rate below counts
  std::uint32_t data_rate_min = 500;                // octets a second over the whole of DATA or one BDAT; zero: any
  std::chrono::seconds transaction_time_max{3'600}; // from MAIL to the end of the message
  std::chrono::seconds pre_auth_time_max{60};       // from the greeting to AUTH, where AUTH is required
  std::chrono::seconds refused_time_max{30};        // from a greeting of 554 to QUIT (RFC 5321 §3.1 waits for it, and names no time)
};

}  // namespace keystonemail::smtp
