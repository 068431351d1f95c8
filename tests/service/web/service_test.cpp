// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "keystonemail/service/web/mail_site.hpp"
#include "service/web/fixture.hpp"
#include "support/fake_directory.hpp"

using namespace keystonemail;
using namespace keystonemail::web;
using namespace keystonemail::web::testing;

namespace {

// Answers whatever the test says.
class TestSite final : public Site {
 public:
  Router router;
  Task<Result<bool>> has_host(std::string_view host, Context) override { co_return host == "web.test"; }
  Task<void> serve(Exchange& exchange, Context context) override { return router.route(exchange, std::move(context)); }
};

struct ServiceFixture : WebFixture {
  TestSite site;
  access::ConnectionLimits limits{{}};
  access::LoginGate gate{{}};
  std::shared_ptr<const tls::ServerContext> tls;
  std::stop_source stop;
  std::unique_ptr<Service> service;
  Site* shown = &site;

  void start() {
    Options options;
    options.tls = tls ? TlsUse::implicit : TlsUse::none;
    service = std::make_unique<Service>(options, Services{*shown, limits, gate, random, log, [this] { return tls; }});
    listeners.push_back(network.listen(at("192.0.2.1:80"), [this](std::unique_ptr<transport::ByteStream> stream, Context on) { return service->serve(std::move(stream), std::move(on)); },
                                       context().with_stop(stop.get_token())).value());
  }
  std::unique_ptr<transport::ByteStream> connect() {
    if (!service) start();
    return loop.run(network.connect(at("192.0.2.1:80"), context())).value();
  }
  // All that comes back for it, until the server closes or says nothing for a while.
  std::string ask(std::string octets) {
    auto stream = connect();
    return ask(*stream, std::move(octets));
  }
  std::string ask(transport::ByteStream& stream, std::string octets) {
    REQUIRE(loop.run(transport::write_all(stream, octets, context())).has_value());
    std::string heard;
    for (;;) {
      const Context brief = context().until(loop.now() + 5s);
      const auto piece = loop.run(stream.read(brief));
      if (!piece || piece->empty()) return heard;
      heard += *piece;
      stream.consume(piece->size());
    }
  }
  ~ServiceFixture() {
    stop.request_stop();
    loop.advance(10min);
  }
};

bool has(const std::string& text, std::string_view part) { return text.contains(part); }

}  // namespace

TEST_CASE_FIXTURE(ServiceFixture, "web: a request gets the answer of its path, with a date and what browsers may not do") {
  site.router.add("GET", "/hello", [](Exchange& exchange, Context) -> Task<void> {
    exchange.respond({.fields = {{"Content-Type", "text/plain"}}}, "hello");
    co_return;
  });
  const std::string answer = ask("GET /hello?x HTTP/1.1\r\nHost: web.test\r\n\r\n");
  CHECK(answer.starts_with("HTTP/1.1 200 OK\r\n"));
  CHECK(answer.ends_with("\r\n\r\nhello"));
  for (const char* field : {"Date: ", "Content-Security-Policy: default-src 'none'", "X-Content-Type-Options: nosniff", "X-Frame-Options: DENY", "Cache-Control: no-store"}) CHECK(has(answer, field));
  CHECK(!has(answer, "Strict-Transport-Security"));
  CHECK(has(log.text, "web.request"));
  CHECK(has(log.text, "status=200"));
}

TEST_CASE_FIXTURE(ServiceFixture, "web: an unknown path is 404, a method that it has not is 405, HEAD goes where GET goes") {
  site.router.add("GET", "/hello", [](Exchange& exchange, Context) -> Task<void> {
    exchange.respond({}, "hello");
    co_return;
  });
  CHECK(ask("GET / HTTP/1.1\r\nHost: web.test\r\n\r\n").starts_with("HTTP/1.1 404 "));
  const std::string refused = ask("POST /hello HTTP/1.1\r\nHost: web.test\r\nContent-Length: 0\r\n\r\n");
  CHECK(refused.starts_with("HTTP/1.1 405 "));
  CHECK(has(refused, "Allow: GET, HEAD\r\n"));
  const std::string head = ask("HEAD /hello HTTP/1.1\r\nHost: web.test\r\n\r\n");
  CHECK(has(head, "Content-Length: 5\r\n"));
  CHECK(head.ends_with("\r\n\r\n"));
}

