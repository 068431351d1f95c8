// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Service: serves IMAP connections (RFC 9051, RFC 3501) from a mail store: the coroutine between the imap engine and the
// ports. Whatever changes mail is on stable storage before its OK is sent.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "keystonemail/base/log.hpp"
#include "keystonemail/base/random.hpp"
#include "keystonemail/base/task.hpp"
#include "keystonemail/imap/server_options.hpp"
#include "keystonemail/mailstore/mailstore.hpp"
#include "keystonemail/service/access/authenticator.hpp"
#include "keystonemail/service/access/connection_limits.hpp"
#include "keystonemail/tls/context.hpp"
#include "keystonemail/transport/byte_stream.hpp"

namespace keystonemail::service::imap {

enum class TlsUse : std::uint8_t { none, starttls, implicit };

struct Options {
  keystonemail::imap::ServerOptions engine;   // offers and ceilings; its TLS and login fields are set by the service
  TlsUse tls = TlsUse::none;
  bool allow_plaintext_auth = false;          // without TLS: for loopback alone
  std::chrono::seconds write_timeout{300};    // for each whole 64 KiB written at once, 320 KiB at most; who takes less is gone
  std::chrono::milliseconds word_interval{5'000};  // after that long, and again, a client hears that its search goes on
};

// The certificate in use now; asked for each connection, so that a reload takes effect without dropping any.
using TlsProvider = std::function<std::shared_ptr<const tls::ServerContext>()>;

// What a listener works with. Ownership: borrowed; outlives every session.
struct Services {
  mailstore::MailStore& store;
  const access::LoginServices& logins;
  access::ConnectionLimits& limits;
  Random& random;
  Log& log;
  TlsProvider tls;                            // may be empty where tls is none
};

// One listener's service. serve() is called for each connection.
//
// Threads: any number of executors at once. Ownership: outlives its sessions.
// Limits: an idle session holds a few KiB; one at work about 256 KiB more, whatever it asks for.
class Service {
 public:
  Service(Options options, Services services) : options_(std::move(options)), services_(std::move(services)) {}

  // Serves one connection to its end. When the context is stopped, the command under way is finished first, but for searches.
  [[nodiscard]] Task<void> serve(std::unique_ptr<transport::ByteStream> stream, Context context);

  [[nodiscard]] const Options& options() const noexcept { return options_; }
  [[nodiscard]] const Services& services() const noexcept { return services_; }

 private:
  const Options options_;
  const Services services_;
};

}  // namespace keystonemail::service::imap
