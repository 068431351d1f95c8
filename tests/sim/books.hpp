// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Books: what became of every message for each of its recipients, in a world of several servers. Each step of a message is
// an entry on two sides: what one server gave and another took, what went into a queue and what came out of it. A message
// that is there once too often or is missing makes them disagree.
#pragma once

#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "sim/exchange.hpp"
#include "sim/site.hpp"

namespace keystonemail::sim {

// What somebody meant to send.
struct SentMessage {
  std::string text;
  std::string sender;                            // empty: the null sender
  std::map<std::string, queue::Notify> notify;   // by recipient
  bool requires_tls = false;                     // REQUIRETLS (RFC 8689)
  bool tls_optional = false;                     // TLS-Required: No
};
// The first line of the body of what nobody else may read.
[[nodiscard]] inline std::string secret_line(const std::string& key) { return "the secret of " + key; }

class Books {
 public:
  explicit Books(const Country& country) : country_(country), zone_(country.zone()) {}

  // By key.
  std::map<std::string, SentMessage> sent;
  std::size_t refused = 0;

  // How many instances of something there must be.
  struct Range {
    int least = 0, most = 0;
  };
  struct SiteView {
    const Site* site;
    Site::Stored stored;
  };
  // Compares all that is known. REQUIRES: no server is at work on anything.
  void balance(const std::vector<SiteView>& sites, const std::vector<Passage>& passages, const Surroundings& around,
               ExchangeReport& report);
  // Nothing that had to be secure went over a connection that was not, whole or in part.
  void check_sights(const std::vector<Sight>& sights, const Surroundings& around, ExchangeReport& report);

 private:
  struct Step {            // what a queue says of one recipient of one entry
    int delivered = 0, failed = 0, pending = 0;
    std::string text;      // of the failure
    WallTime accepted{}, when{};
  };
  using Queued = std::map<std::pair<std::string, std::string>, Range>;  // by key and address
  struct Ledgers;

  void check_queue(const SiteView& view, Ledgers& books);
  void check_patience(const SiteView& view, const QueuedRecord& record, const queue::TraceStep& step, Ledgers& books);
  void check_failure(const SiteView& view, const QueuedRecord& record, const queue::Recipient& recipient, const Step& step, Ledgers& books);
  void check_reports(const SiteView& view, Ledgers& books);
  void check_successes(const SiteView& view, const ReportRecord& report, Ledgers& books);
  [[nodiscard]] bool is_told_of_deadline(const SiteView& view, const ReportRecord& report, const std::string& address) const;
  void check_seals(const Site::Mail& mail, Ledgers& books);
  [[nodiscard]] bool is_success_wanted(const std::string& key, const std::string& address) const;
  void check_confirmations(Ledgers& books);
  void check_passages(const std::vector<Passage>& passages, const std::vector<SiteView>& sites, Ledgers& books);
  void check_mailboxes(const SiteView& view, Ledgers& books);
  [[nodiscard]] bool is_report(const std::string& key) const { return !sent.contains(key); }

  const Country& country_;
  const dns::Zone zone_;
  std::set<std::string> optional_reports_;               // of messages that said TLS-Required: No
  std::set<SiteNumber> sent_optional_;                   // sites that had such messages in their queue
};

}  // namespace keystonemail::sim
