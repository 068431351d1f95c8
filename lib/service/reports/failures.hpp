// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Failures: which messages that failed are told of one by one, and how (RFC 9991, RFC 7489 §7.3).
#pragma once

#include <map>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "keystonemail/dns/name.hpp"
#include "keystonemail/reports/failure_report.hpp"
#include "keystonemail/service/authentication/dmarc_observer.hpp"
#include "keystonemail/service/reports/options.hpp"

namespace keystonemail::reporting {

// A failure report to be sent.
struct FailureJob {
  reports::FailureReport report;
  std::vector<mailauth::dmarc::ReportAddress> addresses;
  dns::Name policy_domain;
  std::string spf_domain;              // whose record goes into the report; empty: SPF did not fail
};

// What could not be found out, for want of an answer from the DNS, is no failure: the fault may be ours.
//
// Threads: any. Ownership: borrows options. Limits: Options::failures_per_hour_max, failures_per_domain_max and failures_per_domain_day_max,
// of the domain that is told; one an hour for the same domain, source and kind of failure; those beyond are dropped. What waits is lost
// with the process.
class Failures {
 public:
  // `key` makes redacted words of this process's.
  Failures(const Options& options, std::string key) : options_(options), key_(std::move(key)) {}

  void consider(const authentication::DmarcFinding& finding);
  [[nodiscard]] std::vector<FailureJob> take();

 private:
  // `told`: the domain that asked for it. REQUIRES: mutex_
  [[nodiscard]] bool may_tell(const std::string& told, const std::string& alike, WallTime now);

  const Options& options_;
  const std::string key_;
  std::mutex mutex_;  // guards all below
  std::vector<FailureJob> waiting_;
  WallTime hour_{}, day_{};
  std::size_t told_ = 0;
  std::map<std::string, std::size_t> told_in_hour_, told_in_day_;
  std::set<std::string> told_alike_;
};

}  // namespace keystonemail::reporting
