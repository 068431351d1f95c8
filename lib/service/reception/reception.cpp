// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "keystonemail/service/reception/reception.hpp"

#include <cassert>
#include <utility>

#include "service/reception/session.hpp"

namespace keystonemail::reception {
namespace {

constexpr std::chrono::days future_release_max{30};  // RFC 4865 §3: as long as steps are remembered

// What the TLS and login settings mean to the engine.
Options prepared(Options options, const Services& services) {
  smtp::ServerOptions& engine = options.engine;
  const bool submission = engine.protocol == smtp::Protocol::submission;
  assert(options.tls == TlsUse::none || services.tls);
  engine.offer_starttls = options.tls == TlsUse::starttls;
  engine.require_auth = submission;
  engine.offer_require_tls_extension = options.tls != TlsUse::none;  // the engine says so under TLS alone
  if (submission) {  // these are the sender's to ask for, nobody else's
    engine.future_release_max = future_release_max;
    engine.offer_deliver_by = true;
    engine.offer_mt_priority = true;
  }
  engine.asks_of_unknown_commands = true;
  engine.auth_mechanisms.clear();
  if (options.offer_auth && engine.allow_plaintext_auth) {
    engine.auth_mechanisms = mechanism_names(services.logins, {.confidential = true});
  }
  return options;
}

}  // namespace

std::string mechanism_names(const access::LoginServices& logins, const access::ConnectionFacts& facts) {
  std::string names;
  for (const sasl::Mechanism mechanism : access::offered_mechanisms(logins, facts)) {
    if (!names.empty()) names.push_back(' ');
    names.append(to_string(mechanism));
  }
  return names;
}

Reception::Reception(Options options, Services services)
    : options_(prepared(std::move(options), services)), services_(std::move(services)), trusted_engine_(options_.engine) {
  if (options_.trusted_message_octets_max > 0) trusted_engine_.message_octets_max = options_.trusted_message_octets_max;
  if (options_.trusted_recipients_max > 0) trusted_engine_.recipients_max = options_.trusted_recipients_max;
}

const smtp::ServerOptions& Reception::engine_options(const IpAddress& peer) const {
  return services_.limits.is_trusted(peer) ? trusted_engine_ : options_.engine;
}

Task<void> Reception::serve(std::unique_ptr<transport::ByteStream> stream, Context context) {
  Session session(*this, std::move(stream), std::move(context));
  co_await session.run();
}

}  // namespace keystonemail::reception
