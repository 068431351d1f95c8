// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Collector: counts what reports will tell, in memory, until it is put into the store: mail never waits for it.
#pragma once

#include <mutex>

#include "keystonemail/service/authentication/dmarc_observer.hpp"
#include "keystonemail/service/relay/tls_observer.hpp"
#include "keystonemail/service/reports/options.hpp"
#include "keystonemail/service/reports/report_store.hpp"

namespace keystonemail::reporting {

// Threads: any. Ownership: borrows options. Limits: Options::pending_rows_max, beyond which things are counted as lost.
// What is in memory is lost with the process: at most a flush interval of it.
class Collector {
 public:
  explicit Collector(const Options& options) : options_(options) {}

  void count(const authentication::DmarcFinding& finding);
  void count(const relay::TlsSession& session);
  // What has been counted since it was last asked.
  [[nodiscard]] Batch take();
  // Puts back what could not be stored.
  void give_back(Batch batch);

 private:
  void add(DayOf of, std::string about, std::string content, std::uint64_t count);

  const Options& options_;
  std::mutex mutex_;
  Batch pending_;               // guarded by mutex_, as is rows_
  std::size_t rows_ = 0;
};

}  // namespace keystonemail::reporting
