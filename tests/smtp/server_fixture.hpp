// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Replays a client's side of a session and writes down all that happens, as text to compare.
#pragma once

#include <doctest/doctest.h>

#include <algorithm>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "keystonemail/smtp/server_session.hpp"

namespace keystonemail::smtp::testing {

using Answer = std::variant<Accept, Reply, AuthChallenge, AuthSuccess, AuthFailure, std::vector<Reply>>;
using namespace std::chrono_literals;

inline Instant at(std::chrono::milliseconds since_start) { return Instant(1'000'000s + since_start); }

// The events a test drives a server with, and the trace of it. Handles every question with Accept (AUTH with
// AuthSuccess "user") unless `answer` says otherwise.
class ServerFixture {
 public:
  ServerOptions options;
  std::function<std::optional<Answer>(const ServerEvent&)> answer;
  bool implicit_tls = false;
  std::string tls_mechanisms = "PLAIN LOGIN";
  bool handshake = true;              // after StartTls succeeds and the output is read, TLS begins

  std::string trace;                  // events and outputs, one a line
  std::string body;                   // of the message under way
  std::vector<std::string> accepted;  // bodies of MessageEnd that was accepted
  std::optional<Closed> closed;
  Instant now = at(0ms);
  std::optional<ServerSession> session;

  ServerFixture() { options.hostname = "mx.test"; }

  ServerFixture& open() {
    session.emplace(options, now);
    if (implicit_tls) session->tls_established(tls_mechanisms, now);
    pump();
    read_output();
    return *this;
  }
  // The peer says this without reading in between, in pieces cut at the places given; returns what we answered.
  std::string say(std::string_view octets, std::vector<std::size_t> cuts = {}) {
    cuts.push_back(octets.size());
    std::size_t from = 0;
    for (const std::size_t cut : cuts) {
      push(octets.substr(from, cut - from));
      from = cut;
    }
    return read_output();
  }
  std::string line(std::string_view text) { return say(std::string(text) + "\r\n"); }
  // EHLO done, nothing else.
  ServerFixture& greet() {
    open();
    line(options.protocol == Protocol::lmtp ? "LHLO client.test" : "EHLO client.test");
    return *this;
  }
  // MAIL and one RCPT accepted.
  ServerFixture& envelope() {
    line("MAIL FROM:<a@client.test>");
    line("RCPT TO:<b@mx.test>");
    return *this;
  }

  void push(std::string_view octets) {
    while (!octets.empty() && !closed) {
      const std::string copy(octets);  // its own allocation, so that a sanitizer sees every octet read too far
      const std::size_t taken = session->receive(copy, now);
      const bool happened = pump();
      octets.remove_prefix(taken);
      REQUIRE((taken > 0 || happened || closed));
    }
  }
  bool pump() {
    bool any = false;
    for (;;) {
      ServerEvent event = session->next_event();
      if (std::holds_alternative<NeedInput>(event)) return any;
      any = true;
      if (closed) return any;
      handle(event);
    }
  }
  std::string read_output() {
    const std::string output(session->pending_output());
    session->consume_output(output.size());
    if (!output.empty()) trace += "S: " + output;
    if (tls_due_ && !closed && handshake) {
      session->tls_established(tls_mechanisms, now);
      trace += "tls\n";
    }
    tls_due_ = false;
    return output;
  }

 private:
  void handle(ServerEvent& event) {
    write_down(event);
    if (auto* chunk = std::get_if<MessageChunk>(&event)) {
      REQUIRE(!chunk->octets.empty());
      body += chunk->octets;
    }
    if (std::holds_alternative<Closed>(event)) closed = std::get<Closed>(event);
    if (!asks(event)) return;
    std::optional<Answer> chosen = answer ? answer(event) : std::nullopt;
    const bool auth = std::holds_alternative<AuthStart>(event) || std::holds_alternative<AuthResponse>(event);
    if (!chosen) chosen = auth ? Answer(AuthSuccess{"user"}) : Answer(Accept{});
    const bool positive = std::holds_alternative<Accept>(*chosen) ||
                          (std::holds_alternative<Reply>(*chosen) && std::get<Reply>(*chosen).positive());
    if (std::holds_alternative<MessageEnd>(event) && positive) accepted.push_back(body);
    if (std::holds_alternative<StartTls>(event)) tls_due_ = positive;
    std::visit(
        [&](const auto& value) {
          if constexpr (std::is_same_v<std::decay_t<decltype(value)>, std::vector<Reply>>) {
            session->decide(std::span<const Reply>(value), now);
          } else {
            session->decide(value, now);
          }
        },
        *chosen);
  }

