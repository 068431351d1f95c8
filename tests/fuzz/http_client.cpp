// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// A server that says any octets to a client that sends one request after another: whole and in pieces must go alike, and no response
// comes without a request. The first octet says what the requests are.
#include <cstdint>
#include <string>

#include "http_driver.hpp"
#include "keystonemail/http/client_session.hpp"
#include "keystonemail/http/limits.hpp"

using namespace keystonemail;
using namespace keystonemail::http;

namespace {

struct Client {
  Client(unsigned how_given, const ClientOptions& options) : how(how_given), session(options, Instant()) {}

  unsigned how;
  ClientSession session;
  std::string trace;
  bool closed = false;
  unsigned requests = 0, responses = 0, given = 0;

  void write() {
    const std::string said(session.pending_output());
    session.consume_output(said.size(), Instant());
  }

  void send() {
    ++requests;
    given = 0;
    RequestHead head{.method = how & 1 ? "HEAD" : how & 2 ? "POST" : "GET", .authority = {.host = "a.example", .port = {}}};
    const std::optional<std::uint64_t> octets = how & 2 ? (how & 4 ? std::nullopt : std::optional<std::uint64_t>(8)) : 0;
    session.send(std::move(head), octets, how & 8 ? Expectation::continue_first : Expectation::none, Instant());
  }

  bool step() {
    if (session.can_send() && !closed) send();
    const ClientEvent event = session.next_event();
    if (std::holds_alternative<ClientNeedInput>(event)) return false;
    if (std::holds_alternative<ClientNeedBody>(event)) {
      if (++given <= 2) session.give_body("four", Instant());
      else session.end_body(Instant());
    }
    if (const auto* response = std::get_if<ClientResponse>(&event)) {
      check(++responses <= requests);
      check(response->head.status >= 200 && response->head.status <= 599);
      check(response->head.fields.size() <= limits::fields_max);
      trace += std::to_string(response->head.status) + '\n';
      for (const Field& field : response->head.fields) check(is_token(field.name) && is_field_value(field.value));
    }
    if (const auto* body = std::get_if<ClientBody>(&event)) {
      check(!body->octets.empty() && body->octets.size() <= limits::body_piece_octets_max);
      trace += body->octets;
    }
    if (const auto* end = std::get_if<ClientResponseEnd>(&event)) trace += end->reusable ? "\nend, reusable\n" : "\nend\n";
    if (const auto* over = std::get_if<ClientClosed>(&event)) {
      trace += over->fault ? to_string(*over->fault) : "closed";
      closed = true;
    }
    return !closed;
  }

  void end() { session.receive_end(how & 16 ? InputEnd::cut : InputEnd::proper, Instant()); }
};

std::string run(std::string_view octets, unsigned how, std::size_t piece) {
  const ClientOptions options;
  Client peer(how, options);
  return drive(peer, octets, piece);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) { return fuzz(data, size, run); }
