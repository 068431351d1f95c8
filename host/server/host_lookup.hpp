// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// HostLookup: names of hosts that the administrator wrote down, by the system's own resolver: /etc/hosts, and what
// /etc/resolv.conf names, such as the names of containers.
#pragma once

#include <chrono>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "keystonemail/base/executor.hpp"
#include "keystonemail/base/ip_address.hpp"
#include "keystonemail/base/task.hpp"
#include "keystonemail/base/worker_pool.hpp"

namespace keystonemail::host {

// Waits as long as the system does. IPv4 first; empty when there is none.
[[nodiscard]] std::vector<IpAddress> system_addresses(const std::string& host);

// Threads: any. Ownership: its destructor waits for lookups under way. Limits: what is found is kept for half a minute; names are
// those of a configuration, so there are few.
class HostLookup {
 public:
  // Errors: not_found (no address now), unavailable (too many lookups wait).
  [[nodiscard]] Task<Result<std::vector<IpAddress>>> find(std::string host, Context context);

 private:
  struct Known {
    std::vector<IpAddress> addresses;
    Instant until{};
  };
  std::mutex mutex_;
  std::map<std::string, Known> known_;  // guarded by mutex_
  WorkerPool workers_{{.threads = 1}};
};

}  // namespace keystonemail::host
