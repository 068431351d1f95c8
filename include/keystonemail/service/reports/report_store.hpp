// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// ReportStore: what reports are made of, and those that came in, in one table of the kv store. The format is in
// lib/service/reports/FORMAT.md.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "keystonemail/kv/kv.hpp"
#include "keystonemail/reports/dmarc_aggregate.hpp"
#include "keystonemail/reports/failure_report.hpp"
#include "keystonemail/reports/tls_report.hpp"

namespace keystonemail::reporting {

namespace limits {
inline constexpr std::uint64_t rows_per_domain_max = 5'000;      // of a day; what does not fit is counted as lost
inline constexpr std::uint64_t rows_per_day_max = 200'000;
inline constexpr std::uint64_t domains_per_day_max = 20'000;
inline constexpr std::size_t content_octets_max = 8U << 10;      // of a row
inline constexpr std::uint64_t received_per_day_max = 2'000;     // reports that come in; others are dropped
// Of those that nobody vouches for, which anybody may send: no more than half of a day's, and a bearable part of a disk.
inline constexpr std::uint64_t unverified_octets_per_day_max = 15U << 20;
inline constexpr std::uint64_t unverified_octets_least = 16U << 10;  // as which each of them counts
static_assert(unverified_octets_per_day_max / unverified_octets_least <= received_per_day_max / 2);
inline constexpr std::size_t received_octets_max = 1U << 20;     // of one, as it is kept
}  // namespace limits

enum class Kind : std::uint8_t { dmarc, tls, failure };
[[nodiscard]] std::string_view to_string(Kind kind) noexcept;

// What one report will tell: of a domain's day (UTC).
struct DayOf {
  Kind kind = Kind::dmarc;                       // dmarc or tls
  std::chrono::sys_days day{};
  std::string domain;                            // A-labels, lower case
  friend auto operator<=>(const DayOf&, const DayOf&) = default;
};

// Counts of things that are alike, by an encoding of what they are.
struct Counts {
  std::string about;                             // what the report says once; the last one counts
  std::map<std::string, std::uint64_t> rows;
  std::uint64_t lost = 0;                        // for want of room
};
using Batch = std::map<DayOf, Counts>;

// How far the sending of one report has come.
struct Sending {
  std::string unique;                            // empty: not begun
  WallTime begin{}, end{};                       // what it covers
  WallTime begun{};
  WallTime next_attempt{};
  std::uint32_t attempts = 0;
  std::vector<std::string> done;                 // URIs that have it
};

struct Gathered {
  std::string about;
  std::uint64_t lost = 0;
  Sending sending;
  std::map<std::string, std::uint64_t> rows;
};

struct Waiting {
  DayOf of;
  WallTime next_attempt{};
};

// A report that came in, without its records.
struct Received {
  std::string id;                                // for show
  Kind kind = Kind::dmarc;
  WallTime received{};
  std::string from;                              // the author of its mail
  bool verified = false;                         // whose domain signed it
  std::string organization;
  std::string domain;                            // it tells of
  std::string report_id;
  WallTime begin{}, end{};
  std::uint64_t passed = 0, failed = 0;          // messages or sessions
};
using Report = std::variant<reports::AggregateReport, reports::TlsReport, reports::FailureReport>;
struct ReceivedReport {
  Received about;
  Report report;
};

enum class Kept : std::uint8_t { yes, duplicate, no_room };

struct ReceivedFilter {
  std::string domain = {};                       // empty: all; else it and what is below it
  WallTime since{};
};

// Threads: any. Ownership: borrows the store. Errors: those of the store; not_found; corrupt (a row that cannot be read).
// Durability: that of kv::Store::transact. Limits: limits above.
class ReportStore {
 public:
  static constexpr std::string_view table_name = "reports";

  ReportStore(kv::Store& store, kv::Table table) : store_(store), table_(table) {}

  // Adds to what is there. In one commit; REQUIRES: at most some thousand rows.
  [[nodiscard]] Task<Result<void>> add(const Batch& batch, Context context);
  // All that waits to be sent, oldest first.
  [[nodiscard]] Task<Result<std::vector<Waiting>>> waiting(Context context);
  [[nodiscard]] Task<Result<Gathered>> gathered(const DayOf& of, Context context);
  // Notes that a report is being sent; it keeps its name and its time from now on. A report that was begun stays as it is.
  [[nodiscard]] Task<Result<Sending>> begin(const DayOf& of, Sending sending, Context context);
  // Within another operation: that `uri` has it.
  [[nodiscard]] kv::Operation note_done(DayOf of, std::string uri);
  [[nodiscard]] Task<Result<void>> note_done_now(DayOf of, std::string uri, Context context);
  [[nodiscard]] Task<Result<void>> put_off(const DayOf& of, WallTime until, Context context);
  // Takes away what was sent, or given up; what was counted meanwhile stays, for a report of its own.
  [[nodiscard]] Task<Result<void>> finish(const DayOf& of, const Gathered& sent, Context context);

  // Keeps a report that came in, but for one that is there already: of the same sender, with the same id.
  [[nodiscard]] Task<Result<Kept>> keep(const Report& report, std::string from, bool verified, WallTime now, Context context);
  // Oldest first.
  [[nodiscard]] Task<Result<std::vector<Received>>> list(ReceivedFilter filter, Context context);
  [[nodiscard]] Task<Result<ReceivedReport>> read(const std::string& id, Context context);
  // Forgets what came in before `until`. Returns how many.
  [[nodiscard]] Task<Result<std::size_t>> prune(WallTime until, Context context);

 private:
  kv::Store& store_;
  kv::Table table_;
};

}  // namespace keystonemail::reporting
