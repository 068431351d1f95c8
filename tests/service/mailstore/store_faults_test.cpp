// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Each call of kv and blob that an act makes fails in turn: the act says so and has left nothing, or has been done whole.
#include <doctest/doctest.h>

#include <functional>

#include "service/mailstore/store_fixture.hpp"

using namespace keystonemail;
using conformance::MailDriver;

namespace {

// What a client can see of an account.
std::string portrait(MailDriver& d) {
  std::string all = "quota " + std::to_string(d.quota().octets_used) + " " + std::to_string(d.quota().messages_used) + "\n";
  for (const auto& m : d.must(d.store.mailboxes(d.account, d.context()))) {
    all += m.path + (m.subscribed ? "* " : " ") + std::to_string(m.messages) + " " + std::to_string(m.unseen) + " " + std::to_string(m.uid_next) + ":";
    for (const auto& row : d.must(d.store.messages(d.account, m.id, {}, 0, d.context()))) {
      all += " " + std::to_string(row.uid) + "/" + std::to_string(row.keywords.system_bits()) + (row.deleted ? "D" : "");
      all += "=" + std::to_string(d.read(row.email).size());
    }
    all += "\n";
  }
  for (const auto& name : d.must(d.store.kept_subscriptions(d.account, d.context()))) all += "kept " + name + "\n";
  return all;
}

std::string clean(test::MemoryStore& s) {
  const auto report = s.loop.run_until(s.mail->verify({}, Context{&s.loop}));
  REQUIRE(report.has_value());
  return report->findings.empty() ? "" : report->findings.front().what;
}

template <class Result>
bool ok(const Result& result) { return result.has_value(); }

using Act = std::function<bool(MailDriver&)>;

void fail_each_call(const std::string& name, const Act& act) {
  CAPTURE(name);
  for (std::uint64_t k = 1;; ++k) {
    CAPTURE(k);
    test::MemoryStore s;
    MailDriver d(s.store(), s.loop);
    d.create();
    d.make("a/b");
    d.append(d.id("INBOX"), conformance::sample);
    d.append(d.id("INBOX"), "Subject: big\r\n\r\n" + std::string(20'000, 'x'), {}, true);
    d.copy("INBOX", {1}, "a/b");
    const std::string before = portrait(d);
    s.faults.fail_at(k);
    const std::uint64_t failed = s.faults.failed();
    const bool done = act(d);
    const bool struck = s.faults.failed() != failed;
    s.faults.clear();
    if (!done) CHECK(portrait(d) == before);
    s.loop.run_until(s.mail->finish_removals(Context{&s.loop}));
    CHECK(clean(s) == "");
    s.reopen();
    CHECK(clean(s) == "");
    if (!struck) {
      CHECK(done);
      return;
    }
    REQUIRE(k < 10'000);
  }
}

}  // namespace

TEST_CASE("mail store: whichever call fails, nothing is left half done") {
  fail_each_call("append", [](MailDriver& d) {
    auto writer = d.store.create_message();
    if (!ok(d.run((*writer)->write("Subject: y\r\n\r\n" + std::string(30'000, 'y'), d.context())))) return false;
    auto staged = d.run((*writer)->finish(d.context()));
    if (!ok(staged)) return false;
    mailstore::NewMessage message;
    message.message = *std::move(staged);
    const mailstore::MailboxId inbox{1};
    return ok(d.run(d.store.append(d.account, inbox, {&message, 1}, d.context())));
  });
  const std::vector<mailstore::Uid> uids{1, 2};
  const mailstore::MailboxId inbox{1}, archive{6};
  fail_each_call("copy", [&](MailDriver& d) { return ok(d.run(d.store.copy(d.account, inbox, uids, archive, d.context()))); });
  fail_each_call("move", [&](MailDriver& d) { return ok(d.run(d.store.move(d.account, inbox, uids, archive, d.context()))); });
  fail_each_call("flags", [&](MailDriver& d) {
    mailstore::FlagChange change;
    change.keywords.set(mailstore::SystemKeyword::seen);
    return ok(d.run(d.store.change_flags(d.account, inbox, uids, change, d.context())));
  });
  fail_each_call("expunge", [&](MailDriver& d) { return ok(d.run(d.store.expunge(d.account, inbox, uids, d.context()))); });
  fail_each_call("create mailbox", [&](MailDriver& d) {
    mailstore::NewMailbox request;
    request.path = "x/y/z";
    const auto made = d.run(d.store.create_mailbox(d.account, request, d.context()));
    return ok(made);
  });
  fail_each_call("rename", [&](MailDriver& d) {
    return ok(d.run(d.store.rename_mailbox(d.account, mailstore::MailboxId{7}, "n/m", d.context())));
  });
  fail_each_call("remove mailbox", [&](MailDriver& d) {
    return ok(d.run(d.store.remove_mailbox(d.account, mailstore::MailboxId{8}, d.context())));
  });
}

TEST_CASE("mail store: a removal that was interrupted is finished later") {
  for (std::uint64_t k = 1; k < 60; ++k) {
    CAPTURE(k);
    test::MemoryStore s;
    MailDriver d(s.store(), s.loop);
    d.create();
    for (int i = 0; i < 5; ++i) d.add("INBOX");
    s.faults.fail_at(k, kv::Repeat::sticky);
    const auto removed = d.run(d.store.remove_account(d.account, d.context()));
    s.faults.clear();
    s.reopen();
    s.loop.run_until(s.mail->finish_removals(Context{&s.loop}));
    CHECK(clean(s) == "");
    if (removed) CHECK(s.loop.run_until(s.mail->accounts(Context{&s.loop}))->empty());
  }
}
