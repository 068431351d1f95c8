// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// A relay in virtual time: the real queue and mail store in memory, a zone for the DNS, pipes for the network, scripted
// peers at 192.0.2.x. The sender anna@example.test has a mailbox here.
#pragma once

#include <doctest/doctest.h>

#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "keystonemail/backends/zone/resolver.hpp"
#include "keystonemail/resolver/faulty.hpp"
#include "keystonemail/service/relay/relay.hpp"
#include "service/queue/queue_fixture.hpp"
#include "service/relay/scripted_peer.hpp"
#include "support/fake_directory.hpp"
#include "support/sim_executor.hpp"

namespace keystonemail::test {

using namespace std::chrono_literals;

inline bool has(std::string_view text, std::string_view part) { return text.find(part) != std::string_view::npos; }

// A network some of whose addresses never answer.
class SlowNetwork final : public transport::Connector {
 public:
  explicit SlowNetwork(std::size_t capacity) : pipes(capacity) {}

  transport::PipeNetwork pipes;
  std::set<Endpoint> silent;
  std::vector<Endpoint> tried;

  Task<Result<std::unique_ptr<transport::ByteStream>>> connect(Endpoint to, Context context) override {
    tried.push_back(to);
    if (!silent.contains(to)) co_return co_await pipes.connect(to, std::move(context));
    co_await sleep_until(context.deadline, context);
    co_return fail(ErrorKind::timeout, {}, "nobody answers");
  }
};

// A queue that counts what is read of it, and lets something happen while it is asked what is due.
class BusyQueue final : public queue::Queue {
 public:
  explicit BusyQueue(queue::Queue& inner) : inner_(inner) {}
  std::size_t shown = 0;
  std::function<Task<void>()> meanwhile;  // once

  Task<Result<std::vector<queue::Entry>>> list(queue::EntryId after, std::size_t entries_max, Context context) override {
    return inner_.list(after, entries_max, std::move(context));
  }
  Task<Result<queue::Entry>> show(queue::EntryId id, Context context) override {
    ++shown;
    return inner_.show(id, std::move(context));
  }
  Task<Result<std::unique_ptr<mailstore::MessageReader>>> open(queue::EntryId id, Context context) override {
    return inner_.open(id, std::move(context));
  }
  Task<Result<void>> update(const queue::Entry& entry, Context context) override { return inner_.update(entry, std::move(context)); }
  Task<Result<void>> remove(queue::EntryId id, Context context) override { return inner_.remove(id, std::move(context)); }
  Task<Result<std::vector<queue::Due>>> due(queue::Due after, std::size_t entries_max, Context context) override {
    if (meanwhile) {
      const auto happen = std::exchange(meanwhile, nullptr);
      co_await happen();
      co_await yield(*context.executor);
      co_await yield(*context.executor);
    }
    co_return co_await inner_.due(after, entries_max, std::move(context));
  }
  Task<Result<void>> settle(queue::Settlement settlement, Context context) override {
    return inner_.settle(std::move(settlement), std::move(context));
  }
  Task<Result<void>> handle(queue::EntryId id, queue::Handling handling, Context context) override {
    return inner_.handle(id, handling, std::move(context));
  }
  std::unique_ptr<mailstore::Subscription> subscribe(Executor& executor, std::function<void(WallTime)> changed) override {
    return inner_.subscribe(executor, std::move(changed));
  }

 private:
  queue::Queue& inner_;
};

class RelayFixture {
 public:
  // `capacity`: octets that a connection holds before who writes has to wait.
  explicit RelayFixture(std::string_view zone_text = {}, std::size_t capacity = 64 * 1024)
      : zone(dns::Zone(dns::parse_zone(zone_text.empty() ? usual_zone : zone_text, *dns::Name::parse("test")).value())), network(capacity) {
    (void)store.mail;
    REQUIRE(loop.run(store.mail->create_account(mailstore::AccountId{1}, {}, context())).has_value());
    directory.add(1, "anna@example.test", "");
    options.hostname = "us.example.test";
  }
  ~RelayFixture() {
    stop();
    stop_.request_stop();
    listeners.clear();
    loop.advance(3h);  // peers that stall come to their end
  }

  static constexpr std::string_view usual_zone =
      "$TTL 60\n"
      "dest MX 10 mx.dest\n"
      "mx.dest A 192.0.2.1\n"
      "other MX 10 mx.other\n"
      "mx.other A 192.0.2.2\n";

