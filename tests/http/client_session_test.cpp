// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "http/client_fixture.hpp"
#include "keystonemail/http/limits.hpp"

using namespace keystonemail;
using namespace keystonemail::http;
using namespace keystonemail::http::testing;
using namespace std::chrono_literals;

TEST_CASE("http client: a request without a body has none, and says its length only where one is usual") {
  ClientFixture get;
  get.request.fields = {{"Accept", "text/plain"}};
  get.open();
  CHECK(get.sent == "GET /x HTTP/1.1\r\nHost: a.example\r\nAccept: text/plain\r\n\r\n");
  ClientFixture post;
  post.request.method = "POST";
  post.open();
  CHECK(post.sent == "POST /x HTTP/1.1\r\nHost: a.example\r\nContent-Length: 0\r\n\r\n");
}

TEST_CASE("http client: a body goes by length or in chunks") {
  ClientFixture f;
  f.request.method = "POST";
  f.body = "ab";
  f.body_octets = 2;
  f.open();
  CHECK(f.sent == "POST /x HTTP/1.1\r\nHost: a.example\r\nContent-Length: 2\r\n\r\nab");
  ClientFixture chunked;
  chunked.request.method = "POST";
  chunked.body = "ab";
  chunked.body_octets = std::nullopt;
  chunked.open();
  CHECK(chunked.sent == "POST /x HTTP/1.1\r\nHost: a.example\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n1\r\nb\r\n0\r\n\r\n");
}

TEST_CASE("http client: a response comes with its body, and the connection is used again") {
  ClientFixture f;
  f.hear("HTTP/1.1 200 Fine\r\nContent-Length: 5\r\n\r\nhello");
  CHECK(f.trace == "200 5 Content-Length=5\nbody hello\nend, reusable\n");
  CHECK(f.sent == "GET /x HTTP/1.1\r\nHost: a.example\r\n\r\nGET /x HTTP/1.1\r\nHost: a.example\r\n\r\n");
  f.hear("HTTP/1.1 200\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n");
  CHECK(f.trace.ends_with("200 ? Transfer-Encoding=chunked\nbody hello\nend, reusable\n"));
}

TEST_CASE("http client: Connection: close, HTTP/1.0 and a body up to the end are the connection's last") {
  for (const char* response : {"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", "HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\n"}) {
    CAPTURE(response);
    ClientFixture f;
    f.hear(response);
    f.end();
    CHECK(f.trace.ends_with("end\nclosed\n"));
  }
}

TEST_CASE("http client: a body up to the end is whole only when the connection ended properly") {
  ClientFixture whole;
  whole.hear("HTTP/1.1 200 OK\r\n\r\nall of it");
  whole.end();
  CHECK(whole.trace == "200 ?\nbody all of it\nend\nclosed\n");
  ClientFixture cut;
  cut.hear("HTTP/1.1 200 OK\r\n\r\nall of it");
  cut.end(InputEnd::cut);
  CHECK(cut.fault == Fault::truncated);
}

