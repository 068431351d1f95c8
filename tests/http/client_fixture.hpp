// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// ClientFixture: a ClientSession that sends one request after the other, with a trace of what it hears and all that it sent.
#pragma once

#include <doctest/doctest.h>

#include <string>
#include <string_view>
#include <vector>

#include "keystonemail/http/client_session.hpp"

namespace keystonemail::http::testing {

struct ClientFixture {
  ClientOptions options;
  Instant now{};
  std::unique_ptr<ClientSession> session;
  RequestHead request{.target = "/x", .authority = {.host = "a.example", .port = {}}};
  std::optional<std::uint64_t> body_octets = 0;
  Expectation expectation = Expectation::none;
  std::string body;               // given in two pieces
  std::string trace;
  std::string sent;
  bool closed = false;
  std::optional<Fault> fault;

  void open() {
    session = std::make_unique<ClientSession>(options, now);
    run();
  }

  void hear(std::string_view octets, const std::vector<std::size_t>& cuts = {}) {
    if (!session) open();
    std::string waiting;
    std::size_t begin = 0;
    for (std::size_t i = 0; i <= cuts.size(); ++i) {
      const std::size_t end = i < cuts.size() ? cuts[i] : octets.size();
      waiting += octets.substr(begin, end - begin);
      begin = end;
      while (!closed) {
        const std::size_t taken = session->receive(waiting, now);
        waiting.erase(0, taken);
        run();
        if (waiting.empty()) break;
        REQUIRE(taken != 0);
      }
    }
  }
  void end(InputEnd how = InputEnd::proper) {
    if (!session) open();
    session->receive_end(how, now);
    run();
  }
  void pass(std::chrono::seconds time) {
    now += time;
    session->expire(now);
    run();
  }

  void run() {
    for (;;) {
      if (session->can_send() && !closed) {
        given = 0;
        session->send(request, body_octets, expectation, now);
      }
      sent += session->pending_output();
      session->consume_output(session->pending_output().size(), now);
      ClientEvent event = session->next_event();
      if (std::holds_alternative<ClientNeedInput>(event)) return;
      if (std::holds_alternative<ClientNeedBody>(event)) {
        if (given == 2) {
          session->end_body(now);
        } else {
          const std::string_view half = given == 0 ? std::string_view(body).substr(0, body.size() / 2) : std::string_view(body).substr(body.size() / 2);
          ++given;
          session->give_body(half, now);
        }
      } else if (const auto* response = std::get_if<ClientResponse>(&event)) {
        trace += std::to_string(response->head.status) + (response->body_octets ? ' ' + std::to_string(*response->body_octets) : " ?");
        for (const Field& field : response->head.fields) trace += ' ' + field.name + '=' + field.value;
        trace += "\nbody ";
      } else if (const auto* piece = std::get_if<ClientBody>(&event)) {
        trace += piece->octets;
      } else if (const auto* over = std::get_if<ClientResponseEnd>(&event)) {
        trace += over->reusable ? "\nend, reusable" : "\nend";
        for (const Field& field : over->trailers) trace += ' ' + field.name + '=' + field.value;
        trace += '\n';
      } else if (const auto* gone = std::get_if<ClientClosed>(&event)) {
        if (!closed) trace += "closed" + (gone->fault ? ' ' + std::string(to_string(*gone->fault)) : std::string()) + '\n';
        closed = true;
        fault = gone->fault;
        return;
      }
    }
  }

 private:
  int given = 0;
};

}  // namespace keystonemail::http::testing
