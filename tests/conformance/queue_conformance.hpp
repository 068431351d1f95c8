// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// What every queue must do. Run it from a doctest TEST_CASE, with a fixture that gives an empty queue:
//
//   struct Fixture {
//     keystonemail::delivery::Delivery& delivery();  // through which entries come in
//     keystonemail::queue::Queue& queue();
//     keystonemail::RunLoop loop;                    // the executor of all calls
//   };
//   TEST_CASE("my queue conforms") { keystonemail::conformance::queue<Fixture>(); }
#pragma once

#include <doctest/doctest.h>

#include <string>
#include <utility>
#include <vector>

#include "keystonemail/base/executor.hpp"
#include "keystonemail/delivery/delivery.hpp"
#include "keystonemail/queue/queue.hpp"

namespace keystonemail::conformance {

template <class Fixture>
class QueueDriver {
 public:
  Context context() { return Context{&fixture.loop}; }
  template <class T>
  T must(Task<Result<T>> task) {
    auto result = fixture.loop.run_until(std::move(task));
    if (!result) FAIL(result.error().describe());
    return *std::move(result);
  }
  void must(Task<Result<void>> task) {
    auto result = fixture.loop.run_until(std::move(task));
    if (!result) FAIL(result.error().describe());
  }
  template <class T>
  ErrorKind error(Task<Result<T>> task) {
    const auto result = fixture.loop.run_until(std::move(task));
    REQUIRE(!result.has_value());
    return result.error().kind();
  }
  queue::EntryId add(std::string_view octets, std::vector<std::string> recipients = {"bob@example.net"}) {
    auto writer = fixture.delivery().create_message();
    REQUIRE(writer.has_value());
    must((*writer)->write(octets, context()));
    delivery::Submission submission;
    submission.message = must((*writer)->finish(context()));
    submission.remote.emplace();
    submission.remote->envelope.sender = "anna@example.com";
    submission.remote->envelope.envelope_id = "line\r\nbreak";  // A10
    submission.remote->envelope.smtputf8 = true;
    submission.remote->envelope.dsn_return = queue::DsnReturn::headers;
    submission.remote->prefix = "Received: here\r\n";
    submission.remote->message_id = "one@example.com";
    submission.remote->login = "anna";
    for (auto& address : recipients) {
      queue::Recipient r;
      r.address = std::move(address);
      r.original_recipient = "rfc822;x";
      r.notify = {.specified = true, .delay = true};
      submission.remote->recipients.push_back(std::move(r));
    }
    const auto accepted = must(fixture.delivery().deliver(std::move(submission), context()));
    REQUIRE(accepted.queued.has_value());
    return *accepted.queued;
  }
  std::string read(queue::EntryId id) {
    auto reader = must(fixture.queue().open(id, context()));
    return std::string(must(reader->read(0, SIZE_MAX, context())));
  }
  std::vector<queue::Entry> list(queue::EntryId after = {}, std::size_t entries_max = 100) {
    return must(fixture.queue().list(after, entries_max, context()));
  }

  Fixture fixture;
};

template <class Fixture>
void queue() {
  QueueDriver<Fixture> d;
  SUBCASE("queue: an entry is kept with all that was said of it, and its message with the prefix") {
    const auto id = d.add("Subject: x\r\n\r\nHello.\r\n");
    const auto entry = d.must(d.fixture.queue().show(id, d.context()));
    CHECK(entry.envelope.sender == "anna@example.com");
    CHECK(entry.envelope.envelope_id == "line\r\nbreak");
    CHECK(entry.envelope.smtputf8);
    CHECK(!entry.envelope.binary);
    CHECK(entry.envelope.dsn_return == keystonemail::queue::DsnReturn::headers);
    CHECK(entry.login == "anna");
    CHECK(entry.message_id == "one@example.com");
    REQUIRE(entry.recipients.size() == 1);
    CHECK(entry.recipients[0].address == "bob@example.net");
    CHECK(entry.recipients[0].original_recipient == "rfc822;x");
    CHECK(entry.recipients[0].notify.specified);
    CHECK(entry.recipients[0].notify.delay);
    CHECK(!entry.recipients[0].notify.never);
    CHECK(entry.expires > entry.arrived);
    const std::string message = d.read(id);
    CHECK(message == "Received: here\r\nSubject: x\r\n\r\nHello.\r\n");
    CHECK(entry.octets == message.size());
  }
  SUBCASE("queue: entries are listed in the order they came, from any point on") {
    const auto one = d.add("1"), two = d.add("2"), three = d.add("3");
    CHECK(one < two);
    CHECK(two < three);
    CHECK(d.list().size() == 3);
    CHECK(d.list(one, 1).front().id == two);
    CHECK(d.list(three).empty());
  }
  SUBCASE("queue: an update keeps the recipients' states; without a pending one the entry goes") {
    const auto id = d.add("x", {"a@example.net", "b@example.net"});
    auto entry = d.must(d.fixture.queue().show(id, d.context()));
    entry.recipients[0].state = keystonemail::queue::RecipientState::delivered;
    entry.recipients[1].attempts = 3;
    entry.recipients[1].last_reply = "451 later\r\nreally";
    entry.held = true;
    d.must(d.fixture.queue().update(entry, d.context()));
    entry = d.must(d.fixture.queue().show(id, d.context()));
    CHECK(entry.held);
    CHECK(entry.recipients[1].attempts == 3);
    CHECK(entry.recipients[1].last_reply == "451 later\r\nreally");
    entry.recipients[1].state = keystonemail::queue::RecipientState::failed;
    d.must(d.fixture.queue().update(entry, d.context()));
    CHECK(d.list().empty());
    CHECK(d.error(d.fixture.queue().open(id, d.context())) == ErrorKind::not_found);
  }
  SUBCASE("queue: a removed entry is gone, and its number is not used again") {
    const auto id = d.add(std::string(50'000, 'x'));
    d.must(d.fixture.queue().remove(id, d.context()));
    CHECK(d.error(d.fixture.queue().show(id, d.context())) == ErrorKind::not_found);
    CHECK(d.error(d.fixture.queue().remove(id, d.context())) == ErrorKind::not_found);
    CHECK(d.add("y") > id);
  }
}

}  // namespace keystonemail::conformance
