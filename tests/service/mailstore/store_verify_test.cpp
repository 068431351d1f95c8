// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include <doctest/doctest.h>

#include <thread>

#include "service/mailstore/rows.hpp"
#include "service/mailstore/store_fixture.hpp"

using namespace keystonemail;
using conformance::MailDriver;
using service::Key;

namespace {

struct Stocked : test::MemoryStore {
  Stocked() : d(store(), loop), tables(service::MailTables::from(kv::Table{})) {
    d.create();
    d.add("INBOX", conformance::sample);
    d.add("INBOX", "Subject: big\r\n\r\n" + std::string(20'000, 'x'));
    d.copy("INBOX", {1}, "Sent");
  }
  void change(kv::Table table, std::string_view key, std::optional<std::string> value) {
    REQUIRE(loop.run_until(kv->transact([&](kv::Transaction& t) -> Task<Result<void>> {
      if (value) t.put(table, key, *value);
      else t.erase(table, key);
      co_return Result<void>();
    }, {}, Context{&loop})));
  }
  std::string get(kv::Table table, std::string_view key) {
    auto snapshot = loop.run_until(kv->snapshot(Context{&loop}));
    return std::string(**loop.run_until((*snapshot)->get(table, key)));
  }
  std::size_t findings() {
    const auto report = loop.run_until(mail->verify({}, Context{&loop}));
    REQUIRE(report.has_value());
    return report->findings.size();
  }
  void repair() { REQUIRE(loop.run_until(mail->repair({}, Context{&loop})).has_value()); }

  MailDriver d;
  service::MailTables tables;
  mailstore::AccountId account{7};
};

}  // namespace

TEST_CASE("verify: a sound store has no findings, and tells what it has seen") {
  Stocked s;
  const auto report = s.loop.run_until(s.mail->verify({}, Context{&s.loop}));
  REQUIRE(report.has_value());
  CHECK(report->findings.empty());
  CHECK(report->seen.messages == 3);
  CHECK(report->seen.mailboxes == 6);
  CHECK(report->seen.accounts == 1);
}

TEST_CASE("verify: planted damage is found, whatever the table, and derived rows are repaired") {
  Stocked s;
  const std::uint32_t inbox = 1, sent = 3;
  SUBCASE("wrong counts") {
    auto row = *service::read_row<service::MailboxRow>(s.get(s.tables.counter, Key(s.account, inbox)));
    row.messages = 9;
    s.change(s.tables.counter, Key(s.account, inbox), std::string(std::string_view(service::encode_row(row))));
  }
  SUBCASE("wrong quota") {
    auto row = *service::read_row<service::AccountRow>(s.get(s.tables.counter, Key(s.account, std::uint32_t{0})));
    row.octets_used += 1;
    s.change(s.tables.counter, Key(s.account, std::uint32_t{0}), std::string(std::string_view(service::encode_row(row))));
  }
  SUBCASE("a message row lost") { s.change(s.tables.message, Key(s.account, inbox, std::uint32_t{2}), std::nullopt); }
  SUBCASE("a message row damaged") { s.change(s.tables.message, Key(s.account, inbox, std::uint32_t{2}), "x"); }
  SUBCASE("an email row lost") { s.change(s.tables.email, Key(s.account, std::uint64_t{2}), std::nullopt); }
  SUBCASE("a membership lost") {
    s.change(s.tables.membership, Key(s.account, std::uint64_t{1}, sent, std::uint32_t{1}), std::nullopt);
  }
  SUBCASE("a membership too many") {
    s.change(s.tables.membership, Key(s.account, std::uint64_t{1}, sent, std::uint32_t{5}), "\1");
  }
  SUBCASE("counts lost") { s.change(s.tables.counter, Key(s.account, sent), std::nullopt); }
  SUBCASE("a name lost") { s.change(s.tables.mailbox, Key(s.account, sent), std::nullopt); }
  SUBCASE("the account's own row lost") { s.change(s.tables.counter, Key(s.account, std::uint32_t{0}), std::nullopt); }
  SUBCASE("counts and name lost") {
    s.change(s.tables.counter, Key(s.account, inbox), std::nullopt);
    s.change(s.tables.mailbox, Key(s.account, inbox), std::nullopt);
  }
  SUBCASE("a thread of no email") {
    const service::ThreadRow row{1, 99, 0};
    s.change(s.tables.thread, Key(s.account, std::uint64_t{5}), std::string(std::string_view(service::encode_row(row))));
  }
  SUBCASE("a name that is subscribed to damaged") {
    s.change(s.tables.subscription, Key(s.account, std::uint64_t{1}, sent), "\2");
  }
  CHECK(s.findings() > 0);
  s.repair();
  CHECK(s.findings() == 0);
  CHECK(s.d.row("INBOX", 1).octets == conformance::sample.size());
  s.d.add("INBOX");
  CHECK(s.findings() == 0);
}

TEST_CASE("repair: mail of a mailbox that is lost without a trace comes back, and that of one being removed does not") {
  Stocked s;
  const std::uint32_t sent = 3, trash = 5;
  s.d.add("Sent", "Subject: only here\r\n\r\nx\r\n");
  s.d.add("Trash", "Subject: goes\r\n\r\nx\r\n");
  s.change(s.tables.counter, Key(s.account, sent), std::nullopt);
  s.change(s.tables.mailbox, Key(s.account, sent), std::nullopt);
  s.change(s.tables.counter, Key(s.account, trash), std::nullopt);
  s.change(s.tables.mailbox, Key(s.account, trash), std::nullopt);
  s.change(s.tables.removal, Key(s.account, trash), "\1");
  s.repair();
  CHECK(s.findings() == 0);
  CHECK(s.d.find("Recovered 3").messages == 2);
  CHECK(s.d.find("INBOX").messages == 2);
  s.change(s.tables.counter, Key(s.account, std::uint32_t{0}), std::nullopt);
  CHECK(s.findings() == 1);
  s.repair();
  CHECK(s.findings() == 0);
  CHECK(s.d.find("Recovered 3").messages == 2);
}

TEST_CASE("verify: lost content is found and told, though it cannot be repaired") {
  Stocked s;
  auto snapshot = s.loop.run_until(s.kv->snapshot(Context{&s.loop}));
  const auto rows = s.loop.run_until((*snapshot)->scan(test::blob_table, {}));
  REQUIRE(!rows->empty());
  const std::string key(rows->front().key);
  snapshot->reset();
  s.change(test::blob_table, key, std::nullopt);
  CHECK(s.findings() > 0);
}

TEST_CASE("mail store: eight clients on their own threads leave a sound store") {
  test::MemoryStore s;
  MailDriver d(s.store(), s.loop);
  d.create();
  const auto inbox = d.id("INBOX");
  std::vector<std::thread> threads;
  for (int n = 0; n < 8; ++n) {
    threads.emplace_back([&s, inbox, n] {
      RunLoop loop;
      const Context context{&loop};
      const mailstore::AccountId account{7};
      for (int i = 0; i < 40; ++i) {
        auto writer = s.mail->create_message();
        (void)loop.run_until((*writer)->write("Subject: c\r\nMessage-ID: <" + std::to_string(n * 1000 + i) + "@x>\r\n\r\nx\r\n", context));
        mailstore::NewMessage message;
        message.message = *loop.run_until((*writer)->finish(context));
        (void)loop.run_until(s.mail->append(account, inbox, {&message, 1}, context));
        const std::vector<mailstore::Uid> uids{static_cast<mailstore::Uid>(i + n + 1), static_cast<mailstore::Uid>(2 * i + 1)};
        mailstore::FlagChange change;
        change.deleted = i % 3 == 0;
        change.keywords.set(mailstore::SystemKeyword::seen);
        (void)loop.run_until(s.mail->change_flags(account, inbox, uids, change, context));
        if (i % 5 == 0) (void)loop.run_until(s.mail->copy(account, inbox, uids, mailstore::MailboxId{6}, context));
        if (i % 7 == 0) (void)loop.run_until(s.mail->expunge(account, inbox, mailstore::AllMessages{}, context));
        (void)loop.run_until(s.mail->messages(account, inbox, {}, 0, context));
      }
    });
  }
  for (auto& thread : threads) thread.join();
  CHECK(d.find("INBOX").uid_next == 321);
  const auto report = s.loop.run_until(s.mail->verify({}, Context{&s.loop}));
  for (const auto& finding : report->findings) FAIL_CHECK(finding.what);
}
