// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// G1: request smuggling. Two that read one connection must not see different messages in it, so what can be read in two ways is
// 400 and the end of the connection; nothing after it is looked at.
#include "http/server_fixture.hpp"
#include "keystonemail/http/limits.hpp"

using namespace keystonemail;
using namespace keystonemail::http;
using namespace keystonemail::http::testing;

namespace {

const std::string smuggled = "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n";

// The status, once it is sure that the connection has ended and nothing behind was taken for a request.
std::string refused(const std::string& octets) {
  ServerFixture f;
  f.say(octets + smuggled);
  f.end();
  CHECK(f.closed);
  CHECK(f.sent.contains("Connection: close"));
  CHECK(!f.trace.contains("/smuggled"));
  return f.status();
}

std::string with_fields(const std::string& fields, const std::string& body = "") {
  return "POST / HTTP/1.1\r\nHost: a\r\n" + fields + "\r\n" + body;
}
std::string with_chunks(const std::string& chunks) { return with_fields("Transfer-Encoding: chunked\r\n", chunks); }

}  // namespace

TEST_CASE("attack G1: Content-Length beside Transfer-Encoding is 400, in either order") {
  CHECK(refused(with_fields("Content-Length: 4\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n")) == "400");
  CHECK(refused(with_fields("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", "0\r\n\r\n")) == "400");
}

TEST_CASE("attack G1: two Content-Lengths are 400, the same or not, in one field or two") {
  for (const char* fields : {"Content-Length: 4\r\nContent-Length: 5\r\n", "Content-Length: 4\r\nContent-Length: 4\r\n", "Content-Length: 4, 4\r\n", "Content-Length: 4,\r\n"}) {
    CAPTURE(fields);
    CHECK(refused(with_fields(fields, "abcd")) == "400");
  }
}

TEST_CASE("attack G1: a Content-Length that is not digits alone is 400") {
  for (const char* value : {"+5", "-1", "0x5", "5 5", "", "5;", "1e1", "99999999999999999999", "\xef\xbc\x95"}) {
    CAPTURE(value);
    CHECK(refused(with_fields("Content-Length: " + std::string(value) + "\r\n", "abcde")) == "400");
  }
}

TEST_CASE("attack G1: a transfer coding that is not chunked at the end is 400, another before it 501") {
  for (const char* value : {"xchunked", "chunked, identity", "identity", "chunked;q=1", "chunked, chunked", "\"chunked\"", "", "chunked,", "\x0b" "chunked"}) {
    CAPTURE(value);
    CHECK(refused(with_fields("Transfer-Encoding: " + std::string(value) + "\r\n", "0\r\n\r\n")) == "400");
  }
  CHECK(refused(with_fields("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n", "0\r\n\r\n")) == "400");
  CHECK(refused(with_fields("Transfer-Encoding: gzip, chunked\r\n", "0\r\n\r\n")) == "501");
}

TEST_CASE("attack G1: Transfer-Encoding in HTTP/1.0 is 400") {
  CHECK(refused("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n") == "400");
}

TEST_CASE("attack G1: a chunk size is hexadecimal digits and nothing else") {
  for (const char* size : {"+5", "-5", "0x5", " 5", "5 ", "", "5g", "5,", "fffffffffffffffff", "10000000000000005"}) {
    CAPTURE(size);
    CHECK(refused(with_chunks(std::string(size) + "\r\nhello\r\n0\r\n\r\n")) == "400");
  }
}

TEST_CASE("attack G1: a bare LF or CR ends nothing, in a header, a chunk line or after a chunk") {
  for (const char* octets : {"GET / HTTP/1.1\nHost: a\n\n", "GET / HTTP/1.1\r\nHost: a\nX: y\r\n\r\n", "GET / HTTP/1.1\r\nHost: a\r\n\n",
                             "GET / HTTP/1.1\r\nHost: a\r\nX: y\rTransfer-Encoding: chunked\r\n\r\n", "GET / HTTP/1.1\r\nHost: a\r\r\n\r\n"}) {
    CAPTURE(octets);
    CHECK(refused(octets) == "400");
  }
  for (const char* chunks : {"5\nhello\r\n0\r\n\r\n", "5\r\nhello\n0\r\n\r\n", "5\r\nhello0\r\n\r\n", "5\r\nhellohello\r\n0\r\n\r\n", "0\n\r\n", "0\r\n\n", "0\r\nX: y\n\r\n"}) {
    CAPTURE(chunks);
    CHECK(refused(with_chunks(chunks)) == "400");
  }
}

