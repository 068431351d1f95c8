// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// The suites of mail store and queue on LMDB and segment files.
#include <doctest/doctest.h>

#include <thread>

#include "conformance/queue_conformance.hpp"
#include "service/mailstore/durable_fixture.hpp"

using namespace keystonemail;
using conformance::MailDriver;

TEST_CASE("mail store: conforms on lmdb and segments") { conformance::mailstore<test::DurableStore>(); }
TEST_CASE("queue: conforms on lmdb and segments") { conformance::queue<test::DurableStore>(); }

TEST_CASE("mail store: what was acknowledged is there when the files are opened again") {
  test::DurableStore s;
  const std::string large = "Subject: big\r\n\r\n" + std::string(200'000, 'x');
  {
    MailDriver d(s.store(), s.loop);
    d.create();
    d.append(d.id("INBOX"), conformance::sample);
    d.append(d.id("INBOX"), large);
    d.flags("INBOX", {2}, mailstore::FlagAction::add, {mailstore::SystemKeyword::flagged});
  }
  s.close();
  s.open();
  MailDriver d(s.store(), s.loop);
  CHECK(d.read(d.row("INBOX", 1).email) == conformance::sample);
  CHECK(d.read(d.row("INBOX", 2).email) == large);
  CHECK(d.row("INBOX", 2).keywords.has(mailstore::SystemKeyword::flagged));
  CHECK(s.loop.run_until(s.mail->verify({}, Context{&s.loop}))->findings.empty());
}

TEST_CASE("mail store: eight clients on their own threads share lmdb's commits and leave a sound store") {
  test::DurableStore s;
  MailDriver d(s.store(), s.loop);
  d.create();
  std::vector<std::thread> threads;
  for (int n = 0; n < 8; ++n) {
    threads.emplace_back([&s, n] {
      RunLoop loop;
      MailDriver client(s.store(), loop);
      const mailstore::MailboxId inbox{1};
      for (int i = 0; i < 20; ++i) {
        client.append(inbox, "Message-ID: <" + std::to_string(n * 1000 + i) + "@x>\r\n\r\n" + std::string(i == 3 ? 30'000 : 10, 'x'), {}, i % 4 == 0);
        if (i % 7 == 6) (void)client.must(client.store.expunge(client.account, inbox, mailstore::AllMessages{}, client.context()));
      }
    });
  }
  for (auto& thread : threads) thread.join();
  CHECK(d.find("INBOX").uid_next == 161);
  const auto report = s.loop.run_until(s.mail->verify({}, Context{&s.loop}));
  for (const auto& finding : report->findings) FAIL_CHECK(finding.what);
}
