// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include <algorithm>
#include <set>
#include <utility>

#include "keystonemail/codec/base64.hpp"
#include "sim/clients.hpp"

namespace keystonemail::sim {
namespace {

struct Recipient {
  std::string address;
  std::vector<Place> places;
};

const Recipient recipients[] = {
    {"alice@example.test", {1}}, {"bob@example.test", {2}},     {"carol@example.test", {3}}, {"all@example.test", {1, 2}},
    {"nobody@example.test", {}}, {"dan@elsewhere.test", {queue_place}}, {"BOB@Example.TEST", {2}},
};

class SmtpClient {
 public:
  SmtpClient(World& world, Port port, Wire& wire, SeededRandom& random)
      : world_(world), port_(port), wire_(wire), random_(random) {}

  Task<void> run() {
    const SmtpReply greeting = co_await read_reply(wire_);
    if (greeting.code != 220) co_return;
    const bool welcome = co_await hello();
    if (!welcome) co_return;
    for (std::uint64_t left = 1 + random_.below(8); left > 0 && !wire_.over(); --left) {
      if (random_.below(4) == 0) co_await wire_.pause(std::chrono::milliseconds(5'000), random_);
      if (random_.below(6) == 0) co_await stray();
      co_await transaction();
    }
    if (random_.below(3) != 0) (void)co_await ask("QUIT\r\n");
  }

 private:
  struct Wanted {
    const Recipient* recipient;
    Answer answer = Answer::unknown;
  };

  Task<bool> say(std::string_view text) {
    const Sent sent = co_await wire_.send(text);
    co_return sent == Sent::all;
  }
  Task<SmtpReply> ask(std::string text) {
    SmtpReply reply;
    const Sent sent = co_await wire_.send(text);
    if (sent == Sent::all) reply = co_await read_reply(wire_);
    co_return reply;
  }

  Task<bool> hello() {
    const char* verb = port_ == Port::lmtp ? "LHLO client.test\r\n" : "EHLO client.test\r\n";
    const SmtpReply offers = co_await ask(verb);
    if (offers.code != 250) co_return false;
    if (port_ != Port::submission) co_return true;
    const Person& person = people[random_.below(std::size(people))];
    sender_ = address_of(person);
    std::string secret = '\0' + sender_ + '\0' + (random_.below(10) == 0 ? "wrong" : password_of(person));
    const std::string encoded = codec::encode_base64(secret);
    std::string line = "AUTH PLAIN " + encoded + "\r\n";
    if (random_.below(2) == 0) {
      const SmtpReply challenge = co_await ask("AUTH PLAIN\r\n");
      if (challenge.code != 334) co_return false;
      line = encoded + "\r\n";
    }
    const SmtpReply reply = co_await ask(std::move(line));
    co_return reply.code == 235;
  }

  // Something that is not mail.
  Task<void> stray() {
    static constexpr const char* lines[] = {"NOOP\r\n", "RSET\r\n", "VRFY alice\r\n", "HELP\r\n", "BOGUS\r\n", "DATA\r\n",
                                            "RCPT TO:<alice@example.test>\r\n", "BDAT 0 LAST\r\n", "MAIL FROM:<a b>\r\n",
                                            "EHLO again.test\r\n", "\r\n"};
    const std::string line = lines[random_.below(std::size(lines))];
    const SmtpReply reply = co_await ask(line);
    // A transaction that nobody completed or gave up is open still, and this one is in it now.
    if (line.starts_with("RCPT") && reply.answer() == Answer::yes) co_await reset();
  }

  // Draws who is to get a message. LMTP answers for each recipient, so there no two lead to the same place.
  std::vector<Wanted> draw_recipients() {
    std::vector<Wanted> wanted;
    std::set<Place> taken;
    for (std::uint64_t left = 1 + random_.below(4); left > 0; --left) {
      const Recipient& recipient = recipients[random_.below(std::size(recipients))];
      const bool again = std::ranges::any_of(recipient.places, [&](Place place) { return taken.contains(place); });
      if (port_ == Port::lmtp && (again || recipient.places.size() > 1)) continue;
      taken.insert(recipient.places.begin(), recipient.places.end());
      wanted.push_back({&recipient});
    }
    return wanted;
  }

  Task<void> transaction() {
    auto wanted = draw_recipients();
    if (wanted.empty()) co_return;
    const bool pipelined = random_.below(2) == 0;
    const bool chunked = random_.below(3) == 0;
    std::string envelope = "MAIL FROM:<" + sender_ + ">" + (random_.below(4) == 0 ? " BODY=8BITMIME" : "") + "\r\n";
    if (pipelined) {
      for (const auto& one : wanted) envelope += "RCPT TO:<" + one.recipient->address + ">\r\n";
      if (!chunked) envelope += "DATA\r\n";
      if (chunked && random_.below(2) == 0) co_return co_await send_chunks(wanted, envelope);  // all without waiting
      const bool sent = co_await say(envelope);
      if (!sent) co_return;
      const SmtpReply mail = co_await read_reply(wire_);
      co_await read_answers(wanted);
      if (mail.code != 250 && chunked) co_return co_await reset();
    } else {
      const SmtpReply mail = co_await ask(envelope);
      if (mail.code != 250) co_return co_await reset();
      for (auto& one : wanted) {
        const SmtpReply reply = co_await ask("RCPT TO:<" + one.recipient->address + ">\r\n");
        one.answer = reply.answer();
      }
    }
    if (random_.below(12) == 0) {
      if (pipelined && !chunked) wire_.drop();  // DATA is under way
      co_return co_await reset();
    }
    if (chunked) co_return co_await send_chunks(wanted, "");
    SmtpReply go;
    if (pipelined) {
      go = co_await read_reply(wire_);
    } else {
      go = co_await ask("DATA\r\n");
    }
    if (go.code != 354) co_return co_await reset();
    co_await send_data(wanted);
  }

  // What has failed half way is given up, so that the next one does not add to it.
  Task<void> reset() {
    const SmtpReply reply = co_await ask("RSET\r\n");
    if (reply.code != 250) wire_.drop();
  }
  Task<void> read_answers(std::vector<Wanted>& wanted) {
    for (auto& one : wanted) {
      const SmtpReply reply = co_await read_reply(wire_);
      one.answer = reply.answer();
    }
  }

  // What the message will do to whom, as far as the client knows. LMTP: an act for each recipient, as each has its reply.
  std::vector<ActNumber> begin(Token token, const std::vector<Wanted>& wanted) {
    std::vector<ActNumber> acts;
    if (port_ != Port::lmtp) {
      acts.push_back(world_.ledger.begin({.effects = effects(token, wanted), .brings = true}));
      return acts;
    }
    for (const auto& one : wanted) acts.push_back(world_.ledger.begin({.effects = effects(token, {one}), .brings = true}));
    return acts;
  }
  // The replies to RCPT are known now.
  void amend(Token token, const std::vector<Wanted>& wanted, const std::vector<ActNumber>& acts) {
    if (port_ != Port::lmtp) return world_.ledger.amend(acts[0], effects(token, wanted));
    for (std::size_t i = 0; i < acts.size(); ++i) world_.ledger.amend(acts[i], effects(token, {wanted[i]}));
  }
  static std::vector<Effect> effects(Token token, const std::vector<Wanted>& wanted) {
    std::map<Place, bool> places;  // and whether it is sure
    for (const auto& one : wanted) {
      if (one.answer == Answer::no) continue;
      for (const Place place : one.recipient->places) places[place] = places[place] || one.answer == Answer::yes;
    }
    std::vector<Effect> all;
    for (const auto& [place, sure] : places) all.push_back({place, token, 1, sure});
    return all;
  }

  Task<void> settle(const std::vector<Wanted>& wanted, const std::vector<ActNumber>& acts, Sent sent) {
    for (std::size_t i = 0; i < acts.size(); ++i) {
      Answer answer = sent == Sent::not_all ? Answer::no : Answer::unknown;
      const bool expects_reply = port_ != Port::lmtp || wanted[i].answer == Answer::yes;
      if (sent == Sent::all && expects_reply) {
        const SmtpReply reply = co_await read_reply(wire_);
        answer = reply.answer();
      }
      world_.ledger.settle(acts[i], answer);
    }
  }

  Task<void> send_data(const std::vector<Wanted>& wanted) {
    const Token token = world_.ledger.next_token();
    const std::string text = draw_message(world_.ledger, random_, 260'000);
    std::string stuffed = text.starts_with('.') ? "." : "";
    for (std::size_t i = 0; i < text.size(); ++i) {
      stuffed += text[i];
      if (text[i] == '\n' && i + 1 < text.size() && text[i + 1] == '.') stuffed += '.';
    }
    const auto acts = begin(token, wanted);
    if (random_.below(10) == 0) {  // the end never comes
      (void)co_await wire_.send(stuffed.substr(0, random_.below(stuffed.size())));
      wire_.drop();
      co_return co_await settle(wanted, acts, Sent::not_all);
    }
    stuffed += ".\r\n";
    const Sent sent = co_await wire_.send(stuffed);
    co_await settle(wanted, acts, sent);
  }

  // The message in pieces; `before` goes out along with the first.
  Task<void> send_chunks(std::vector<Wanted> wanted, std::string before) {
    const Token token = world_.ledger.next_token();
    const std::string text = draw_message(world_.ledger, random_, 60'000);
    const auto acts = begin(token, wanted);
    const bool blind = !before.empty();
    std::string all = std::move(before);
    std::size_t chunks = 0;
    for (std::size_t at = 0; at < text.size(); ++chunks) {
      const std::size_t size = random_.below(3) == 0 ? text.size() - at : 1 + random_.below(text.size() - at);
      all += "BDAT " + std::to_string(size) + "\r\n" + text.substr(at, size);
      at += size;
    }
    all += "BDAT 0 LAST\r\n";
    const Sent sent = co_await wire_.send(all);
    if (blind && sent == Sent::all) {
      (void)co_await read_reply(wire_);
      co_await read_answers(wanted);
      amend(token, wanted, acts);
    }
    for (std::size_t i = 0; i < chunks && sent == Sent::all; ++i) (void)co_await read_reply(wire_);
    // LMTP without recipients has one reply to the last chunk all the same, a refusal.
    const bool nobody = std::ranges::none_of(wanted, [](const Wanted& one) { return one.answer == Answer::yes; });
    if (port_ == Port::lmtp && nobody && sent == Sent::all) (void)co_await read_reply(wire_);
    co_await settle(wanted, acts, sent);
  }

  World& world_;
  Port port_;
  Wire& wire_;
  SeededRandom& random_;
  std::string sender_ = "carol@elsewhere.test";
};

}  // namespace

std::string draw_message(Ledger& ledger, SeededRandom& random, std::size_t octets_max) {
  std::string text = "From: sender@elsewhere.test\r\nSubject: message " + std::to_string(ledger.next_token()) + "\r\n" +
                     token_field(ledger.next_token());
  if (random.below(3) != 0) {
    text += "Date: Thu, 1 Jan 2026 00:00:00 +0000\r\nMessage-ID: <" + std::to_string(random.below(20)) + "@x.test>\r\n";
  }
  const std::size_t body = random.below(4) == 0 ? random.below(octets_max) : random.below(900);
  if (random.below(4) == 0) {  // an attachment that others have too
    SeededRandom content(random.below(3));
    text += "MIME-Version: 1.0\r\nContent-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64\r\n\r\n";
    const std::string encoded = codec::encode_base64(content.hex(std::min<std::size_t>(body, 30'000)));
    for (std::size_t at = 0; at < encoded.size(); at += 76) text += encoded.substr(at, 76) + "\r\n";
  } else {
    text += "\r\n";
    while (text.size() < body) {
      text += random.below(5) == 0 ? ".x dots\r\n" : "x " + random.hex(1 + random.below(30)) + "\r\n";
    }
    if (random.below(6) == 0) text += ".\r\n";  // to be stuffed
  }
  ledger.add_message(text);
  return text;
}

Task<void> run_smtp_client(World& world, Port port, Wire& wire, SeededRandom& random) {
  SmtpClient client(world, port, wire, random);
  co_await client.run();
}

}  // namespace keystonemail::sim
