// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Any octets at a server: whole and in pieces must go alike, every request has one answer, and what is framed in two ways has none
// but a fault. The first octet says what the service does.
#include <cstdint>
#include <string>

#include "http_driver.hpp"
#include "keystonemail/http/limits.hpp"
#include "keystonemail/http/server_session.hpp"

using namespace keystonemail;
using namespace keystonemail::http;

namespace {

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

  void end() { session.receive_end(Instant()); }
};

std::string run(std::string_view octets, unsigned how, std::size_t piece) {
  ServerOptions options;
  options.requests_max = 20;
  Server peer(how, options);
  return drive(peer, octets, piece);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) { return fuzz(data, size, run); }
