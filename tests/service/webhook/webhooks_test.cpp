// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include <set>

#include "json/value.hpp"
#include "keystonemail/service/webhook/webhooks.hpp"
#include "service/mailstore/store_fixture.hpp"
#include "service/queue/queue_fixture.hpp"
#include "service/webhook/event_row.hpp"
#include "support/fake_fetcher.hpp"
#include "support/sim_executor.hpp"
#include "support/text_log.hpp"

using namespace keystonemail;
using namespace keystonemail::webhook;
using namespace std::chrono_literals;

namespace {

const std::string url = "https://hook.test/";

struct WebhookFixture {
  test::SimExecutor loop{};
  std::unique_ptr<kv::Store> store = memory::make_kv_store({.tables = {std::string(table_name)}});
  test::TextLog log;
  SeededRandom random{1};
  test::FakeFetcher web;
  Options options{.hooks = {{url, {}, "secret"}}};
  std::unique_ptr<Webhooks> hooks;
  std::stop_source stop;
  std::optional<Task<void>> running;

  Context context() { return Context{&loop}; }
  void open() {
    hooks = std::make_unique<Webhooks>(options, *store, random, log);
    REQUIRE(loop.run(hooks->open(context())).has_value());
  }
  void start() {
    if (!hooks) open();
    running.emplace(hooks->run(web, context().with_stop(stop.get_token())));
  }
  void end() {
    stop.request_stop();
    if (running) loop.run(*std::exchange(running, std::nullopt));
    hooks.reset();
    stop = {};
  }
  ~WebhookFixture() { end(); }

