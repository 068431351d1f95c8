// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Any octets at a server: whole and in pieces must go alike, every request has one answer, and what is framed in two ways has none
// but a fault. The first octet says what the service does.
#include <cstdint>
#include <string>

#include "keystonemail/http/limits.hpp"
#include "keystonemail/http/server_session.hpp"

using namespace keystonemail;
using namespace keystonemail::http;

namespace {

void check(bool claim) {
  if (!claim) __builtin_trap();
}

struct Server {
  Server(unsigned how_given, const ServerOptions& options) : how(how_given), session(options, Instant()) {}

  unsigned how;
  ServerSession session;
  std::string trace;  // bodies in one piece, whatever pieces they came in
  bool closed = false;
  unsigned requests = 0;
  unsigned pieces = 0;

  void write() {
    const std::string said(session.pending_output());
    trace += said;
    session.consume_output(said.size(), Instant());
  }

  void respond() {
    if (how & 1) session.respond({.status = how & 2 ? 204u : 200u}, std::nullopt, Instant());
    else session.respond_with({}, "answer", Instant());
    pieces = 0;
  }

  void on_request(const ServerRequest& request) {
    check(++requests <= 1'000);
    check(is_token(request.head.method));
    check(request.head.target == "*" || is_target(request.head.target));
    check(count(request.head.fields, "Content-Length") + count(request.head.fields, "Transfer-Encoding") <= 1);
    check(request.head.fields.size() <= limits::fields_max);
    trace += request.head.method + ' ' + request.head.target + ' ' + request.head.authority.to_string() + '\n';
    if (how & 4) respond();
    else session.read_body(how & 8 ? 20 : 10'000, Instant());
  }

  bool step() {
    const ServerEvent event = session.next_event();
    if (std::holds_alternative<ServerNeedInput>(event)) return false;
    if (const auto* request = std::get_if<ServerRequest>(&event)) on_request(*request);
    if (const auto* body = std::get_if<ServerBody>(&event)) {
      check(!body->octets.empty() && body->octets.size() <= limits::body_piece_octets_max);
      trace += body->octets;
    }
    if (const auto* end = std::get_if<ServerRequestEnd>(&event)) {
      check(end->trailers.size() <= limits::trailers_max);
      respond();
    }
    if (std::holds_alternative<ServerNeedBody>(event)) {
      if (++pieces <= 2) session.give_body("piece", Instant());
      else session.end_body(Instant());
    }
    closed = std::holds_alternative<ServerClosed>(event);
    return !closed;
  }

  void drain() {
    while (step()) write();
    write();
  }
};

std::string run(std::string_view octets, unsigned how, std::size_t piece) {
  ServerOptions options;
  options.requests_max = 20;
  Server server(how, options);
  server.drain();
  while (!octets.empty() && !server.closed) {
    const std::string input(octets.substr(0, piece));  // a copy, so that reading past it is seen
    const std::size_t taken = server.session.receive(input, Instant());
    check(taken > 0 && taken <= input.size());
    octets.remove_prefix(taken);
    server.drain();
  }
  server.session.receive_end(Instant());
  server.drain();
  check(server.closed && server.session.pending_output().empty() && !server.session.deadline());
  return server.trace;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 1 || size > 8'192) return 0;
  const unsigned how = data[0];
  const std::string octets(data + 1, data + size);
  const std::string whole = run(octets, how, SIZE_MAX);
  check(run(octets, how, 1) == whole);
  check(run(octets, how, 1 + how % 23) == whole);
  return 0;
}
