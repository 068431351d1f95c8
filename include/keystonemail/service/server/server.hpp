// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Server: a whole mail server on a store, for any loop. It opens no socket and starts no thread of its own but those
// that check passwords: whoever embeds it listens, and hands each connection to the handler of its protocol.
//
//   auto server = loop.run_until(Server::open({.hostname = "mail.example", .primary_domain = "example"}, ports, {&loop}));
//   listener = network.listen(endpoint, (*server)->handler({.protocol = Protocol::imap}), {&loop});
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "keystonemail/base/log.hpp"
#include "keystonemail/base/random.hpp"
#include "keystonemail/base/worker_pool.hpp"
#include "keystonemail/blob/blob.hpp"
#include "keystonemail/crypto/key_derivation.hpp"
#include "keystonemail/delivery/delivery.hpp"
#include "keystonemail/directory/directory.hpp"
#include "keystonemail/kv/kv.hpp"
#include "keystonemail/policy/chain.hpp"
#include "keystonemail/queue/queue.hpp"
#include "keystonemail/service/access/connection_limits.hpp"
#include "keystonemail/service/access/login_gate.hpp"
#include "keystonemail/service/accounts/accounts.hpp"
#include "keystonemail/service/forwarding/forwarder.hpp"
#include "keystonemail/service/mailstore/kv_mail_store.hpp"
#include "keystonemail/service/queue/kv_queue.hpp"
#include "keystonemail/service/reports/report_store.hpp"
#include "keystonemail/service/web/mail_site.hpp"
#include "keystonemail/service/webhook/webhooks.hpp"
#include "keystonemail/tls/context.hpp"
#include "keystonemail/transport/listener.hpp"

namespace keystonemail::resolver {
class Resolver;
}
namespace keystonemail::mta_sts {
class Policies;
struct Options;
}  // namespace keystonemail::mta_sts
namespace keystonemail::relay {
class Relay;
struct Options;
class TlsObserver;
}  // namespace keystonemail::relay

namespace keystonemail::web {
class Fetcher;
}

