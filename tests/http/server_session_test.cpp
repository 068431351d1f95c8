// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "http/server_fixture.hpp"
#include "keystonemail/http/limits.hpp"

using namespace keystonemail;
using namespace keystonemail::http;
using namespace keystonemail::http::testing;
using namespace std::chrono_literals;

TEST_CASE("http server: a request is told with its target, host and fields, and answered with a length") {
  ServerFixture f;
  f.say("GET /a/b?c=d HTTP/1.1\r\nHost: Mail.Example:8443\r\nX-One:  two words \r\nEmpty:\r\n\r\n");
  CHECK(f.trace == "GET /a/b?c=d at mail.example:8443 1.1 0\n  Host=Mail.Example:8443\n  X-One=two words\n  Empty=\nend\n");
  CHECK(f.head.path() == "/a/b");
  CHECK(f.head.query() == "c=d");
  CHECK(f.sent == "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nok");
  CHECK(!f.closed);
}

TEST_CASE("http server: common fields go with every response that does not bring its own, faults included") {
  ServerFixture f;
  f.options.common_fields = {{"X-Frame-Options", "DENY"}, {"Content-Type", "none/none"}};
  f.say("GET / HTTP/1.1\r\nHost: a\r\n\r\nbroken\r\n\r\n");
  CHECK(f.sent.find("X-Frame-Options: DENY") != f.sent.rfind("X-Frame-Options: DENY"));
  CHECK(!f.sent.contains("none/none"));
  CHECK(f.status(1) == "400");
}

TEST_CASE("http server: requests on one connection are answered in order, and none is taken before the last is answered") {
  ServerFixture f;
  CHECK(f.say("GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n") == 0);
  CHECK(f.trace == "GET /1 at a 1.1 0\n  Host=a\nend\nGET /2 at a 1.1 0\n  Host=a\nend\n");

  ServerSession session(f.options, Instant());
  const std::string two = "GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n";
  CHECK(session.receive(two, Instant()) == two.size() / 2);
  CHECK(session.receive(two, Instant()) == 0);
}

TEST_CASE("http server: Connection: close and HTTP/1.0 end the connection after the response") {
  for (const char* request : {"GET / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Close\r\n\r\n", "GET / HTTP/1.0\r\n\r\n"}) {
    CAPTURE(request);
    ServerFixture f;
    f.say(request);
    CHECK(f.sent.contains("Connection: close\r\n"));
    CHECK(f.closed);
    CHECK(!f.fault);
  }
}

TEST_CASE("http server: no more requests than allowed come over one connection") {
  ServerFixture f;
  f.options.requests_max = 2;
  const std::string request = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
  CHECK(f.say(request + request + request) == request.size());
  CHECK(f.status(1) == "200");
  CHECK(f.status(2).empty());
  CHECK(f.closed);
}

TEST_CASE("http server: bodies come by length or in chunks, with trailers") {
  ServerFixture f;
  f.say("POST /l HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhelloPOST /c HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\n\r\n"
        "5;x=\"y;\\\"\" ; z\r\nhello\r\n1\r\n!\r\n0\r\nDigest: x\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n");
  CHECK(f.trace == "POST /l at a 1.1 5\n  Host=a\n  Content-Length=5\nbody hello\nend\n"
                   "POST /c at a 1.1 ?\n  Host=a\n  Transfer-Encoding=Chunked\nbody hello!\nend Digest=x\n"
                   "GET / at a 1.1 0\n  Host=a\nend\n");
}

TEST_CASE("http server: a body that is not asked for is not taken, and one that is comes piece by piece") {
  const ServerOptions options;
  ServerSession session(options, Instant());
  const std::string head = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n";
  const std::string body(1'000'000, 'b');
  CHECK(session.receive(head + body, Instant()) == head.size());
  CHECK(std::holds_alternative<ServerRequest>(session.next_event()));
  CHECK(session.receive(body, Instant()) == 0);
  session.read_body(body.size(), Instant());
  CHECK(session.receive(body, Instant()) == limits::body_piece_octets_max);
  CHECK(session.receive(body, Instant()) == 0);
  const auto event = session.next_event();
  CHECK(std::get<ServerBody>(event).octets.size() == limits::body_piece_octets_max);
  CHECK(session.receive(body, Instant()) == limits::body_piece_octets_max);
}

TEST_CASE("http server: who expects 100 Continue hears it once the body is wanted") {
  ServerFixture f;
  const std::string head = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-Continue\r\n\r\n";
  f.say(head);
  CHECK(f.sent == "HTTP/1.1 100 Continue\r\n\r\n");
  f.say("hi");
  CHECK(f.status(1) == "200");
  CHECK(!f.closed);
}

