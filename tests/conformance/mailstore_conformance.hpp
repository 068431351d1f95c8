// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// What every mail store must do. Run it from a doctest TEST_CASE, with a fixture that gives an empty store:
//
//   struct Fixture {
//     keystonemail::mailstore::MailStore& store();
//     keystonemail::RunLoop loop;                // the executor of all calls
//   };
//   TEST_CASE("my store conforms to mailstore") { keystonemail::conformance::mailstore<Fixture>(); }
#pragma once

#include <doctest/doctest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "keystonemail/base/executor.hpp"
#include "keystonemail/mailstore/mailstore.hpp"
#include "keystonemail/mime/summary.hpp"

namespace keystonemail::conformance {

using mailstore::FlagAction;
using mailstore::SystemKeyword;

// A synchronous face of a store and one account of it: each call runs the loop until its task is done.
class MailDriver {
 public:
  using Uids = std::vector<mailstore::Uid>;

  MailDriver(mailstore::MailStore& store, RunLoop& loop, mailstore::AccountId id = mailstore::AccountId{7})
      : store(store), loop(loop), account(id) {}

  Context context() { return Context{&loop}; }
  template <class T>
  T run(Task<T> task) {
    return loop.run_until(std::move(task));
  }
  // The value of a call that must succeed.
  template <class T>
  T must(Task<Result<T>> task) {
    auto result = loop.run_until(std::move(task));
    if (!result) FAIL(result.error().describe());
    return *std::move(result);
  }
  void must(Task<Result<void>> task) {
    auto result = loop.run_until(std::move(task));
    if (!result) FAIL(result.error().describe());
  }
  template <class T>
  ErrorKind error(Task<Result<T>> task) {
    const auto result = loop.run_until(std::move(task));
    REQUIRE(!result.has_value());
    return result.error().kind();
  }

  void create(mailstore::Quota limits = {}) { must(store.create_account(account, limits, context())); }
  mailstore::Mailbox find(std::string path) { return must(store.find_mailbox(account, path, context())); }
  mailstore::MailboxId id(std::string path) { return find(std::move(path)).id; }
  mailstore::Mailbox make(std::string path) {
    mailstore::NewMailbox request;
    request.path = std::move(path);
    return must(store.create_mailbox(account, request, context()));
  }

  std::shared_ptr<mailstore::StagedMessage> stage(std::string_view octets, std::size_t piece = 4096) {
    auto writer = store.create_message();
    REQUIRE(writer.has_value());
    for (std::size_t at = 0; at < octets.size(); at += piece) must((*writer)->write(octets.substr(at, piece), context()));
    return must((*writer)->finish(context()));
  }
  mailstore::Appended append(mailstore::MailboxId mailbox, std::string_view octets, mailstore::KeywordSet keywords = {},
                             bool deleted = false) {
    mailstore::NewMessage message;
    message.message = stage(octets);
    message.keywords = std::move(keywords);
    message.deleted = deleted;
    return must(store.append(account, mailbox, {&message, 1}, context()));
  }
  mailstore::Uid add(std::string path, std::string_view octets = "Subject: hello\r\n\r\nHello.\r\n") {
    return append(id(std::move(path)), octets).uids.front();
  }
  std::vector<mailstore::MessageRow> rows(std::string path, mailstore::ModSeq since = 0, mailstore::UidRange uids = {}) {
    return must(store.messages(account, id(std::move(path)), uids, since, context()));
  }
  Uids uids(std::string path, mailstore::ModSeq since = 0) {
    Uids all;
    for (const auto& row : rows(std::move(path), since)) all.push_back(row.uid);
    return all;
  }
  // "1-3 7-7": what a session is told there is.
  std::string runs(std::string path) {
    std::string text;
    for (const auto& range : must(store.uids(account, id(std::move(path)), context())).uids) {
      text.append(text.empty() ? "" : " ").append(std::to_string(range.first)).append("-").append(std::to_string(range.last));
    }
    return text;
  }
  mailstore::Uid first_unseen(std::string path) { return must(store.uids(account, id(std::move(path)), context())).first_unseen; }
  Uids expunged(std::string path, mailstore::ModSeq since) {
    return must(store.expunged(account, id(std::move(path)), since, context()));
  }
  mailstore::MessageRow row(std::string path, mailstore::Uid uid) {
    const auto all = rows(std::move(path), 0, {uid, uid});
    REQUIRE(all.size() == 1);
    return all.front();
  }
  std::string read(mailstore::EmailId email, std::size_t piece = SIZE_MAX) {
    auto reader = must(store.open(account, email, context()));
    std::string octets;
    while (octets.size() < reader->octets()) {
      const auto got = must(reader->read(octets.size(), std::min<std::size_t>(piece, reader->octets()), context()));
      REQUIRE(!got.empty());
      octets.append(got);
    }
    return octets;
  }
  mailstore::FlagsChanged flags(std::string path, Uids uids, FlagAction action, std::vector<SystemKeyword> keywords,
                                bool deleted = false, std::optional<mailstore::ModSeq> unchanged_since = {}) {
    mailstore::FlagChange change{.action = action, .keywords = {}, .deleted = deleted, .unchanged_since = unchanged_since};
    for (const auto keyword : keywords) change.keywords.set(keyword);
    return must(store.change_flags(account, id(std::move(path)), uids, change, context()));
  }
  Uids expunge(std::string path) {
    return must(store.expunge(account, id(std::move(path)), mailstore::AllMessages{}, context()));
  }
  mailstore::Copied copy(std::string from, Uids uids, std::string to) {
    return must(store.copy(account, id(std::move(from)), uids, id(std::move(to)), context()));
  }
  mailstore::Copied move(std::string from, Uids uids, std::string to) {
    return must(store.move(account, id(std::move(from)), uids, id(std::move(to)), context()));
  }
  mailstore::ModSeq modseq() { return must(store.account(account, context())).modseq; }
  mailstore::Quota quota() { return must(store.account(account, context())).quota; }
  std::string paths() {
    std::string all;
    for (const auto& m : must(store.mailboxes(account, context()))) all.append(all.empty() ? "" : " ").append(m.path);
    return all;
  }

