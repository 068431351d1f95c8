// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "sim/books.hpp"

#include <algorithm>
#include <set>
#include <tuple>
#include <utility>

#include "keystonemail/mailauth/arc/verifier.hpp"

namespace keystonemail::sim {
namespace {

using Address = std::string;
using Key = std::string;

// What a server goes by when it connects it has found out no longer ago than this: names, policies and other hosts before.
constexpr auto knowledge_age_max = std::chrono::minutes(15);
constexpr auto deadline_grain = std::chrono::seconds(2);  // BY= counts whole seconds

std::string of(const Key& key) { return "message " + key; }

bool wants(const queue::Notify& notify, bool queue::Notify::*what, bool usual) {
  if (notify.never) return false;
  return notify.specified ? notify.*what : usual;
}

std::size_t count(std::string_view text, std::string_view what) {
  std::size_t found = 0;
  for (auto at = text.find(what); at != std::string_view::npos; at = text.find(what, at + 1)) ++found;
  return found;
}

// What a report says of one recipient.
struct RecipientReport {
  Address address;
  std::string action;
};
std::vector<RecipientReport> recipients_of(std::string_view report) {
  constexpr std::string_view recipient = "\r\nFinal-Recipient: rfc822; ", action = "\r\nAction: ";
  std::vector<RecipientReport> all;
  const auto value = [&](std::size_t at) { return std::string(report.substr(at, report.find("\r\n", at) - at)); };
  for (auto at = report.find(recipient); at != std::string_view::npos; at = report.find(recipient, at + 1)) {
    all.push_back({value(at + recipient.size()), value(report.find(action, at) + action.size())});
  }
  return all;
}

// Whether a server gave up on a connection for not being secure enough.
bool blames_security(std::string_view text) {
  constexpr std::string_view words[] = {"No mail for ", "TLS is required here", "policy does not name", "Encryption needed", "REQUIRETLS support"};
  return std::ranges::any_of(words, [&](std::string_view one) { return text.find(one) != std::string_view::npos; });
}

using Policies = std::vector<std::optional<mailauth::mta_sts::Policy>>;
bool is_of(const std::optional<mailauth::mta_sts::Policy>& policy, mailauth::mta_sts::Mode mode) { return policy && policy->mode == mode; }
bool names(const std::optional<mailauth::mta_sts::Policy>& policy, const std::string& host) {
  return policy && policy->mode != mailauth::mta_sts::Mode::none && policy->allows(*dns::Name::parse(host));
}

}  // namespace

struct Books::Ledgers {
  const Surroundings& around;
  ExchangeReport& report;
  // What went in and out, by site, key and address.
  std::map<std::tuple<SiteNumber, Key, Address>, int> queued;      // entries' recipients
  std::map<std::tuple<SiteNumber, Key, Address>, int> handed_on;   // of them, those noted as delivered
  std::map<std::tuple<SiteNumber, Key, Address>, Range> taken;     // by RCPT or from a server's own hand
  std::map<std::tuple<SiteNumber, Key, Place>, int> kept;          // in mailboxes
  // Failures that a report must tell of, and reports that tell of one: by site, entry and place among its recipients.
  std::map<std::tuple<SiteNumber, queue::EntryId, std::size_t>, int> to_tell, told;
  // Arrivals that the sender wants to hear of, and reports that tell of one, by site, key and address.
  std::map<std::tuple<SiteNumber, Key, Address>, Range> to_confirm;
  std::map<std::tuple<SiteNumber, Key, Address>, int> confirmed;
  // Of one site: what an account passes on, or keeps when it comes again.
  struct Redirected {
    Key key;
    Target passed, kept;
    Range range;
  };
  std::vector<Redirected> passed_or_kept;

  bool is_dns_faulty = false;

