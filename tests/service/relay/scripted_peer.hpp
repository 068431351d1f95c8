// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// ScriptedPeer: a mail host that does as it is told, and goes wrong at one stage in one way when told so.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "keystonemail/base/text.hpp"
#include "keystonemail/tls/context.hpp"
#include "keystonemail/transport/pipe.hpp"
#include "keystonemail/transport/tls_stream.hpp"

namespace keystonemail::test {

enum class Stage : std::uint8_t { none, connect, banner, ehlo, starttls, handshake, mail, rcpt, data, body, dot, quit };
enum class Fault : std::uint8_t {
  none, reply_4xx, reply_5xx, reset, close, stall, garbage, long_line, partial_reply, surplus,
};

struct PeerScript {
  Stage stage = Stage::none;
  Fault fault = Fault::none;
  std::size_t recipient = 2;                     // at which RCPT of a transaction the fault is
  std::vector<std::string> extensions{"PIPELINING", "8BITMIME", "SMTPUTF8", "DSN", "ENHANCEDSTATUSCODES"};
  std::map<std::string, std::string> replies;    // to RCPT, by address; to anything else by the line's first word
  std::shared_ptr<const tls::ServerContext> tls;  // STARTTLS works when it is set
  std::string credentials;                       // of AUTH PLAIN, base64
  bool lmtp = false;
  bool closes_after_message = false;             // without a word
  bool deaf_after_message = false;               // reads nothing any more
  std::chrono::milliseconds delay{0};            // before each reply
};

// What the peer was sent.
struct ScriptedMessage {
  std::string sender, parameters;              // the MAIL line's
  std::vector<std::string> recipients;         // accepted
  std::vector<std::string> recipient_lines;
  std::string text;                            // as it came over the wire, dots stuffed, before the final dot
  bool secure = false;
  std::size_t connection = 0;
};

class ScriptedPeer {
 public:
  using Message = ScriptedMessage;
  PeerScript script;
  std::vector<Message> messages;                 // whose final dot came
  std::size_t connections = 0, open = 0, open_max = 0, ends_of_data = 0;
  bool logged_in = false;

  [[nodiscard]] std::vector<std::string> recipients() const {
    std::vector<std::string> all;
    for (const auto& message : messages) all.insert(all.end(), message.recipients.begin(), message.recipients.end());
    std::ranges::sort(all);
    return all;
  }
  [[nodiscard]] transport::Handler handler() {
    return [this](std::unique_ptr<transport::ByteStream> stream, Context context) { return serve(std::move(stream), std::move(context)); };
  }

 private:
  struct Connection {
    std::unique_ptr<transport::ByteStream> stream;
    Context context;
    bool secure = false;
    std::size_t number = 0;
    std::optional<Message> message{};
  };

  Task<void> serve(std::unique_ptr<transport::ByteStream> stream, Context context) {
    Connection c{.stream = std::move(stream), .context = context};
    c.number = ++connections;
    open_max = std::max(open_max, ++open);
    co_await talk(c);
    if (c.stream) co_await c.stream->close(c.context);
    --open;
  }

  Task<void> talk(Connection& c) {
    if (script.stage == Stage::connect && !co_await go_wrong(c, "")) co_return;
    if (!co_await say(c, Stage::banner, "220 peer ESMTP\r\n")) co_return;
    for (;;) {
      const auto line = co_await read_line(c);
      if (!line) co_return;
      const std::string verb = to_upper(line->substr(0, line->find(' ')));
      if (verb == "EHLO" || verb == "LHLO") {
        if (!co_await say(c, Stage::ehlo, capabilities(c))) co_return;
      } else if (verb == "HELO") {
        if (!co_await say(c, Stage::none, "250 peer\r\n")) co_return;
      } else if (verb == "STARTTLS") {
        if (!co_await start_tls(c)) co_return;
      } else if (verb == "AUTH") {
        logged_in = line->ends_with(script.credentials);
        const std::string answer = reply_for(verb, logged_in ? "235 2.7.0 Welcome\r\n" : "535 5.7.8 No\r\n");
        if (!co_await say(c, Stage::none, answer)) co_return;
      } else if (verb == "MAIL") {
        begin(c, *line);
        const std::string answer = reply_for(verb, "250 2.1.0 Ok\r\n");
        if (!co_await say(c, Stage::mail, answer)) co_return;
      } else if (verb == "RCPT") {
        if (!co_await recipient(c, *line)) co_return;
      } else if (verb == "DATA") {
        if (!co_await data(c)) co_return;
      } else if (verb == "QUIT") {
        (void)co_await say(c, Stage::quit, "221 2.0.0 Bye\r\n");
        co_return;
      } else {
        const std::string answer = reply_for(verb, "250 2.0.0 Ok\r\n");
        if (!co_await say(c, Stage::none, answer)) co_return;
      }
    }
  }

