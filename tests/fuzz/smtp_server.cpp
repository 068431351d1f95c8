// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// A session of any octets, answered by seed, whole and in pieces: both must go alike, nothing is accepted after a
// framing fault, and output stays in proportion to input. The first two octets are the seed.
#include <algorithm>
#include <cstdint>
#include <string>

#include "keystonemail/smtp/server_session.hpp"

using namespace keystonemail;
using namespace keystonemail::smtp;

namespace {

void check(bool claim) {
  if (!claim) __builtin_trap();
}

struct Run {
  unsigned seed;
  std::string trace;
  std::string body;
  bool aborted = false;
  bool closed = false;

  bool refuse() { return ((seed = seed * 1'103'515'245u + 12'345u) >> 16) % 4 == 0; }
  void flush() {
    if (!body.empty()) trace += "chunk " + body + '\n';
    body.clear();
  }
  void drain(ServerSession& session) {
    for (;;) {
      const ServerEvent event = session.next_event();
      if (std::holds_alternative<NeedInput>(event)) return;
      if (const auto* chunk = std::get_if<MessageChunk>(&event)) {
        check(!aborted && !chunk->octets.empty());
        body += chunk->octets;
        continue;
      }
      flush();
      trace += std::to_string(event.index()) + '\n';
      if (std::holds_alternative<MessageBegin>(event)) aborted = false;
      if (std::holds_alternative<MessageAborted>(event)) aborted = true;
      if (std::holds_alternative<MessageEnd>(event)) check(!aborted);
      if (std::holds_alternative<Closed>(event)) {
        closed = true;
        return;
      }
      const bool told = std::holds_alternative<MessageAborted>(event) || std::holds_alternative<Reset>(event) ||
                        std::holds_alternative<AuthAborted>(event);
      if (told) continue;
      const bool auth = std::holds_alternative<AuthStart>(event) || std::holds_alternative<AuthResponse>(event);
      if (refuse()) {
        session.decide(Reply{450, {4, 0, 0}, "no"}, Instant());
      } else if (!auth) {
        session.decide(Accept{}, Instant());
      } else if (refuse()) {
        session.decide(AuthSuccess{"u"}, Instant());
      } else {
        session.decide(AuthChallenge{"c"}, Instant());
      }
    }
  }
};

// The octet 1E stands for the end of a turn: there the peer reads what we said.
std::string run(std::string_view octets, unsigned seed, std::size_t piece) {
  ServerOptions options;
  options.protocol = seed % 2 == 0 ? Protocol::smtp : Protocol::lmtp;
  options.offer_starttls = true;
  options.asks_of_unknown_commands = seed % 3 != 0;
  options.allow_plaintext_auth = true;
  options.auth_mechanisms = "PLAIN LOGIN";
  options.message_octets_max = 200;
  options.message_line_octets_max = 60;
  Run state{seed, {}, {}};
  ServerSession session(options, Instant());
  state.drain(session);
  const auto write = [&] {
    state.trace += session.pending_output();
    session.consume_output(session.pending_output().size());
  };
  write();
  while (!octets.empty() && !state.closed) {
    const std::size_t turn = std::min(octets.find('\x1e'), octets.size());
    std::string_view rest = octets.substr(0, turn);
    octets.remove_prefix(std::min(turn + 1, octets.size()));
    while (!rest.empty() && !state.closed) {
      const std::string input(rest.substr(0, piece));
      const std::size_t taken = session.receive(input, Instant());
      check(taken <= input.size());
      state.drain(session);
      if (taken == 0 && !state.closed) write();
      rest.remove_prefix(taken);
    }
    write();
  }
  state.flush();
  return state.trace;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2 || size > 4'096) return 0;
  const unsigned seed = data[0] * 256u + data[1];
  const std::string octets(data + 2, data + size);
  const std::string whole = run(octets, seed, SIZE_MAX);
  check(whole.size() <= 4'096 + octets.size() * 64);
  check(run(octets, seed, 1) == whole);
  check(run(octets, seed, 1 + seed % 23) == whole);
  return 0;
}
