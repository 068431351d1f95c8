// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include <doctest/doctest.h>

#include "base/try.hpp"
#include "service/queue/queue_fixture.hpp"

using namespace keystonemail;
using conformance::MailDriver;

namespace {

struct Served : test::MemoryServer {
  Served() {
    for (auto* d : {&a, &b}) d->create();
  }
  delivery::Submission submission(std::string_view octets) {
    delivery::Submission s;
    s.message = a.stage(octets);
    return s;
  }
  static delivery::LocalRecipient to(const MailDriver& d, std::string prefix = {}, std::string mailbox = "INBOX") {
    delivery::LocalRecipient r;
    r.account = d.account;
    r.prefix = std::move(prefix);
    r.mailbox = std::move(mailbox);
    return r;
  }
  Result<delivery::Accepted> deliver(delivery::Submission s) {
    return loop.run_until(delivery_.deliver(std::move(s), Context{&loop}));
  }
  std::size_t blob_rows() {
    auto snapshot = loop.run_until(kv->snapshot(Context{&loop}));
    return loop.run_until((*snapshot)->scan(test::blob_table, {}))->size();
  }

  MailDriver a{store(), loop, mailstore::AccountId{1}}, b{store(), loop, mailstore::AccountId{2}};
};

const std::string body = "Subject: hello\r\nMessage-ID: <m@x>\r\n\r\n" + std::string(3'000, 'y') + "\r\n";

}  // namespace

TEST_CASE("delivery: one message goes to every mailbox with its own prefix, and to the queue") {
  Served s;
  auto first = s.submission(body);
  first.local = {Served::to(s.a, "", "Junk"), Served::to(s.a, "", "Junk"), Served::to(s.a, "", "Junk")};
  REQUIRE(s.deliver(std::move(first)).has_value());
  const std::size_t with_text = s.blob_rows();
  auto again = s.submission(body);
  again.local = {Served::to(s.a, "", "Junk")};
  REQUIRE(s.deliver(std::move(again)).has_value());
  const std::size_t blob_rows = s.blob_rows();
  const std::size_t rows_of_a_note = blob_rows - with_text;  // each email of some size has one
  CHECK(rows_of_a_note < with_text);
  auto submission = s.submission(body);
  submission.local = {Served::to(s.a, "Delivered-To: a@x\r\n"), Served::to(s.b, "Delivered-To: bb@x\r\n")};
  submission.remote.emplace();
  submission.remote->recipients.resize(1);
  submission.remote->prefix = "Received: q\r\n";
  const auto accepted = s.deliver(std::move(submission));
  REQUIRE(accepted.has_value());
  CHECK(s.a.read(s.a.row("INBOX", 1).email) == "Delivered-To: a@x\r\n" + body);
  CHECK(s.b.read(s.b.row("INBOX", 1).email) == "Delivered-To: bb@x\r\n" + body);
  CHECK(s.blob_rows() == blob_rows + 2 * rows_of_a_note);  // the text is there once
  auto reader = s.a.must(s.queue_.open(*accepted->queued, s.a.context()));
  CHECK(s.a.must(reader->read(0, SIZE_MAX, s.a.context())) == "Received: q\r\n" + body);
  const std::vector<mailstore::EmailId> ids{s.b.row("INBOX", 1).email};
  const auto summary = s.b.must(s.b.store.summaries(s.b.account, ids, s.b.context())).front();
  CHECK(mime::Summary(summary).message_octets() == body.size() + 20);
  CHECK(mime::Summary(summary).envelope().subject == "hello");
  CHECK(s.loop.run_until(s.mail->verify({}, Context{&s.loop}))->findings.empty());
}

TEST_CASE("delivery: one full mailbox refuses the message for all, and names the recipient in the detail") {
  Served s;
  s.b.must(s.b.store.set_quota(s.b.account, {.octets_limit = 100}, s.b.context()));
  auto submission = s.submission(body);
  submission.local = {Served::to(s.a), Served::to(s.b)};
  submission.remote.emplace();
  submission.remote->recipients.resize(1);
  const auto accepted = s.deliver(std::move(submission));
  REQUIRE(!accepted.has_value());
  CHECK(accepted.error().kind() == ErrorKind::over_quota);
  CHECK(accepted.error().detail() == "recipient 1");
  CHECK(s.a.uids("INBOX").empty());
  CHECK(s.a.must(s.queue_.list({}, 10, s.a.context())).empty());
  CHECK(!s.a.must(s.delivery_.has_room(s.b.account, 200, s.a.context())));
  CHECK(s.a.must(s.delivery_.has_room(s.a.account, 200, s.a.context())));
}

TEST_CASE("delivery: into a named mailbox, or INBOX when it is not there") {
  Served s;
  auto submission = s.submission(body);
  submission.local = {Served::to(s.a, "", "Junk"), Served::to(s.a, "", "nowhere"), Served::to(s.a, "", "a//b")};
  REQUIRE(s.deliver(std::move(submission)).has_value());
  CHECK(s.a.uids("Junk").size() == 1);
  CHECK(s.a.uids("INBOX").size() == 2);
}

TEST_CASE("delivery: a summary counts the prefix of its own recipient, even when a header field is in it") {
  Served s;
  auto submission = s.submission(body);
  for (const auto* prefix : {"Subject: first\r\n", "X-Other: abcde\r\n", "Subject: other\r\n", "Received: xyz\r\n"}) {
    submission.local.push_back(Served::to(s.a, prefix));
  }
  REQUIRE(s.deliver(std::move(submission)).has_value());
  std::vector<mailstore::EmailId> ids;
  for (const auto& row : s.a.rows("INBOX")) ids.push_back(row.email);
  const auto summaries = s.a.must(s.a.store.summaries(s.a.account, ids, s.a.context()));
  CHECK(mime::Summary(summaries[0]).envelope().subject == "first");
  CHECK(mime::Summary(summaries[1]).envelope().subject == "hello");
  CHECK(mime::Summary(summaries[2]).envelope().subject == "other");
  CHECK(mime::Summary(summaries[3]).root().body_begin == 15 + body.find("\r\n\r\n") + 4);
}

TEST_CASE("delivery: whichever call fails, it is in all places or in none") {
  for (std::uint64_t k = 1;; ++k) {
    CAPTURE(k);
    Served s;
    auto submission = s.submission(body);
    submission.local = {Served::to(s.a), Served::to(s.b)};
    submission.remote.emplace();
    submission.remote->recipients.resize(1);
    s.faults.fail_at(k);
    const std::uint64_t failed = s.faults.failed();
    const bool done = s.deliver(std::move(submission)).has_value();
    const bool struck = s.faults.failed() != failed;
    s.faults.clear();
    const std::size_t expected = done ? 1 : 0;
    CHECK(s.a.uids("INBOX").size() == expected);
    CHECK(s.b.uids("INBOX").size() == expected);
    CHECK(s.a.must(s.queue_.list({}, 10, s.a.context())).size() == expected);
    CHECK(s.loop.run_until(s.mail->verify({}, Context{&s.loop}))->findings.empty());
    if (!struck) {
      CHECK(done);
      break;
    }
    REQUIRE(k < 1'000);
  }
}

TEST_CASE("delivery: what else is written is there with the message, or neither is") {
  Served s;
  static constexpr kv::Table table{std::uint8_t{0}};
  bool fails = true;
  for (int i = 0; i < 2; ++i) {
    auto submission = s.submission(body);
    submission.local = {Served::to(s.a)};
    submission.remote.emplace().recipients.resize(1);
    submission.also = [&fails](kv::Transaction& t) -> Task<Result<void>> {
      t.put(table, "\xffnote", "written");
      if (fails) co_return fail(ErrorKind::conflict, "no");
      co_return Result<void>();
    };
    const auto accepted = s.deliver(std::move(submission));
    CHECK(accepted.has_value() == !fails);
    auto snapshot = s.loop.run_until(s.kv->snapshot(Context{&s.loop})).value();
    const auto note = s.loop.run_until(snapshot->get(table, "\xffnote")).value();
    CHECK(note.has_value() == !fails);
    CHECK(s.a.find("INBOX").messages == (fails ? 0 : 1));
    fails = false;
  }
}

TEST_CASE("E4 delivery: what goes along on a condition is left out when it does not hold, and nothing else is") {
  Served s;
  const auto names = [](kv::Table table, std::string key) -> kv::Operation {
    return [table, key](kv::Transaction& t) -> Task<Result<void>> {
      KM_CO_TRY(const auto known, co_await t.get(table, key));
      if (known) co_return fail(ErrorKind::conflict, {}, "there already");
      t.put(table, key, "x");
      co_return Result<void>();
    };
  };
  const auto send = [&](kv::Operation condition) {
    auto submission = s.submission(body);
    submission.local = {Served::to(s.a)};
    auto answer = s.submission("Subject: away\r\n\r\nAway\r\n");
    answer.local = {Served::to(s.b)};
    answer.condition = std::move(condition);
    auto last = s.submission("Subject: last\r\n\r\n");
    last.remote.emplace();
    last.remote->recipients.resize(1);
    submission.together.push_back(std::move(answer));
    submission.together.push_back(std::move(last));
    return s.deliver(std::move(submission));
  };
  const auto first = send(names(test::blob_table, "condition"));
  REQUIRE(first);
  CHECK(first->left_out.empty());
  REQUIRE(first->together.size() == 2);
  CHECK(!first->together[0]);
  CHECK(first->together[1]);
  const auto second = send(names(test::blob_table, "condition"));
  REQUIRE(second);
  CHECK(second->left_out == std::vector<std::size_t>{0});
  REQUIRE(second->together.size() == 2);
  CHECK(second->together[1]);
  CHECK(s.a.find("INBOX").messages == 2);
  CHECK(s.b.find("INBOX").messages == 1);
  const auto broken = send([](kv::Transaction&) -> Task<Result<void>> { co_return fail(ErrorKind::corrupt); });
  REQUIRE(!broken);
  CHECK(broken.error().kind() == ErrorKind::corrupt);
  CHECK(s.a.find("INBOX").messages == 2);
}