  std::string reply_for(const std::string& what, std::string usual) const {
    const auto found = script.replies.find(what);
    return found == script.replies.end() ? std::move(usual) : found->second + "\r\n";
  }
  std::string capabilities(const Connection& c) const {
    std::string out = "250-peer";
    for (const auto& word : script.extensions) out += "\r\n250-" + word;
    const bool offers = script.tls || script.stage == Stage::starttls || script.stage == Stage::handshake;
    if (offers && !c.secure) out += "\r\n250-STARTTLS";
    return out + "\r\n250 HELP\r\n";
  }
  void begin(Connection& c, const std::string& line) {
    const std::size_t end = std::min(line.find('>'), line.size());
    c.message = Message{.sender = line.substr(11, end - 11), .parameters = line.substr(std::min(end + 1, line.size()))};
    c.message->secure = c.secure;
    c.message->connection = c.number;
  }
  Task<bool> recipient(Connection& c, const std::string& line) {
    if (!c.message) c.message.emplace();
    const std::string address = line.substr(9, line.find('>') - 9);
    c.message->recipient_lines.push_back(line);
    const bool here = c.message->recipient_lines.size() == script.recipient;
    const std::string answer = reply_for(address, "250 2.1.5 Ok\r\n");
    const bool refused = here && script.stage == Stage::rcpt && (script.fault == Fault::reply_4xx || script.fault == Fault::reply_5xx);
    if (answer.starts_with('2') && !refused) c.message->recipients.push_back(address);
    const Stage stage = here ? Stage::rcpt : Stage::none;
    co_return co_await say(c, stage, answer);
  }
  Task<bool> data(Connection& c) {
    if (!c.message) c.message.emplace();
    const std::string answer = reply_for("DATA", "354 Go on\r\n");
    const bool refused = script.stage == Stage::data && (script.fault == Fault::reply_4xx || script.fault == Fault::reply_5xx);
    if (!co_await say(c, Stage::data, answer)) co_return false;
    if (refused || !answer.starts_with('3')) co_return true;
    bool begun = false;
    std::string text = "\r\n";
    while (!text.ends_with("\r\n.\r\n")) {
      const auto got = co_await c.stream->read(c.context);
      if (!got || got->empty()) co_return false;
      if (!std::exchange(begun, true) && script.stage == Stage::body && !co_await go_wrong(c, "")) co_return false;
      text += *got;
      c.stream->consume(got->size());
    }
    ++ends_of_data;
    c.message->text = text.substr(2, text.size() - 5);
    const std::size_t replies = script.lmtp ? c.message->recipients.size() : 1;
    const bool kept = !(script.stage == Stage::dot && (script.fault == Fault::reply_4xx || script.fault == Fault::reply_5xx)) &&
                      reply_for(".", "250").starts_with('2');
    if (kept) messages.push_back(*c.message);
    if (script.stage == Stage::body) co_return true;  // has been answered
    for (std::size_t i = 0; i < replies; ++i) {
      const std::string usual = script.lmtp ? reply_for("." + c.message->recipients[i], "250 2.0.0 Ok\r\n") : reply_for(".", "250 2.0.0 Ok\r\n");
      if (!co_await say(c, Stage::dot, usual)) co_return false;
    }
    if (script.deaf_after_message) co_await sleep_until(c.context.executor->now() + std::chrono::hours(2), c.context);
    co_return !script.closes_after_message && !script.deaf_after_message;
  }
  Task<bool> start_tls(Connection& c) {
    if (!co_await say(c, Stage::starttls, "220 2.0.0 Go on\r\n")) co_return false;
    if (script.stage == Stage::handshake) {
      const auto hello = co_await c.stream->read(c.context);
      if (!hello || hello->empty()) co_return false;
      c.stream->consume(hello->size());
      co_return co_await go_wrong(c, "");
    }
    if (!script.tls || script.stage == Stage::starttls) co_return true;
    auto secured = co_await transport::TlsStream::accept(std::move(c.stream), script.tls, transport::TlsStart::upgrade, c.context);
    if (!secured) co_return false;
    c.stream = *std::move(secured);
    c.secure = true;
    co_return true;
  }

  Task<bool> say(Connection& c, Stage stage, std::string reply) {
    if (script.delay.count() > 0) co_await sleep_until(c.context.executor->now() + script.delay, c.context);
    if (stage != Stage::none && stage == script.stage && script.fault != Fault::none) co_return co_await go_wrong(c, std::move(reply));
    const auto done = co_await transport::write_all(*c.stream, reply, c.context);
    co_return done.has_value();
  }
  // False when the connection is over.
  Task<bool> go_wrong(Connection& c, std::string good) {
    std::string out;
    switch (script.fault) {
      case Fault::none: out = good; break;
      case Fault::reply_4xx: out = "451 4.3.0 As the script says\r\n"; break;
      case Fault::reply_5xx: out = "550 5.3.0 As the script says\r\n"; break;
      case Fault::garbage: out = std::string("\x16\x03\x01\0\xff garbage\r\n\r\n", 15); break;
      case Fault::long_line: out = "250 " + std::string(1 << 20, 'x') + "\r\n"; break;
      case Fault::partial_reply: out = "250-first of many\r\n250-"; break;
      case Fault::surplus: out = good + "250 surplus\r\n250 surplus\r\n"; break;
      case Fault::reset: c.stream.reset(); co_return false;
      case Fault::close:
        co_await c.stream->close(c.context);
        c.stream.reset();
        co_return false;
      case Fault::stall: co_await sleep_until(c.context.executor->now() + std::chrono::hours(2), c.context); co_return false;
    }
    const auto done = co_await transport::write_all(*c.stream, out, c.context);
    if (done && script.fault == Fault::partial_reply) co_await sleep_until(c.context.executor->now() + std::chrono::hours(2), c.context);
    co_return done.has_value() && script.fault != Fault::partial_reply;
  }
  Task<std::optional<std::string>> read_line(Connection& c) {
    std::string line;
    for (;;) {
      const auto got = co_await c.stream->read(c.context);
      if (!got || got->empty()) co_return std::nullopt;
      const std::size_t end = got->find('\n');
      const std::size_t take = end == std::string_view::npos ? got->size() : end + 1;
      line += got->substr(0, take);
      c.stream->consume(take);
      if (end == std::string_view::npos) continue;
      while (line.ends_with('\n') || line.ends_with('\r')) line.pop_back();
      co_return line;
    }
  }
};

}  // namespace keystonemail::test
