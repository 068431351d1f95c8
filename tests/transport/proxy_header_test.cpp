// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "keystonemail/transport/proxy_header.hpp"

#include <doctest/doctest.h>

#include <string>

#include "support/pipe_stream.hpp"
#include "support/sim_executor.hpp"

using namespace keystonemail;
using namespace keystonemail::test;
using namespace keystonemail::transport;
using namespace std::chrono_literals;
using namespace std::string_literals;

namespace {

const std::string signature = "\r\n\r\n\0\r\nQUIT\n"s;
const std::string v1 = "PROXY TCP4 192.0.2.1 198.51.100.2 56324 25\r\n";
const std::string v2 = signature + "\x21\x11\x00\x0c"s + "\xc0\x00\x02\x01\xc6\x33\x64\x02\xdc\x04\x00\x19"s;
const std::string v2_six = signature + "\x21\x21\x00\x24"s + "\x20\x01\x0d\xb8"s + std::string(11, '\0') + "\x01"s +
                           "\x20\x01\x0d\xb8"s + std::string(11, '\0') + "\x02"s + "\xdc\x04\x00\x19"s;

// "192.0.2.1:5 -> 198.51.100.2:25 (44)", "local (15)", "more" or "bad".
std::string outcome(std::string_view octets) {
  const auto parsed = parse_proxy_header(octets);
  if (std::holds_alternative<NeedMoreOctets>(parsed)) return "more";
  if (std::holds_alternative<NotAProxyHeader>(parsed)) return "bad";
  const auto& header = std::get<ProxyHeader>(parsed);
  const std::string length = " (" + std::to_string(header.octets) + ")";
  if (!header.addresses) return "local" + length;
  return header.addresses->client.to_string() + " -> " + header.addresses->server.to_string() + length;
}

}  // namespace

TEST_CASE("proxy: version 1 names the client and the server") {
  CHECK(outcome(v1) == "192.0.2.1:56324 -> 198.51.100.2:25 (44)");
  CHECK(outcome("PROXY TCP6 2001:db8::1 2001:db8::2 1 65535\r\n") == "[2001:db8::1]:1 -> [2001:db8::2]:65535 (44)");
  CHECK(outcome("PROXY TCP6 ::ffff:192.0.2.1 ::ffff:198.51.100.2 1 25\r\n") == "192.0.2.1:1 -> 198.51.100.2:25 (54)");
  CHECK(outcome("PROXY UNKNOWN ffff:f...f 1 2\r\n") == "local (30)");
  CHECK(outcome("PROXY UNKNOWN\r\n") == "local (15)");
}

TEST_CASE("proxy: version 2 names the client and the server, and extensions are passed over") {
  CHECK(outcome(v2) == "192.0.2.1:56324 -> 198.51.100.2:25 (28)");
  CHECK(outcome(v2_six) == "[2001:db8::1]:56324 -> [2001:db8::2]:25 (52)");
  std::string extended = v2 + "\x04\x00\x01\x00"s;
  extended[15] = 16;
  CHECK(outcome(extended) == "192.0.2.1:56324 -> 198.51.100.2:25 (32)");
  CHECK(outcome(signature + "\x20\x00\x00\x00"s) == "local (16)");
  CHECK(outcome(signature + "\x21\x00\x00\x00"s) == "local (16)");
}

TEST_CASE("proxy: the result does not depend on where reads split or on what follows") {
  for (const std::string& header : {v1, v2, v2_six, "PROXY UNKNOWN\r\n"s}) {
    const std::string whole = outcome(header);
    for (std::size_t cut = 0; cut < header.size(); ++cut) {
      CAPTURE(cut);
      CHECK(outcome(header.substr(0, cut)) == "more");
    }
    CHECK(outcome(header + "EHLO x\r\n") == whole);
  }
}

TEST_CASE("A14: proxy: malformed headers are refused, and truncated ones never read beyond what came") {
  for (const std::string& bad : {
           "EHLO x\r\n"s, "PROXY TCP4 192.0.2.1 198.51.100.2 56324\r\n"s, "PROXY TCP4 192.0.2.1 198.51.100.2 56324 25 \r\n"s,
           "PROXY TCP4 192.0.2.1  198.51.100.2 56324 25\r\n"s, "PROXY TCP4 192.0.2.1 198.51.100.2 056324 25\r\n"s,
           "PROXY TCP4 192.0.2.1 198.51.100.2 70000 25\r\n"s, "PROXY TCP4 2001:db8::1 198.51.100.2 1 25\r\n"s,
           "PROXY TCP6 192.0.2.1 198.51.100.2 1 25\r\n"s, "PROXY TCP6 2001:db8::1 198.51.100.2 1 25\r\n"s,
           "PROXY TCP4 ::ffff:192.0.2.1 198.51.100.2 1 25\r\n"s, "PROXY TCP4 192.0.2.1 ::ffff:198.51.100.2 1 25\r\n"s,
           "PROXY UDP4 192.0.2.1 198.51.100.2 1 25\r\n"s, "PROXY TCP4 192.0.2.1\n"s, "PROXY TCP4 1\r2"s, "PROXY \0\r\n"s,
           "proxy "s, "PROXY TCP4 "s + std::string(200, '1'), signature + "\x31"s, signature + "\x22\x11\x00\x0c"s,
           signature + "\x21\x11\x00\x0b"s + std::string(11, 'x'), signature + "\x21\x21\x00\x0c"s + std::string(12, 'x'),
           signature + "\x21\x11\xff\xff"s, "\r\n\r\nx"s}) {
    CAPTURE(bad);
    CHECK(outcome(bad) == "bad");
  }
}

TEST_CASE("A14: proxy: the stream has the client's address and starts behind the header") {
  for (const std::string& header : {v1, v2}) {
    SimExecutor loop;
    Pipe pipe = make_pipe({.client = *Endpoint::parse("10.0.0.1:9")});
    auto balancer = std::make_unique<FaultyStream>(std::move(pipe.server), StreamFaults{.read_octets_max = 5});
    CHECK(loop.run(write_all(*pipe.client, header + "EHLO x\r\n", {&loop})).has_value());
    auto stream = loop.run(accept_proxy(std::move(balancer), {&loop})).value();
    CHECK(stream->peer().to_string() == "192.0.2.1:56324");
    CHECK(stream->local().port == 25);
    CHECK(loop.run(read_through(*stream, "\r\n", {&loop})).value() == "EHLO x\r\n");
  }
}

TEST_CASE("A14: proxy: a connection that ends within its header, or begins otherwise, is dropped") {
  for (const std::string& wire : {v2.substr(0, 20), "EHLO x\r\n"s}) {
    SimExecutor loop;
    Pipe pipe = make_pipe();
    CHECK(loop.run(write_all(*pipe.client, wire, {&loop})).has_value());
    loop.run(pipe.client->close({&loop}));
    CHECK(loop.run(accept_proxy(std::move(pipe.server), {&loop})).error().kind() == ErrorKind::invalid);
  }
}

TEST_CASE("A14: proxy: a header that does not come in time is a timeout") {
  SimExecutor loop;
  Pipe pipe = make_pipe();
  auto accepting = accept_proxy(std::move(pipe.server), Context{&loop}.until(loop.now() + 5s));
  CHECK(loop.run(std::move(accepting)).error().kind() == ErrorKind::timeout);
}
