// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "service/web/fixture.hpp"

using namespace keystonemail;
using namespace keystonemail::web;
using namespace keystonemail::web::testing;

namespace {

constexpr std::string_view zone_text =
    "$TTL 60\n"
    "web A 203.0.113.1\n"
    "six AAAA 2001:4860::1\n"
    "both A 203.0.113.9\n"
    "both AAAA 2001:4860::1\n"
    "empty TXT \"x\"\n"
    "private A 10.0.0.1\n"
    "mixed A 127.0.0.1\n"
    "mixed A 203.0.113.1\n"
    "own A 203.0.113.7\n";

struct FetcherFixture : WebFixture {
  zone::ZoneResolver dns{dns::Zone(dns::parse_zone(zone_text, *dns::Name::parse("test")).value())};
  std::string answer = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello";
  std::vector<std::string> heard;    // what servers were asked
  bool stays_open = false;
  HttpsFetcherOptions options{};
  ~FetcherFixture() { finish(); }  // what still speaks writes to `heard`

  // A server that gives its answer once it has read a request's header and as much of its body as that says.
  Task<void> speak(std::unique_ptr<transport::ByteStream> stream, std::shared_ptr<const tls::ServerContext> tls, Context context) {
    if (tls) {
      auto secured = co_await transport::TlsStream::accept(std::move(stream), tls, transport::TlsStart::implicit, context);
      if (!secured) co_return;
      stream = *std::move(secured);
    }
    auto head = co_await test::read_through(*stream, "\r\n\r\n", context);
    if (!head) {
      heard.push_back("nothing");
      co_return;
    }
    const std::size_t length = head->find("Content-Length: ");
    if (length != std::string::npos) {
      const auto octets = static_cast<std::size_t>(std::stoul(head->substr(length + 16)));
      std::string body;
      while (body.size() < octets) {
        const auto piece = co_await stream->read(context);
        if (!piece || piece->empty()) break;
        body += *piece;
        stream->consume(piece->size());
      }
      *head += body;
    }
    heard.push_back(*head);
    (void)co_await transport::write_all(*stream, answer, context);
    if (stays_open) co_await sleep_until(context.executor->now() + 1h, context);
    co_await stream->close(context);
  }
  void serve(std::string_view endpoint, std::vector<std::string> names, WallTime::duration lifetime = 24h) {
    std::shared_ptr<const tls::ServerContext> tls = names.empty() ? nullptr : certified(std::move(names), lifetime);
    listen(endpoint, [this, tls](std::unique_ptr<transport::ByteStream> stream, Context on) { return speak(std::move(stream), tls, std::move(on)); });
  }
  FetchResult fetch(FetchRequest request) {
    tls::ClientOptions tls;
    tls.trust_pem = authority.pem();
    HttpsFetcher fetcher(options, dns, network, tls::ClientContext::create(fetcher_tls(tls)).value());
    return loop.run(fetcher.fetch(std::move(request), context()));
  }
  FetchResult fetch(std::string url) { return fetch(FetchRequest{.url = std::move(url)}); }
  FetchFault fault(FetchRequest request) {
    const auto result = fetch(std::move(request));
    REQUIRE(!result);
    return result.error().fault();
  }
  FetchFault fault(std::string url) { return fault(FetchRequest{.url = std::move(url)}); }
};

}  // namespace

TEST_CASE_FIXTURE(FetcherFixture, "https fetcher: asks for the target at the host, verified, and gives status, headers and body") {
  serve("203.0.113.1:443", {"web.test"});
  const auto result = fetch("https://Web.test/a?b");
  REQUIRE_MESSAGE(result.has_value(), result.error().describe());
  CHECK(result->status == 200);
  CHECK(*http::find(result->headers, "content-type") == "text/plain");
  CHECK(result->body == "hello");
  CHECK(heard == std::vector<std::string>{"GET /a?b HTTP/1.1\r\nHost: web.test\r\nUser-Agent: Keystone-Mail\r\nConnection: close\r\n\r\n"});
}

