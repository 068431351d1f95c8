// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Random acts, by seed, on the store and on a model of a few lines; after each, clients that follow by changes alone
// must know what a full listing says.
#include <doctest/doctest.h>

#include <map>
#include <optional>
#include <set>

#include "service/mailstore/store_fixture.hpp"
#include "support/sanitized.hpp"

using namespace keystonemail;
using conformance::MailDriver;
using mailstore::FlagAction;
using mailstore::SystemKeyword;

namespace {

struct ModelMessage {
  std::uint64_t email = 0;
  bool deleted = false;
};
struct Model {
  std::map<std::uint64_t, std::uint8_t> keywords;           // by email
  std::map<std::uint64_t, std::string> octets;
  std::map<mailstore::Uid, ModelMessage> mailbox[3];
  mailstore::Uid uid_next[3] = {1, 1, 1};
};

// What a client remembers that only asks for changes.
struct Follower {
  mailstore::ModSeq since = 0;
  std::map<mailstore::Uid, std::pair<std::uint8_t, bool>> rows;
};

class Run {
 public:
  Run(std::uint64_t seed, service::MailStoreOptions options) : s_(options), d_(std::in_place, s_.store(), s_.loop), random_(seed) {
    d_->create();
  }

  void step() {
    switch (random_.below(12)) {
      case 0: case 1: case 2: return append();
      case 3: return copy(false);
      case 4: return copy(true);
      case 5: case 6: case 7: return flags();
      case 8: case 9: return expunge();
      case 10: return reopen();
      default: return follow(static_cast<int>(random_.below(3)));
    }
  }

  void finish() {
    for (int i = 0; i < 3; ++i) {
      compare(i);
      follow(i);
    }
    const auto report = s_.loop.run_until(s_.mail->verify({}, Context{&s_.loop}));
    REQUIRE(report.has_value());
    for (const auto& finding : report->findings) FAIL_CHECK(finding.what);
    const auto repaired = s_.loop.run_until(s_.mail->repair({}, Context{&s_.loop}));
    REQUIRE(repaired.has_value());
    CHECK(s_.loop.run_until(s_.mail->verify({}, Context{&s_.loop}))->findings.empty());
    for (int i = 0; i < 3; ++i) compare(i);
  }

 private:
  static mailstore::MailboxId id(int mailbox) { return mailstore::MailboxId{static_cast<std::uint32_t>(mailbox + 1)}; }

  MailDriver::Uids some(int mailbox) {
    MailDriver::Uids uids;
    for (const auto& [uid, message] : model_.mailbox[mailbox]) {
      if (random_.below(4) == 0) uids.push_back(uid);
    }
    if (random_.below(5) == 0) uids.push_back(model_.uid_next[mailbox] + 3);
    return uids;
  }

