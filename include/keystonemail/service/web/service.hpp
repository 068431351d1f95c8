// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Service: serves HTTP connections (RFC 9110, RFC 9112) from a site: the coroutine between the http engine and a stream.
#pragma once

#include <functional>
#include <memory>

#include "keystonemail/base/log.hpp"
#include "keystonemail/base/random.hpp"
#include "keystonemail/base/task.hpp"
#include "keystonemail/http/server_session.hpp"
#include "keystonemail/service/access/connection_limits.hpp"
#include "keystonemail/service/access/login_gate.hpp"
#include "keystonemail/service/web/site.hpp"
#include "keystonemail/tls/context.hpp"
#include "keystonemail/transport/byte_stream.hpp"

namespace keystonemail::web {

enum class TlsUse : std::uint8_t { none, implicit };

struct Options {
  http::ServerOptions engine;   // its common fields are set by the service: what browsers may do with pages of ours
  TlsUse tls = TlsUse::none;
};

// The certificate in use now; asked for each connection, so that a reload takes effect without dropping any.
using TlsProvider = std::function<std::shared_ptr<const tls::ServerContext>()>;

// What a listener works with. Ownership: borrowed; outlives every session.
struct Services {
  Site& site;
  access::ConnectionLimits& limits;
  access::LoginGate& gate;      // who is banned elsewhere is not served here
  Random& random;
  Log& log;
  TlsProvider tls;              // may be empty where tls is none
};

// One listener's service. serve() is called for each connection.
//
// Threads: any number of executors at once. Ownership: outlives its sessions.
// Limits: those of the engine; an idle connection holds a few KiB.
class Service {
 public:
  Service(Options options, Services services);

  // Serves one connection to its end. When the context is stopped, the request under way is answered first.
  [[nodiscard]] Task<void> serve(std::unique_ptr<transport::ByteStream> stream, Context context);

 private:
  Options options_;
  Services services_;
};

}  // namespace keystonemail::web
