// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// ImapClient: as much of IMAP4rev2 (RFC 9051) as it takes to log in, idle and fetch.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "keystonemail/base/random.hpp"
#include "keystonemail/sasl/client.hpp"
#include "keystonemail/tls/channel.hpp"
#include "keystonemail/transport/tls_stream.hpp"

namespace keystonemail::host::demo {

// One response: its line without CRLF, where each literal is left as "{n}", and the literals.
struct ImapResponse {
  std::string line;
  std::vector<std::string> literals;
};

// Errors of all calls: those of the stream; invalid (the server breaks the protocol); denied (it says NO or BAD).
// Limits: limits::literal_octets_max, limits::line_octets_max. Ownership: owns its stream. Threads: its stream's.
class ImapClient {
 public:
  explicit ImapClient(std::unique_ptr<transport::ByteStream> stream) : stream_(std::move(stream)) {}

  [[nodiscard]] Task<Result<void>> read_greeting(Context context);
  // RFC 9051 §6.2.1.
  [[nodiscard]] Task<Result<void>> start_tls(std::shared_ptr<const tls::ClientContext> client, tls::ClientRequest request,
                                             Context context);
  // AUTHENTICATE SCRAM-SHA-256-PLUS, bound to the TLS channel (RFC 5802 §6, RFC 9266).
  [[nodiscard]] Task<Result<void>> authenticate(sasl::Credentials credentials, Random& random, Context context);
  // Sends one command and gives the untagged responses before its OK.
  [[nodiscard]] Task<Result<std::vector<ImapResponse>>> command(std::string text, Context context);
  // RFC 9051 §6.3.13: begins, and waits for the server's word that it is listening.
  [[nodiscard]] Task<Result<void>> begin_idle(Context context);
  // Waits for an EXISTS and gives its number.
  [[nodiscard]] Task<Result<std::uint64_t>> await_exists(Context context);
  [[nodiscard]] Task<Result<void>> end_idle(Context context);
  [[nodiscard]] Task<void> log_out(Context context);

 private:
  [[nodiscard]] Task<Result<ImapResponse>> read_response(Context context);
  [[nodiscard]] Task<Result<void>> read_more(Context context);
  [[nodiscard]] Task<Result<std::string>> send_command(std::string text, Context context);  // gives its tag
  [[nodiscard]] Task<Result<std::vector<ImapResponse>>> await_tag(std::string tag, Context context);
  [[nodiscard]] Task<Result<void>> send_line(std::string text, Context context);

  std::unique_ptr<transport::ByteStream> stream_;
  const transport::TlsStream* tls_ = nullptr;  // stream_, once TLS is on
  std::string held_;
  std::string idle_tag_;
  unsigned last_tag_ = 0;
};

}  // namespace keystonemail::host::demo