  void append() {
    const int mailbox = static_cast<int>(random_.below(3));
    std::string octets = "Subject: n\r\n\r\n" + std::string(random_.below(random_.below(20) == 0 ? 30'000 : 300), 'z');
    mailstore::KeywordSet keywords;
    keywords.set_system_bits(static_cast<std::uint8_t>(random_.below(16)));
    const bool deleted = random_.below(6) == 0;
    const auto appended = d_->append(id(mailbox), octets, keywords, deleted);
    const auto email = static_cast<std::uint64_t>(appended.emails.front());
    REQUIRE(appended.uids.front() == model_.uid_next[mailbox]);
    model_.keywords[email] = keywords.system_bits();
    model_.octets[email] = std::move(octets);
    model_.mailbox[mailbox][model_.uid_next[mailbox]++] = {email, deleted};
  }

  void copy(bool move) {
    const int from = static_cast<int>(random_.below(3)), to = static_cast<int>(random_.below(3));
    auto uids = some(from);
    const auto done = move ? d_->must(d_->store.move(d_->account, id(from), uids, id(to), d_->context()))
                           : d_->must(d_->store.copy(d_->account, id(from), uids, id(to), d_->context()));
    std::erase_if(uids, [&](auto uid) { return !model_.mailbox[from].contains(uid); });
    std::size_t n = 0;
    for (const auto uid : uids) {
      const auto at = model_.mailbox[from].find(uid);
      const ModelMessage message = at->second;
      if (move) model_.mailbox[from].erase(at);
      REQUIRE(done.uids.at(n++) == std::pair(uid, model_.uid_next[to]));
      model_.mailbox[to][model_.uid_next[to]++] = message;
    }
    CHECK(n == done.uids.size());
  }

  void flags() {
    const int mailbox = static_cast<int>(random_.below(3));
    const auto uids = some(mailbox);
    mailstore::FlagChange change;
    change.action = static_cast<FlagAction>(random_.below(3));
    const auto bits = static_cast<std::uint8_t>(random_.below(16));
    change.keywords.set_system_bits(bits);
    change.deleted = random_.below(3) == 0;
    d_->must(d_->store.change_flags(d_->account, id(mailbox), uids, change, d_->context()));
    for (const auto uid : uids) {
      const auto at = model_.mailbox[mailbox].find(uid);
      if (at == model_.mailbox[mailbox].end()) continue;
      auto& kept = model_.keywords[at->second.email];
      kept = static_cast<std::uint8_t>(change.action == FlagAction::add      ? kept | bits
                                       : change.action == FlagAction::remove ? kept & ~bits
                                                                             : bits);
      if (change.action == FlagAction::replace) at->second.deleted = change.deleted;
      else if (change.deleted) at->second.deleted = change.action == FlagAction::add;
    }
    compare(mailbox);
  }

  void expunge() {
    const int mailbox = static_cast<int>(random_.below(3));
    const auto gone = d_->must(d_->store.expunge(d_->account, id(mailbox), mailstore::AllMessages{}, d_->context()));
    const std::set<mailstore::Uid> set(gone.begin(), gone.end());
    std::erase_if(model_.mailbox[mailbox], [&](const auto& entry) {
      REQUIRE(entry.second.deleted == set.contains(entry.first));
      return entry.second.deleted;
    });
    compare(mailbox);
  }

  void reopen() {
    s_.mail.reset();
    auto opened = s_.loop.run_until(
        service::KvMailStore::open(*s_.faulty_kv, *s_.faulty_blobs, s_.random, s_.options, Context{&s_.loop}));
    REQUIRE(opened.has_value());
    s_.mail = *std::move(opened);
    d_.emplace(s_.store(), s_.loop);
  }

  void compare(int mailbox) {
    const auto rows = d_->must(d_->store.messages(d_->account, id(mailbox), {}, 0, d_->context()));
    REQUIRE(rows.size() == model_.mailbox[mailbox].size());
    auto expected = model_.mailbox[mailbox].begin();
    std::uint32_t unseen = 0, deleted = 0;
    for (const auto& row : rows) {
      REQUIRE(row.uid == expected->first);
      REQUIRE(static_cast<std::uint64_t>(row.email) == expected->second.email);
      REQUIRE(row.keywords.system_bits() == model_.keywords[expected->second.email]);
      REQUIRE(row.deleted == expected->second.deleted);
      unseen += row.keywords.has(SystemKeyword::seen) ? 0 : 1;
      deleted += row.deleted ? 1 : 0;
      ++expected;
    }
    const auto m = d_->must(d_->store.mailbox(d_->account, id(mailbox), d_->context()));
    CHECK(m.messages == rows.size());
    CHECK(m.unseen == unseen);
    CHECK(m.deleted == deleted);
    CHECK(m.uid_next == model_.uid_next[mailbox]);
    compare_uids(mailbox, rows, m);
    if (!rows.empty()) {
      const auto& row = rows[random_.below(rows.size())];
      REQUIRE(d_->read(row.email) == model_.octets[static_cast<std::uint64_t>(row.email)]);
    }
  }

  void compare_uids(int mailbox, const std::vector<mailstore::MessageRow>& rows, const mailstore::Mailbox& m) {
    const auto there = d_->must(d_->store.uids(d_->account, id(mailbox), d_->context()));
    CHECK(there.uid_validity == m.uid_validity);
    CHECK(there.uid_next == m.uid_next);
    CHECK(there.highest_modseq == m.highest_modseq);
    const auto unseen = std::ranges::find_if(rows, [](const auto& row) { return !row.keywords.has(SystemKeyword::seen); });
    REQUIRE(there.first_unseen == (unseen == rows.end() ? 0 : unseen->uid));
    MailDriver::Uids listed, expected;
    for (std::size_t i = 0; i < there.uids.size(); ++i) {
      if (i > 0) REQUIRE(there.uids[i].first > there.uids[i - 1].last + 1);
      for (auto uid = there.uids[i].first; uid <= there.uids[i].last; ++uid) listed.push_back(uid);
    }
    for (const auto& row : rows) expected.push_back(row.uid);
    REQUIRE(listed == expected);
  }

  void follow(int mailbox) {
    Follower& follower = followers_[mailbox];
    const auto now = d_->must(d_->store.mailbox(d_->account, id(mailbox), d_->context())).highest_modseq;
    const auto gone = d_->run(d_->store.expunged(d_->account, id(mailbox), follower.since, d_->context()));
    if (!gone) {
      REQUIRE(gone.error().kind() == ErrorKind::not_found);
      follower = {};
    } else {
      for (const auto uid : *gone) follower.rows.erase(uid);
    }
    for (const auto& row : d_->must(d_->store.messages(d_->account, id(mailbox), {}, follower.since, d_->context()))) {
      REQUIRE(row.modseq > follower.since);
      follower.rows[row.uid] = {row.keywords.system_bits(), row.deleted};
    }
    follower.since = now;
    REQUIRE(follower.rows.size() == model_.mailbox[mailbox].size());
    for (const auto& [uid, message] : model_.mailbox[mailbox]) {
      REQUIRE(follower.rows.at(uid) == std::pair(model_.keywords[message.email], message.deleted));
    }
  }

  test::MemoryStore s_;
  std::optional<MailDriver> d_;
  SeededRandom random_;
  Model model_;
  Follower followers_[3];
};

}  // namespace

TEST_CASE("mail store: random acts agree with a model, and followers of changes with both") {
  for (std::uint64_t seed = 1; seed <= (test::sanitized ? 3U : 12U); ++seed) {
    CAPTURE(seed);
    service::MailStoreOptions options;
    if (seed % 3 == 0) options.log_rows_max = 40;  // so that the log is cut short now and then
    Run run(seed, options);
    for (int i = 0; i < 400; ++i) run.step();
    run.finish();
  }
}
