// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// A server that says any octets to a client that sends one message after another: whole and in pieces must go alike,
// every message has a final answer for each recipient, and the client says nothing after the end. The first two octets
// are the seed.
#include <algorithm>
#include <cstdint>
#include <string>

#include "keystonemail/smtp/client_session.hpp"

using namespace keystonemail;
using namespace keystonemail::smtp;

namespace {

void check(bool claim) {
  if (!claim) __builtin_trap();
}

constexpr std::size_t recipients = 2;

struct Client {
  Client(unsigned seed_given, const ClientOptions& options) : seed(seed_given), session(options, Instant()) {}

  unsigned seed;
  ClientSession session;
  std::string trace;
  bool sending = false;
  bool closed = false;
  unsigned messages = 0;

  unsigned draw(unsigned below) { return ((seed = seed * 1'103'515'245u + 12'345u) >> 16) % below; }

  void write() {
    const std::string said(session.pending_output());
    trace += said;
    session.consume_output(said.size(), Instant());
  }

  void be_ready() {
    check(!sending);
    switch (messages++ > 3 ? 3 : draw(4)) {
      case 0: return session.authenticate("PLAIN", draw(2) == 0 ? std::nullopt : std::optional<std::string_view>("x"), Instant());
      case 3: return session.quit(Instant());
      default: break;
    }
    ClientEnvelope envelope{Path{"a", "client.test"}, {{Path{"b", "x.test"}, {}}, {Path{"c", "x.test"}, {}}}};
    envelope.octets = draw(3) * 1'000;
    envelope.eight_bit = draw(2) == 0;
    envelope.envelope_id = "id";
    sending = true;
    session.send(std::move(envelope), Instant());
  }

  void done(const ClientMessageDone& done) {
    check(sending && done.replies.size() == recipients);
    for (const Reply& reply : done.replies) {
      check(reply.code / 100 == 2 || reply.code / 100 == 4 || reply.code / 100 == 5);
      trace += reply.to_string() + '\n';
    }
    sending = false;
  }

  // One event; whether there may be more.
  bool step() {
    const ClientEvent event = session.next_event();
    if (std::holds_alternative<ClientNeedInput>(event)) return false;
    trace += std::to_string(event.index()) + '\n';
    if (std::holds_alternative<ClientReady>(event)) be_ready();
    if (std::holds_alternative<ClientStartTls>(event)) session.tls_established(Instant());
    if (std::holds_alternative<ClientAuthChallenge>(event)) {
      draw(2) == 0 ? session.respond("r", Instant()) : session.cancel_authentication(Instant());
    }
    if (std::holds_alternative<ClientNeedMessage>(event)) {
      check(sending);
      draw(2) == 0 ? session.give_message("line\n.\r\nlast", Instant()) : session.end_message(Instant());
    }
    if (const auto* answered = std::get_if<ClientMessageDone>(&event)) done(*answered);
    closed = std::holds_alternative<ClientClosed>(event);
    return !closed;
  }

  void drain() {
    while (step()) write();
    write();
  }
};

std::string run(std::string_view octets, unsigned seed, std::size_t piece) {
  ClientOptions options;
  options.protocol = seed % 3 == 0 ? Protocol::lmtp : Protocol::smtp;
  options.use_chunking = seed % 2 == 0;
  options.starttls = static_cast<TlsPolicy>(seed / 7 % 3);
  Client client(seed, options);
  client.drain();
  while (!octets.empty() && !client.closed) {
    const std::string input(octets.substr(0, piece));  // a copy, so that reading past it is seen
    const std::size_t taken = client.session.receive(input, Instant());
    check(taken > 0 && taken <= input.size());
    octets.remove_prefix(taken);
    client.drain();
  }
  client.session.receive_end(Instant());
  client.drain();
  check(client.closed && !client.sending && client.session.pending_output().empty());
  check(!client.session.deadline());
  return client.trace;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2 || size > 8'192) return 0;
  const unsigned seed = data[0] * 256u + data[1];
  const std::string octets(data + 2, data + size);
  const std::string whole = run(octets, seed, SIZE_MAX);
  check(whole.size() <= 4'096 + octets.size() * 64);
  check(run(octets, seed, 1) == whole);
  check(run(octets, seed, 1 + seed % 23) == whole);
  return 0;
}
