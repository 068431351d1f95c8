// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Sender: from what was counted to a report in the hands of those who asked for it.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "keystonemail/base/worker_pool.hpp"
#include "keystonemail/reports/report_mail.hpp"
#include "keystonemail/service/reports/reporting.hpp"
#include "service/reports/failures.hpp"

namespace keystonemail::reporting {

// Threads: that of the context's executor; one report at a time. Ownership: borrows all it is given.
// Errors: those of the store. What fails on the way to a destination is tried again, until Options::give_up_after.
class Sender {
 public:
  // `received_here` is told of mail that went to a mailbox of ours.
  Sender(const Options& options, const Services& services, ReportStore& store, std::function<void(std::string, const std::string&)> received_here)
      : options_(options), services_(services), store_(store), received_here_(std::move(received_here)) {}

  [[nodiscard]] Task<Result<Sent>> send(DayOf of, Context context);
  [[nodiscard]] Task<void> send(FailureJob job, Context context);

 private:
  struct Target {
    std::string uri;
    reports::Destination destination;
    std::optional<std::uint64_t> octets_max;
  };
  struct Targets {
    std::vector<Target> all;
    bool is_temporary = false;           // there may be more, when the DNS answers again
  };
  // A report, ready to go.
  struct Parcel {
    reports::AggregateReport aggregate;  // one of the two
    reports::TlsReport tls;
    std::string archive;
  };
  enum class TlsNeed : std::uint8_t { usual, none };
  enum class Way : std::uint8_t { gone, later, never, too_large };

  [[nodiscard]] Task<std::vector<std::string>> texts_at(dns::Name name, bool& is_temporary, Context context);
  [[nodiscard]] Task<Targets> dmarc_targets(const dns::Name& policy_domain, std::vector<mailauth::dmarc::ReportAddress> addresses, bool of_failures, Context context);
  [[nodiscard]] Task<Targets> tls_targets(const std::string& domain, Context context);
  [[nodiscard]] Task<Result<std::optional<Parcel>>> pack(const DayOf& of, const Gathered& gathered, Context context);
  [[nodiscard]] Task<Result<Way>> send_to(const DayOf& of, const Parcel& parcel, const Sending& sending, const Target& target, std::size_t number, Context context);
  [[nodiscard]] Task<Result<Way>> post(const DayOf& of, const Parcel& parcel, const Target& target, Context context);
  [[nodiscard]] Task<Result<void>> mail(std::string message, const reports::Cover& cover, TlsNeed need, kv::Operation also, Context context);
  [[nodiscard]] Result<std::string> sign(const std::string& message, WallTime now) const;

  const Options& options_;
  const Services& services_;
  ReportStore& store_;
  std::function<void(std::string, const std::string&)> received_here_;
};

}  // namespace keystonemail::reporting