TEST_CASE_FIXTURE(FetcherFixture, "https fetcher: a body is sent with its length") {
  serve("203.0.113.1:443", {"web.test"});
  FetchRequest request{.method = "POST", .url = "https://web.test/", .headers = {{"Content-Type", "application/json"}}, .body = std::string(200'000, 'x')};
  CHECK(fetch(std::move(request))->body == "hello");
  CHECK(heard.at(0).contains("Content-Length: 200000\r\n"));
  CHECK(heard.at(0).ends_with(std::string(200'000, 'x')));
}

TEST_CASE_FIXTURE(FetcherFixture, "https fetcher: any status is an answer, and a redirection is not followed unless asked for (RFC 8461 §3.3)") {
  serve("203.0.113.1:443", {"web.test"});
  answer = "HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n";
  CHECK(fetch("https://web.test/")->status == 302);
  CHECK(heard.size() == 1);
  FetchRequest follow{.url = "https://web.test/", .redirects_max = 2};
  CHECK(fault(follow) == FetchFault::redirects);
  CHECK(heard.size() == 4);
  CHECK(heard.back().starts_with("GET /elsewhere "));
  answer = "HTTP/1.1 302 Found\r\nLocation: http://web.test/\r\nContent-Length: 0\r\n\r\n";
  CHECK(fault(follow) == FetchFault::redirects);
}

TEST_CASE_FIXTURE(FetcherFixture, "https fetcher: the stages of failure are told apart") {
  CHECK(fault("https://nowhere.test/") == FetchFault::name_not_found);
  CHECK(fault("https://empty.test/") == FetchFault::name_not_found);
  CHECK(fault("https://web.test/") == FetchFault::connect);
  CHECK(fault("ftp://web.test/") == FetchFault::bad_request);
  CHECK(fault("http://web.test/") == FetchFault::bad_request);
  CHECK(fault(FetchRequest{.method = "GET /x", .url = "https://web.test/"}) == FetchFault::bad_request);
  CHECK(fault(FetchRequest{.url = "https://web.test/", .headers = {{"X", "a\r\nY: b"}}}) == FetchFault::bad_request);
  CHECK(fault(FetchRequest{.url = "https://web.test/", .headers = {{"Transfer-Encoding", "chunked"}}}) == FetchFault::bad_request);
  serve("203.0.113.1:443", {});
  CHECK(fault("https://web.test/") == FetchFault::tls);
}

TEST_CASE_FIXTURE(FetcherFixture, "https fetcher: a certificate that is not good is a fault of its own, and nothing is sent") {
  SUBCASE("for another name") { serve("203.0.113.1:443", {"other.test"}); }
  SUBCASE("expired") { serve("203.0.113.1:443", {"web.test"}, -1h); }
  SUBCASE("of an unknown authority") {
    authority = tls::test::Authority(loop.wall_now());
    serve("203.0.113.1:443", {"web.test"});
    authority = tls::test::Authority(loop.wall_now());
  }
  const auto result = fetch("https://web.test/");
  REQUIRE(!result);
  CHECK_MESSAGE(result.error().fault() == FetchFault::certificate, result.error().describe());
  CHECK(result.error().kind() == ErrorKind::denied);
  loop.advance(1s);
  CHECK(std::ranges::all_of(heard, [](const std::string& text) { return text == "nothing"; }));
}

TEST_CASE_FIXTURE(FetcherFixture, "https fetcher: goes on to the next address, of either family") {
  serve("[2001:4860::1]:443", {"both.test", "six.test"});
  CHECK(fetch("https://six.test/")->status == 200);
  CHECK(fetch("https://both.test/")->status == 200);
}

TEST_CASE_FIXTURE(FetcherFixture, "https fetcher: a response beyond the size is a fault, announced or not") {
  serve("203.0.113.1:443", {"web.test"});
  FetchRequest small{.url = "https://web.test/", .octets_max = 4};
  CHECK(fault(small) == FetchFault::too_large);
  answer = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n3\r\ndef\r\n0\r\n\r\n";
  CHECK(fault(small) == FetchFault::too_large);
  answer = "HTTP/1.1 200 OK\r\nX: " + std::string(40'000, 'x') + "\r\n\r\n";
  CHECK(fault(small) == FetchFault::too_large);
}

TEST_CASE_FIXTURE(FetcherFixture, "https fetcher: what is cut off or no HTTP is a fault of the protocol") {
  serve("203.0.113.1:443", {"web.test"});
  for (const char* broken : {"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello", "220 mail.test ESMTP\r\n", "", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\nhello"}) {
    CAPTURE(broken);
    answer = broken;
    CHECK(fault("https://web.test/") == FetchFault::protocol);
  }
}

TEST_CASE_FIXTURE(FetcherFixture, "https fetcher: all together takes no longer than was given") {
  serve("203.0.113.1:443", {"web.test"});
  answer = "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello";
  stays_open = true;
  const Instant begun = loop.now();
  CHECK(fault(FetchRequest{.url = "https://web.test/", .time_max = 7s}) == FetchFault::timeout);
  CHECK(loop.now() - begun <= 8s);
}

TEST_CASE_FIXTURE(FetcherFixture, "attack G5: a URL of a stranger leads to public addresses alone, and to ports of the web") {
  serve("203.0.113.1:443", {"web.test", "mixed.test"});
  serve("127.0.0.1:443", {"mixed.test", "127.0.0.1"});
  serve("203.0.113.7:443", {"own.test"});
  options.denied = {*IpNetwork::parse("203.0.113.7")};
  const auto stranger = [&](std::string url) { return fetch(FetchRequest{.url = std::move(url), .reach = Reach::public_only}); };
  CHECK(stranger("https://web.test/").has_value());
  CHECK(stranger("https://mixed.test/").has_value());  // by its public address
  for (const char* url : {"https://private.test/", "https://own.test/", "https://127.0.0.1/", "https://[::1]/", "https://[::ffff:10.0.0.1]/", "https://169.254.169.254/latest/meta-data",
                          "https://[64:ff9b::7f00:1]/", "https://[2002:a00:1::]/", "https://0.0.0.0/", "https://web.test:25/", "https://web.test:22/"}) {
    CAPTURE(url);
    const auto result = stranger(url);
    REQUIRE(!result);
    CHECK(result.error().fault() == FetchFault::address_denied);
  }
}

TEST_CASE_FIXTURE(FetcherFixture, "attack G5: a redirection of a stranger is checked as its URL was") {
  serve("203.0.113.1:443", {"web.test"});
  answer = "HTTP/1.1 302 Found\r\nLocation: https://private.test/\r\nContent-Length: 0\r\n\r\n";
  CHECK(fault(FetchRequest{.url = "https://web.test/", .redirects_max = 1, .reach = Reach::public_only}) == FetchFault::address_denied);
}
