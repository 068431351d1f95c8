// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Reads what follows the path in MAIL and RCPT (RFC 5321 §4.1.2, Mail-parameters).
#pragma once

#include <expected>
#include <string_view>

#include "keystonemail/smtp/parameters.hpp"
#include "keystonemail/smtp/server_options.hpp"

namespace keystonemail::smtp {

// What decides which parameters there are.
struct ParameterRules {
  const ServerOptions& options;
  bool secure;
  bool auth_offered;
};

// `text` is empty or starts with a space. Errors: unknown_parameter, bad_parameter, repeated_parameter,
// message_too_large, not_utf8.
[[nodiscard]] std::expected<MailParameters, PeerFault> parse_mail_parameters(std::string_view text,
                                                                             const ParameterRules& rules);
[[nodiscard]] std::expected<RcptParameters, PeerFault> parse_rcpt_parameters(std::string_view text,
                                                                             const ParameterRules& rules);

}  // namespace keystonemail::smtp
