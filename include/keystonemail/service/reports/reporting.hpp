// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Reporting: tells domains how their mail and their TLS fared here (RFC 9990, RFC 9991, RFC 8460), and keeps what others tell of
// ours. It listens to the evaluations of DMARC and to the sessions of the relay, which never wait for it.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "keystonemail/base/log.hpp"
#include "keystonemail/base/random.hpp"
#include "keystonemail/base/worker_pool.hpp"
#include "keystonemail/delivery/delivery.hpp"
#include "keystonemail/directory/directory.hpp"
#include "keystonemail/policy/policy.hpp"
#include "keystonemail/resolver/resolver.hpp"
#include "keystonemail/service/authentication/dmarc_observer.hpp"
#include "keystonemail/service/authentication/signing.hpp"
#include "keystonemail/service/relay/tls_observer.hpp"
#include "keystonemail/service/reports/options.hpp"
#include "keystonemail/service/reports/report_store.hpp"
#include "keystonemail/service/web/fetcher.hpp"
#include "keystonemail/service/web/site.hpp"

namespace keystonemail::reporting {

// Ownership: borrowed; outlives it.
struct Services {
  delivery::Delivery& delivery;
  directory::Directory& directory;
  resolver::Resolver& resolver;
  Random& random;
  Log& log;
  authentication::KeyProvider keys = {};         // empty: nothing is signed, and TLS reports do not go by mail
  web::Fetcher* fetcher = nullptr;               // null: none go by HTTPS
  WorkerPool* workers = nullptr;                 // for what takes long; null: it is done at once
};

// What came of one report.
struct Sent {
  DayOf of;
  std::size_t sent = 0;                          // destinations that have it
  std::size_t later = 0;                         // are tried again
  std::size_t never = 0;                         // cannot have it
};

// Threads: observed() and what the intakes make, from any; all else from the executor of run(). Ownership: borrows the store.
// REQUIRES: run() is done before it is destroyed, if it was called.
class Reporting final : public authentication::DmarcObserver, public relay::TlsObserver {
 public:
  Reporting(Options options, Services services, ReportStore& store);
  ~Reporting() override;

  void observed(const authentication::DmarcFinding& finding) noexcept override;
  void observed(const relay::TlsSession& session) noexcept override;
  // The policy that takes reports out of the mail for the report addresses. It belongs behind authentication::Checks, outlives
  // this, and changes nothing of any message.
  [[nodiscard]] std::shared_ptr<policy::Policy> intake();

  // Works until the context is stopped: puts what was counted into the store, sends what is due, reads what came in.
  [[nodiscard]] Task<void> run(Context context);
  // Sends all there is now, the day of today included; what comes in later makes another report. For operators and tests.
  [[nodiscard]] Task<Result<std::vector<Sent>>> send_now(Context context);
  // Answers POST of a TLS report (RFC 8460 §5.4) for domains of ours; for web::MailSite. Anybody may send one, so they are kept as not
  // verified, and only so many of each network. 201 is said once a report is in the store, 200 when it was there already.
  //
  // Threads: any. REQUIRES: what serves with it ends before this does.
  [[nodiscard]] web::Router::Handler https_intake();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace keystonemail::reporting
