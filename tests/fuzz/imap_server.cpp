// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// imap_server: whatever a client sends, the session does not crash, keeps its memory bounded, and does the same however
// reads are split. The first octet chooses where the session starts and where the input is cut.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <variant>

#include "keystonemail/imap/server_session.hpp"

using namespace keystonemail::imap;
using keystonemail::Instant;

namespace {

constexpr std::size_t memory_octets_max = 4 << 20;

struct Driver {
  explicit Driver(std::uint8_t choice) : options(make_options(choice)), session(options, now) {
    if ((choice & 4) != 0) feed("l LOGIN a b\r\n");
    if ((choice & 8) != 0) feed("e ENABLE QRESYNC UTF8=ACCEPT IMAP4rev2\r\n");
    if ((choice & 16) != 0) feed("s SELECT INBOX\r\n");
    refuse = (choice & 32) != 0;
  }

  static ServerOptions make_options(std::uint8_t choice) {
    ServerOptions options;
    options.secure = (choice & 1) == 0 || (choice & 4) != 0;
    options.starttls = options.sort = options.quota = options.compress = true;
    options.auth_mechanisms = "PLAIN";
    options.literals = (choice & 2) != 0 ? LiteralPolicy::minus : LiteralPolicy::plus;
    options.append_octets_max = 1 << 16;
    return options;
  }

  void feed(std::string_view octets) {
    while (!octets.empty()) {
      const auto taken = session.receive(octets, now);
      if (taken > octets.size()) std::abort();
      const bool any = pump();
      octets.remove_prefix(taken);
      if (taken == 0 && !any) std::abort();  // stuck
      if (session.memory_octets() > memory_octets_max) std::abort();
    }
  }

  bool pump() {
    bool any = false;
    for (;;) {
      auto event = session.next_event();
      if (std::holds_alternative<NeedInput>(event)) break;
      any = true;
      trace += static_cast<char>('A' + event.index());
      if (const auto* chunk = std::get_if<AppendChunk>(&event)) {
        trace.pop_back();
        trace += chunk->octets;
      }
      answer(event);
      output += session.pending_output();
      session.consume_output(session.pending_output().size());
    }
    output += session.pending_output();
    session.consume_output(session.pending_output().size());
    return any;
  }

  void answer(const ServerEvent& event) {
    const auto kind = refuse ? StatusKind::no : StatusKind::ok;
    if (std::holds_alternative<Command>(event) || std::holds_alternative<AuthResponse>(event) ||
        std::holds_alternative<AppendEnd>(event) || std::holds_alternative<IdleDone>(event)) {
      session.complete(kind, {}, "done", now);
    } else if (std::holds_alternative<AuthStart>(event)) {
      session.decide(AuthChallenge{"x"}, now);
    } else if (std::holds_alternative<AppendBegin>(event)) {
      if (refuse) session.complete(StatusKind::no, {}, "no", now);
      else session.decide(AppendAccept{}, now);
    }
  }

  Instant now{};
  ServerOptions options;
  ServerSession session;
  std::string trace, output;
  bool refuse = false;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  const std::string_view wire(reinterpret_cast<const char*>(data) + 2, size - 2);
  Driver whole(data[0]);
  whole.feed(wire);
  Driver cut(data[0]);
  const std::size_t step = 1 + data[1] % 32;
  for (std::size_t at = 0; at < wire.size(); at += step) cut.feed(wire.substr(at, step));
  if (whole.trace != cut.trace || whole.output != cut.output) std::abort();
  return 0;
}
