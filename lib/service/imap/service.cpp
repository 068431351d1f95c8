// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "keystonemail/service/imap/service.hpp"

#include <string_view>

#include "keystonemail/transport/tls_stream.hpp"
#include "service/imap/session.hpp"

namespace keystonemail::service::imap {

namespace {

// The engine's options for one connection.
engine::ServerOptions engine_options(const Service& service, const IpAddress& peer, bool secure, const ChannelFacts& channel) {
  const Options& options = service.options();
  engine::ServerOptions result = options.engine;
  result.secure = secure;
  result.starttls = options.tls == TlsUse::starttls && service.services().tls;
  result.allow_login = options.allow_plaintext_auth;
  result.quota = true;
  result.sort = true;
  result.compress = true;
  result.auth_mechanisms = mechanism_names(service.services().logins, connection_facts(service, peer, secure, channel));
  return result;
}

// Instead of a greeting (RFC 9051 §7.1.5).
Task<void> turn_away(std::unique_ptr<transport::ByteStream> stream, std::string_view bye, Context context) {
  const Context soon = context.until(context.executor->now() + std::chrono::seconds(5));
  if ((co_await transport::write_all(*stream, bye, soon)).has_value()) co_await stream->close(soon);
}

}  // namespace

Task<void> Service::serve(std::unique_ptr<transport::ByteStream> stream, Context context) {
  const IpAddress peer = stream->peer().address;
  Executor& executor = *context.executor;
  std::string id = services_.random.hex(8);
  const auto place = services_.limits.admit(peer, executor.now());
  const bool banned = services_.logins.gate.is_banned(peer, executor.wall_now());
  if (!place || banned) {
    services_.log.event(LogLevel::info, "imap.refused",
                        {{"session", id}, {"peer", stream->peer().to_string()}, {"reason", banned ? "banned" : "too many connections"}});
    // Before TLS a client of an implicit port could not read it.
    if (options_.tls == TlsUse::implicit) co_return;
    co_return co_await turn_away(std::move(stream), "* BYE [UNAVAILABLE] Too many connections or failed logins\r\n", context);
  }
  ChannelFacts channel;
  const bool secure = options_.tls == TlsUse::implicit;
  if (secure) {
    const auto tls = services_.tls ? services_.tls() : nullptr;
    if (!tls) co_return;
    auto secured = co_await transport::TlsStream::accept(std::move(stream), tls, transport::TlsStart::implicit,
                                                         context.until(executor.now() + handshake_time));
    if (!secured) {
      services_.log.event(LogLevel::info, "imap.tls.failed", {{"session", id}, {"peer", peer.to_string()}, {"error", secured.error().describe()}});
      co_return;
    }
    channel = channel_facts((*secured)->channel());
    stream = *std::move(secured);
  }
  auto options = engine_options(*this, peer, secure, channel);
  const auto session = std::make_unique<Session>(*this, std::move(options), std::move(stream), std::move(channel),
                                                 std::move(id), context);
  co_await session->run();
}

}  // namespace keystonemail::service::imap
