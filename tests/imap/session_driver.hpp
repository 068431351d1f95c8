// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// SessionDriver: speaks to a ServerSession as a client would, answers its questions by a script, and writes down all
// that happens as a trace of lines.
#pragma once

#include <doctest/doctest.h>

#include <algorithm>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "keystonemail/imap/server_session.hpp"

namespace keystonemail::imap {

class SessionDriver {
 public:
  enum class Start { secure, plain, authenticated, selected };

  explicit SessionDriver(Start start = Start::selected, ServerOptions given = {}) : options(std::move(given)) {
    options.secure = start != Start::plain;
    options.auth_mechanisms = options.secure ? "PLAIN SCRAM-SHA-256" : "";
    session.emplace(options, now);
    take_output();
    if (start == Start::authenticated || start == Start::selected) send("l LOGIN a b\r\n");
    if (start == Start::selected) send("s SELECT INBOX\r\n");
    take_output();
    trace.clear();
    commands.clear();
  }

  // Sends all of it, as far as the session takes it, and handles every event.
  void send(std::string_view octets) {
    while (!octets.empty()) {
      const auto taken = session->receive(octets, now);
      const bool any = handle_events();
      octets.remove_prefix(taken);
      if (taken == 0 && !any) {
        if (session->pending_output().empty()) break;
        take_output();
      }
    }
    handle_events();
    take_output();
  }

  // The output since the last call.
  std::string output() { return std::exchange(output_, {}); }
  std::string reply(std::string_view octets) {
    output();
    send(octets);
    return output();
  }
  // The command that `line` (without tag and CR LF) is, or nothing when it was refused.
  template <class Kind>
  std::optional<Kind> parse(std::string_view line) {
    commands.clear();
    send("t " + std::string(line) + "\r\n");
    if (commands.empty() || !std::holds_alternative<Kind>(commands.back())) return std::nullopt;
    return std::get<Kind>(commands.back());
  }
  bool refused(std::string_view line) {
    commands.clear();
    const auto said = reply("t " + std::string(line) + "\r\n");
    const bool none = commands.empty();
    forgive();
    return none && (said.starts_with("t BAD") || said.starts_with("t NO"));
  }
  // A new session in place of one that has counted errors.
  void forgive() {
    const auto features = session->features();
    const bool was_selected = session->state() == SessionState::selected;
    if (session->state() == SessionState::not_authenticated) return;
    session.emplace(options, now);
    send("l LOGIN a b\r\n");
    if (features.utf8_accept) send("e ENABLE UTF8=ACCEPT\r\n");
    if (features.imap4rev2) send("e ENABLE IMAP4rev2\r\n");
    if (features.qresync) send("e ENABLE QRESYNC\r\n");
    if (was_selected) send("s SELECT INBOX\r\n");
    output();
  }

  bool handle_events() {
    bool any = false;
    for (;;) {
      auto event = session->next_event();
      if (std::holds_alternative<NeedInput>(event)) return any;
      any = true;
      std::visit([this](auto& e) { handle(e); }, event);
    }
  }

  ServerOptions options;
  Instant now{};
  std::optional<ServerSession> session;
  std::vector<CommandVariant> commands;
  std::string trace;                      // one line an event
  std::string message;                    // octets of the messages of APPEND
  bool refuse_append = false;
  std::function<bool(const CommandVariant&)> on_command;  // true: completed there

 private:
  void take_output() {
    output_ += session->pending_output();
    session->consume_output(session->pending_output().size());
  }
  void note(std::string line) { trace += line + '\n'; }
  void ok(std::string_view text) { session->complete(StatusKind::ok, {}, text, now); }

  void handle(NeedInput&) {}
  void handle(Command& e) {
    note("command " + std::to_string(e.command.index()) + " tag " + std::string(session->tag()));
    commands.push_back(e.command);
    if (on_command && on_command(e.command)) return;
    ok("done");
  }
  void handle(AuthStart& e) {
    note("auth " + e.mechanism + (e.initial_response ? " <" + *e.initial_response + ">" : ""));
    if (e.initial_response) ok("in");
    else session->decide(AuthChallenge{"more"}, now);
  }
  void handle(AuthResponse& e) { note("response <" + e.data + ">"); ok("in"); }
  void handle(AuthCancelled&) { note("auth cancelled"); }
  void handle(StartTls&) { note("starttls"); }
  void handle(AppendBegin& e) {
    note("append " + e.mailbox + " " + std::to_string(e.octets) + " index " + std::to_string(e.index) +
         (e.binary ? " binary" : "") + (e.utf8 ? " utf8" : "") + " flags " + std::to_string(e.flags.system));
    if (refuse_append) session->complete(StatusKind::no, Code::try_create, "No such mailbox", now);
    else session->decide(AppendAccept{}, now);
  }
  void handle(AppendChunk& e) { message += e.octets; }
  void handle(AppendMessageEnd&) { note("message <" + std::exchange(message, {}) + ">"); }
  void handle(AppendEnd&) { note("append end"); ok("appended"); }
  void handle(AppendAborted&) { message.clear(); note("append aborted"); }
  void handle(IdleStart&) { note("idle"); }
  void handle(IdleDone&) { note("idle done"); ok("idled"); }
  void handle(Closed& e) { note("closed " + std::to_string(static_cast<int>(e.reason))); }

  std::string output_;
};

}  // namespace keystonemail::imap
