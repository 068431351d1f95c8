// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// ServerFixture: a ServerSession whose service answers at once, with a trace of what happened and all that was sent.
#pragma once

#include <doctest/doctest.h>

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "keystonemail/http/server_session.hpp"

namespace keystonemail::http::testing {

struct ServerFixture {
  ServerOptions options;
  Instant now{};
  std::unique_ptr<ServerSession> session;
  std::string trace;              // one line for each event; pieces of a body joined
  std::string sent;
  bool closed = false;
  std::optional<Fault> fault;
  std::uint64_t body_octets_max = 1'000'000;
  bool reads_bodies = true;
  // Answers a request whose body, if any, has been read; 200 "ok" by default.
  std::function<void(ServerSession&, const RequestHead&, Instant)> answer = [](ServerSession& s, const RequestHead&, Instant at) {
    s.respond_with({.fields = {{"Content-Type", "text/plain"}}}, "ok", at);
  };
  std::function<void(ServerSession&, Instant)> feed = [](ServerSession& s, Instant at) { s.end_body(at); };

  void open() { session = std::make_unique<ServerSession>(options, now); }

  // Says it in pieces that end at the cuts; what is not taken is said again. Returns how much was never taken.
  std::size_t say(std::string_view octets, const std::vector<std::size_t>& cuts = {}) {
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
        if (taken == 0 || waiting.empty()) break;
      }
    }
    run();
    return waiting.size();
  }
  void end() {
    if (!session) open();
    session->receive_end(now);
    run();
  }
  void pass(std::chrono::seconds time) {
    now += time;
    session->expire(now);
    run();
  }

  void run() {
    for (;;) {
      sent += session->pending_output();
      session->consume_output(session->pending_output().size(), now);
      ServerEvent event = session->next_event();
      if (std::holds_alternative<ServerNeedInput>(event)) {
        if (session->pending_output().empty()) return;
      } else if (auto* request = std::get_if<ServerRequest>(&event)) {
        on_request(*request);
      } else if (const auto* body = std::get_if<ServerBody>(&event)) {
        if (!in_body) trace += "body ";
        in_body = true;
        trace += body->octets;
      } else if (const auto* ended = std::get_if<ServerRequestEnd>(&event)) {
        trace += in_body ? "\nend" : "end";
        for (const Field& field : ended->trailers) trace += ' ' + field.name + '=' + field.value;
        trace += '\n';
        answer(*session, head, now);
      } else if (std::holds_alternative<ServerNeedBody>(event)) {
        feed(*session, now);
      } else if (const auto* over = std::get_if<ServerClosed>(&event)) {
        if (!closed) trace += "closed" + (over->fault ? ' ' + std::string(to_string(*over->fault)) : std::string()) + '\n';
        closed = true;
        fault = over->fault;
        return;
      }
    }
  }
  // The status of the n-th response.
  [[nodiscard]] std::string status(std::size_t n = 0) const {
    std::size_t at = 0;
    for (std::size_t found = sent.find("HTTP/1.1 "); found != std::string::npos; found = sent.find("HTTP/1.1 ", found + 1), ++at) {
      if (at == n) return sent.substr(found + 9, 3);
    }
    return "";
  }

  RequestHead head;
  bool in_body = false;

 private:
  void on_request(ServerRequest& request) {
    head = std::move(request.head);
    in_body = false;
    trace += head.method + ' ' + head.target + " at " + head.authority.to_string() + " 1." + std::to_string(head.minor_version);
    trace += request.body_octets ? ' ' + std::to_string(*request.body_octets) + '\n' : " ?\n";
    for (const Field& field : head.fields) trace += "  " + field.name + '=' + field.value + '\n';
    if (reads_bodies) session->read_body(body_octets_max, now);
    else answer(*session, head, now);
  }
};

}  // namespace keystonemail::http::testing
