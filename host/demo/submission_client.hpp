// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// SubmissionClient: sends a message as a mail client does (RFC 6409): STARTTLS, SCRAM, then the message.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "keystonemail/base/random.hpp"
#include "keystonemail/sasl/client.hpp"
#include "keystonemail/smtp/client_session.hpp"
#include "keystonemail/tls/channel.hpp"
#include "keystonemail/transport/tls_stream.hpp"

namespace keystonemail::host::demo {

struct Submission {
  std::string sender, recipient;
  std::string message;
  sasl::Credentials credentials;
  std::shared_ptr<const tls::ClientContext> tls;
  tls::ClientRequest server;                         // whose certificate is wanted
  std::function<void(const tls::Channel&)> secured = {};  // told when TLS is on
  std::function<void()> authenticated = {};
};

// Sends, and gives the server's reply. Errors: those of the stream; denied (login or message refused, TLS not offered);
// invalid (the server breaks the protocol).
[[nodiscard]] Task<Result<std::string>> submit(std::unique_ptr<transport::ByteStream> stream, Submission submission,
                                               Random& random, Context context);

}  // namespace keystonemail::host::demo
