// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// A filter that says any octets to a server that asks it about one message after the other: whole and in pieces must go
// alike, every command has one answer until the session fails, and nothing that comes of it can end a field, an address or a
// line (attack A2). The first two octets are the seed.
#include <algorithm>
#include <array>
#include <cstdint>
#include <string>
#include <utility>

#include "keystonemail/milter/client_session.hpp"

using namespace keystonemail;
using namespace keystonemail::milter;

namespace {

void check(bool claim) {
  if (!claim) __builtin_trap();
}

bool has_control(std::string_view text, std::string_view but = {}) {
  return std::ranges::any_of(text, [&](char c) { return (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) && but.find(c) == std::string_view::npos; });
}

void check_name(std::string_view name) {
  check(!name.empty() && std::ranges::all_of(name, [](char c) { return c > ' ' && c < 0x7f && c != ':'; }));
}

// Line ends stand before a blank and something to read alone.
void check_value(std::string_view value) {
  for (std::size_t i = 0; i < value.size(); ++i) {
    check(value[i] != '\0' && value[i] != '\n');
    if (value[i] != '\r') continue;
    check(value.substr(i).starts_with("\r\n ") || value.substr(i).starts_with("\r\n\t"));
    const auto text = value.find_first_not_of(" \t", i + 2);
    check(text != std::string_view::npos && value[text] != '\r');
    i += 2;
  }
}

constexpr std::array macros{Macro{"j", "mail.test"}, Macro{"i", "Q"}, Macro{"{client_addr}", "192.0.2.1"}};
constexpr std::array<std::string_view, 1> path{"<a@x.test>"};

struct Server {
  Server(unsigned seed_given, const ClientOptions& options) : seed(seed_given), session(options, Instant()) {}

  unsigned seed;
  ClientSession session;
  std::string trace, body, whole_body;
  unsigned step = 0, asked = 0, answered = 0;
  bool waiting = false, failed = false;

  unsigned draw(unsigned below) { return ((seed = seed * 1'103'515'245u + 12'345u) >> 16) % below; }

  void write() {
    trace += session.pending_output();
    session.consume_output(session.pending_output().size(), Instant());
  }

  void ask() {
    check(!waiting);
    waiting = true;
    ++asked;
    const Instant now;
    switch (step++) {
      case 0: return session.begin(now);
      case 1: return session.connect({.hostname = "x", .family = Family::inet, .port = 1, .address = "192.0.2.1"}, macros, now);
      case 2: return session.helo("x", macros, now);
      case 3: return session.mail(path, macros, now);
      case 4: return session.rcpt(path, macros, now);
      case 5: return session.data(macros, now);
      case 6: return session.header("Subject", " x\r\n y", now);
      case 7: return session.end_of_header(macros, now);
      case 8: return session.body("body\r\n", now);
      default: break;
    }
    session.end_of_message(macros, now);
    step = 3;
  }

  void answer(const Answer& answer) {
    check(waiting);
    waiting = false;
    ++answered;
    body.clear();
    trace += std::exchange(whole_body, {});
    trace += std::to_string(static_cast<int>(answer.response)) + answer.text + '\n';
    if (answer.response == Response::reply) {
      check(answer.code >= 400 && answer.code <= 599 && !has_control(answer.text, "\n") && !has_control(answer.status));
    }
    if (draw(8) == 0 && step > 3) {
      session.abort(Instant());
      step = 3;
    }
  }

  void take(const Event& event) {
    if (const auto* heard = std::get_if<Answer>(&event)) return answer(*heard);
    if (const auto* piece = std::get_if<BodyPiece>(&event)) {
      whole_body += piece->octets;  // however it was cut; of no account when the session fails
      for (const char c : piece->octets) {
        check(c != '\0' && (c != '\n' || (!body.empty() && body.back() == '\r')));
        check(body.empty() || body.back() != '\r' || c == '\n');
        body.assign(1, c);
      }
      return;
    }
    trace += "#" + std::to_string(event.index());
    if (const auto* add = std::get_if<AddHeader>(&event)) check_name(add->name), check_value(add->value), trace += add->value;
    if (const auto* insert = std::get_if<InsertHeader>(&event)) check_name(insert->name), check_value(insert->value), trace += insert->value;
    if (const auto* change = std::get_if<ChangeHeader>(&event)) check_name(change->name), check_value(change->value), check(change->occurrence > 0);
    if (const auto* to = std::get_if<AddRecipient>(&event)) check(!to->address.empty() && !has_control(to->address) && !has_control(to->parameters));
    if (const auto* not_to = std::get_if<RemoveRecipient>(&event)) check(!not_to->address.empty() && !has_control(not_to->address));
    if (const auto* from = std::get_if<ChangeSender>(&event)) check(!has_control(from->address) && !has_control(from->parameters));
    if (const auto* quarantine = std::get_if<Quarantine>(&event)) check(!has_control(quarantine->reason));
    failed = std::holds_alternative<Failed>(event);
  }

  void drain() {
    while (!failed) {
      const Event event = session.next_event();
      if (std::holds_alternative<NeedInput>(event)) {
        if (waiting) break;
        ask();
      } else {
        take(event);
      }
      if (asked > 200) break;
    }
    write();
  }
};

std::string run(std::string_view octets, unsigned seed, std::size_t piece) {
  ClientOptions options;
  options.body_octets_max = 10'000;
  Server server(seed, options);
  server.drain();
  while (!octets.empty() && !server.failed && server.asked <= 200) {
    const std::string input(octets.substr(0, piece));  // a copy, so that reading past it is seen
    const std::size_t taken = server.session.receive(input, Instant());
    check(taken > 0 && taken <= input.size());
    octets.remove_prefix(taken);
    server.drain();
  }
  check(server.asked - server.answered == (server.waiting ? 1U : 0U));
  if (!server.failed && server.waiting) {
    server.session.receive_end(Instant());
    server.drain();
    check(server.failed && !server.session.deadline());
  }
  return server.trace;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2 || size > 16'384) return 0;
  const unsigned seed = data[0] * 256u + data[1];
  const std::string octets(data + 2, data + size);
  const std::string whole = run(octets, seed, SIZE_MAX);
  check(whole.size() <= 65'536 + octets.size() * 64);
  check(run(octets, seed, 1) == whole);
  check(run(octets, seed, 1 + seed % 23) == whole);
  return 0;
}
