// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// A filter on a network of pipes that answers by a script, and writes down what it was told.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "keystonemail/service/milter/milter.hpp"
#include "keystonemail/transport/pipe.hpp"
#include "milter/filter.hpp"
#include "service/reception/fixture.hpp"

namespace keystonemail::test {

using milter::testing::negotiation;
using milter::testing::number;
using milter::testing::packet;
using milter::testing::strings;

const std::string hang_up = "[hang up]", stall = "[stall]";

// Threads: one executor. Answers each command with what the script has for it, else with "continue".
class ScriptedFilter {
 public:
  // By command; those of which there may be many take the same each time.
  std::map<char, std::string> answers;
  std::string offer = negotiation(milter::actions::all, 0);
  std::string told;                       // "C H M R E", macros apart
  std::vector<std::string> macros, headers, bodies, commands;
  std::size_t connections = 0, sessions = 0;

  Task<void> serve(std::unique_ptr<transport::ByteStream> stream, Context context) {
    ++connections;
    std::string input;
    for (;;) {
      while (input.size() < 5 || input.size() < 4 + length_of(input)) {
        const auto got = co_await stream->read(context);
        if (!got || got->empty()) co_return;
        input.append(*got);
        stream->consume(got->size());
      }
      const std::string whole = input.substr(0, 4 + length_of(input));
      input.erase(0, whole.size());
      const std::string answer = hear(whole[4], whole.substr(5));
      if (answer == hang_up) co_return;
      if (answer == stall) {
        (void)co_await stream->read(context);  // until the other side has had enough
        co_return;
      }
      if (!answer.empty()) (void)co_await transport::write_all(*stream, answer, context);
    }
  }

 private:
  static std::size_t length_of(const std::string& input) {
    std::size_t n = 0;
    for (std::size_t i = 0; i < 4; ++i) n = n << 8 | static_cast<unsigned char>(input[i]);
    return n;
  }
  std::string hear(char what, const std::string& data) {
    if (what == 'D') {
      macros.push_back(data);
      return {};
    }
    told += what;
    commands.push_back(what + data);
    if (what == 'O') return offer;
    if (what == 'C') ++sessions;
    if (what == 'L') headers.push_back(data);
    if (what == 'B') bodies.push_back(data);
    if (what == 'A' || what == 'Q' || what == 'K') return {};
    const auto found = answers.find(what);
    return found == answers.end() ? packet('c') : found->second;
  }
};

inline const Endpoint filter_at = *Endpoint::parse("127.0.0.1:8891");

// What a milter policy stands on. REQUIRES: outlived by the executor.
struct FilterNetwork {
  explicit FilterNetwork(SimExecutor& executor) : executor_(executor) { open(); }
  void open() {
    listener = network.listen(filter_at, [this](auto stream, auto context) { return filter.serve(std::move(stream), std::move(context)); }, {&executor_}).value();
  }
  void close() { listener.reset(); }
  std::shared_ptr<policy::Policy> policy(milter::Options options = {}) {
    if (options.address == milter::Address{}) options.address = *milter::Address::parse("inet:127.0.0.1:8891");
    return std::make_shared<milter::Milter>(std::move(options), connections, [this] { return make_spool(); }, log, resolver);
  }
  Result<std::unique_ptr<blob::Spool>> make_spool();
  Task<Result<std::vector<IpAddress>>> look_up(std::string host) {
    if (!hosts.contains(host)) co_return fail(ErrorKind::not_found);
    co_return hosts.at(host);
  }

  SimExecutor& executor_;
  ScriptedFilter filter;
  transport::PipeNetwork network;
  std::unique_ptr<transport::Listener> listener;
  resolver::Resolver* resolver = nullptr;                     // set it before the policy is made
  std::map<std::string, std::vector<IpAddress>> hosts;
  milter::Connections connections{[this](Executor&) { return &network; }, [this](std::string host, Context) { return look_up(std::move(host)); }};
  MemoryLog log;
  std::size_t spools = 0;
};

struct TextSpool final : blob::Spool {
  Result<void> write(std::string_view piece) override {
    text += piece;
    return {};
  }
  Result<void> read(std::uint64_t offset, std::size_t octets, std::string& out) const override {
    if (offset < text.size()) out.append(text, offset, octets);
    return {};
  }
  std::uint64_t octets() const noexcept override { return text.size(); }
  std::string text;
};
inline Result<std::unique_ptr<blob::Spool>> FilterNetwork::make_spool() {
  ++spools;
  return std::make_unique<TextSpool>();
}

// A reception with a filter. The policies are given late, as they need its executor.
struct Filtered : ReceptionFixture {
  explicit Filtered(milter::Options options = {}, smtp::Protocol protocol = smtp::Protocol::smtp,
                    std::vector<std::shared_ptr<policy::Policy>> more = {}, resolver::Resolver* resolver = nullptr)
      : ReceptionFixture(protocol), network(executor) {
    network.resolver = resolver;
    finish();  // the session that began without it
    std::vector<std::shared_ptr<policy::Policy>> policies{network.policy(std::move(options))};
    for (auto& policy : more) policies.push_back(std::move(policy));
    chain = std::make_shared<policy::Chain>(std::move(policies));
  }
  ~Filtered() { finish(); }

  // All of a session up to the reply to the message, every reply in it.
  std::string send(const std::string& message = "Subject: hello\r\nX-A: 1\r\nX-A: 2\r\n\r\nHello Bob\r\n") {
    connect();
    std::string said = heard();
    const bool lmtp = reception->options().engine.protocol == smtp::Protocol::lmtp;
    for (const std::string line : {lmtp ? "LHLO client.test" : "EHLO client.test", "MAIL FROM:<carol@elsewhere.test> SIZE=100", "RCPT TO:<bob@example.test>"}) {
      if (!over()) said += "\n" + transact(line + "\r\n");
    }
    if (!over()) said += "\n" + transact("DATA\r\n");
    if (said.find("\n354") != std::string::npos) said += "\n" + transact(message + ".\r\n");
    if (!over()) (void)transact("QUIT\r\n");
    return said;
  }
  // Says it, and waits as long as the server needs.
  std::string transact(std::string_view text) {
    std::string answer = say(text);
    for (int waits = 0; answer.empty() && !over() && waits < 700; ++waits) {
      executor.advance(std::chrono::seconds(1));
      answer = heard();
    }
    return answer;
  }
  [[nodiscard]] ScriptedFilter& filter() { return network.filter; }
  // What Bob got.
  [[nodiscard]] std::string delivered_text() {
    REQUIRE(delivery.delivered.size() == 1);
    return delivery.delivered[0].message;
  }

  FilterNetwork network;
};

}  // namespace keystonemail::test
