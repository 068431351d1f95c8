// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// An SMTP server that accepts one connection, takes every message and throws it away: the engine alone, with poll().
//
//   smtp_sink PORT      0 takes a free port; it is printed
#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <iostream>
#include <string>
#include <variant>

#include "keystonemail/smtp/server_session.hpp"

using namespace keystonemail;

namespace {

int accept_one(std::uint16_t port) {
  const int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{.sin_family = AF_INET, .sin_port = htons(port), .sin_addr = {htonl(INADDR_LOOPBACK)}, .sin_zero = {}};
  socklen_t size = sizeof address;
  if (bind(listener, reinterpret_cast<sockaddr*>(&address), size) != 0 || listen(listener, 1) != 0) return -1;
  getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size);
  std::cout << "listening on 127.0.0.1:" << ntohs(address.sin_port) << std::endl;
  return accept(listener, nullptr, nullptr);
}

// Answers each event; false when the session is over.
bool handle(smtp::ServerSession& session, const smtp::ServerEvent& event, Instant now) {
  if (std::holds_alternative<smtp::Closed>(event)) return false;
  if (const auto* end = std::get_if<smtp::MessageEnd>(&event)) {
    std::cout << "took a message of " << end->octets << " octets" << std::endl;
  }
  const bool asks = !std::holds_alternative<smtp::NeedInput>(event) && !std::holds_alternative<smtp::MessageChunk>(event) &&
                    !std::holds_alternative<smtp::MessageAborted>(event) && !std::holds_alternative<smtp::Reset>(event);
  if (asks) session.decide(smtp::Accept{}, now);
  return true;
}

}  // namespace

int main(int count, char** arguments) {
  const int peer = accept_one(static_cast<std::uint16_t>(count > 1 ? std::atoi(arguments[1]) : 0));
  if (peer < 0) return std::perror("smtp_sink"), 1;
  const smtp::ServerOptions options{.hostname = "sink.example"};
  const auto now = [] { return std::chrono::steady_clock::now(); };
  smtp::ServerSession session(options, now());
  std::string input;
  for (bool open = true; open;) {
    const std::size_t taken = session.receive(input, now());
    for (smtp::ServerEvent event = session.next_event(); (open = handle(session, event, now())); event = session.next_event()) {
      if (std::holds_alternative<smtp::NeedInput>(event)) break;
    }
    input.erase(0, taken);
    if (open && !input.empty() && taken > 0) continue;
    while (!session.pending_output().empty()) {
      const auto written = write(peer, session.pending_output().data(), session.pending_output().size());
      if (written <= 0) return 1;
      session.consume_output(static_cast<std::size_t>(written));
    }
    if (!open) break;
    const auto wait = session.deadline().value_or(now() + std::chrono::hours(1)) - now();
    pollfd readable{.fd = peer, .events = POLLIN, .revents = 0};
    if (poll(&readable, 1, static_cast<int>(std::max<long>(0, std::chrono::ceil<std::chrono::milliseconds>(wait).count()))) == 0) {
      session.expire(now());
      continue;
    }
    char buffer[65'536];
    const auto got = read(peer, buffer, sizeof buffer);
    if (got > 0) input.append(buffer, static_cast<std::size_t>(got));
    else session.receive_end(now());
  }
  close(peer);
}
