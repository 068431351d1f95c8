// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Clerk: writes down what came of a job, and tells the sender where that is due: both in one commit.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "keystonemail/dsn/report.hpp"
#include "keystonemail/service/relay/relay.hpp"
#include "service/relay/job.hpp"
#include "service/relay/outcome.hpp"

namespace keystonemail::relay {

// Ownership: borrows both. Threads: its executor's. Errors: none; a store that fails is asked again until it does not, or
// until the context is stopped, after which the attempt will be made again.
class Clerk {
 public:
  Clerk(const Options& options, Services& services) : options_(options), services_(services) {}

  [[nodiscard]] Task<void> conclude(Job job, std::vector<Outcome> outcomes, Context context);

  // Of the recipients that are due, those whose domain is one of ours by now.
  [[nodiscard]] Task<std::vector<std::size_t>> those_here(const queue::Entry& entry, WallTime now, Context context) const;
  // Into their mailboxes.
  [[nodiscard]] Task<void> bring_home(Job job, Context context);

 private:
  [[nodiscard]] Task<std::optional<smtp::Reply>> bring_home(const Job& job, std::size_t index, Context context);
  [[nodiscard]] Task<Result<void>> bring_home(const Job& job, std::size_t index, const directory::Mailboxes& found, Context context);

  struct Verdict {
    queue::Settlement settlement;
    std::vector<dsn::RecipientStatus> reports;
    std::vector<std::size_t> reported;    // indices of changes that the reports are of
  };
  [[nodiscard]] Verdict judge(const Job& job, const std::vector<Outcome>& outcomes, WallTime now);
  [[nodiscard]] queue::RecipientChange change_for(const queue::Entry& entry, std::size_t index, const Outcome& outcome, WallTime now);
  [[nodiscard]] std::optional<dsn::RecipientStatus> report_for(const queue::Entry& entry, const queue::RecipientChange& change,
                                                               const Outcome& outcome, WallTime now) const;
  [[nodiscard]] WallTime delay_notice(const queue::Entry& entry) const noexcept;
  [[nodiscard]] WallTime expiry(const queue::Entry& entry) const noexcept;

  [[nodiscard]] Task<Result<void>> settle(Verdict verdict, const queue::Entry& entry, Context context);
  [[nodiscard]] Task<Result<bool>> write_report(const Verdict& verdict, const queue::Entry& entry, delivery::Submission& submission, Context context);
  [[nodiscard]] Task<Result<void>> tell(const Verdict& verdict, const queue::Entry& entry, Context context);
  [[nodiscard]] Task<Result<std::string>> compose(const Verdict& verdict, const queue::Entry& entry, const std::string& unique, Context context);
  void log(const queue::Entry& entry, const queue::RecipientChange& change, const Outcome& outcome) const;

  const Options& options_;
  Services& services_;
};

}  // namespace keystonemail::relay
