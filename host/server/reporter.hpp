// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Reporter: the reports of a running server, sent and taken in.
#pragma once

#include <memory>
#include <optional>

#include "config/config.hpp"
#include "keystonemail/backends/libuv/uv_loop.hpp"
#include "keystonemail/base/worker_pool.hpp"
#include "keystonemail/resolver/resolver.hpp"
#include "keystonemail/service/reports/reporting.hpp"
#include "server/stores.hpp"

namespace keystonemail::host {

// What [reports] says, as the library takes it.
[[nodiscard]] reporting::Options reporting_options(const Config& config);

// Threads: that of the loop. Ownership: borrows all it is given. REQUIRES: finish() is done before it is destroyed, if
// start() was called.
class Reporter {
 public:
  Reporter(const Config& config, Stores& stores, resolver::Resolver& resolver, libuv::UvLoop& loop, web::Fetcher* fetcher);

  [[nodiscard]] reporting::Reporting& reporting() noexcept { return reporting_; }
  void start();
  void stop();
  // Done when what was counted is in the store.
  [[nodiscard]] Task<void> finish();

 private:
  libuv::UvLoop& loop_;
  WorkerPool workers_;
  reporting::Reporting reporting_;
  std::stop_source stop_;
  std::optional<Task<void>> running_;
};

}  // namespace keystonemail::host
