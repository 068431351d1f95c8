// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "demo/imap_client.hpp"

#include <utility>

#include "base/format.hpp"
#include "base/try.hpp"
#include "keystonemail/base/text.hpp"
#include "keystonemail/codec/base64.hpp"

namespace keystonemail::host::demo {

namespace {

namespace limits {
constexpr std::size_t line_octets_max = 64 * 1024;
constexpr std::size_t literal_octets_max = 64 << 20;
}  // namespace limits

// The n of a line that ends in "{n}" or "~{n}" (RFC 9051 §4.3).
std::optional<std::uint64_t> literal_at_end(std::string_view line) {
  const std::size_t open = line.rfind('{');
  if (open == std::string_view::npos || !line.ends_with('}')) return std::nullopt;
  return parse_decimal(line.substr(open + 1, line.size() - open - 2), limits::literal_octets_max + 1);
}

std::unexpected<Error> refused(std::string_view line) { return fail(ErrorKind::denied, "the server said: " + std::string(line)); }

}  // namespace

Task<Result<void>> ImapClient::read_more(Context context) {
  KM_CO_TRY(const std::string_view octets, co_await stream_->read(std::move(context)));
  if (octets.empty()) co_return fail(ErrorKind::unavailable, "the server closed the connection");
  held_.append(octets);
  stream_->consume(octets.size());
  co_return {};
}

Task<Result<ImapResponse>> ImapClient::read_response(Context context) {
  ImapResponse response;
  std::size_t searched = 0;
  for (;;) {
    const std::size_t end = held_.find("\r\n", searched);
    if (end == std::string::npos) {
      if (held_.size() > limits::line_octets_max) co_return fail(ErrorKind::invalid, "a response line is too long");
      searched = held_.empty() ? 0 : held_.size() - 1;
      KM_CO_CHECK(co_await read_more(context));
      continue;
    }
    response.line.append(held_, 0, end);
    held_.erase(0, end + 2);
    searched = 0;
    const auto octets = literal_at_end(response.line);
    if (!octets) co_return response;
    if (*octets > limits::literal_octets_max) co_return fail(ErrorKind::invalid, "a literal is too long");
    while (held_.size() < *octets) {
      KM_CO_CHECK(co_await read_more(context));
    }
    response.literals.push_back(held_.substr(0, *octets));
    held_.erase(0, *octets);
  }
}

Task<Result<void>> ImapClient::send_line(std::string text, Context context) {
  text += "\r\n";
  co_return co_await transport::write_all(*stream_, text, std::move(context));
}

Task<Result<std::string>> ImapClient::send_command(std::string text, Context context) {
  std::string tag = format("a{}", ++last_tag_);
  std::string line = format("{} {}", tag, text);
  KM_CO_CHECK(co_await send_line(std::move(line), std::move(context)));
  co_return tag;
}

Task<Result<std::vector<ImapResponse>>> ImapClient::await_tag(std::string tag, Context context) {
  std::vector<ImapResponse> before;
  for (;;) {
    KM_CO_TRY(ImapResponse response, co_await read_response(context));
    if (response.line.starts_with(tag + " OK")) co_return before;
    if (response.line.starts_with(tag + " ") || response.line.starts_with("* BYE")) co_return refused(response.line);
    before.push_back(std::move(response));
  }
}

Task<Result<void>> ImapClient::read_greeting(Context context) {
  KM_CO_TRY(const ImapResponse greeting, co_await read_response(std::move(context)));
  if (!greeting.line.starts_with("* OK")) co_return refused(greeting.line);
  co_return {};
}

Task<Result<std::vector<ImapResponse>>> ImapClient::command(std::string text, Context context) {
  KM_CO_TRY(std::string tag, co_await send_command(std::move(text), context));
  co_return co_await await_tag(std::move(tag), std::move(context));
}

Task<Result<void>> ImapClient::start_tls(std::shared_ptr<const tls::ClientContext> client, tls::ClientRequest request, Context context) {
  std::string text = "STARTTLS";
  KM_CO_CHECK(co_await command(std::move(text), context));
  if (!held_.empty()) co_return fail(ErrorKind::denied, "octets came before the handshake");
  KM_CO_TRY(auto secured, co_await transport::TlsStream::connect(std::move(stream_), std::move(client), std::move(request),
                                                                 transport::TlsStart::upgrade, std::move(context)));
  tls_ = secured.get();
  stream_ = std::move(secured);
  co_return {};
}

Task<Result<void>> ImapClient::authenticate(sasl::Credentials credentials, Random& random, Context context) {
  sasl::ClientOptions options;
  options.server_offers_plus = true;
  if (tls_) options.bindings = {tls_->channel().exporter_binding(), tls_->channel().end_point_binding()};
  const auto exchange = sasl::make_client(sasl::Mechanism::scram_sha_256_plus, std::move(credentials), std::move(options), random);
  std::string text = "AUTHENTICATE SCRAM-SHA-256-PLUS " + codec::encode_base64(exchange->initial_response().value_or(""));
  KM_CO_TRY(const std::string tag, co_await send_command(std::move(text), context));
  for (;;) {
    KM_CO_TRY(const ImapResponse response, co_await read_response(context));
    if (response.line.starts_with(tag + " OK")) break;
    if (response.line.starts_with(tag + " ")) co_return refused(response.line);
    if (!response.line.starts_with("+")) continue;
    const auto challenge = codec::decode_base64(trim(std::string_view(response.line).substr(1)));
    if (!challenge) co_return fail(ErrorKind::invalid, "a challenge is not base64");
    const auto answer = exchange->receive(*challenge);
    const auto* words = std::get_if<sasl::Response>(&answer);
    if (!words) co_return fail(ErrorKind::denied, std::string(to_string(std::get<sasl::ClientFailed>(answer).reason)));
    std::string line = codec::encode_base64(words->text);
    KM_CO_CHECK(co_await send_line(std::move(line), context));
  }
  if (!exchange->complete()) co_return fail(ErrorKind::denied, "the server did not prove that it knows the password");
  co_return {};
}

Task<Result<void>> ImapClient::begin_idle(Context context) {
  std::string text = "IDLE";
  KM_CO_TRY(idle_tag_, co_await send_command(std::move(text), context));
  for (;;) {
    KM_CO_TRY(const ImapResponse response, co_await read_response(context));
    if (response.line.starts_with("+")) co_return {};
    if (response.line.starts_with(idle_tag_)) co_return refused(response.line);
  }
}

Task<Result<std::uint64_t>> ImapClient::await_exists(Context context) {
  for (;;) {
    KM_CO_TRY(const ImapResponse response, co_await read_response(context));
    const std::string_view line = response.line;
    if (line.starts_with("* ") && line.ends_with(" EXISTS"))
      if (const auto number = parse_decimal(line.substr(2, line.size() - 9))) co_return *number;
  }
}

Task<Result<void>> ImapClient::end_idle(Context context) {
  std::string text = "DONE";
  KM_CO_CHECK(co_await send_line(std::move(text), context));
  std::string tag = idle_tag_;
  KM_CO_CHECK(co_await await_tag(std::move(tag), std::move(context)));
  co_return {};
}

Task<void> ImapClient::log_out(Context context) {
  std::string text = "LOGOUT";
  (void)co_await send_command(std::move(text), context);
  co_await stream_->close(std::move(context));
}

}  // namespace keystonemail::host::demo