  // An attempt for one recipient, settled now.
  void settle(std::uint64_t id, queue::RecipientState state, std::uint32_t attempts = 1) {
    if (!hooks) open();
    queue::Entry entry;
    entry.id = queue::EntryId{id};
    entry.envelope.sender = "anna@example.test";
    entry.message_id = "<m@example.test>";
    entry.login = "anna";
    entry.recipients.push_back({.address = "bob@dest.test", .attempts = attempts - (attempts > 0 ? 1 : 0)});
    queue::Settlement settlement{.id = entry.id, .when = loop.wall_now()};
    settlement.changes.push_back({.index = 0, .state = state, .attempts = attempts, .last_reply = "250 2.0.0 fine", .last_host = "mx.dest.test"});
    kv::Operation operation = [&](kv::Transaction& t) -> Task<Result<void>> {
      hooks->write(t, entry, settlement);
      co_return Result<void>();
    };
    REQUIRE(loop.run(store->transact(std::move(operation), {}, context())).has_value());
  }
  // All events that were sent, "delivered 1" for the first entry.
  std::vector<std::string> sent(std::size_t from = 0) {
    std::vector<std::string> all;
    for (std::size_t i = from; i < web.requests.size(); ++i) {
      const auto body = json::parse(web.requests[i].body).value();
      for (const json::Value& event : std::get<json::Array>(*json::member(body, "events"))) {
        all.push_back(json::text_member(event, "event") + ' ' + std::to_string(json::number_member(event, "queue_id")));
      }
    }
    return all;
  }
  std::size_t rows() {
    const auto snapshot = loop.run(store->snapshot(context())).value();
    return loop.run(snapshot->scan(options.table, {.rows_max = 10'000})).value().size();
  }
};

using enum queue::RecipientState;
using Events = std::vector<std::string>;

}  // namespace

TEST_CASE_FIXTURE(WebhookFixture, "webhook: an event is posted as JSON with who, what, where, when, and a signature of the body") {
  web.answer(url, 204, "");
  start();
  settle(7, delivered);
  loop.advance(2s);
  REQUIRE(web.requests.size() == 1);
  const web::FetchRequest& request = web.requests[0];
  CHECK(request.method == "POST");
  CHECK(request.url == url);
  CHECK(*http::find(request.headers, "Content-Type") == "application/json");
  CHECK(*http::find(request.headers, "Keystone-Signature") == sign("secret", request.body));
  CHECK(request.body == R"({"events":[{"attempts":1,"event":"delivered","host":"mx.dest.test","id":"7-0-1-delivered","login":"anna","message_id":"<m@example.test>",)"
                        R"("queue_id":7,"recipient":"bob@dest.test","reply":"250 2.0.0 fine","sender":"anna@example.test","time":"2026-01-01T00:00:00.000Z"}],)"
                        R"("sent":"2026-01-01T00:00:00.500Z"})");
  CHECK(rows() == 0);
}

TEST_CASE_FIXTURE(WebhookFixture, "webhook: no two events have one id, so that whoever drops what came twice drops nothing else") {
  web.answer(url, 204, "");
  start();
  settle(7, pending);
  loop.advance(2s);
  settle(7, failed);                     // its time was over before there was another attempt
  loop.advance(2s);
  std::set<std::string> ids;
  for (const web::FetchRequest& request : web.requests) {
    const auto body = json::parse(request.body).value();
    for (const json::Value& event : std::get<json::Array>(*json::member(body, "events"))) ids.insert(json::text_member(event, "id"));
  }
  CHECK(ids == std::set<std::string>{"7-0-1-delayed", "7-0-1-failed"});
}

TEST_CASE_FIXTURE(WebhookFixture, "webhook: of a URL that went and came back during a request nothing is lost, and what comes twice has its id") {
  web.answer(url, 204, "");
  start();
  settle(1, delivered);
  hooks->set_hooks({});
  hooks->set_hooks({{url, {}, "secret"}});
  settle(2, failed);
  loop.advance(5s);
  const Events all = sent();
  CHECK(std::set<std::string>(all.begin(), all.end()) == std::set<std::string>{"delivered 1", "failed 2"});
  CHECK(rows() == 0);
}

TEST_CASE("webhook: the signature is the HMAC-SHA256 that other tools compute (RFC 4231 §4.3)") {
  CHECK(sign("Jefe", "what do ya want for nothing?") == "sha256=5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
}

TEST_CASE_FIXTURE(WebhookFixture, "webhook: events that nobody asked for are not kept, and without a secret there is no signature") {
  options.hooks = {{url, {Event::failed, Event::delayed}, ""}};
  web.answer(url, 200, "");
  start();
  settle(1, delivered);
  settle(2, failed);
  settle(3, pending);
  loop.advance(2s);
  CHECK(sent() == Events{"failed 2", "delayed 3"});
  CHECK(http::find(web.requests[0].headers, "Keystone-Signature") == nullptr);
}

TEST_CASE_FIXTURE(WebhookFixture, "webhook: hooks come, change and go while it runs, and none is told twice") {
  const std::string second = "https://second.test/hook";
  web.answer(url, 200, "");
  web.answer(second, 200, "");
  options.hooks = {};
  start();
  settle(1, delivered);                  // nobody wants to know
  loop.advance(2s);
  CHECK(web.requests.empty());
  hooks->set_hooks({{url, {}, "secret"}, {second, {Event::failed}, ""}});
  settle(2, delivered);
  settle(3, failed);
  loop.advance(2s);
  CHECK(sent().size() == 3);
  const std::size_t before = web.requests.size();
  hooks->set_hooks({{url, {}, "another"}});
  settle(4, failed);
  loop.advance(2s);
  REQUIRE(web.requests.size() == before + 1);
  CHECK(web.requests[before].url == url);
  CHECK(*http::find(web.requests[before].headers, "Keystone-Signature") == sign("another", web.requests[before].body));
  hooks->set_hooks({});
  settle(5, failed);
  loop.advance(20s);
  CHECK(web.requests.size() == before + 1);
  hooks->set_hooks({{url, {}, ""}});     // again
  settle(6, failed);
  loop.advance(2s);
  CHECK(sent(before + 1) == Events{"failed 6"});
  CHECK(rows() == 0);
}

TEST_CASE_FIXTURE(WebhookFixture, "webhook: accounts that are suspended are told of, each once, to those who asked") {
  options.hooks = {{url, {Event::suspended}, ""}, {"https://other.test/", {Event::failed}, ""}};
  web.answer(url, 200, "");
  start();
  kv::Operation operation = [&](kv::Transaction& t) -> Task<Result<void>> {
    hooks->write(t, {.login = "anna@example.test", .when = loop.wall_now(), .recipients = 1'000, .peer = "192.0.2.7:4000"});
    hooks->write(t, {.login = "bob@example.test", .when = loop.wall_now(), .recipients = 1'200, .peer = "192.0.2.8:4000"});
    co_return Result<void>();
  };
  REQUIRE(loop.run(store->transact(std::move(operation), {}, context())).has_value());
  loop.advance(2s);
  REQUIRE(web.requests.size() == 1);
  const std::string& body = web.requests[0].body;
  CHECK(body.find(R"("event":"suspended")") != std::string::npos);
  CHECK(body.find(R"("login":"anna@example.test","peer":"192.0.2.7:4000","time":"2026-01-01T00:00:00.000Z","why":"1000 recipients within an hour)") != std::string::npos);
  CHECK(body.find(R"("login":"bob@example.test","peer":"192.0.2.8:4000")") != std::string::npos);
  CHECK(rows() == 0);
}

TEST_CASE_FIXTURE(WebhookFixture, "webhook: what was put off without an attempt is no event") {
  web.answer(url, 200, "");
  start();
  settle(1, pending, 0);
  loop.advance(10s);
  CHECK(web.requests.empty());
}

TEST_CASE_FIXTURE(WebhookFixture, "webhook: events that come together go together, in order, at most so many in a request") {
  options.batch_max = 3;
  web.answer(url, 200, "");
  for (std::uint64_t i = 1; i <= 7; ++i) settle(i, delivered);
  start();
  loop.advance(2s);
  CHECK(web.requests.size() == 3);
  CHECK(sent() == Events{"delivered 1", "delivered 2", "delivered 3", "delivered 4", "delivered 5", "delivered 6", "delivered 7"});
}

TEST_CASE_FIXTURE(WebhookFixture, "webhook: what fails is sent again, ever later, with the events that came meanwhile") {
  web.answer(url, 500, "");
  web.fail(url, web::FetchFault::connect);
  web.answer(url, 302, "");
  web.answer(url, 200, "");
  start();
  settle(1, delivered);
  loop.advance(1s);
  CHECK(web.requests.size() == 1);
  settle(2, failed);
  loop.advance(4s);
  CHECK(web.requests.size() == 1);
  loop.advance(60s);
  CHECK(web.requests.size() == 4);
  CHECK(sent(3) == Events{"delivered 1", "failed 2"});
  CHECK(rows() == 0);
  CHECK(log.text.contains("webhook.failed"));
}

TEST_CASE_FIXTURE(WebhookFixture, "webhook: an event that could not be sent is dropped in the end, with a line in the log") {
  start();
  settle(1, delivered);
  loop.advance(options.kept - 1h);
  settle(2, delivered);
  CHECK(rows() == 2);
  loop.advance(2h);
  CHECK(rows() == 1);
  CHECK(log.text.contains("webhook.dropped"));
  web.answer(url, 200, "");
  loop.advance(1h);
  CHECK(sent(web.requests.size() - 1) == Events{"delivered 2"});
}

TEST_CASE_FIXTURE(WebhookFixture, "webhook: no more events wait than there is room for; new ones are dropped, with a line in the log") {
  options.events_max = 5;
  for (std::uint64_t i = 1; i <= 8; ++i) settle(i, delivered);
  CHECK(rows() == 5);
  start();
  loop.advance(1s);
  CHECK(log.text.contains("events=3"));
  web.answer(url, 200, "");
  loop.advance(1h);
  settle(9, delivered);
  loop.advance(10s);
  CHECK(sent(web.requests.size() - 1) == Events{"delivered 9"});
}

TEST_CASE_FIXTURE(WebhookFixture, "webhook: events outlive a restart; those of a hook that is gone do not") {
  options.hooks.push_back({"https://other.test/", {}, ""});
  settle(1, delivered);
  CHECK(rows() == 2);
  end();
  options.hooks.pop_back();
  open();
  CHECK(rows() == 1);
  CHECK(hooks->waiting() == 1);
  web.answer(url, 200, "");
  start();
  loop.advance(2s);
  CHECK(sent() == Events{"delivered 1"});
}

TEST_CASE_FIXTURE(WebhookFixture, "webhook: a hook that does not answer does not hold back another") {
  options.hooks.push_back({"https://other.test/", {}, ""});
  web.answer("https://other.test/", 200, "");
  start();
  settle(1, delivered);
  settle(2, delivered);
  loop.advance(3s);
  CHECK(rows() == 2);
  CHECK(std::ranges::count(web.requests, "https://other.test/", &web::FetchRequest::url) >= 1);
}

TEST_CASE_FIXTURE(WebhookFixture, "webhook: an event with its commit, or none: a transaction that fails leaves nothing") {
  open();
  queue::Entry entry;
  entry.recipients.emplace_back();
  queue::Settlement settlement{.id = queue::EntryId{1}, .when = loop.wall_now()};
  settlement.changes.push_back({.state = delivered, .attempts = 1});
  kv::Operation operation = [&](kv::Transaction& t) -> Task<Result<void>> {
    hooks->write(t, entry, settlement);
    co_return fail(ErrorKind::conflict);
  };
  CHECK(!loop.run(store->transact(std::move(operation), {}, context())));
  CHECK(rows() == 0);
}

TEST_CASE("webhook: the queue tells of what it settles, in the same commit") {
  test::MemoryServer server;
  RunLoop loop;
  struct Writer final : service::OutcomeWriter {
    std::vector<std::string> told;
    void write(kv::Transaction&, const queue::Entry& entry, const queue::Settlement& settlement) override {
      for (const auto& change : settlement.changes) told.push_back(entry.recipients[change.index].address);
    }
  } writer;
  server.queue_.set_outcome_writer(&writer);
  auto staged = server.delivery_.create_message();
  REQUIRE(loop.run_until((*staged)->write("Subject: x\r\n\r\nx\r\n", &loop)).has_value());
  delivery::Submission submission;
  submission.message = *loop.run_until((*staged)->finish(&loop));
  submission.remote.emplace().recipients.push_back({.address = "bob@dest.test"});
  const auto accepted = loop.run_until(server.delivery_.deliver(std::move(submission), &loop));
  REQUIRE(accepted.has_value());
  queue::Settlement settlement{.id = *accepted->queued, .when = loop.wall_now()};
  settlement.changes.push_back({.state = delivered, .attempts = 1});
  REQUIRE(loop.run_until(server.queue_.settle(std::move(settlement), &loop)).has_value());
  CHECK(writer.told == Events{"bob@dest.test"});
}

TEST_CASE("webhook: a row is read back as it was written, and damage is no row") {
  const EventRow row{.event = Event::failed, .when = WallTime(1'767'225'600'123ms), .entry = 5, .recipient_index = 2, .attempts = 9, .message_id = "m", .sender = "",
                     .recipient = "r", .login = "l", .host = "h", .reply = "550 \xc3\xa4"};
  const std::string octets = encode_event(row);
  const auto read = read_event(octets);
  REQUIRE(read);
  CHECK(encode_event(*read) == octets);
  CHECK(format_time(read->when) == "2026-01-01T00:00:00.123Z");
  for (std::size_t i = 0; i < octets.size(); ++i) CHECK(!read_event(octets.substr(0, i)));
  CHECK(!read_event(octets + 'x'));
}