  void violation(std::string what) const { around.violation(std::move(what)); }
};

void Books::balance(const std::vector<SiteView>& sites, const std::vector<Passage>& passages, const Surroundings& around,
                    ExchangeReport& report) {
  Ledgers books{.around = around, .report = report, .queued = {}, .handed_on = {}, .taken = {}, .kept = {}, .to_tell = {}, .told = {},
                .to_confirm = {}, .confirmed = {}, .passed_or_kept = {}};
  books.is_dns_faulty = std::ranges::any_of(sites, [](const SiteView& view) { return view.site->unanswered() > 0; });
  for (const SiteView& view : sites) {
    check_queue(view, books);
    check_reports(view, books);
  }
  for (const auto& [place, times] : books.to_tell) {
    if (books.told[place] != times) {
      books.violation("site " + std::to_string(std::get<0>(place)) + ", entry " + std::to_string(static_cast<std::uint64_t>(std::get<1>(place))) +
                      ": the sender was told " + std::to_string(books.told[place]) + " times of a failure");
    }
  }
  for (const auto& [place, times] : books.told) {
    if (times > 0 && !books.to_tell.contains(place)) books.violation("the sender was told of a failure that was none, or is none of theirs");
  }
  check_passages(passages, sites, books);
  check_confirmations(books);
  for (const SiteView& view : sites) check_mailboxes(view, books);
}

// Each recipient that went into the queue is there still, or came out of it once.
void Books::check_queue(const SiteView& view, Ledgers& books) {
  const SiteNumber site = view.site->number();
  std::set<queue::EntryId> known;
  for (const QueuedRecord& record : view.site->records().queued) {
    known.insert(record.id);
    const auto original = sent.find(record.key);
    if (original != sent.end() && original->second.requires_tls && !record.envelope.require_tls) {
      books.violation(of(record.key) + " is queued at site " + std::to_string(site) + " as if its sender had not demanded REQUIRETLS");
    }
    if (original != sent.end() && record.envelope.tls_optional && !original->second.tls_optional) {
      books.violation(of(record.key) + " is queued at site " + std::to_string(site) + " as if its sender did not care for TLS");
    }
    if (record.envelope.tls_optional) sent_optional_.insert(site);
    const bool is_doubted = record.envelope.unproven && !record.envelope.sender.empty();
    if (is_doubted && country_.vouches_for(country_.first_of(record.envelope.sender)) && view.site->unanswered() == 0) {
      books.violation(of(record.key) + " is queued as if nobody vouched for " + record.envelope.sender);
    }
    const auto live = std::ranges::find(view.stored.queued, record.id, &queue::Entry::id);
    const auto& steps = view.stored.steps.at(static_cast<std::uint64_t>(record.id));
    for (std::size_t i = 0; i < record.recipients.size(); ++i) {
      const queue::Recipient& recipient = record.recipients[i];
      Step sum;
      for (const auto& step : steps) {
        if (step.what == "accepted" || step.what == "forwarded") sum.accepted = step.when;
        if (step.recipient != recipient.address) continue;
        check_patience(view, record, step, books);
        if (step.what == "delivered") ++sum.delivered;
        if (step.what != "failed") continue;
        ++sum.failed;
        sum.text = step.text;
        sum.when = step.when;
      }
      if (live != view.stored.queued.end() && live->recipients[i].state == queue::RecipientState::pending) ++sum.pending;
      if (sum.delivered + sum.failed + sum.pending != 1) {
        books.violation(of(record.key) + " in the queue of site " + std::to_string(site) + " for " + recipient.address + ": delivered " +
                        std::to_string(sum.delivered) + ", failed " + std::to_string(sum.failed) + ", pending " + std::to_string(sum.pending));
      }
      ++books.queued[{site, record.key, recipient.address}];
      books.handed_on[{site, record.key, recipient.address}] += sum.delivered;
      if (sum.failed == 0) continue;
      ++books.report.bounced;
      check_failure(view, record, recipient, sum, books);
      const bool may_be_told = !record.envelope.sender.empty() && !record.envelope.unproven;
      if (may_be_told && wants(recipient.notify, &queue::Notify::failure, true)) ++books.to_tell[{site, record.id, i}];
    }
  }
  for (const auto& entry : view.stored.queued) {
    if (!known.contains(entry.id)) books.violation("site " + std::to_string(site) + " has an entry that nobody put there");
    else books.violation(of(entry.message_id) + " is in the queue of site " + std::to_string(site) + " still: " + entry.recipients[0].last_reply);
  }
}

// Mail waits for security only where somebody has asked for it: never for a policy in testing.
void Books::check_patience(const SiteView& view, const QueuedRecord& record, const queue::TraceStep& step, Ledgers& books) {
  using mailauth::mta_sts::Mode;
  if ((step.what != "deferred" && step.what != "failed") || !blames_security(step.text)) return;
  ++books.report.withheld;
  const SiteNumber site = view.site->number(), next = country_.site_of(step.recipient);
  const Habits& habits = country_.habits(site);
  if (record.envelope.require_tls || habits.asks_for_tls) return;
  if (next != outside) {
    if (habits.has_lmtp_route && next == country_.next(site) && habits.lmtp_tls != Habits::LmtpTls::opportunistic) return;
    const WallTime since = step.when - knowledge_age_max;
    if (std::ranges::any_of(books.around.promises.during(next, since, step.when), &Promise::has_dane)) return;
    const auto known = books.around.promises.known(site, next, since, step.when);
    if (std::ranges::any_of(known, [](const auto& policy) { return is_of(policy, Mode::enforce); })) return;
  }
  books.violation(of(record.key) + " at site " + std::to_string(site) + " for " + step.recipient + " was kept back, and nobody had asked for it: " + step.text);
}

void Books::check_sights(const std::vector<Sight>& sights, const Surroundings& around, ExchangeReport& report) {
  using mailauth::mta_sts::Mode;
  for (const Sight& sight : sights) {
    const auto original = sent.find(sight.key);
    const bool is_required = original != sent.end() && original->second.requires_tls;
    if (sight.key.empty() && sent_optional_.contains(sight.from)) continue;  // a list's envelope has no ENVID; its header says what it is
    if ((original != sent.end() && original->second.tls_optional) || optional_reports_.contains(sight.key)) continue;
    const WallTime since = sight.opened - knowledge_age_max;
    const auto promises = around.promises.during(sight.to, since, sight.opened);
    const auto known = around.promises.known(sight.from, sight.to, since, sight.opened);
    const std::string host = Country::host(sight.to);
    const bool by_mx = sight.port == smtp_port;
    const bool is_encrypted = sight.certificate.has_value();
    const bool is_trusted = is_encrypted && sim::is_trusted(*sight.certificate, sight.opened);
    const auto is_named_in = [&](const Promise& one) {
      return is_encrypted && by_mx && one.has_dane() && is_named_by(one.tlsa, *sight.certificate, sight.opened);
    };
    const bool is_named = std::ranges::any_of(promises, is_named_in);
    const bool is_proven = is_trusted || std::ranges::any_of(promises, [&](const Promise& one) { return one.tlsa != Promise::Tlsa::unusable && is_named_in(one); });
    // What holds all the time, whatever was found out when.
    const bool by_dane = by_mx && std::ranges::all_of(promises, &Promise::has_dane);
    const bool by_policy = by_mx && std::ranges::none_of(promises, &Promise::has_dane) &&
                           std::ranges::all_of(known, [](const auto& policy) { return is_of(policy, Mode::enforce); });
    const bool is_in_policy = std::ranges::any_of(known, [&](const auto& policy) { return names(policy, host); });
    const bool is_vouched = !by_mx || is_in_policy || std::ranges::any_of(promises, [](const Promise& one) { return one.zone == Promise::Zone::signed_zone; });
    const auto broken = [&](std::string what) {
      around.violation((sight.key.empty() ? "something" : of(sight.key)) + " from site " + std::to_string(sight.from) + " to site " + std::to_string(sight.to) + " went over " +
                       (is_encrypted ? "TLS with certificate " + std::to_string(static_cast<int>(*sight.certificate)) : "in the clear") + ", against " + what);
    };
    if (is_required && !(is_vouched && is_proven)) broken("REQUIRETLS");
    if (by_dane && !is_named) broken("DANE");
    if (by_policy && !(is_trusted && is_in_policy)) broken("MTA-STS");
    const bool is_tested = by_mx && std::ranges::all_of(known, [](const auto& policy) { return is_of(policy, Mode::testing); });
    report.demanded += is_required || by_dane || by_policy ? 1 : 0;
    report.tested += is_tested && !(is_trusted && is_in_policy) ? 1 : 0;
  }
}

// Nobody is given up for a trouble that may pass, before the time is over.
void Books::check_failure(const SiteView& view, const QueuedRecord& record, const queue::Recipient& recipient, const Step& step,
                          Ledgers& books) {
  if (step.text.empty()) books.violation(of(record.key) + " for " + recipient.address + ": given up without a reason");
  if (country_.is_hopeless(recipient.address, !record.envelope.sender.empty())) return;
  if (record.envelope.deliver_by && record.envelope.deliver_by->returns) {  // RFC 2852 §4.1.3, §4.1.4.1
    if (step.when + deadline_grain >= record.envelope.deliver_by->when) return;
    const SiteNumber next = country_.site_of(recipient.address);
    if (next == outside || !country_.habits(next).offers_deliver_by) return;
  }
  // RFC 8689 §4.2.1: what cannot go as its sender demands comes back.
  if (record.envelope.require_tls && !record.envelope.sender.empty() && blames_security(step.text)) return;
  const auto lifetime = record.envelope.sender.empty() ? std::min(books.around.lifetime, books.around.bounce_lifetime) : books.around.lifetime;
  const bool expired = step.when - step.accepted >= lifetime;
  if (!expired) {
    books.violation(of(record.key) + " at site " + std::to_string(view.site->number()) + " for " + recipient.address +
                    ": given up before its time: " + step.text);
  }
}

void Books::check_reports(const SiteView& view, Ledgers& books) {
  const SiteNumber site = view.site->number();
  for (const ReportRecord& report : view.site->records().reports) {
    ++books.report.reports;
    if (report.to.empty()) books.violation("a report for nobody: " + report.text.substr(0, 300));
    auto& [least, most] = books.taken[{site, report.key, report.to}];
    ++least, ++most;
    if (count(report.text, "Content-Type: multipart/report") != 1) books.violation("a report of a report, or of nothing: " + report.key);
    check_successes(view, report, books);
    const auto token = report.text.find("X-Token: ");
    const auto subject = token == std::string::npos ? sent.end() : sent.find(key_of(std::string_view(report.text).substr(token)));
    if (subject != sent.end() && subject->second.tls_optional) optional_reports_.insert(report.key);  // RFC 8689 §5: in the same manner
    if (!report.settlement) continue;
    std::size_t failed = 0;
    const auto& records = view.site->records().queued;
    const auto about = std::ranges::find(records, report.settlement->id, &QueuedRecord::id);
    if (about == records.end()) {
      books.violation("a report of an entry that never was");
      continue;
    }
    if (about->envelope.require_tls && report.text.find(secret_line(about->key)) != std::string::npos) {
      books.violation("a report has the body of " + of(about->key) + ", which was for nobody else");
    }
    if (about->envelope.sender.empty()) books.violation("a bounce of a bounce: " + of(about->key));
    if (about->envelope.unproven) books.violation(of(about->key) + ": its sender may be anybody, and was told");
    if (country_.original_of(site, about->envelope.sender) != report.to) {
      books.violation(of(about->key) + ": its sender is " + about->envelope.sender + ", told was " + report.to);
    }
    for (const auto& change : report.settlement->changes) {
      if (change.state != queue::RecipientState::failed) continue;
      const queue::Recipient& recipient = about->recipients[change.index];
      if (!wants(recipient.notify, &queue::Notify::failure, true)) continue;
      ++failed;
      ++books.told[{site, about->id, change.index}];
      if (report.text.find("Final-Recipient: rfc822; " + recipient.address) == std::string::npos) {
        books.violation("a report does not name " + recipient.address);
      }
    }
    if (count(report.text, "\r\nAction: failed") != failed) books.violation("a report of " + of(about->key) + " tells of other failures than there were");
  }
}

// Success is told by the server where the mail arrived, of each address that it took. Of one that it passed on, the next one tells:
// all of them here know DSN.
void Books::check_successes(const SiteView& view, const ReportRecord& report, Ledgers& books) {
  const SiteNumber site = view.site->number();
  std::string key;
  for (const RecipientReport& one : recipients_of(report.text)) {
    if (one.action == "failed" || one.action == "delayed") continue;
    if (one.action == "relayed" && is_told_of_deadline(view, report, one.address)) continue;
    if (key.empty()) key = key_of(std::string_view(report.text).substr(report.text.find("X-Token: ")));
    const auto original = sent.find(key);
    if (original == sent.end() || original->second.sender != country_.first_of(report.to)) books.violation("success of " + of(key) + " was told to " + report.to);
    if (report.settlement) books.violation(of(key) + ": success for " + one.address + " was told as " + one.action + " by a server that passed it on");
    if (one.action != (country_.is_expanded(site, one.address) ? "expanded" : "delivered")) books.violation(of(key) + ": told as " + one.action + " for " + one.address);
    ++books.confirmed[{site, key, one.address}];
  }
}

// RFC 2852 §4.1.4: who set a deadline hears that the next server has not taken it on, or, if they asked for that, that it has.
bool Books::is_told_of_deadline(const SiteView& view, const ReportRecord& report, const std::string& address) const {
  if (!report.settlement) return false;
  const auto& records = view.site->records().queued;
  const auto about = std::ranges::find(records, report.settlement->id, &QueuedRecord::id);
  if (about == records.end()) return false;
  const auto& by = about->envelope.deliver_by;
  const SiteNumber next = country_.site_of(address);
  return by && (by->trace || next == outside || !country_.habits(next).offers_deliver_by);
}

// Whether the sender asked to hear of success for the recipient that became this one, from one address to the next.
bool Books::is_success_wanted(const Key& key, const Address& address) const {
  const auto original = sent.find(key);
  if (original == sent.end() || original->second.sender.empty()) return false;
  for (const auto& [recipient, notify] : original->second.notify) {
    if (!wants(notify, &queue::Notify::success, false)) continue;
    std::set<Address> passed;
    for (Address now = recipient; passed.insert(now).second;) {
      if (now == address) return true;
      const SiteNumber site = country_.site_of(now);
      const auto next = site == outside ? std::vector<Target>() : country_.targets(site, now);
      if (next.size() == 1 && std::holds_alternative<Address>(next.front())) now = std::get<Address>(next.front());
    }
  }
  return false;
}

void Books::check_confirmations(Ledgers& books) {
  for (const auto& [place, range] : books.to_confirm) {
    const int times = books.confirmed[place];
    if (times >= range.least && times <= range.most) continue;
    books.violation(of(std::get<1>(place)) + " arrived at site " + std::to_string(std::get<0>(place)) + " for " + std::get<2>(place) + " " +
                    std::to_string(range.least) + " times, and its sender was told " + std::to_string(times) + " times");
  }
  for (const auto& [place, times] : books.confirmed) {
    if (times > 0 && !books.to_confirm.contains(place)) books.violation(of(std::get<1>(place)) + ": success for " + std::get<2>(place) + " was told unasked");
  }
}

// What went over from one place to another, on both sides.
void Books::check_passages(const std::vector<Passage>& passages, const std::vector<SiteView>& sites, Ledgers& books) {
  struct Given {
    int answered = 0;              // "250": said
    Range heard{};                 // and arrived
  };
  std::map<std::tuple<SiteNumber, Key, Address>, Given> given;
  for (const Passage& passage : passages) {
    const Transfer& transfer = passage.transfer;
    if (transfer.reply != 0 && transfer.reply / 100 != 2) {
      if (passage.from == outside) ++refused;
      continue;
    }
    const bool sure = transfer.reply / 100 == 2;
    if (sure && passage.from == outside) ++books.report.accepted;
    const bool is_heard = transfer.reply_read || (passage.hidden && !passage.disturbed);
    if (!(sure && is_heard) && !passage.disturbed) {
      books.violation(of(transfer.key) + ": the reply to its end was lost, and nobody had a hand in it");
    }
    const bool is_relayed = passage.from != outside && passage.port == smtp_port;
    if (is_relayed && !passage.hidden && country_.habits(passage.from).asks_for_tls) {
      books.violation(of(transfer.key) + " went over in the clear, from a server that asks for TLS");
    }
    if (passage.hidden) ++books.report.encrypted;
    if (transfer.sender.empty() && !is_report(transfer.key) && !sent.at(transfer.key).sender.empty()) {
      books.violation(of(transfer.key) + " has lost its sender");
    }
    for (const Address& recipient : transfer.recipients) {
      // LMTP: a reply for each recipient, which nobody sees behind TLS.
      const bool is_guess = passage.hidden && passage.port == lmtp_port;
      auto& [least, most] = books.taken[{passage.to, transfer.key, recipient}];
      if (sure && !is_guess) ++least;
      ++most;
      if (country_.is_final(passage.to, recipient) && is_success_wanted(transfer.key, recipient)) {
        Range& to_confirm = books.to_confirm[{passage.to, transfer.key, recipient}];
        const bool is_doubted = std::ranges::any_of(sites, [&](const SiteView& one) { return one.site->is_unproven(transfer.key); });
        if (sure && !is_guess && !is_doubted) ++to_confirm.least;
        ++to_confirm.most;
      } else if (country_.redirected(passage.to, recipient) && is_success_wanted(transfer.key, recipient)) {
        ++books.to_confirm[{passage.to, transfer.key, recipient}].most;  // where it stays because it was passed on before
      }
      if (passage.from == outside || !sure) continue;
      Given& sum = given[{passage.from, transfer.key, recipient}];
      ++sum.answered;
      if (is_heard && !is_guess) ++sum.heard.least;
      if (is_heard || passage.hidden) ++sum.heard.most;
    }
  }
  for (const auto& [place, times] : books.handed_on) {
    const Given& sum = given[place];
    const auto& [site, key, address] = place;
    const std::string what = of(key) + " from site " + std::to_string(site) + " to " + address;
    if (times > sum.heard.most) books.violation(what + ": noted as delivered, and nobody has said so");
    const std::size_t unsettled = static_cast<std::size_t>(std::max(0, sum.heard.least - times));
    const auto view = std::ranges::find(sites, site, [](const SiteView& one) { return one.site->number(); });
    if (unsettled > view->site->restarts()) books.violation(what + ": sent again, though its delivery was known");
    books.report.doubled += static_cast<std::size_t>(std::max(0, sum.answered - times));
  }
  for (const auto& [place, sum] : given) {
    if (!books.handed_on.contains(place)) books.violation(of(std::get<1>(place)) + " was sent by a server that did not have it");
  }
}

// RFC 8617: whoever passed the message on sealed it, and the chain holds, unless one of them found that it did not, for want
// of an answer from the DNS.
void Books::check_seals(const Site::Mail& mail, Ledgers& books) {
  const std::size_t seals = count(mail.text, "ARC-Seal: ");
  if (seals == 0 || is_report(mail.key)) return;
  ++books.report.sealed;
  const mailauth::dkim::VerifierOptions options;
  const WallTime when = books.around.executor.wall_now();
  mailauth::arc::Verifier verifier(options, when);
  verifier.receive(mail.text);
  verifier.receive_end();
  for (;;) {
    const auto event = verifier.next_event();
    const auto* need = std::get_if<mailauth::NeedKey>(&event);
    if (need) verifier.decide(need->id, zone_.lookup(need->question));
    else break;
  }
  const auto& chain = verifier.chain();
  const bool is_broken_off = chain.status == mailauth::arc::ChainStatus::fail && mail.text.find("cv=fail") != std::string::npos;
  if (chain.status != mailauth::arc::ChainStatus::pass && (!is_broken_off || !books.is_dns_faulty)) {
    books.violation(of(mail.key) + ": its seals do not hold: " + chain.reason);
  }
}

// What a server took is in its mailboxes and went into its queue, as often as it took it, and nothing else did.
void Books::check_mailboxes(const SiteView& view, Ledgers& books) {
  const SiteNumber site = view.site->number();
  std::map<std::pair<Key, Target>, Range> expected;
  for (const auto& [place, range] : books.taken) {
    if (std::get<0>(place) != site) continue;
    const auto targets = country_.targets(site, std::get<2>(place));
    if (targets.empty() && range.least > 0) books.violation(of(std::get<1>(place)) + ": taken for nobody, " + std::get<2>(place));
    const Resident* redirected = country_.redirected(site, std::get<2>(place));
    for (const Target& target : targets) {
      auto& [least, most] = expected[{std::get<1>(place), target}];
      const bool may_stay = redirected && std::holds_alternative<Address>(target);
      least += may_stay ? std::min(range.least, 1) : range.least;
      most += range.most;
    }
    if (redirected && targets.size() == 1) {  // attack E2: what comes again stays
      expected[{std::get<1>(place), Target(redirected->place)}].most += std::max(0, range.most - 1);
      books.passed_or_kept.push_back({std::get<1>(place), targets.front(), Target(redirected->place), range});
    }
  }
  std::map<std::pair<Key, Target>, int> found;
  for (const auto& [place, mails] : view.stored.mailboxes) {
    for (const auto& mail : mails) {
      ++books.report.delivered;
      ++found[{mail.key, Target(place)}];
      check_seals(mail, books);
      const auto original = sent.find(mail.key);
      if (original != sent.end() && !is_as_sent(mail.text, original->second.text)) {
        books.violation(of(mail.key) + " at site " + std::to_string(site) + " is not as it was sent");
      }
    }
  }
  for (const auto& [place, times] : books.queued) {
    if (std::get<0>(place) == site) found[{std::get<1>(place), Target(std::get<2>(place))}] += times;
  }
  const auto name = [&](const std::pair<Key, Target>& what) {
    const auto* mailbox = std::get_if<Place>(&what.second);
    return of(what.first) + " at site " + std::to_string(site) + (mailbox ? " in mailbox " + std::to_string(*mailbox) : " for " + std::get<std::string>(what.second));
  };
  for (const auto& [what, times] : found) {
    const auto range = expected.find(what);
    if (range == expected.end()) books.violation(name(what) + ": nobody sent it there");
    else if (times > range->second.most) books.violation(name(what) + ": there " + std::to_string(times) + " times, taken " + std::to_string(range->second.most));
  }
  for (const auto& [key, passed, kept, range] : std::exchange(books.passed_or_kept, {})) {
    const int times = found[{key, passed}] + found[{key, kept}];
    const int most = expected[{key, passed}].most;  // others may send it there too
    if (times < range.least || times > most) {
      books.violation(name({key, passed}) + ": taken " + std::to_string(range.least) + " to " + std::to_string(most) +
                      " times, passed on or kept " + std::to_string(times));
    }
  }
  for (const auto& [what, range] : expected) {
    const auto times = found.find(what);
    if ((times == found.end() ? 0 : times->second) < range.least) books.violation(name(what) + ": taken " + std::to_string(range.least) + " times, and missing");
  }
}

}  // namespace keystonemail::sim
