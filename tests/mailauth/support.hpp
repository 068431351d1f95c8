// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// What the tests of mail authentication share: a zone of TXT records, and messages of the RFCs.
#pragma once

#include <algorithm>
#include <chrono>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "keystonemail/dns/answer.hpp"
#include "keystonemail/mailauth/dkim/key_record.hpp"
#include "keystonemail/mailauth/dkim/signer.hpp"
#include "keystonemail/mailauth/dkim/verifier.hpp"

namespace keystonemail::mailauth::testing {

struct Zone {
  std::map<std::string, std::vector<std::string>> texts;        // name, its TXT records
  std::map<std::string, dns::AnswerStatus> faults;
  mutable std::vector<std::string> asked;

  [[nodiscard]] dns::Answer answer(const dns::Question& question) const {
    asked.push_back(question.name.text());
    if (const auto fault = faults.find(question.name.text()); fault != faults.end()) {
      return dns::Answer::none(fault->second, question.name);
    }
    const auto found = texts.find(question.name.text());
    if (found == texts.end()) return dns::Answer::none(dns::AnswerStatus::no_such_name, question.name);
    auto answer = dns::Answer::none(dns::AnswerStatus::found, question.name);
    for (const auto& text : found->second) answer.records.emplace_back(dns::Txt{dkim::txt_strings(text)});
    return answer;
  }
};

inline WallTime at(std::int64_t seconds) { return WallTime(std::chrono::seconds(seconds)); }

// Feeds the message in pieces and answers from the zone at once; gives what the engine ends with.
template <class Engine, class Over>
void run(Engine& engine, const Zone& zone, std::string_view message, std::size_t piece, Over is_over) {
  bool ended = false;
  while (true) {
    const auto event = engine.next_event();
    if (is_over(event)) return;
    if (const auto* need = std::get_if<NeedKey>(&event)) {
      engine.decide(need->id, zone.answer(need->question));
    } else if (!message.empty()) {
      engine.receive(message.substr(0, piece));
      message.remove_prefix(std::min(piece, message.size()));
    } else {
      if (ended) return;
      engine.receive_end();
      ended = true;
    }
  }
}

inline std::vector<dkim::SignatureResult> verify_dkim(const Zone& zone, std::string_view message, WallTime now = at(1'800'000'000),
                                                      const dkim::VerifierOptions& options = {},
                                                      std::size_t piece = std::string_view::npos) {
  dkim::Verifier verifier(options, now);
  run(verifier, zone, message, piece, [](const Event& event) { return std::holds_alternative<Verified>(event); });
  return verifier.results();
}

// A signing domain with its keys published.
struct Domain {
  Zone zone;
  dkim::SignerOptions options;

  explicit Domain(std::string domain = "example.com") {
    static const auto rsa = crypto::PrivateKey::generate(crypto::KeyType::rsa).value();
    static const auto ed25519 = crypto::PrivateKey::generate(crypto::KeyType::ed25519).value();
    options.keys = {{domain, "rsa", rsa}, {domain, "ed", ed25519}};
    for (const auto& key : options.keys) {
      zone.texts[key.selector + "._domainkey." + domain] = {dkim::key_record_text(key.key.public_key())};
    }
  }

  // The fields that go on top.
  [[nodiscard]] std::string fields(std::string_view message, WallTime now = at(1'800'000'000),
                                   std::size_t piece = std::string_view::npos) const {
    dkim::Signer signer(options);
    for (; !message.empty(); message.remove_prefix(std::min(piece, message.size()))) signer.receive(message.substr(0, piece));
    return signer.receive_end(now).value();
  }
  [[nodiscard]] std::string sign(std::string_view message) const { return fields(message) + std::string(message); }
};

// "pass", or "fail: body hash did not verify".
inline std::string describe(const dkim::SignatureResult& result) {
  return std::string(to_string(result.outcome)) + (result.reason.empty() ? "" : ": " + result.reason);
}

// Text as it is easy to write, with CRLF line ends.
inline std::string crlf(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '\n') out += '\r';
    out += c;
  }
  return out;
}

}  // namespace keystonemail::mailauth::testing