TEST_CASE("http client: a body that ends early is a fault") {
  for (const char* response : {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n", "HTTP/1.1 2", ""}) {
    CAPTURE(response);
    ClientFixture f;
    f.hear(response);
    f.end();
    CHECK(f.fault == Fault::truncated);
  }
}

TEST_CASE("http client: HEAD, 204 and 304 have no body, whatever their fields say") {
  ClientFixture f;
  f.request.method = "HEAD";
  f.hear("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n");
  CHECK(f.trace == "200 0 Content-Length=5\nbody \nend, reusable\n");
  f.request.method = "GET";
  ClientFixture g;
  g.hear("HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n");
  CHECK(g.trace.contains("204 0\nbody \nend, reusable\n"));
}

TEST_CASE("http client: interim responses are passed over, up to a number; 101 answers nothing that was asked") {
  ClientFixture f;
  f.hear("HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
  CHECK(f.trace == "200 0 Content-Length=0\nbody \nend, reusable\n");
  ClientFixture many;
  for (std::size_t i = 0; i <= limits::interim_responses_max; ++i) many.hear("HTTP/1.1 102 Processing\r\n\r\n");
  CHECK(many.fault == Fault::unexpected_message);
  ClientFixture upgraded;
  upgraded.hear("HTTP/1.1 101 Switching Protocols\r\n\r\n");
  CHECK(upgraded.fault == Fault::unexpected_message);
}

TEST_CASE("http client: a body waits for 100 Continue, but not forever") {
  const auto waiting = [] {
    ClientFixture f;
    f.request.method = "POST";
    f.body = "body";
    f.body_octets = 4;
    f.expectation = Expectation::continue_first;
    f.open();
    CHECK(f.sent.ends_with("Expect: 100-continue\r\n\r\n"));
    return f;
  };
  auto told = waiting();
  told.hear("HTTP/1.1 100 Continue\r\n\r\n");
  CHECK(told.sent.ends_with("\r\n\r\nbody"));
  auto untold = waiting();
  untold.pass(1s);
  CHECK(untold.sent.ends_with("\r\n\r\nbody"));
  auto refused = waiting();
  refused.hear("HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n");
  CHECK(refused.trace == "413 0 Content-Length=0\nbody \nend\nclosed\n");
  CHECK(!refused.sent.contains("\r\n\r\nbody"));
}

TEST_CASE("http client: a server that answers before the end of a body gets no more of it") {
  ClientOptions options;
  ClientSession session(options, Instant());
  session.send({.method = "POST", .target = "/", .authority = {.host = "a", .port = {}}}, 10, Expectation::none, Instant());
  session.consume_output(session.pending_output().size(), Instant());
  CHECK(std::holds_alternative<ClientNeedBody>(session.next_event()));
  session.give_body("12345", Instant());
  (void)session.receive("HTTP/1.1 400 Bad\r\nContent-Length: 0\r\n\r\n", Instant());
  CHECK(session.pending_output().empty());
  CHECK(std::holds_alternative<ClientResponse>(session.next_event()));
  session.give_body("67890", Instant());
  session.end_body(Instant());
  CHECK(session.pending_output().empty());
  const auto end = session.next_event();
  CHECK(!std::get<ClientResponseEnd>(end).reusable);
}

TEST_CASE("http client: what may be framed in two ways is a fault") {
  for (const char* fields : {"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", "Content-Length: 5\r\nContent-Length: 5\r\n", "Content-Length: +5\r\n", "Transfer-Encoding: gzip, chunked\r\n"}) {
    CAPTURE(fields);
    ClientFixture f;
    f.hear("HTTP/1.1 200 OK\r\n" + std::string(fields) + "\r\nhello");
    CHECK(f.fault.has_value());
    CHECK(!f.trace.contains("200"));
  }
}

TEST_CASE("http client: a folded field is unfolded") {
  ClientFixture f;
  f.hear("HTTP/1.1 200 OK\r\nX: a\r\n\t b\r\n  \r\nContent-Length: 0\r\n\r\n");
  CHECK(f.trace.starts_with("200 0 X=a b Content-Length=0\n"));
}

TEST_CASE("http client: what is no response, or no answer to a request, is a fault") {
  for (const char* response : {"220 mail.example ESMTP\r\n", "HTTP/2 200 OK\r\n\r\n", "HTTP/1.1 20 OK\r\n\r\n", "HTTP/1.1 999 OK\r\n\r\n", "HTTP/1.1 2000\r\n\r\n", "HTTP/1.1 200 OK\nX: y\n\n"}) {
    CAPTURE(response);
    ClientFixture f;
    f.hear(response);
    CHECK(f.fault.has_value());
  }
  ClientOptions options;
  ClientSession session(options, Instant());
  (void)session.receive("HTTP/1.1 200 OK\r\n\r\n", Instant());
  const auto event = session.next_event();
  CHECK(std::get<ClientClosed>(event).fault == Fault::unexpected_message);
}

TEST_CASE("http client: a server that says nothing is timed out, at the header and within the body") {
  ClientFixture silent;
  silent.open();
  silent.pass(60s);
  CHECK(silent.fault == Fault::timed_out);
  ClientFixture stuck;
  stuck.hear("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhe");
  stuck.pass(59s);
  CHECK(!stuck.closed);
  stuck.pass(1s);
  CHECK(stuck.fault == Fault::timed_out);
}

TEST_CASE("http client: a large body is taken piece by piece") {
  ClientOptions options;
  ClientSession session(options, Instant());
  session.send({.authority = {.host = "a", .port = {}}}, 0, Expectation::none, Instant());
  session.consume_output(session.pending_output().size(), Instant());
  const std::string head = "HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n";
  const std::string body(1'000'000, 'b');
  CHECK(session.receive(head + body, Instant()) == head.size());
  CHECK(std::holds_alternative<ClientResponse>(session.next_event()));
  CHECK(session.receive(body, Instant()) == limits::body_piece_octets_max);
  CHECK(session.receive(body, Instant()) == 0);
}