TEST_CASE_FIXTURE(ServiceFixture, "attack H3: a host that is not ours is 421, whatever the path, and so is none") {
  for (const char* host : {"Host: evil.test\r\n", "Host: 192.0.2.1\r\n", "Host: web.test.evil.test\r\n", "Host: \r\n", "Host: xweb.test:80\r\n"}) {
    CAPTURE(host);
    CHECK(ask("GET / HTTP/1.1\r\n" + std::string(host) + "\r\n").starts_with("HTTP/1.1 421 "));
  }
  CHECK(ask("GET / HTTP/1.0\r\n\r\n").starts_with("HTTP/1.1 421 "));
  CHECK(ask("GET http://evil.test/ HTTP/1.1\r\nHost: web.test\r\n\r\n").starts_with("HTTP/1.1 421 "));
  CHECK(ask("GET / HTTP/1.1\r\nHost: WEB.test:8080\r\n\r\n").starts_with("HTTP/1.1 404 "));
}

TEST_CASE_FIXTURE(ServiceFixture, "attack G9: no spelling of another path leads to one that is there") {
  site.router.add("GET", "/.well-known/x", [](Exchange& exchange, Context) -> Task<void> {
    exchange.respond({}, "x");
    co_return;
  });
  for (const char* path : {"/../.well-known/x", "//.well-known/x", "/.well-known//x", "/.well-known/x/", "/.well-known/%78", "/.well-known/./x", "/%2e%2e/etc/passwd"}) {
    CAPTURE(path);
    CHECK(ask("GET " + std::string(path) + " HTTP/1.1\r\nHost: web.test\r\n\r\n").starts_with("HTTP/1.1 404 "));
  }
}

