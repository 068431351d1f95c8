// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// The words of a filter, and a session that hears them.
#pragma once

#include <doctest/doctest.h>

#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "keystonemail/milter/client_session.hpp"

namespace keystonemail::milter::testing {

inline std::string number(std::uint32_t n) {
  return {static_cast<char>(n >> 24), static_cast<char>(n >> 16 & 0xff), static_cast<char>(n >> 8 & 0xff), static_cast<char>(n & 0xff)};
}
inline std::string strings(std::initializer_list<std::string_view> all) {
  std::string out;
  for (const auto one : all) out.append(one).push_back('\0');
  return out;
}
inline std::string packet(char what, std::string_view data = {}) {
  return number(static_cast<std::uint32_t>(data.size() + 1)) + what + std::string(data);
}
inline std::string negotiation(std::uint32_t actions = actions::all, std::uint32_t steps = 0, std::uint32_t version = 6) {
  return packet('O', number(version) + number(actions) + number(steps));
}

struct Session {
  ClientOptions options;
  ClientSession session{options, Instant()};
  Instant now{};

  // What was said since.
  std::string said() {
    std::string out(session.pending_output());
    session.consume_output(out.size(), now);
    return out;
  }
  // Hears `octets` and returns all events they make, as words.
  std::string hear(std::string_view octets, std::size_t piece = SIZE_MAX) {
    std::string trace;
    for (;;) {
      trace += events();
      if (octets.empty() || trace.find("failed(") != std::string::npos) return trace;
      const std::size_t taken = session.receive(octets.substr(0, piece), now);
      if (taken == 0) return trace + "[not taken]";
      octets.remove_prefix(taken);
    }
  }
  std::string events() {
    std::string trace;
    for (;;) {
      const Event event = session.next_event();
      if (std::holds_alternative<NeedInput>(event)) return trace;
      trace += describe(event);
    }
  }
  // Sent and answered.
  void negotiate(std::uint32_t actions = actions::all, std::uint32_t steps = 0, std::uint32_t version = 6) {
    session.begin(now);
    (void)said();
    REQUIRE(hear(negotiation(actions, steps, version)) == "proceed ");
  }
  void reach_end() {
    negotiate();
    session.end_of_message({}, now);
    (void)said();
  }

  static std::string describe(const Event& event) {
    if (const auto* answer = std::get_if<Answer>(&event)) {
      static const char* const names[] = {"proceed", "accept", "reject", "tempfail", "reply", "discard", "skip", "shutdown", "fail"};
      std::string out = names[static_cast<std::size_t>(answer->response)];
      if (answer->response == Response::reply) out += "(" + std::to_string(answer->code) + "|" + answer->status + "|" + answer->text + ")";
      return out + " ";
    }
    if (const auto* add = std::get_if<AddHeader>(&event)) return "add(" + add->name + "|" + add->value + ") ";
    if (const auto* insert = std::get_if<InsertHeader>(&event)) return "insert(" + std::to_string(insert->position) + "|" + insert->name + "|" + insert->value + ") ";
    if (const auto* change = std::get_if<ChangeHeader>(&event)) {
      return (change->removes ? "remove(" : "change(") + std::to_string(change->occurrence) + "|" + change->name + "|" + change->value + ") ";
    }
    if (const auto* add = std::get_if<AddRecipient>(&event)) return "to(" + add->address + "|" + add->parameters + ") ";
    if (const auto* remove = std::get_if<RemoveRecipient>(&event)) return "not-to(" + remove->address + ") ";
    if (const auto* sender = std::get_if<ChangeSender>(&event)) return "from(" + sender->address + "|" + sender->parameters + ") ";
    if (const auto* quarantine = std::get_if<Quarantine>(&event)) return "quarantine(" + quarantine->reason + ") ";
    if (const auto* body = std::get_if<BodyPiece>(&event)) return std::string(body->octets);
    return "failed(" + std::string(to_string(std::get<Failed>(event).fault)) + ") ";
  }
};

}  // namespace keystonemail::milter::testing