namespace keystonemail {

enum class Protocol : std::uint8_t { smtp, submission, lmtp, imap, http };
enum class TlsUse : std::uint8_t { none, starttls, implicit };

// The TLS context in use now; asked for each connection.
using TlsProvider = std::function<std::shared_ptr<const tls::ServerContext>()>;

struct ListenerOptions {
  Protocol protocol = Protocol::smtp;
  TlsUse tls = TlsUse::none;
  bool allow_plaintext_auth = false;            // passwords without TLS: from loopback alone, also behind a load balancer
  // Of this listener: its application protocol, and whether clients are asked for certificates, with which they may then
  // log in by SASL EXTERNAL. Empty: that of the ports.
  TlsProvider tls_context = {};
  // Of HTTP without TLS: the port that serves it with, where people are sent; 0: nowhere.
  std::uint16_t https_port = 0;
};

// Of one message. Zero: the same as for strangers.
struct MessageLimits {
  std::uint64_t octets_max = 0;
  std::uint32_t recipients_max = 0;
};

// What may change while the server runs. Sessions that are there keep what they began with.
struct Limits {
  std::uint64_t message_octets_max = 52'428'800;  // from strangers
  std::uint32_t recipients_max = 100;
  MessageLimits submitted{0, 1'000};            // from those who logged in
  MessageLimits trusted{0, 1'000};              // by SMTP from trusted networks, and by LMTP
  access::ConnectionLimitOptions connections = {};
  std::vector<IpNetwork> trusted_logins = {};   // as LoginGateOptions::trusted
};

// The policies in use now; asked for each connection, so that a reload takes effect without dropping any. Null: none.
using PolicyProvider = std::function<std::shared_ptr<const policy::Chain>()>;

struct ServerOptions {
  std::string hostname = {};                    // what we call ourselves
  std::string primary_domain = {};              // of logins without a domain; made ours when it is not yet
  kv::Table first_table{};                      // of Server::tables()
  std::uint64_t message_octets_max = 52'428'800;
  std::uint64_t message_octets_ceiling = 1'073'741'824;  // what set_limits() may raise it to
  std::uint32_t recipients_max = 100;
  MessageLimits submitted{0, 1'000};            // as in Limits
  MessageLimits trusted{0, 1'000};
  access::ConnectionLimitOptions connections = {};
  access::LoginGateOptions logins = {};
  std::chrono::hours queue_lifetime{5 * 24};    // of mail for elsewhere (RFC 5321 §4.5.4.1)
  service::Notes notes = service::Notes::larger;  // kept for the day that the index is lost
  web::OwnPolicy mta_sts = {};                  // that domains of ours have, given at https://mta-sts.DOMAIN
  std::vector<webhook::Hook> webhooks = {};     // who hears what becomes of mail for elsewhere; of URLs that differ
  std::uint64_t queued_per_account_max = 10'000;             // messages of one login that wait; 0: no ceiling
  std::uint64_t queued_octets_per_account_max = 1ULL << 30;  // and their octets
  crypto::ScryptCost password_cost = {};
  WorkerPoolOptions password_workers = {.threads = 2, .queue_max = 64};
};

// What a server stands on. Ownership: borrowed; outlives it.
struct ServerPorts {
  kv::Store& store;
  blob::Store& blobs;
  Random& random;
  Log& log;
  TlsProvider tls = {};                         // empty: no TLS but where a listener brings its own
  // Somebody else's users. Null: those of accounts(). Their mailboxes are made when they are first seen.
  directory::Directory* directory = nullptr;
  PolicyProvider policies = {};                 // what judges mail; empty: nothing does
  std::shared_ptr<const forwarding::Forwarder> forwarder = {};  // for mail that is passed on; null: it goes as it came
  forwarding::KeyProvider signing_keys = {};    // for automatic answers; empty: they are not signed
};

// What mail for elsewhere leaves by. Ownership: borrowed; outlives the relay.
struct RelayPorts {
  resolver::Resolver& resolver;
  transport::Connector& connector;
  std::shared_ptr<const tls::ClientContext> tls = {};  // null: no TLS
  relay::TlsObserver* tls_observer = nullptr;   // null: nobody
  mta_sts::Policies* mta_sts = nullptr;         // null: MTA-STS is not looked at
};

// Threads: open(), handler(), what sets something, and the destructor on one; handlers may run on any number of executors at once.
// Ownership: outlives the sessions of its handlers.
class Server {
 public:
  // The tables it wants to find in the store, in this order.
  [[nodiscard]] static std::vector<std::string> tables();
  // Errors: those of the store; corrupt (another format).
  [[nodiscard]] static Task<Result<std::unique_ptr<Server>>> open(ServerOptions options, ServerPorts ports, Context context);
  ~Server();

  // Serves one connection of that kind; for transport listeners of any sort. Each call makes a new listener's service,
  // with the limits of that moment. REQUIRES: a certificate where TLS is asked for.
  [[nodiscard]] transport::Handler handler(const ListenerOptions& options);
  // What is said of messages holds for handlers made from now on, all else for connections and logins to come.
  // REQUIRES: sizes of at most ServerOptions::message_octets_ceiling.
  void set_limits(Limits limits);
  // What ServerPorts::forwarder is for handlers made from now on; a relay has its own.
  void set_forwarder(std::shared_ptr<const forwarding::Forwarder> forwarder);
  // As ServerOptions::mta_sts.
  void set_mta_sts(const web::OwnPolicy& policy);
  // Bans are kept in the store, so that they outlive a restart. Lifts those that cover `peer`, there too; returns the
  // networks that had one. Errors: those of the store.
  [[nodiscard]] Task<Result<std::vector<IpNetwork>>> unban(const IpAddress& peer, Context context);

  // What takes the mail in the queue to where it belongs, once its run() is called; without it the mail stays there.
  // The server's own name is used where the options have none. Ownership: borrows the server. See service/relay/relay.hpp.
  [[nodiscard]] std::unique_ptr<relay::Relay> make_relay(relay::Options options, RelayPorts ports);
  // The MTA-STS policies of others, kept in the server's store, for RelayPorts::mta_sts. Ownership: borrows the server's
  // store and both ports. See service/mta_sts/policies.hpp.
  [[nodiscard]] std::unique_ptr<mta_sts::Policies> make_mta_sts(mta_sts::Options options, resolver::Resolver& resolver, web::Fetcher& fetcher);

  // What tells ServerOptions::webhooks, once its run() is called; until then events wait in the store.
  [[nodiscard]] webhook::Webhooks& webhooks() noexcept;

  [[nodiscard]] accounts::Accounts& accounts() noexcept;        // the internal directory
  [[nodiscard]] directory::Directory& directory() noexcept;     // the one in use
  [[nodiscard]] service::KvMailStore& mail() noexcept;
  [[nodiscard]] service::KvQueue& queue() noexcept;
  [[nodiscard]] delivery::Delivery& delivery() noexcept;
  [[nodiscard]] reporting::ReportStore& reports() noexcept;     // what reporting::Reporting stands on
  [[nodiscard]] web::MailSite& site() noexcept;                 // of all HTTP listeners: a place for what else is to be on the web
  [[nodiscard]] access::LoginGate& login_gate() noexcept;
  [[nodiscard]] access::ConnectionLimits& connection_limits() noexcept;

 private:
  struct State;
  explicit Server(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace keystonemail