  mailstore::MailStore& store;
  RunLoop& loop;
  mailstore::AccountId account;
};

inline constexpr std::string_view sample =
    "From: Anna <anna@example.com>\r\nTo: bob@example.net\r\nSubject: lunch\r\nMessage-ID: <one@example.com>\r\n"
    "Date: Mon, 5 Jan 2026 12:00:00 +0100\r\n\r\nAt noon?\r\n";

inline std::string reply_to(std::string_view id, std::string_view own, std::string_view subject = "Re: lunch") {
  return std::string("Subject: ").append(subject).append("\r\nMessage-ID: <").append(own).append(">\r\nIn-Reply-To: <")
      .append(id).append(">\r\nReferences: <").append(id).append(">\r\n\r\nYes.\r\n");
}

inline void mailstore_accounts(MailDriver& d) {
  SUBCASE("mailstore: a new account has the special mailboxes") {
    d.create();
    CHECK(d.paths() == "Archive Drafts INBOX Junk Sent Trash");
    CHECK(d.find("Sent").role == mailstore::Role::sent);
    CHECK(d.find("inbox").role == mailstore::Role::inbox);
    CHECK(d.find("INBOX").uid_next == 1);
    CHECK(d.find("INBOX").uid_validity > 0);
    CHECK(d.find("Trash").subscribed);
  }
  SUBCASE("mailstore: an account is made once") {
    d.create();
    CHECK(d.error(d.store.create_account(d.account, {}, d.context())) == ErrorKind::conflict);
  }
  SUBCASE("mailstore: calls for an account that is not there say so") {
    CHECK(d.error(d.store.account(d.account, d.context())) == ErrorKind::not_found);
    CHECK(d.error(d.store.mailboxes(d.account, d.context())) == ErrorKind::not_found);
    CHECK(d.error(d.store.remove_account(d.account, d.context())) == ErrorKind::not_found);
  }
  SUBCASE("mailstore: a removed account leaves nothing, and its number can be used again") {
    d.create();
    const auto email = d.append(d.id("INBOX"), sample).emails.front();
    CHECK(d.runs("INBOX") == "1-1");
    d.must(d.store.remove_account(d.account, d.context()));
    CHECK(d.error(d.store.open(d.account, email, d.context())) == ErrorKind::not_found);
    d.create();
    CHECK(d.uids("INBOX").empty());
    CHECK(d.runs("INBOX").empty());
    CHECK(d.quota().octets_used == 0);
  }
  SUBCASE("mailstore: accounts do not see each other") {
    d.create();
    MailDriver other(d.store, d.loop, mailstore::AccountId{8});
    other.create();
    d.add("INBOX");
    CHECK(other.uids("INBOX").empty());
    CHECK(other.modseq() < d.modseq());
    other.must(other.store.remove_account(other.account, other.context()));
    CHECK(d.uids("INBOX") == MailDriver::Uids{1});
  }
}

inline void mailstore_mailboxes(MailDriver& d) {
  d.create();
  SUBCASE("mailstore: a mailbox is made with its parents and found by path") {
    const auto made = d.make("a/b/c");
    CHECK(made.path == "a/b/c");
    CHECK(made.name == "c");
    CHECK(d.find("a/b").id == made.parent);
    CHECK(d.paths() == "Archive Drafts INBOX Junk Sent Trash a a/b a/b/c");
  }
  SUBCASE("mailstore: a mailbox below INBOX has INBOX in capitals") {
    CHECK(d.make("inbox/x").path == "INBOX/x");
    CHECK(d.find("Inbox/x").path == "INBOX/x");
    CHECK(d.error(d.store.find_mailbox(d.account, "INBOX/X", d.context())) == ErrorKind::not_found);
  }
  SUBCASE("mailstore: names with control characters, empty levels or broken UTF-8 are refused") {
    for (const std::string& path : {std::string("a\nb"), std::string("a\0b", 3), std::string("a//b"), std::string("/a"),
                                   std::string("a/"), std::string(), std::string("\xff"), std::string("a\x7f")}) {
      CAPTURE(path);
      mailstore::NewMailbox request;
      request.path = path;
      CHECK(d.error(d.store.create_mailbox(d.account, request, d.context())) == ErrorKind::invalid);
    }
  }
  SUBCASE("mailstore: a decomposed name is the same mailbox as the composed one") {
    const auto made = d.make("Entwu\xcc\x88rfe");
    CHECK(made.name == "Entw\xc3\xbcrfe");
    CHECK(d.id("Entw\xc3\xbcrfe") == made.id);
    CHECK(d.id("Entwu\xcc\x88rfe") == made.id);
  }
  SUBCASE("mailstore: names that are too long or too deep are refused") {
    mailstore::NewMailbox request;
    request.path = std::string(256, 'a');
    CHECK(d.error(d.store.create_mailbox(d.account, request, d.context())) == ErrorKind::too_large);
    request.path = "a";
    for (int i = 0; i < 16; ++i) request.path += "/a";
    CHECK(d.error(d.store.create_mailbox(d.account, request, d.context())) == ErrorKind::too_large);
  }
  SUBCASE("mailstore: a name and a special use are given once") {
    d.make("a");
    mailstore::NewMailbox request;
    request.path = "a";
    CHECK(d.error(d.store.create_mailbox(d.account, request, d.context())) == ErrorKind::conflict);
    request.path = "b";
    request.role = mailstore::Role::sent;
    CHECK(d.error(d.store.create_mailbox(d.account, request, d.context())) == ErrorKind::conflict);
  }
  SUBCASE("mailstore: rename takes the children along and keeps ids, UIDs and UIDVALIDITY") {
    const auto made = d.make("a/b/c");
    d.add("a/b/c");
    d.must(d.store.rename_mailbox(d.account, d.id("a/b"), "x/y", d.context()));
    CHECK(d.find("x/y/c").id == made.id);
    CHECK(d.find("x/y/c").uid_validity == made.uid_validity);
    CHECK(d.uids("x/y/c") == MailDriver::Uids{1});
    CHECK(d.error(d.store.find_mailbox(d.account, "a/b", d.context())) == ErrorKind::not_found);
    CHECK(d.find("a").name == "a");
  }
  SUBCASE("mailstore: a mailbox cannot be renamed below itself, onto another, or too deep") {
    d.make("a/b/c");
    d.make("d");
    CHECK(d.error(d.store.rename_mailbox(d.account, d.id("a"), "a/b/x", d.context())) == ErrorKind::invalid);
    CHECK(d.error(d.store.rename_mailbox(d.account, d.id("a"), "d", d.context())) == ErrorKind::conflict);
    std::string deep = "z";
    for (int i = 0; i < 14; ++i) deep += "/z";
    CHECK(d.error(d.store.rename_mailbox(d.account, d.id("a"), deep, d.context())) == ErrorKind::too_large);
    CHECK(d.find("a/b/c").name == "c");
  }
  SUBCASE("mailstore: renaming INBOX moves its messages and leaves it with its children") {
    d.make("INBOX/child");
    d.add("INBOX");
    d.add("INBOX");
    d.must(d.store.rename_mailbox(d.account, d.id("INBOX"), "old", d.context()));
    CHECK(d.uids("old").size() == 2);
    CHECK(d.uids("INBOX").empty());
    CHECK(d.find("INBOX/child").path == "INBOX/child");
    CHECK(d.add("INBOX") == 3);
  }
  SUBCASE("mailstore: a removed mailbox takes its messages with it; INBOX and parents stay") {
    d.make("a/b");
    d.add("a/b");
    CHECK(d.error(d.store.remove_mailbox(d.account, d.id("INBOX"), d.context())) == ErrorKind::denied);
    CHECK(d.error(d.store.remove_mailbox(d.account, d.id("a"), d.context())) == ErrorKind::conflict);
    const auto validity = d.find("a/b").uid_validity;
    d.must(d.store.remove_mailbox(d.account, d.id("a/b"), d.context()));
    CHECK(d.quota().messages_used == 0);
    CHECK(d.quota().octets_used == 0);
    CHECK(d.make("a/b").uid_validity > validity);
    CHECK(d.uids("a/b").empty());
  }
  SUBCASE("mailstore: subscription is kept and changes the mailbox's modseq") {
    const auto before = d.find("Sent");
    d.must(d.store.set_subscribed(d.account, before.id, false, d.context()));
    CHECK(!d.find("Sent").subscribed);
    CHECK(d.find("Sent").modseq > before.modseq);
    CHECK(d.find("Sent").highest_modseq == before.highest_modseq);
  }
  const auto kept = [&] { return d.must(d.store.kept_subscriptions(d.account, d.context())); };
  using Names = std::vector<std::string>;
  SUBCASE("mailstore: a name stays subscribed to when its mailbox is removed, until it is forgotten or has a mailbox again") {
    d.make("a/b");
    d.make("quiet");
    d.must(d.store.set_subscribed(d.account, d.id("quiet"), false, d.context()));
    d.must(d.store.remove_mailbox(d.account, d.id("quiet"), d.context()));
    CHECK(kept().empty());
    d.must(d.store.remove_mailbox(d.account, d.id("a/b"), d.context()));
    d.must(d.store.remove_mailbox(d.account, d.id("a"), d.context()));
    CHECK(kept() == Names{"a", "a/b"});
    d.must(d.store.create_mailbox(d.account, {.path = "a", .subscribed = false}, d.context()));
    CHECK(d.find("a").subscribed);
    CHECK(kept() == Names{"a/b"});
    const auto before = d.must(d.store.account(d.account, d.context())).modseq;
    d.must(d.store.forget_subscription(d.account, "a/b", d.context()));
    CHECK(kept().empty());
    CHECK(d.must(d.store.account(d.account, d.context())).modseq > before);
    CHECK(d.error(d.store.forget_subscription(d.account, "a/b", d.context())) == ErrorKind::not_found);
    CHECK(d.error(d.store.forget_subscription(d.account, "a", d.context())) == ErrorKind::not_found);
    d.must(d.store.create_mailbox(d.account, {.path = "a/b", .subscribed = false}, d.context()));
    CHECK(!d.find("a/b").subscribed);
  }
  SUBCASE("mailstore: a renamed mailbox stays subscribed to, and so do the names that it and those below it had") {
    d.make("a/b/c");
    d.must(d.store.set_subscribed(d.account, d.id("a"), false, d.context()));
    d.must(d.store.rename_mailbox(d.account, d.id("a"), "n/m", d.context()));
    CHECK(kept() == Names{"a/b", "a/b/c"});
    CHECK(!d.find("n/m").subscribed);
    CHECK(d.find("n/m/b").subscribed);
    d.must(d.store.set_subscribed(d.account, d.id("n/m/b/c"), false, d.context()));
    d.must(d.store.rename_mailbox(d.account, d.id("n/m"), "a", d.context()));
    CHECK(kept() == Names{"n/m/b"});
    CHECK(d.find("a/b/c").subscribed);
    CHECK(!d.find("a").subscribed);
  }
  SUBCASE("mailstore: of the names kept the oldest are forgotten") {
    const auto most = mailstore::limits::kept_subscriptions_max;
    constexpr std::size_t at_once = 100;
    static_assert(mailstore::limits::kept_subscriptions_max % at_once == 0);
    const auto id = d.make("0").id;
    for (std::size_t i = 1; i < at_once; ++i) d.make("0/" + std::to_string(i));
    const std::size_t renames = most / at_once + 1;
    for (std::size_t i = 1; i <= renames; ++i) d.must(d.store.rename_mailbox(d.account, id, std::to_string(i), d.context()));
    const auto names = kept();
    CHECK(names.size() == most);
    CHECK(std::ranges::none_of(names, [](const std::string& name) { return name == "0" || name.starts_with("0/"); }));
    CHECK(std::ranges::count(names, "1") == 1);
    CHECK(std::ranges::count(names, "1/99") == 1);
    CHECK(std::ranges::count(names, std::to_string(renames - 1)) == 1);
  }
  SUBCASE("mailstore: keyword numbers are stable and compared without case") {
    const std::vector<std::string> names{"$Forwarded", "Work"};
    const auto numbers = d.must(d.store.keyword_numbers(d.account, names, d.context()));
    const std::vector<std::string> again{"work", "$forwarded", "new"};
    const auto more = d.must(d.store.keyword_numbers(d.account, again, d.context()));
    CHECK(more[0] == numbers[1]);
    CHECK(more[1] == numbers[0]);
    const auto known = d.must(d.store.keyword_names(d.account, d.context()));
    CHECK(known.at(numbers[1]) == "Work");
    CHECK(known.at(more[2]) == "new");
    const std::vector<std::string> bad{"a b"};
    CHECK(d.error(d.store.keyword_numbers(d.account, bad, d.context())) == ErrorKind::invalid);
  }
}

inline void mailstore_messages(MailDriver& d) {
  d.create();
  SUBCASE("mailstore: what is appended is read back, with its summary, size and dates") {
    mailstore::NewMessage message;
    message.message = d.stage(sample, 7);
    message.keywords.set(SystemKeyword::seen);
    message.received = WallTime(std::chrono::milliseconds(1234567));
    const auto appended = d.must(d.store.append(d.account, d.id("INBOX"), {&message, 1}, d.context()));
    CHECK(appended.uid_validity == d.find("INBOX").uid_validity);
    const auto row = d.row("INBOX", appended.uids.front());
    CHECK(row.octets == sample.size());
    CHECK(row.received == *message.received);
    CHECK(row.keywords.has(SystemKeyword::seen));
    CHECK(!row.deleted);
    CHECK(row.modseq == appended.modseq);
    CHECK(d.read(row.email) == sample);
    CHECK(d.read(row.email, 5) == sample);
    const std::vector<mailstore::EmailId> ids{row.email, mailstore::EmailId{999}};
    const auto summaries = d.must(d.store.summaries(d.account, ids, d.context()));
    REQUIRE(summaries.size() == 2);
    CHECK(mime::Summary(summaries[0]).envelope().subject == "lunch");
    CHECK(summaries[1].empty());
  }
  SUBCASE("mailstore: an empty message and one of odd octets are messages too") {
    for (const std::string& octets : {std::string(), std::string("\0\xff\r\n\n", 5), std::string("x")}) {
      CHECK(d.read(d.append(d.id("INBOX"), octets).emails.front()) == octets);
    }
  }
  SUBCASE("mailstore: UIDs ascend and are never used again") {
    CHECK(d.add("INBOX") == 1);
    CHECK(d.add("INBOX") == 2);
    d.flags("INBOX", {2}, FlagAction::add, {}, true);
    CHECK(d.expunge("INBOX") == MailDriver::Uids{2});
    CHECK(d.find("INBOX").uid_next == 3);
    CHECK(d.add("INBOX") == 3);
  }
  SUBCASE("mailstore: several messages are appended together, or none") {
    std::vector<mailstore::NewMessage> messages(3);
    for (auto& message : messages) message.message = d.stage(sample);
    const auto appended = d.must(d.store.append(d.account, d.id("INBOX"), messages, d.context()));
    CHECK(appended.uids == MailDriver::Uids{1, 2, 3});
    CHECK(std::ranges::is_sorted(appended.emails));
    CHECK(d.error(d.store.append(d.account, mailstore::MailboxId{99}, messages, d.context())) == ErrorKind::not_found);
    CHECK(d.find("INBOX").messages == 3);
    CHECK(d.find("INBOX").unseen == 3);
    CHECK(d.find("INBOX").octets == 3 * sample.size());
  }
  SUBCASE("mailstore: a message over quota changes nothing") {
    d.must(d.store.set_quota(d.account, {.octets_limit = sample.size() * 2, .messages_limit = 5}, d.context()));
    d.append(d.id("INBOX"), sample);
    std::vector<mailstore::NewMessage> two(2);
    for (auto& message : two) message.message = d.stage(sample);
    const auto modseq = d.modseq();
    CHECK(d.error(d.store.append(d.account, d.id("INBOX"), two, d.context())) == ErrorKind::over_quota);
    CHECK(d.modseq() == modseq);
    CHECK(d.uids("INBOX") == MailDriver::Uids{1});
    const MailDriver::Uids all{1};
    d.copy("INBOX", all, "Sent");
    CHECK(d.error(d.store.copy(d.account, d.id("INBOX"), all, d.id("Sent"), d.context())) == ErrorKind::over_quota);
    CHECK(d.quota().octets_used == 2 * sample.size());
    CHECK(d.quota().messages_used == 2);
    d.move("INBOX", all, "Sent");
    CHECK(d.quota().messages_used == 2);
  }
  SUBCASE("mailstore: a range of UIDs is listed alone") {
    for (int i = 0; i < 5; ++i) d.add("INBOX");
    CHECK(d.rows("INBOX", 0, {2, 3}).size() == 2);
    CHECK(d.rows("INBOX", 0, {6, 9}).empty());
    CHECK(d.rows("INBOX", 0, {4, UINT32_MAX}).size() == 2);
  }
  SUBCASE("mailstore: answers join the thread of what they answer; another subject starts its own") {
    d.add("INBOX", sample);
    d.add("INBOX", reply_to("one@example.com", "two@example.com"));
    d.add("INBOX", reply_to("two@example.com", "three@example.com"));
    d.add("INBOX", reply_to("one@example.com", "four@example.com", "dinner"));
    const auto rows = d.rows("INBOX");
    CHECK(rows[1].thread == rows[0].thread);
    CHECK(rows[2].thread == rows[0].thread);
    CHECK(rows[3].thread != rows[0].thread);
    CHECK(static_cast<std::uint64_t>(rows[0].thread) == static_cast<std::uint64_t>(rows[0].email));
  }
  SUBCASE("mailstore: answers to a message that never came find each other") {
    d.add("INBOX", reply_to("lost@example.com", "two@example.com"));
    d.add("INBOX", reply_to("lost@example.com", "three@example.com"));
    const auto rows = d.rows("INBOX");
    CHECK(rows[1].thread == rows[0].thread);
  }
  SUBCASE("mailstore: a reader of a message that goes meanwhile says so or ends whole") {
    const std::string large = "Subject: x\r\n\r\n" + std::string(300'000, 'a') + "\r\n";
    const auto appended = d.append(d.id("INBOX"), large, {}, true);
    auto reader = d.must(d.store.open(d.account, appended.emails.front(), d.context()));
    d.expunge("INBOX");
    const auto got = d.run(reader->read(0, SIZE_MAX, d.context()));
    if (got) CHECK(*got == large);
    else CHECK(got.error().kind() == ErrorKind::not_found);
  }
}

inline void mailstore_changes(MailDriver& d) {
  d.create();
  SUBCASE("mailstore: the UIDs of a mailbox are told as runs, with the state they are of") {
    CHECK(d.runs("INBOX").empty());
    for (int i = 0; i < 6; ++i) d.add("INBOX");
    CHECK(d.runs("INBOX") == "1-6");
    d.flags("INBOX", {1, 3, 4, 6}, FlagAction::add, {}, true);
    CHECK(d.runs("INBOX") == "1-6");
    d.expunge("INBOX");
    CHECK(d.runs("INBOX") == "2-2 5-5");
    d.add("INBOX");
    d.add("INBOX");
    CHECK(d.runs("INBOX") == "2-2 5-5 7-8");
    const auto mailbox = d.find("INBOX");
    const auto there = d.must(d.store.uids(d.account, mailbox.id, d.context()));
    CHECK(there.uid_validity == mailbox.uid_validity);
    CHECK(there.uid_next == 9);
    CHECK(there.highest_modseq == mailbox.highest_modseq);
    CHECK(d.error(d.store.uids(d.account, mailstore::MailboxId{99}, d.context())) == ErrorKind::not_found);
  }
  SUBCASE("mailstore: the first message without \\Seen is known through all that may move it") {
    CHECK(d.first_unseen("INBOX") == 0);
    for (int i = 0; i < 5; ++i) d.add("INBOX");
    CHECK(d.first_unseen("INBOX") == 1);
    d.flags("INBOX", {1, 2}, FlagAction::add, {SystemKeyword::seen});
    CHECK(d.first_unseen("INBOX") == 3);
    d.flags("INBOX", {5}, FlagAction::add, {SystemKeyword::seen});
    CHECK(d.first_unseen("INBOX") == 3);
    d.flags("INBOX", {3}, FlagAction::add, {}, true);
    d.expunge("INBOX");
    CHECK(d.first_unseen("INBOX") == 4);
    d.flags("INBOX", {2}, FlagAction::remove, {SystemKeyword::seen});
    CHECK(d.first_unseen("INBOX") == 2);
    d.flags("INBOX", {2, 4}, FlagAction::add, {SystemKeyword::seen});
    CHECK(d.first_unseen("INBOX") == 0);
    d.add("INBOX");
    CHECK(d.first_unseen("INBOX") == 6);
  }
  SUBCASE("mailstore: flags change, and every change has a greater modseq") {
    for (int i = 0; i < 3; ++i) d.add("INBOX");
    const auto before = d.modseq();
    const auto changed = d.flags("INBOX", {1, 3, 9}, FlagAction::add, {SystemKeyword::seen});
    CHECK(changed.modseq > before);
    CHECK(changed.changed.size() == 2);
    CHECK(d.uids("INBOX", before) == MailDriver::Uids{1, 3});
    CHECK(d.find("INBOX").highest_modseq == changed.modseq);
    CHECK(d.find("INBOX").unseen == 1);
    CHECK(d.row("INBOX", 1).modseq == changed.modseq);
    CHECK(d.flags("INBOX", {1}, FlagAction::add, {SystemKeyword::seen}).changed.empty());
    CHECK(d.modseq() == changed.modseq);
    d.flags("INBOX", {1}, FlagAction::remove, {SystemKeyword::seen});
    CHECK(d.find("INBOX").unseen == 2);
    d.flags("INBOX", {1}, FlagAction::replace, {SystemKeyword::flagged, SystemKeyword::answered}, true);
    CHECK(d.find("INBOX").deleted == 1);
    CHECK(d.row("INBOX", 1).keywords.has(SystemKeyword::flagged));
    d.flags("INBOX", {1}, FlagAction::replace, {});
    CHECK(d.find("INBOX").deleted == 0);
    CHECK(!d.row("INBOX", 1).keywords.has(SystemKeyword::flagged));
  }
  SUBCASE("mailstore: user keywords are added, removed and replaced") {
    d.add("INBOX");
    const std::vector<std::string> names{"a", "b"};
    const auto numbers = d.must(d.store.keyword_numbers(d.account, names, d.context()));
    mailstore::FlagChange change;
    change.keywords.add(numbers[0]);
    change.keywords.add(numbers[1]);
    const MailDriver::Uids uids{1};
    d.must(d.store.change_flags(d.account, d.id("INBOX"), uids, change, d.context()));
    CHECK(d.row("INBOX", 1).keywords.numbers().size() == 2);
    change.keywords.remove(numbers[1]);
    change.action = FlagAction::remove;
    d.must(d.store.change_flags(d.account, d.id("INBOX"), uids, change, d.context()));
    CHECK(d.row("INBOX", 1).keywords.numbers() == std::vector<mailstore::KeywordNumber>{numbers[1]});
    change.action = FlagAction::replace;
    d.must(d.store.change_flags(d.account, d.id("INBOX"), uids, change, d.context()));
    CHECK(d.row("INBOX", 1).keywords.numbers() == std::vector<mailstore::KeywordNumber>{numbers[0]});
  }
  SUBCASE("mailstore: unchanged_since refuses what was modified later and changes the rest") {
    d.add("INBOX");
    d.add("INBOX");
    const auto since = d.modseq();
    d.flags("INBOX", {2}, FlagAction::add, {SystemKeyword::answered});
    const auto changed = d.flags("INBOX", {1, 2}, FlagAction::replace, {SystemKeyword::seen}, false, since);
    CHECK(changed.refused == MailDriver::Uids{2});
    REQUIRE(changed.changed.size() == 1);
    CHECK(changed.changed.front().uid == 1);
    CHECK(!d.row("INBOX", 2).keywords.has(SystemKeyword::seen));
  }
  SUBCASE("mailstore: unchanged_since refuses no flag that others have left alone (RFC 7162 §3.1.12)") {
    d.add("INBOX");
    const auto since = d.modseq();
    d.flags("INBOX", {1}, FlagAction::add, {SystemKeyword::answered}, true);
    const auto refused = [&](FlagAction action, std::initializer_list<SystemKeyword> keywords, bool deleted, mailstore::ModSeq modseq) {
      return !d.flags("INBOX", {1}, action, keywords, deleted, modseq).refused.empty();
    };
    CHECK(refused(FlagAction::add, {SystemKeyword::answered}, false, since));
    CHECK(refused(FlagAction::add, {}, true, since));
    CHECK(refused(FlagAction::add, {SystemKeyword::seen, SystemKeyword::answered}, false, since));
    CHECK(refused(FlagAction::remove, {SystemKeyword::answered}, false, since));
    CHECK(refused(FlagAction::remove, {}, true, since));
    CHECK(refused(FlagAction::add, {SystemKeyword::seen}, false, 0));  // §3.1.3: a system flag is always there
    CHECK(refused(FlagAction::remove, {SystemKeyword::seen}, false, 0));
    CHECK_FALSE(refused(FlagAction::remove, {SystemKeyword::seen}, false, since));  // not there, as before
    CHECK_FALSE(refused(FlagAction::add, {SystemKeyword::seen}, false, since));
    const auto later = d.modseq();
    d.flags("INBOX", {1}, FlagAction::remove, {SystemKeyword::seen});
    CHECK(refused(FlagAction::add, {SystemKeyword::seen}, false, later));  // another has taken away what it is to set
    CHECK(refused(FlagAction::remove, {SystemKeyword::seen}, false, later));
    CHECK_FALSE(refused(FlagAction::add, {SystemKeyword::answered}, true, later));  // set since long
    CHECK_FALSE(refused(FlagAction::remove, {SystemKeyword::answered}, true, later));
    CHECK(d.row("INBOX", 1).keywords == mailstore::KeywordSet{});
    CHECK(!d.row("INBOX", 1).deleted);

    const std::vector<std::string> names{"$Processed", "$Other"};
    const auto numbers = d.must(d.store.keyword_numbers(d.account, names, d.context()));
    const MailDriver::Uids uids{1};
    const auto keyword_refused = [&](FlagAction action, std::size_t number, mailstore::ModSeq modseq) {
      mailstore::FlagChange change{.action = action, .unchanged_since = modseq};
      change.keywords.add(numbers[number]);
      return !d.must(d.store.change_flags(d.account, d.id("INBOX"), uids, change, d.context())).refused.empty();
    };
    CHECK_FALSE(keyword_refused(FlagAction::add, 0, 0));  // §3.1.3: a test for its presence
    CHECK(keyword_refused(FlagAction::add, 0, 0));
    CHECK(keyword_refused(FlagAction::remove, 0, 0));
    CHECK_FALSE(keyword_refused(FlagAction::remove, 1, 0));
    CHECK(keyword_refused(FlagAction::add, 0, later));
    CHECK_FALSE(keyword_refused(FlagAction::add, 1, later));
    CHECK_FALSE(keyword_refused(FlagAction::remove, 0, d.modseq()));
    CHECK(keyword_refused(FlagAction::add, 0, later));
  }
  SUBCASE("mailstore: unchanged_since looks at each flag of each message, wherever it was changed") {
    d.add("INBOX");
    d.add("INBOX");
    const auto since = d.modseq();
    // In one operation: the first had \Seen, so only \Flagged is new with it.
    d.flags("INBOX", {1}, FlagAction::add, {SystemKeyword::seen});
    const auto between = d.modseq();
    d.flags("INBOX", {1, 2}, FlagAction::add, {SystemKeyword::seen, SystemKeyword::flagged});
    const auto changed = d.flags("INBOX", {1, 2}, FlagAction::remove, {SystemKeyword::seen}, false, between);
    CHECK(changed.refused == MailDriver::Uids{2});
    // A message that came later: its system flags are as new as it is.
    d.add("INBOX");
    CHECK(d.flags("INBOX", {3}, FlagAction::add, {SystemKeyword::seen}, false, since).refused == MailDriver::Uids{3});
    // The keywords of a copy change with it, its \Deleted does not.
    d.copy("INBOX", {3}, "Sent");
    const auto copied = d.modseq();
    d.flags("Sent", {1}, FlagAction::add, {SystemKeyword::draft}, true);
    CHECK(d.flags("INBOX", {3}, FlagAction::remove, {SystemKeyword::draft}, false, copied).refused == MailDriver::Uids{3});
    CHECK(d.flags("INBOX", {3}, FlagAction::add, {SystemKeyword::answered}, true, copied).refused.empty());
    CHECK(d.flags("Sent", {1}, FlagAction::remove, {}, true, copied).refused == MailDriver::Uids{1});
    CHECK(d.flags("Sent", {1}, FlagAction::remove, {SystemKeyword::flagged}, true, d.modseq()).refused.empty());
  }
  SUBCASE("mailstore: a change of flags tells what it overtook, and which rows changed along with those asked for") {
    d.add("INBOX");
    d.add("INBOX");
    d.copy("INBOX", {1}, "INBOX");
    d.copy("INBOX", {1}, "Sent");
    mailstore::FlagChange change{.seen = d.modseq()};
    change.keywords.set(SystemKeyword::seen);
    d.flags("INBOX", {2}, FlagAction::add, {SystemKeyword::flagged});
    const MailDriver::Uids both{1, 2};
    const auto done = d.must(d.store.change_flags(d.account, d.id("INBOX"), both, change, d.context()));
    CHECK(done.overtaken == MailDriver::Uids{2});
    CHECK((done.before == change.seen + 1 || done.before == UINT64_MAX));
    REQUIRE(done.along.size() == 1);
    CHECK(done.along.front().uid == 3);
    CHECK(done.along.front().keywords.has(SystemKeyword::seen));
    CHECK(done.along.front().modseq == done.modseq);
    change.action = FlagAction::remove;
    const MailDriver::Uids copies{1, 3};
    const auto undone = d.must(d.store.change_flags(d.account, d.id("INBOX"), copies, change, d.context()));
    CHECK(undone.along.empty());
    CHECK(undone.changed.size() == 2);
    CHECK(undone.overtaken == copies);  // by the change above: `seen` is still what it was
  }
  SUBCASE("mailstore: copies are one email; keywords are shared and \\Deleted is not") {
    d.add("INBOX", sample);
    const auto copied = d.copy("INBOX", {1}, "Sent");
    CHECK(copied.uids == std::vector<std::pair<mailstore::Uid, mailstore::Uid>>{{1, 1}});
    CHECK(d.row("Sent", 1).email == d.row("INBOX", 1).email);
    const auto before = d.modseq();
    d.flags("INBOX", {1}, FlagAction::add, {SystemKeyword::flagged}, true);
    CHECK(d.row("Sent", 1).keywords.has(SystemKeyword::flagged));
    CHECK(!d.row("Sent", 1).deleted);
    CHECK(d.uids("Sent", before) == MailDriver::Uids{1});
    CHECK(d.expunge("INBOX") == MailDriver::Uids{1});
    CHECK(d.read(d.row("Sent", 1).email) == sample);
    d.flags("Sent", {1}, FlagAction::add, {}, true);
    const auto email = d.row("Sent", 1).email;
    d.expunge("Sent");
    CHECK(d.error(d.store.open(d.account, email, d.context())) == ErrorKind::not_found);
  }
  SUBCASE("mailstore: a mailbox may hold one email twice, with two UIDs") {
    d.add("INBOX");
    CHECK(d.copy("INBOX", {1, 5}, "INBOX").uids.front().second == 2);
    CHECK(d.row("INBOX", 1).email == d.row("INBOX", 2).email);
    const auto since = d.modseq();
    const auto changed = d.flags("INBOX", {1, 2}, FlagAction::add, {SystemKeyword::seen}, false, since);
    CHECK(changed.changed.size() == 2);
    CHECK(changed.refused.empty());
    CHECK(d.find("INBOX").unseen == 0);
    d.flags("INBOX", {1}, FlagAction::add, {}, true);
    CHECK(d.expunge("INBOX") == MailDriver::Uids{1});
    CHECK(!d.read(d.row("INBOX", 2).email).empty());
    CHECK(d.find("INBOX").messages == 1);
  }
  SUBCASE("mailstore: a move takes the message out and puts it in at once") {
    d.add("INBOX", sample);
    d.add("INBOX");
    const auto before = d.modseq();
    const auto email = d.row("INBOX", 1).email;
    const auto moved = d.move("INBOX", {1}, "Archive");
    CHECK(moved.uid_validity == d.find("Archive").uid_validity);
    CHECK(d.uids("INBOX") == MailDriver::Uids{2});
    CHECK(d.row("Archive", moved.uids.front().second).email == email);
    CHECK(d.expunged("INBOX", before) == MailDriver::Uids{1});
    CHECK(d.find("INBOX").messages == 1);
    CHECK(d.find("Archive").messages == 1);
    CHECK(d.read(email) == sample);
    CHECK(d.move("Archive", {1}, "Archive").uids.front().second == 2);
    CHECK(d.uids("Archive") == MailDriver::Uids{2});
  }
  SUBCASE("mailstore: only what is marked is expunged, and only of the UIDs named") {
    for (int i = 0; i < 4; ++i) d.add("INBOX");
    d.flags("INBOX", {1, 2, 3}, FlagAction::add, {}, true);
    const auto before = d.modseq();
    const MailDriver::Uids named{2, 4};
    CHECK(d.must(d.store.expunge(d.account, d.id("INBOX"), named, d.context())) == MailDriver::Uids{2});
    CHECK(d.uids("INBOX") == MailDriver::Uids{1, 3, 4});
    CHECK(d.expunge("INBOX") == MailDriver::Uids{1, 3});
    CHECK(d.expunged("INBOX", before) == MailDriver::Uids{1, 2, 3});
    CHECK(d.expunged("INBOX", d.modseq()).empty());
    CHECK(d.expunged("INBOX", 0) == MailDriver::Uids{1, 2, 3});
    CHECK(d.uids("INBOX", before).empty());
    CHECK(d.quota().messages_used == 1);
  }
  SUBCASE("mailstore: a new arrival is a change since") {
    d.add("INBOX");
    const auto before = d.modseq();
    CHECK(d.uids("INBOX", before).empty());
    d.add("INBOX");
    d.flags("INBOX", {1}, FlagAction::add, {SystemKeyword::seen});
    CHECK(d.uids("INBOX", before) == MailDriver::Uids{1, 2});
  }
  SUBCASE("mailstore: subscribers hear of changes, several as one, until they end") {
    mailstore::ModSeq heard = 0;
    int times = 0;
    auto subscription = d.store.subscribe(d.account, d.loop, [&](mailstore::ModSeq modseq) { heard = modseq, ++times; });
    d.add("INBOX");
    d.add("INBOX");
    const auto last = d.modseq();  // runs the loop: what it hears meanwhile must be seen below
    while (heard != last) d.loop.run_some();
    CHECK(times >= 1);
    subscription.reset();
    d.add("INBOX");
    d.run(yield(d.loop));
    CHECK(heard < d.modseq());
  }
}

template <class Fixture>
void mailstore() {
  Fixture fixture;
  MailDriver driver(fixture.store(), fixture.loop);
  SUBCASE("accounts") { mailstore_accounts(driver); }
  SUBCASE("mailboxes") { mailstore_mailboxes(driver); }
  SUBCASE("messages") { mailstore_messages(driver); }
  SUBCASE("changes") { mailstore_changes(driver); }
}

}  // namespace keystonemail::conformance
