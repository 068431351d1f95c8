// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Reception: serves SMTP (RFC 5321), submission (RFC 6409) and LMTP (RFC 2033) connections. A message for people
// here is in their mailboxes, and one for elsewhere in the queue, when the 250 is sent: both in one commit.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "keystonemail/base/log.hpp"
#include "keystonemail/base/random.hpp"
#include "keystonemail/base/task.hpp"
#include "keystonemail/delivery/delivery.hpp"
#include "keystonemail/directory/directory.hpp"
#include "keystonemail/policy/chain.hpp"
#include "keystonemail/service/access/authenticator.hpp"
#include "keystonemail/service/access/connection_limits.hpp"
#include "keystonemail/service/autoreply/responder.hpp"
#include "keystonemail/service/forwarding/forwarder.hpp"
#include "keystonemail/service/forwarding/redirects.hpp"
#include "keystonemail/smtp/server_options.hpp"
#include "keystonemail/tls/context.hpp"
#include "keystonemail/transport/byte_stream.hpp"

namespace keystonemail::reception {

enum class TlsUse : std::uint8_t { none, starttls, implicit };

struct Options {
  smtp::ServerOptions engine;                 // offers and ceilings; its TLS and AUTH fields are set by Reception
  TlsUse tls = TlsUse::none;
  bool offer_auth = false;                    // on by default for submission, never for the MX port
  std::string primary_domain;                 // where <Postmaster> without a domain is
  std::uint32_t hops_max = 50;                // Received fields (RFC 5321 §6.3 says at least 100 is safe; loops are found sooner)
  std::uint64_t header_octets_max = 1 << 20;
  // The engine's ceilings of a message for peers on trusted networks. Zero: the same as for others.
  std::uint64_t trusted_message_octets_max = 0;
  std::uint32_t trusted_recipients_max = 0;
  std::uint32_t automatic_max = 2;            // Auto-Submitted fields: more are answers to answers (RFC 3834 §2; attack E1)
};

// The certificate in use now; asked for each connection, so that a reload takes effect without dropping any.
using TlsProvider = std::function<std::shared_ptr<const tls::ServerContext>()>;

// The policies in use now; asked for each connection. Null: none.
using PolicyProvider = std::function<std::shared_ptr<const policy::Chain>()>;

// What a listener works with. Ownership: borrowed; outlives every session.
struct Services {
  directory::Directory& directory;
  delivery::Delivery& delivery;
  const access::LoginServices& logins;
  access::ConnectionLimits& limits;
  Random& random;
  Log& log;
  TlsProvider tls;                            // may be empty where tls is none
  PolicyProvider policies = {};               // may be empty: no policies
  // What mail gets that is passed on for people here. Null: it goes as it came.
  std::shared_ptr<const forwarding::Forwarder> forwarder = {};
  // What went on lately for people here, in the store of `delivery`. Null: it goes on each time.
  const forwarding::Redirects* redirects = nullptr;
  // Who answers for accounts that are absent. Null: nobody.
  const autoreply::Responder* responder = nullptr;
};

// Reception is one listener's service. serve() is called for each connection.
//
// Threads: any number of executors at once. Ownership: outlives its sessions.
class Reception {
 public:
  Reception(Options options, Services services);

  // Serves one connection to its end. When the context is stopped, a message under way is finished first.
  [[nodiscard]] Task<void> serve(std::unique_ptr<transport::ByteStream> stream, Context context);

  [[nodiscard]] const Options& options() const noexcept { return options_; }
  [[nodiscard]] const Services& services() const noexcept { return services_; }
  // As they hold for this peer.
  [[nodiscard]] const smtp::ServerOptions& engine_options(const IpAddress& peer) const;

 private:
  const Options options_;
  const Services services_;
  smtp::ServerOptions trusted_engine_;
};

}  // namespace keystonemail::reception
