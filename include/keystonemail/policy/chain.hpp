// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// policy: several policies, asked one after the other.
#pragma once

#include <array>
#include <chrono>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "keystonemail/base/log.hpp"
#include "keystonemail/policy/draft.hpp"
#include "keystonemail/policy/policy.hpp"
#include "keystonemail/policy/tally.hpp"

namespace keystonemail::policy {

struct ChainOptions {
  std::chrono::milliseconds time_max{30'000};   // for one policy at one stage
  std::chrono::milliseconds delay_max{30'000};  // of all delays at one stage
  std::shared_ptr<Tally> tally = {};            // null: nobody counts
};

// What the chain says at one stage: the first refusal ends it, edits of all that were asked are gathered but for those made
// to a draft already. Quarantine and discard, once said, are the verdict of all that follows but a refusal, until the transaction is
// over; of a recipient who is refused they are not. What was said before MAIL, edits and tags included, is said of each transaction
// of the connection: of HELO until the next one, of a login while somebody is logged in.
struct Outcome {
  Verdict verdict = Verdict::proceed;   // never accept
  Refusal refusal;                      // complete: code, status and text
  std::vector<Edit> edits;              // without tags
  std::chrono::milliseconds delay{0};
  std::string policy;                   // whose verdict it is; empty for proceed
  std::string reason;                   // that policy's, for the log and the trace
};

// Screening is the chain at work on one connection.
//
// Threads: that of the connection's executor. Ownership: borrows the log; shares the policies.
class Screening {
 public:
  Screening(std::vector<std::shared_ptr<Policy>> policies, const ChainOptions& options, Log& log, Connection connection);
  Screening(Screening&&) noexcept = default;

  // The facts but for what the screening knows itself.
  [[nodiscard]] Facts facts() const noexcept;
  // `draft` is the message once its header is there: its edits are made as they come, and it gives header, body and revision.
  [[nodiscard]] Task<Outcome> judge(Stage stage, Facts facts, Context context, Draft* draft = nullptr);
  // Tells all of them that a command was refused with `code`. The outcome is a delay, and disconnect or proceed.
  [[nodiscard]] Task<Outcome> refused(Stage stage, Facts facts, std::uint16_t code, Context context);
  // Tells all of them of a line that is no command, up to the first that has a refusal of its own; proceed: nobody has.
  [[nodiscard]] Task<Outcome> unknown(std::string_view line, Facts facts, Context context);
  // False: a policy failed on it, and Stage::body will be a deferral.
  [[nodiscard]] Task<bool> receive(std::string_view octets, Context context);
  void reset() noexcept;
  [[nodiscard]] Task<void> close(Context context);
  [[nodiscard]] bool empty() const noexcept { return seats_.empty(); }
  // What policies found out so far. Lives until the next call.
  [[nodiscard]] std::span<const Tag> tags() const noexcept { return tags_; }
  [[nodiscard]] std::string_view tag(std::string_view name) const noexcept;

 private:
  struct Seat {
    std::shared_ptr<Policy> policy;
    std::unique_ptr<Inspector> inspector;
    bool done_with_connection = false;
    bool done_with_transaction = false;
    bool failed = false;  // within receive()
  };
  // Quarantine or discard, once said, and by whom.
  struct Standing {
    Verdict verdict = Verdict::proceed;
    std::string policy, reason;
  };
  // What was said at a stage before MAIL.
  struct Lasting {
    Standing standing;
    std::vector<Edit> edits;
  };
  void take_lasting(bool logged_in, Outcome& outcome);
  static void stand(Standing& standing, const Standing& said);
  [[nodiscard]] Task<Result<Decision>> ask(Seat& seat, Stage stage, const Facts& facts, Context context);
  void take_edits(std::vector<Edit>& edits, Stage stage, Draft* draft, std::vector<Edit>& left);
  [[nodiscard]] Task<Decision> tell(Seat& seat, Stage stage, const Facts& facts, std::uint16_t code, Context context);
  void refuse(Outcome& outcome, const Seat& seat, Decision decision) const;
  void log_decision(const Seat& seat, Stage stage, const Decision& decision) const;

  ChainOptions options_;
  Log* log_;
  std::unique_ptr<Connection> connection_;  // stays where inspectors know it
  std::vector<Seat> seats_;
  std::vector<Tag> tags_;
  std::size_t connection_tags_ = 0;         // the first so many outlive the transaction
  Standing standing_;
  std::array<Lasting, 3> lasting_;          // of connect, helo and auth
};

// Chain is what a listener has: the policies in their order.
//
// Threads: any. Ownership: outlived by its screenings.
class Chain {
 public:
  Chain() = default;
  explicit Chain(std::vector<std::shared_ptr<Policy>> policies, ChainOptions options = {})
      : policies_(std::move(policies)), options_(options) {}
  [[nodiscard]] Screening open(Connection connection, Log& log) const {
    return {policies_, options_, log, std::move(connection)};
  }
  [[nodiscard]] bool empty() const noexcept { return policies_.empty(); }

 private:
  std::vector<std::shared_ptr<Policy>> policies_;
  ChainOptions options_;
};

}  // namespace keystonemail::policy