TEST_CASE("attack G1: a line end within a chunk extension does not end it") {
  for (const char* chunks : {"5;\nxx\r\nhello\r\n0\r\n\r\n", "5;a=\"\n\"\r\nhello\r\n0\r\n\r\n", "5;a\rb\r\nhello\r\n0\r\n\r\n", "5;\r\nhello\r\n0\r\n\r\n",
                             "5;a=\r\nhello\r\n0\r\n\r\n", "5;a=\"b\r\nhello\r\n0\r\n\r\n", "5 a\r\nhello\r\n0\r\n\r\n"}) {
    CAPTURE(chunks);
    CHECK(refused(with_chunks(chunks)) == "400");
  }
}

TEST_CASE("attack G1: chunk extensions are limited, each and all together") {
  CHECK(refused(with_chunks("5;" + std::string(limits::chunk_line_octets_max, 'x') + "\r\nhello\r\n0\r\n\r\n")) == "400");
  std::string chunks;
  for (std::size_t octets = 0; octets <= limits::chunk_extensions_octets_max; octets += 500) chunks += "1;" + std::string(500, 'x') + "\r\na\r\n";
  CHECK(refused(with_chunks(chunks + "0\r\n\r\n")) == "400");
}

TEST_CASE("attack G1: a folded line is 400, at the first field and later, and so is white space before it") {
  CHECK(refused("GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\r\n chunked\r\n\r\n") == "400");
  CHECK(refused("GET / HTTP/1.1\r\n Host: a\r\n\r\n") == "400");
  CHECK(refused("GET / HTTP/1.1\r\nHost: a\r\n\tX: y\r\n\r\n") == "400");
}

TEST_CASE("attack G1: white space or anything odd before the colon is 400") {
  for (const char* field : {"Content-Length : 5", "Content-Length\t: 5", ": 5", "no colon", "Content Length: 5", "Content-Length\x01: 5", "X: a\x01", "(x): y", "X: \x7f"}) {
    CAPTURE(field);
    CHECK(refused(with_fields(std::string(field) + "\r\n", "hello")) == "400");
  }
  CHECK(refused(with_fields(std::string("X: a\0b\r\n", 8))) == "400");
}

TEST_CASE("attack G1: no Host, two, or one that is no host is 400") {
  for (const char* fields : {"", "Host: a\r\nHost: a\r\n", "Host: a b\r\n", "Host: a/b\r\n", "Host: user@a\r\n", "Host: a:port\r\n", "Host: a:0\r\n", "Host: a:70000\r\n", "Host: [::1\r\n", "Host: a, b\r\n"}) {
    CAPTURE(fields);
    CHECK(refused("GET / HTTP/1.1\r\n" + std::string(fields) + "\r\n") == "400");
  }
}

TEST_CASE("attack G1: headers and trailers are capped in lines, octets and number") {
  const std::string many = [] {
    std::string fields;
    for (std::size_t i = 0; i <= limits::fields_max; ++i) fields += "X: y\r\n";
    return fields;
  }();
  CHECK(refused(with_fields(many)) == "431");
  CHECK(refused(with_fields("X: " + std::string(limits::field_line_octets_max, 'y') + "\r\n")) == "431");
  CHECK(refused(with_chunks("0\r\n" + many)) == "431");
  CHECK(refused(with_chunks("0\r\nX: " + std::string(limits::trailer_octets_max, 'y') + "\r\n\r\n")) == "431");
  CHECK(refused(with_chunks("0\r\nX : y\r\n\r\n")) == "400");
}

TEST_CASE("attack G1: what follows a request that expects 100 Continue and is refused is neither body nor request") {
  ServerFixture f;
  f.reads_bodies = false;
  f.answer = [](ServerSession& s, const RequestHead&, Instant at) { s.respond_with({.status = 403}, "no", at); };
  f.say("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: " + std::to_string(smuggled.size()) + "\r\nExpect: 100-continue\r\n\r\n" + smuggled + smuggled);
  f.end();
  CHECK(f.status() == "403");
  CHECK(f.status(1).empty());
  CHECK(f.sent.contains("Connection: close"));
  CHECK(!f.trace.contains("/smuggled"));
  CHECK(f.closed);
}

TEST_CASE("attack G1: requests pipelined behind one that expects 100 Continue are read after its body") {
  ServerFixture f;
  f.say("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\nhelloGET /2 HTTP/1.1\r\nHost: a\r\n\r\n");
  CHECK(f.trace.contains("body hello\nend\nGET /2 "));
}

TEST_CASE("attack G1: empty lines before a request are few") {
  ServerFixture f;
  f.say("\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n");
  CHECK(f.status() == "200");
  CHECK(refused("\r\n\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n") == "400");
}
