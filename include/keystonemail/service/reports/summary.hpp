// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Summary: what the reports that came in say of a domain, for the person who runs it: who sends in its name, from where, what
// passed, and what to do next.
//
// Ownership: values. Threads: not synchronised. Errors: none. Limits: limits below; linear in the reports.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "keystonemail/service/reports/report_store.hpp"

namespace keystonemail::reporting {

namespace limits {
inline constexpr std::size_t summary_sources_max = 50'000;   // told apart, of one domain
inline constexpr std::size_t summary_failures_max = 5'000;
}  // namespace limits

// One address that sent mail in the domain's name.
struct SourceSummary {
  IpAddress source;
  std::uint64_t messages = 0, passed = 0, dkim = 0, spf = 0;   // those two: for the domain
  std::vector<std::string> vouched_by;                         // other domains, whose DKIM or SPF passed
  std::string advice;
};

struct DmarcSummary {
  std::string domain;
  std::string policy;                  // as the last report saw it
  WallTime begin{}, end{};
  std::uint64_t reports = 0;
  std::vector<std::string> reporters;  // organizations
  std::uint64_t messages = 0, passed = 0;
  std::vector<SourceSummary> sources;  // most mail first
  std::uint64_t more_sources = 0;      // messages of those beyond the limit
  std::uint64_t failure_reports = 0;
  std::string advice;
};

struct TlsFailureSummary {
  std::string result;                  // RFC 8460 §4.3
  std::string host;
  std::uint64_t sessions = 0;
  std::string reason;                  // one of those given
  std::string advice;
};

struct TlsSummary {
  std::string domain;
  WallTime begin{}, end{};
  std::uint64_t reports = 0;
  std::vector<std::string> reporters;
  std::uint64_t successful = 0, failed = 0;
  std::vector<TlsFailureSummary> failures;
  std::string advice;
};

struct Summary {
  std::vector<DmarcSummary> dmarc;     // by domain
  std::vector<TlsSummary> tls;
  std::uint64_t unverified = 0;        // reports that nobody vouches for
};

enum class Counted : std::uint8_t {
  verified,
  all,       // those too that nobody vouches for; one that came by mail and by HTTPS counts once
};

class Summarizer {
 public:
  explicit Summarizer(Counted counted = Counted::verified) : counted_(counted) {}
  void add(const ReceivedReport& report);
  [[nodiscard]] Summary finish();

 private:
  struct Source {
    SourceSummary about;
    std::set<std::string> vouched_by, broken_selectors;
    std::set<std::string> mail_from;   // other domains whose SPF passed
    bool spf_fails = false;
  };
  struct Domain {
    DmarcSummary about;
    std::map<IpAddress, Source> sources;
    std::set<std::string> reporters;
  };
  struct TlsDomain {
    TlsSummary about;
    std::map<std::pair<std::string, std::string>, TlsFailureSummary> failures;
    std::set<std::string> reporters;
  };
  void add(const Received& about, const reports::AggregateReport& report);
  void add(const Received& about, const reports::TlsReport& report);
  void add(const Received& about, const reports::FailureReport& report);
  [[nodiscard]] static std::string advice_for(const Source& source, const std::string& domain);
  [[nodiscard]] static std::string advice_for(const DmarcSummary& summary, bool ours_fails);

  const Counted counted_;
  std::set<std::pair<std::string, std::string>> seen_;  // domain and report id of TLS reports, when all are counted
  std::map<std::string, Domain> domains_;
  std::map<std::string, TlsDomain> tls_;
  std::uint64_t unverified_ = 0;
};

}  // namespace keystonemail::reporting