TEST_CASE("http server: an unknown expectation is 417") {
  ServerFixture f;
  f.say("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: magic\r\n\r\n");
  CHECK(f.status() == "417");
}

TEST_CASE("http server: a body that is too large is 413, before it comes or while it does") {
  for (const char* body : {"Content-Length: 11\r\nExpect: 100-continue\r\n\r\n", "Transfer-Encoding: chunked\r\n\r\n6\r\n123456\r\n6\r\n123456\r\n0\r\n\r\n"}) {
    CAPTURE(body);
    ServerFixture f;
    f.body_octets_max = 10;
    f.say("POST / HTTP/1.1\r\nHost: a\r\n" + std::string(body));
    CHECK(f.status() == "413");
    CHECK(!f.sent.contains("100 Continue"));
    f.end();
    CHECK(f.fault == Fault::body_too_large);
  }
}

TEST_CASE("http server: a short body that nobody reads is thrown away and the connection goes on") {
  ServerFixture f;
  f.reads_bodies = false;
  f.say("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhelloPOST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
        "GET /next HTTP/1.1\r\nHost: a\r\n\r\n");
  CHECK(f.trace.contains("GET /next"));
  CHECK(!f.closed);
}

TEST_CASE("http server: a long body that nobody reads ends the connection, after the peer had time to read why") {
  for (const char* framing : {"Content-Length: 1000000\r\n\r\n", "Transfer-Encoding: chunked\r\n\r\nf4240\r\n"}) {
    CAPTURE(framing);
    ServerFixture f;
    f.reads_bodies = false;
    f.say("POST / HTTP/1.1\r\nHost: a\r\n" + std::string(framing));
    CHECK(f.status() == "200");
    CHECK(!f.closed);
    f.say(std::string(70'000, 'x'));
    f.say(std::string(70'000, 'x'));
    CHECK(f.closed);
    CHECK(f.status(1).empty());
  }
}

TEST_CASE("http server: a response of unknown length is chunked, and ends with the connection in HTTP/1.0") {
  for (const bool old : {false, true}) {
    CAPTURE(old);
    ServerFixture f;
    int pieces = 0;
    f.answer = [](ServerSession& s, const RequestHead&, Instant at) { s.respond({}, std::nullopt, at); };
    f.feed = [&](ServerSession& s, Instant at) { ++pieces <= 2 ? s.give_body("sixteen chars..!", at) : s.end_body(at); };
    f.say(old ? "GET / HTTP/1.0\r\n\r\n" : "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    CHECK(f.sent == (old ? "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nsixteen chars..!sixteen chars..!"
                         : "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n10\r\nsixteen chars..!\r\n10\r\nsixteen chars..!\r\n0\r\n\r\n"));
    CHECK(f.closed == old);
  }
}

TEST_CASE("http server: HEAD, 204 and 304 have no body, whatever the service gives") {
  ServerFixture f;
  f.say("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n");
  CHECK(f.sent == "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\n");
  f.sent.clear();
  f.answer = [](ServerSession& s, const RequestHead& head, Instant at) { s.respond_with({.status = head.target == "/204" ? 204u : 304u}, "body", at); };
  f.say("GET /204 HTTP/1.1\r\nHost: a\r\n\r\nGET /304 HTTP/1.1\r\nHost: a\r\n\r\n");
  CHECK(f.sent == "HTTP/1.1 204 No Content\r\n\r\nHTTP/1.1 304 Not Modified\r\n\r\n");
}

TEST_CASE("http server: a value with line ends stays one field") {
  ServerFixture f;
  f.answer = [](ServerSession& s, const RequestHead&, Instant at) { s.respond_with({.status = 302, .fields = {{"Location", "/a\r\nSet-Cookie: b"}}}, "", at); };
  f.say("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  CHECK(f.sent.contains("Location: /a  Set-Cookie: b\r\n"));
}

TEST_CASE("http server: targets are a path, a whole URL whose host goes before Host, or an asterisk") {
  const auto told = [](std::string line) {
    ServerFixture f;
    f.say(line + " HTTP/1.1\r\nHost: a.example\r\n\r\n");
    return f.trace.empty() ? f.status() : f.trace.substr(0, f.trace.find(" 1.1"));
  };
  CHECK(told("GET /%41~x") == "GET /%41~x at a.example");
  CHECK(told("GET http://b.example:80?q") == "GET /?q at b.example:80");
  CHECK(told("OPTIONS *") == "OPTIONS * at a.example");
  for (const char* bad : {"GET *", "GET a", "GET /a\x7f", "GET /\xc3\xa4", "GET /%4", "GET /%zz", "GET /a\\b", "GET http://user@b/", "GET ftp://b/", "GET  /", "GET / "}) {
    CAPTURE(bad);
    CHECK(told(bad) == "400");
  }
  CHECK(told("CONNECT a:25") == "501");
  CHECK(told("GET /" + std::string(limits::start_line_octets_max, 'x')) == "414");
}

TEST_CASE("http server: versions other than 1.x are 505, and what is no version is 400") {
  for (const auto& [version, status] : {std::pair{"HTTP/2.0", "505"}, std::pair{"HTTP/1.11", "400"}, std::pair{"http/1.1", "400"}, std::pair{"HTTP/1.1 ", "400"}, std::pair{"", "400"}}) {
    CAPTURE(version);
    ServerFixture f;
    f.say("GET / " + std::string(version) + "\r\nHost: a\r\n\r\n");
    CHECK(f.status() == status);
  }
  ServerFixture f;
  f.say("GET / HTTP/1.2\r\nHost: a\r\n\r\n");
  CHECK(f.status() == "200");
}

TEST_CASE("http server: an idle connection ends silently, a request that does not come to its end is 408") {
  ServerFixture idle;
  idle.open();
  idle.pass(61s);
  CHECK(idle.closed);
  CHECK(idle.sent.empty());

  ServerFixture slow;
  for (const char* piece : {"G", "E", "T", " "}) {
    slow.say(piece);
    if (slow.now < Instant(27s)) slow.pass(9s);
  }
  CHECK(!slow.closed);
  slow.pass(9s);  // 36 s since the first octet, 9 s since the last
  CHECK(slow.status() == "408");
  slow.pass(3s);
  CHECK(slow.closed);
}

TEST_CASE("http server: a body slower than the least rate is 408, however steadily it comes") {
  ServerFixture f;
  f.say("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n");
  for (int i = 0; i < 100 && f.sent.empty(); ++i) {
    f.say("xxxx");
    f.pass(5s);
  }
  CHECK(f.status() == "408");
  CHECK(f.now <= Instant(40s));
}

TEST_CASE("http server: time that the service takes is not held against the peer") {
  const ServerOptions options;
  ServerSession session(options, Instant());
  Instant now{};
  (void)session.receive("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n", now);
  (void)session.next_event();
  session.read_body(100, now);
  (void)session.receive("xxx", now);
  CHECK(std::holds_alternative<ServerBody>(session.next_event()));
  now += 300s;
  session.resume(now);
  CHECK(session.deadline() > now + 20s);
}

TEST_CASE("http server: a peer that does not read ends the connection") {
  const ServerOptions options;
  ServerSession session(options, Instant());
  (void)session.receive("GET / HTTP/1.1\r\nHost: a\r\n\r\n", Instant());
  (void)session.next_event();
  session.respond_with({}, "body", Instant());
  session.expire(Instant(61s));
  const auto event = session.next_event();
  CHECK(std::get<ServerClosed>(event).fault == Fault::timed_out);
}

TEST_CASE("http server: the end of the connection within a request is a fault, between them it is none") {
  ServerFixture between;
  between.say("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  between.end();
  CHECK(between.closed);
  CHECK(!between.fault);
  for (const char* begun : {"GET / HT", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nab", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n"}) {
    ServerFixture within;
    within.say(begun);
    within.end();
    CHECK(within.fault == Fault::truncated);
    CHECK(within.sent.empty());
  }
}

TEST_CASE("http server: a client that closed its side still gets the answer") {
  const ServerOptions options;
  ServerSession session(options, Instant());
  (void)session.receive("GET / HTTP/1.1\r\nHost: a\r\n\r\n", Instant());
  session.receive_end(Instant());
  CHECK(std::holds_alternative<ServerRequest>(session.next_event()));
  session.respond_with({}, "body", Instant());
  CHECK(session.pending_output().ends_with("body"));
  session.consume_output(session.pending_output().size(), Instant());
  CHECK(std::holds_alternative<ServerClosed>(session.next_event()));
}

TEST_CASE("http server: an aborted response is not ended, so that nobody takes it for whole") {
  ServerFixture f;
  int pieces = 0;
  f.answer = [](ServerSession& s, const RequestHead&, Instant at) { s.respond({}, std::nullopt, at); };
  f.feed = [&](ServerSession& s, Instant at) { ++pieces <= 1 ? s.give_body("half", at) : s.abort(at); };
  f.say("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  CHECK(f.closed);
  CHECK(f.sent.ends_with("4\r\nhalf\r\n"));
}
