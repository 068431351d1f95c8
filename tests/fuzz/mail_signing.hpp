// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// What the fuzz targets of DKIM and ARC share: one key for every name, and a way to run an engine.
#pragma once

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>

#include "keystonemail/dns/answer.hpp"
#include "keystonemail/mailauth/dkim/key_record.hpp"
#include "keystonemail/mailauth/dkim/signer.hpp"
#include "keystonemail/mailauth/event.hpp"

namespace keystonemail::mailauth {

inline void require(bool holds) {
  if (!holds) __builtin_trap();
}

inline const crypto::PrivateKey& fuzz_key() {
  static const auto key = crypto::PrivateKey::from_ed25519(std::string(32, 'k')).value();
  return key;
}

inline constexpr WallTime fuzz_time{std::chrono::seconds(1'800'000'000)};

// Feeds `message` in pieces of that size; every name has the key.
template <class Engine>
void run_engine(Engine& engine, std::string_view message, std::size_t piece) {
  static const std::string record = dkim::key_record_text(fuzz_key().public_key());
  bool ended = false;
  for (std::size_t questions = 0;;) {
    const auto event = engine.next_event();
    if (const auto* need = std::get_if<NeedKey>(&event)) {
      require(++questions <= 51);
      auto answer = dns::Answer::none(dns::AnswerStatus::found, need->question.name);
      answer.records.emplace_back(dns::Txt{dkim::txt_strings(record)});
      engine.decide(need->id, answer);
    } else if (std::holds_alternative<NeedInput>(event)) {
      require(!ended);
      if (message.empty()) {
        engine.receive_end();
        ended = true;
      } else {
        engine.receive(message.substr(0, piece));
        message.remove_prefix(std::min(piece, message.size()));
      }
    } else {
      return require(std::holds_alternative<Verified>(event));
    }
  }
}

}  // namespace keystonemail::mailauth