  Context context() { return Context{&loop}; }
  // A peer that listens at the address.
  ScriptedPeer& peer(std::string_view address = "192.0.2.1", std::uint16_t port = 25) {
    auto& peer = *peers.emplace_back(std::make_unique<ScriptedPeer>());
    listeners.push_back(network.pipes.listen({*IpAddress::parse(address), port}, peer.handler(), context().with_stop(stop_.get_token())).value());
    return peer;
  }
  void start() { start(store.queue_); }
  void start(queue::Queue& queue) {
    relay.emplace(options, relay::Services{queue, store.delivery_, directory, *asked, network, random, log, tls, observer, sts, forwarder});
    running.emplace(relay->run(context().with_stop(relay_stop_.get_token())));
  }
  void stop() {
    if (!running) return;
    relay_stop_.request_stop();
    loop.run(*std::exchange(running, std::nullopt));
    relay.reset();
    relay_stop_ = {};
  }

  struct Mail {
    std::vector<std::string> to{"bob@dest.test"};
    std::string text = "Subject: hello\r\n\r\nHello.\r\n";
    std::string from = "anna@example.test";
    queue::Envelope envelope{};
    queue::Notify notify{};
    std::string original{};
    std::string login{};
  };
  queue::EntryId send(Mail mail) {
    auto writer = store.delivery_.create_message();
    REQUIRE(loop.run((*writer)->write(mail.text, context())).has_value());
    delivery::Submission submission;
    submission.message = *loop.run((*writer)->finish(context()));
    queue::NewEntry& entry = submission.remote.emplace();
    entry.envelope = mail.envelope;
    entry.envelope.sender = mail.from;
    entry.message_id = "<m@example.test>";
    entry.login = mail.login;
    for (const auto& address : mail.to) {
      queue::Recipient& recipient = entry.recipients.emplace_back();
      recipient.address = address;
      recipient.notify = mail.notify;
      recipient.original_recipient = mail.original;
    }
    const auto accepted = loop.run(store.delivery_.deliver(std::move(submission), context()));
    REQUIRE(accepted.has_value());
    return *accepted->queued;
  }
  queue::EntryId send() { return send(Mail{}); }
  queue::EntryId send(std::vector<std::string> to) {
    Mail mail;
    mail.to = std::move(to);
    return send(std::move(mail));
  }
  std::optional<queue::Entry> entry(queue::EntryId id) {
    auto found = loop.run(store.queue_.show(id, context()));
    if (!found) return std::nullopt;
    return *std::move(found);
  }
  std::size_t queued() { return loop.run(store.queue_.list({}, 100'000, context()))->size(); }
  // What anna was told.
  std::vector<std::string> reports() {
    std::vector<std::string> all;
    const auto inbox = mailstore::MailboxId{1};
    const auto rows = loop.run(store.mail->messages(mailstore::AccountId{1}, inbox, {}, 0, context())).value();
    for (const auto& row : rows) {
      auto reader = loop.run(store.mail->open(mailstore::AccountId{1}, row.email, context())).value();
      all.emplace_back(loop.run(reader->read(0, SIZE_MAX, context())).value());
    }
    return all;
  }
  // Lets time pass, a second at a time, until `condition` holds.
  template <class Condition>
  bool until(Condition condition, std::chrono::seconds most = 2h) {
    std::chrono::seconds step{1};
    for (std::chrono::seconds gone{0}; gone < most; gone += step) {
      if (condition()) return true;
      if (gone >= 2h) step = 1min;  // what takes days is not waited for by the second
      loop.advance(step);
    }
    return condition();
  }
  [[nodiscard]] bool is_sound() { return loop.run(store.queue_.verify(context()))->empty(); }

  SimExecutor loop;
  MemoryServer store;
  FakeDirectory directory;
  zone::ZoneResolver zone;
  resolver::Faulty dns{zone};
  resolver::Resolver* asked = &dns;
  relay::TlsObserver* observer = nullptr;
  mta_sts::Policies* sts = nullptr;
  SlowNetwork network;
  SeededRandom random{7};
  NullLog log;
  std::shared_ptr<const tls::ClientContext> tls = tls::ClientContext::create({}).value();
  std::shared_ptr<const forwarding::Forwarder> forwarder;
  relay::Options options;
  std::vector<std::unique_ptr<ScriptedPeer>> peers;
  std::vector<std::unique_ptr<transport::Listener>> listeners;
  std::optional<relay::Relay> relay;
  std::optional<Task<void>> running;

 private:
  std::stop_source stop_, relay_stop_;
};

}  // namespace keystonemail::test