TEST_CASE_FIXTURE(ServiceFixture, "web: a body is read piece by piece, and an answer is written so") {
  std::size_t pieces = 0;
  site.router.add("POST", "/count", [&](Exchange& exchange, Context) -> Task<void> {
    std::size_t octets = 0;
    for (;;) {
      const auto piece = co_await exchange.read_body(1'000'000);
      if (!piece) co_return;
      if (piece->empty()) break;
      octets += piece->size();
      ++pieces;
    }
    exchange.begin_response({}, std::nullopt);
    const std::string line = std::to_string(octets) + "\n";
    for (int i = 0; i < 3; ++i) {
      const auto written = co_await exchange.write(line);
      if (!written) co_return;
    }
    exchange.finish();
  });
  const std::string answer = ask("POST /count HTTP/1.1\r\nHost: web.test\r\nContent-Length: 300000\r\n\r\n" + std::string(300'000, 'x'));
  CHECK(answer.ends_with("7\r\n300000\n\r\n7\r\n300000\n\r\n7\r\n300000\n\r\n0\r\n\r\n"));
  CHECK(pieces >= 300'000 / 65'536);
}

TEST_CASE_FIXTURE(ServiceFixture, "web: a body that is too large is 413, and the handler hears of it") {
  std::string heard;
  site.router.add("POST", "/", [&](Exchange& exchange, Context) -> Task<void> {
    const auto body = co_await read_whole_body(exchange, 10);
    heard = body ? *body : std::string(to_string(body.error().kind()));
    if (body) exchange.respond({}, "ok");
  });
  CHECK(ask("POST / HTTP/1.1\r\nHost: web.test\r\nContent-Length: 11\r\n\r\n12345678901").starts_with("HTTP/1.1 413 "));
  CHECK(heard == "too_large");
  CHECK(ask("POST / HTTP/1.1\r\nHost: web.test\r\nContent-Length: 3\r\n\r\nabc").starts_with("HTTP/1.1 200 "));
  CHECK(heard == "abc");
}

TEST_CASE_FIXTURE(ServiceFixture, "web: a handler that answers nothing, or throws, is 500; one that stops in the middle ends the connection") {
  site.router.add("GET", "/nothing", [](Exchange&, Context) -> Task<void> { co_return; });
  site.router.add("GET", "/throws", [](Exchange&, Context) -> Task<void> {
    throw std::runtime_error("broken");
    co_return;
  });
  site.router.add("GET", "/half", [](Exchange& exchange, Context) -> Task<void> {
    exchange.begin_response({}, 100);
    (void)co_await exchange.write("half");
  });
  CHECK(ask("GET /nothing HTTP/1.1\r\nHost: web.test\r\n\r\n").starts_with("HTTP/1.1 500 "));
  CHECK(ask("GET /throws HTTP/1.1\r\nHost: web.test\r\n\r\n").starts_with("HTTP/1.1 500 "));
  auto stream = connect();
  const std::string half = ask(*stream, "GET /half HTTP/1.1\r\nHost: web.test\r\n\r\nGET /nothing HTTP/1.1\r\nHost: web.test\r\n\r\n");
  CHECK(has(half, "Content-Length: 100\r\n"));
  CHECK(half.find("HTTP/1.1 ") == half.rfind("HTTP/1.1 "));
  CHECK(has(log.text, "broken"));
}

TEST_CASE_FIXTURE(ServiceFixture, "web: connections are limited as those of mail are, and who is banned is not served") {
  limits.set_options({.per_address_max = 1});
  const auto first = connect();
  CHECK(ask("GET / HTTP/1.1\r\nHost: web.test\r\n\r\n").empty());
  CHECK(has(log.text, "too many connections"));
}

TEST_CASE_FIXTURE(ServiceFixture, "web: a server that drains ends idle connections at once, and answers what is under way") {
  site.router.add("GET", "/slow", [](Exchange& exchange, Context on) -> Task<void> {
    co_await sleep_until(on.executor->now() + 10s, on);
    exchange.respond({}, "late");
  });
  auto idle = connect();
  auto working = connect();
  REQUIRE(loop.run(transport::write_all(*working, "GET /slow HTTP/1.1\r\nHost: web.test\r\n\r\n", context())).has_value());
  loop.advance(1s);
  stop.request_stop();
  loop.advance(1s);
  const auto end = loop.run(idle->read(context()));
  CHECK((!end || end->empty()));
  CHECK(ask(*working, "").empty());
  loop.advance(20s);
  CHECK(ask(*working, "").ends_with("late"));
}

TEST_CASE_FIXTURE(ServiceFixture, "mta-sts: each domain of ours has its policy at its own name, and others have none") {
  test::FakeDirectory directory;
  MailSite mail("Mail.Example.test", {.mode = mailauth::mta_sts::Mode::testing, .max_age = 86'400s}, directory);
  shown = &mail;
  const std::string answer = ask("GET /.well-known/mta-sts.txt HTTP/1.1\r\nHost: mta-sts.example.test\r\n\r\n");
  CHECK(answer.starts_with("HTTP/1.1 200 OK\r\n"));
  CHECK(has(answer, "Content-Type: text/plain\r\n"));
  CHECK(answer.ends_with("\r\n\r\nversion: STSv1\r\nmode: testing\r\nmx: mail.example.test\r\nmax_age: 86400\r\n"));
  CHECK(ask("GET /.well-known/mta-sts.txt HTTP/1.1\r\nHost: mta-sts.other.test\r\n\r\n").starts_with("HTTP/1.1 421 "));
  CHECK(ask("GET /.well-known/mta-sts.txt HTTP/1.1\r\nHost: mail.example.test\r\n\r\n").starts_with("HTTP/1.1 404 "));
  CHECK(ask("GET / HTTP/1.1\r\nHost: mta-sts.example.test\r\n\r\n").starts_with("HTTP/1.1 404 "));
  directory.failure = Error(ErrorKind::unavailable);
  CHECK(ask("GET /.well-known/mta-sts.txt HTTP/1.1\r\nHost: mta-sts.example.test\r\n\r\n").starts_with("HTTP/1.1 503 "));
}

TEST_CASE_FIXTURE(ServiceFixture, "web: what is added to the server's own name is there alone, and over TLS alone") {
  test::FakeDirectory directory;
  MailSite mail("mail.example.test", {}, directory);
  mail.add("POST", "/here", [](Exchange& exchange, Context) -> Task<void> {
    respond_plainly(exchange, 201);
    co_return;
  });
  shown = &mail;
  CHECK(ask("POST /here HTTP/1.1\r\nHost: mail.example.test\r\nContent-Length: 0\r\n\r\n").starts_with("HTTP/1.1 201 "));
  CHECK(has(ask("GET /here HTTP/1.1\r\nHost: mail.example.test\r\n\r\n"), "Allow: POST\r\n"));
  CHECK(ask("POST /here HTTP/1.1\r\nHost: mta-sts.example.test\r\nContent-Length: 0\r\n\r\n").starts_with("HTTP/1.1 404 "));
  listeners.clear();
  loop.advance(10min);
  service.reset();
  PlainSite plain(mail, 8443);
  shown = &plain;
  CHECK(ask("POST /here HTTP/1.1\r\nHost: mail.example.test\r\nContent-Length: 0\r\n\r\n").starts_with("HTTP/1.1 404 "));
}

TEST_CASE("mta-sts: another policy has another id, of octets that the record may have") {
  const std::string enforced = own_policy_text({}, "mail.example");
  CHECK(enforced == "version: STSv1\r\nmode: enforce\r\nmx: mail.example\r\nmax_age: 604800\r\n");
  const std::string id = own_policy_id(enforced);
  CHECK(id.size() == 16);
  CHECK(id == own_policy_id(own_policy_text({}, "mail.example")));
  CHECK(id != own_policy_id(own_policy_text({.mode = mailauth::mta_sts::Mode::none}, "mail.example")));
  CHECK(id != own_policy_id(own_policy_text({.max_age = 1s}, "mail.example")));
  CHECK(id != own_policy_id(own_policy_text({}, "mx.example")));
}

TEST_CASE_FIXTURE(ServiceFixture, "web: without TLS people are sent to where there is, and nothing else is answered") {
  test::FakeDirectory directory;
  MailSite mail("mail.example.test", {}, directory);
  PlainSite plain(mail, 8443), alone(mail, 0);
  shown = &plain;
  const std::string answer = ask("GET /x?y HTTP/1.1\r\nHost: mta-sts.example.test:8080\r\n\r\n");
  CHECK(answer.starts_with("HTTP/1.1 308 "));
  CHECK(has(answer, "Location: https://mta-sts.example.test:8443/x?y\r\n"));
  CHECK(ask("POST / HTTP/1.1\r\nHost: mail.example.test\r\nContent-Length: 0\r\n\r\n").starts_with("HTTP/1.1 404 "));
  CHECK(ask("GET / HTTP/1.1\r\nHost: evil.test\r\n\r\n").starts_with("HTTP/1.1 421 "));
  listeners.clear();
  loop.advance(10min);
  service.reset();
  shown = &alone;
  CHECK(ask("GET / HTTP/1.1\r\nHost: mail.example.test\r\n\r\n").starts_with("HTTP/1.1 404 "));
}

TEST_CASE_FIXTURE(ServiceFixture, "web: over TLS a fetcher of ours reads the policy that we serve") {
  test::FakeDirectory directory;
  MailSite mail("mail.example.test", {}, directory);
  shown = &mail;
  tls = certified({"mta-sts.example.test"});
  start();
  zone::ZoneResolver dns{dns::Zone(dns::parse_zone("$TTL 60\nmta-sts.example A 192.0.2.1\n", *dns::Name::parse("test")).value())};
  tls::ClientOptions trusting;
  trusting.trust_pem = authority.pem();
  HttpsFetcher fetcher({}, dns, network, tls::ClientContext::create(fetcher_tls(trusting)).value());
  FetchRequest request{.url = "https://mta-sts.example.test:80/.well-known/mta-sts.txt"};
  const auto result = loop.run(fetcher.fetch(std::move(request), context()));
  REQUIRE_MESSAGE(result.has_value(), result.error().describe());
  CHECK(result->body == own_policy_text({}, "mail.example.test"));
  CHECK(http::find(result->headers, "Strict-Transport-Security") != nullptr);
}
