// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include <doctest/doctest.h>

#include <algorithm>
#include <optional>

#include "base/try.hpp"
#include "keystonemail/mime/message.hpp"
#include "keystonemail/mime/section.hpp"
#include "keystonemail/mime/summary.hpp"
#include "service/mailstore/change_log.hpp"
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

TEST_CASE("mail store: a part with NUL that no encoding covers is kept in base64, of the same octets, wherever the message lies (RFC 3516 §6)") {
  std::string body("\x89PNG\0\n\0\r\n", 9);
  for (const std::size_t more : {std::size_t{0}, std::size_t{40'000}}) {
    body += std::string(more, '\0');
    const std::string raw = "MIME-Version: 1.0\r\nContent-Type: image/png\r\nContent-Transfer-Encoding: binary\r\n\r\n" + body;
    for (const std::size_t spool_octets : {std::size_t{0}, SIZE_MAX}) {
      CAPTURE(more);
      CAPTURE(spool_octets);
      test::MemoryStore s(options_with_spool(spool_octets));
      MailDriver d(*s.mail, s.loop);
      d.create();
      const auto appended = d.append(d.id("INBOX"), raw);
      const std::string kept = d.read(appended.emails.front());
      CHECK(kept.find('\0') == std::string::npos);
      CHECK(d.row("INBOX", 1).octets == kept.size());
      const auto message = mime::Message::parse(kept);
      CHECK(message.root().encoding == mime::TransferEncoding::base64);
      CHECK(mime::decode_content(message.root().encoding, message.body(message.root())) == body);
      const auto summaries = d.must(d.store.summaries(d.account, appended.emails, d.context()));
      CHECK(mime::Summary(summaries[0]).parts()[0].encoding == mime::TransferEncoding::base64);
      CHECK_FALSE(mime::Summary(summaries[0]).may_hold_nul());
      CHECK(s.mail->core().staging.taken() == 0);
    }
  }
}

TEST_CASE("mail store: one of format 1 is taken on, and what its log does not tell is refused by unchanged_since") {
  test::MemoryStore s;
  MailDriver d(*s.mail, s.loop);
  d.create();
  d.add("INBOX");
  const auto since = d.modseq();
  d.flags("INBOX", {1}, mailstore::FlagAction::add, {mailstore::SystemKeyword::seen});
  const auto tables = s.mail->core().tables;
  const auto meta_of = [&] {
    auto snapshot = s.loop.run_until(s.kv->snapshot(d.context()));
    return std::string(**s.loop.run_until((*snapshot)->get(tables.meta, "format")));
  };
  const auto put = [&](kv::Table table, std::string key, std::string value) {
    kv::Operation write = [&](kv::Transaction& t) -> Task<Result<void>> {
      t.put(table, key, value);
      co_return Result<void>();
    };
    REQUIRE(s.loop.run_until(s.kv->transact(std::move(write), {}, d.context())).has_value());
  };
  std::string meta = meta_of();
  CHECK(meta[0] == 2);
  meta[0] = 1;
  put(tables.meta, "format", meta);
  service::LogEntry old;
  old.changed = {1};
  put(tables.log, std::string(std::string_view(service::Key(d.account, d.id("INBOX"), d.modseq()))), old.encode());
  s.reopen();
  CHECK(meta_of()[0] == 2);
  CHECK(meta_of().substr(1) == meta.substr(1));
  MailDriver again(*s.mail, s.loop);
  CHECK(again.flags("INBOX", {1}, mailstore::FlagAction::add, {mailstore::SystemKeyword::answered}, false, since).refused ==
        MailDriver::Uids{1});
  meta[0] = 3;
  put(tables.meta, "format", meta);
  CHECK_FALSE(s.loop.run_until(service::KvMailStore::open(*s.kv, *s.blobs, s.random, {}, d.context())).has_value());
}

TEST_CASE("mail store: where too much has changed to know of a flag, unchanged_since refuses; where it is known, it does not") {
  test::MemoryStore s;
  MailDriver d(*s.mail, s.loop);
  d.create();
  d.add("INBOX");
  const auto since = d.modseq();
  const auto add = [&] { return d.flags("INBOX", {1}, mailstore::FlagAction::add, {mailstore::SystemKeyword::answered}, false, since).refused; };
  for (int i = 0; i < 990; ++i) d.flags("INBOX", {1}, i % 2 == 0 ? mailstore::FlagAction::add : mailstore::FlagAction::remove, {mailstore::SystemKeyword::seen});
  CHECK(add().empty());
  d.flags("INBOX", {1}, mailstore::FlagAction::remove, {mailstore::SystemKeyword::answered});
  CHECK(add() == MailDriver::Uids{1});
  const auto later = d.modseq();
  for (int i = 0; i < 1'001; ++i) d.flags("INBOX", {1}, i % 2 == 0 ? mailstore::FlagAction::add : mailstore::FlagAction::remove, {mailstore::SystemKeyword::flagged});
  CHECK(d.flags("INBOX", {1}, mailstore::FlagAction::add, {mailstore::SystemKeyword::draft}, false, later).refused == MailDriver::Uids{1});
}
