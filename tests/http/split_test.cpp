// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Sessions cut at every octet, and into random pieces, go as whole ones do.
#include "http/client_fixture.hpp"
#include "http/server_fixture.hpp"
#include "support/splits.hpp"

using namespace keystonemail;
using namespace keystonemail::http;
using namespace keystonemail::http::testing;

namespace {

const std::string requests[] = {
    "GET /a HTTP/1.1\r\nHost: a\r\n\r\nPOST /b HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhelloGET /c HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\nGET /d",
    "POST /b HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5;x=\"\\\"\"\r\nhello\r\n00a\r\n0123456789\r\n0\r\nT: u\r\n\r\nOPTIONS * HTTP/1.1\r\nHost: b\r\n\r\n",
    "\r\nPOST /b HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\nabcHEAD / HTTP/1.0\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhelloX\r\n",
    "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: y\n\r\n",
    "GET / HTTP/1.1\r\nHost: a\r\n\r\nGET http://b.example/x?y HTTP/1.1\r\nHost: a\r\n\r\nnonsense\r\n",
};

const std::string responses[] = {
    "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhelloHTTP/1.1 404\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nT: u\r\n\r\n",
    "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.0 200 OK\r\nA: b\r\n c\r\n\r\nuntil the end",
    "HTTP/1.1 204 No Content\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nxx",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n5\r\nab",
    "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\nHTTP/1.1 304 Not Modified\r\nContent-Length: 10\r\n\r\nunasked",
};

std::string serve(const std::string& octets, const std::vector<std::size_t>& cuts) {
  ServerFixture f;
  f.say(octets, cuts);
  f.end();
  return f.trace + f.sent;
}

std::string hear(const std::string& octets, const std::vector<std::size_t>& cuts) {
  ClientFixture f;
  f.hear(octets, cuts);
  f.end();
  return f.trace;
}

template <class Replay, std::size_t count>
void split(Replay replay, const std::string (&all)[count]) {
  SeededRandom random(1);
  for (const std::string& octets : all) {
    CAPTURE(octets);
    const std::string whole = replay(octets, {});
    for (std::size_t cut = 0; cut <= octets.size(); ++cut) {
      CAPTURE(cut);
      REQUIRE(replay(octets, {cut}) == whole);
    }
    std::vector<std::size_t> every(octets.size());
    for (std::size_t i = 0; i < every.size(); ++i) every[i] = i;
    REQUIRE(replay(octets, every) == whole);
    for (std::uint64_t i = 0; i < test::splits_wanted() / 10; ++i) REQUIRE(replay(octets, test::random_cuts(random, octets.size())) == whole);
  }
}

}  // namespace

TEST_CASE("http server: how reads split never shows") { split(serve, requests); }
TEST_CASE("http client: how reads split never shows") { split(hear, responses); }
