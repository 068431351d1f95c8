// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include <doctest/doctest.h>

#include <algorithm>
#include <optional>

#include "base/try.hpp"
#include "service/mailstore/mailbox_tree.hpp"
#include "service/mailstore/staged_message.hpp"
#include "service/mailstore/store_fixture.hpp"

using namespace keystonemail;
using conformance::MailDriver;

namespace {
struct Posted : test::MemoryStore {
  Posted() : MemoryStore({}, memory::Completion::posted) {}
};
service::MailStoreOptions options_with_spool(std::size_t octets) {
  service::MailStoreOptions options;
  options.spool_octets_min = octets;
  options.staging_octets_max = 64 * 1024;
  return options;
}
struct Spooled : test::MemoryStore {
  Spooled() : MemoryStore(options_with_spool(0)) {}
};
}  // namespace

TEST_CASE("mail store: conforms on memory") { conformance::mailstore<test::MemoryStore>(); }
TEST_CASE("mail store: conforms on an engine that completes later") { conformance::mailstore<Posted>(); }
TEST_CASE("mail store: conforms when every message is laid aside first") { conformance::mailstore<Spooled>(); }

TEST_CASE("mail store: a message is the same whether it was laid aside or not, prefixes and attachments included") {
  std::string base64;
  for (int line = 0; line < 400; ++line) base64 += std::string(76, static_cast<char>('A' + line % 26)) + "\r\n";
  const std::string mixed =
      "Subject: m\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\ntext\r\n--b\r\n"
      "Content-Type: image/png\r\nContent-Transfer-Encoding: base64\r\n\r\n" + base64 + "\r\n--b--\r\n";
  for (const std::string& raw : {std::string("Subject: plain\r\n\r\n") + std::string(50'000, 'x'), mixed,
                                 " folded\r\n\r\n" + std::string(20'000, 'y')}) {
    for (const std::string& prefix : {std::string(), std::string("Return-Path: <a@b>\r\nReceived: by c\r\n"),
                                      std::string("Received: by c\r\nDate: Mon, 5 Jan 2026 12:00:00 +0100\r\n")}) {
      std::optional<std::string> row, content;
      for (const std::size_t spool_octets : {std::size_t{0}, std::size_t{10'000}, SIZE_MAX}) {
        test::MemoryStore s(options_with_spool(spool_octets));
        MailDriver d(*s.mail, s.loop);
        d.create();
        const auto staged = d.stage(raw, 777);
        auto& kv_staged = dynamic_cast<service::KvStagedMessage&>(*staged);
        const auto email = d.must(kv_staged.prepare(prefix, {}, d.context()));
        CHECK(email.octets == prefix.size() + raw.size());
        if (!row) row = email.row, content = email.content;
        CHECK(email.row == *row);
        CHECK(email.content == *content);
        CHECK(s.mail->core().staging.taken() == 0);
      }
    }
  }
}

TEST_CASE("mail store: a tree of as many subscribed mailboxes as there may be is renamed by writing no more names than are kept") {
  constexpr std::uint32_t all = 9'990;
  test::MemoryStore s;
  MailDriver d(*s.mail, s.loop);
  d.create();
  d.make("tree");
  d.must(s.mail->set_subscribed(d.account, d.id("tree"), true, d.context()));
  const mailstore::MailboxId root = d.id("tree");
  kv::Operation fill = [&](kv::Transaction& t) -> Task<Result<void>> {
    const service::StoreCore& core = s.mail->core();
    KM_CO_TRY(service::AccountRow account, co_await service::get_account(t, core, d.account));
    for (std::uint32_t i = 1; i < all; ++i) {
      const mailstore::MailboxId id{account.mailbox_last + i};
      service::MailboxObject object;
      object.parent = static_cast<std::uint32_t>(root);
      object.subscribed = true;
      object.modseq = account.modseq;
      object.name = "m" + std::to_string(10'000 + i);
      service::MailboxRow row;
      row.uid_validity = account.uid_validity_last + i;
      service::put_object(t, core, d.account, id, object);
      service::put_mailbox(t, core, d.account, id, row);
    }
    account.mailbox_last += all;
    account.uid_validity_last += all;
    service::put_account(t, core, d.account, account);
    co_return Result<void>();
  };
  REQUIRE(s.loop.run_until(s.mail->core().kv.transact(std::move(fill), {}, d.context())).has_value());
  s.faults.watch({kv::Call::put, kv::Call::erase});
  const auto before = s.faults.calls();
  d.must(s.mail->rename_mailbox(d.account, root, "other", d.context()));
  CHECK(s.faults.calls() - before <= mailstore::limits::kept_subscriptions_max + 10);
  const auto kept = d.must(s.mail->kept_subscriptions(d.account, d.context()));
  CHECK(kept.size() == mailstore::limits::kept_subscriptions_max);
  CHECK(kept.back() == "tree/m19989");
  const auto mailboxes = d.must(s.mail->mailboxes(d.account, d.context()));
  CHECK(std::ranges::count_if(mailboxes, [](const auto& m) { return m.subscribed && m.path.starts_with("other"); }) == all);
}