  static bool asks(const ServerEvent& event) {
    return std::visit(
        [](const auto& e) {
          using E = std::decay_t<decltype(e)>;
          return std::is_same_v<E, Connected> || std::is_same_v<E, Helo> || std::is_same_v<E, AuthStart> ||
                 std::is_same_v<E, AuthResponse> || std::is_same_v<E, StartTls> || std::is_same_v<E, MailFrom> ||
                 std::is_same_v<E, RcptTo> || std::is_same_v<E, UnknownCommand> || std::is_same_v<E, MessageBegin> || std::is_same_v<E, MessageEnd>;
        },
        event);
  }

  void write_down(const ServerEvent& event) {
    if (!std::holds_alternative<MessageChunk>(event)) flush_body();
    std::visit([this](const auto& e) { note(e); }, event);
  }
  void flush_body() {
    if (body.size() > noted_) trace += "chunk " + body.substr(noted_) + "\n";
    noted_ = body.size();
  }
  void note(const NeedInput&) {}
  void note(const Connected&) { trace += "connected\n"; }
  void note(const Helo& e) { trace += "helo " + std::string(e.name) + "\n"; }
  void note(const AuthStart& e) {
    trace += "auth " + std::string(e.mechanism) + " [" + e.initial_response.value_or("none") + "]\n";
  }
  void note(const AuthResponse& e) { trace += "response [" + e.data + "]\n"; }
  void note(const AuthAborted& e) { trace += "auth aborted " + std::to_string(static_cast<int>(e.fault)) + "\n"; }
  void note(const StartTls&) { trace += "starttls\n"; }
  void note(const MailFrom& e) {
    trace += "mail " + e.sender.to_string();
    if (e.parameters.size) trace += " size " + std::to_string(*e.parameters.size);
    if (!e.parameters.envelope_id.empty()) trace += " envid " + e.parameters.envelope_id;
    if (e.parameters.auth) trace += " auth " + e.parameters.auth->to_string();
    if (e.parameters.smtputf8) trace += " utf8";
    trace += "\n";
  }
  void note(const RcptTo& e) {
    trace += "rcpt " + e.recipient.to_string();
    if (!e.parameters.original_recipient.empty()) trace += " orcpt " + e.parameters.original_recipient;
    trace += "\n";
  }
  void note(const MessageBegin& e) {
    body.clear();
    noted_ = 0;
    trace += e.transfer == Transfer::data ? "begin data\n" : "begin chunks\n";
  }
  void note(const MessageChunk&) {}
  void note(const MessageEnd& e) {
    trace += "end " + std::to_string(e.octets) + "\n";
    REQUIRE(e.octets == body.size());
  }
  void note(const MessageAborted& e) { trace += "aborted " + std::to_string(static_cast<int>(e.fault)) + "\n"; }
  void note(const UnknownCommand& e) { trace += "unknown " + std::string(e.line) + "\n"; }
  void note(const Reset&) { trace += "reset\n"; }
  void note(const Closed& e) { trace += "closed " + std::to_string(static_cast<int>(e.reason)) + "\n"; }

  bool tls_due_ = false;
  std::size_t noted_ = 0;
};

// Several replies run together are one output; this counts the lines that end one.
inline std::size_t count_replies(std::string_view output) {
  std::size_t count = 0;
  while (!output.empty()) {
    const std::size_t end = output.find("\r\n");
    REQUIRE(end != std::string_view::npos);
    if (output.size() > 3 && output[3] == ' ') ++count;
    output.remove_prefix(end + 2);
  }
  return count;
}

inline std::string code_of(std::string_view output) { return std::string(output.substr(0, 3)); }

}  // namespace keystonemail::smtp::testing
