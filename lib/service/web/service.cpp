// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "keystonemail/service/web/service.hpp"

#include <string>
#include <utility>

#include "keystonemail/transport/tls_stream.hpp"
#include "service/web/connection.hpp"

namespace keystonemail::web {
namespace {

constexpr auto handshake_time = std::chrono::seconds(30);

// Nothing of ours is to be shown within another's page, run as a script, kept, or told to others.
http::Fields common_fields(TlsUse tls) {
  http::Fields fields{{"Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"},
                      {"X-Content-Type-Options", "nosniff"},
                      {"X-Frame-Options", "DENY"},
                      {"Referrer-Policy", "no-referrer"},
                      {"Cross-Origin-Resource-Policy", "same-origin"},
                      {"Cache-Control", "no-store"}};
  if (tls == TlsUse::implicit) fields.push_back({"Strict-Transport-Security", "max-age=31536000"});  // RFC 6797 §7.2: never without TLS
  return fields;
}

}  // namespace

Service::Service(Options options, Services services) : options_(std::move(options)), services_(std::move(services)) {
  options_.engine.common_fields = common_fields(options_.tls);
}

Task<void> Service::serve(std::unique_ptr<transport::ByteStream> stream, Context context) {
  const std::string peer = stream->peer().to_string();
  Executor& executor = *context.executor;
  std::string id = services_.random.hex(8);
  const auto place = services_.limits.admit(stream->peer().address, executor.now());
  const bool banned = services_.gate.is_banned(stream->peer().address, executor.wall_now());
  if (!place || banned) {
    services_.log.event(LogLevel::info, "web.refused", {{"session", id}, {"peer", peer}, {"reason", banned ? "banned" : "too many connections"}});
    co_return;
  }
  if (options_.tls == TlsUse::implicit) {
    const auto tls = services_.tls ? services_.tls() : nullptr;
    if (!tls) co_return;
    const Context handshake = context.until(executor.now() + handshake_time);
    auto secured = co_await transport::TlsStream::accept(std::move(stream), tls, transport::TlsStart::implicit, handshake);
    if (!secured) {
      services_.log.event(LogLevel::info, "web.tls.failed", {{"session", id}, {"peer", peer}, {"error", secured.error().describe()}});
      co_return;
    }
    stream = *std::move(secured);
  }
  const auto connection = std::make_unique<Connection>(options_, services_, std::move(stream), std::move(id), context);
  co_await connection->run();
}

}  // namespace keystonemail::web
