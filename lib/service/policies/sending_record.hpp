// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// What is kept of an account that sends.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "keystonemail/service/policies/sending_limits.hpp"

namespace keystonemail::policies {

// A count that begins anew once its time is over. So does one whose time is to come, since the clock was set back.
struct Window {
  WallTime start{};
  std::uint32_t count = 0;

  void renew(WallTime now, std::chrono::milliseconds length) noexcept {
    if (now - start < length && now >= start) return;
    *this = {now, 0};
  }
  void add() noexcept { count += count < UINT32_MAX ? 1 : 0; }
  void take_back(std::uint32_t some) noexcept { count -= count < some ? count : some; }
};

struct SendingRecord {
  WallTime last{};
  Window recipients_minute, recipients_hour, recipients_day, new_recipients_day, messages_hour, messages_day;
  Window tries_hour;  // recipients, those that were put off too
  Window held_day;    // messages

  void renew(WallTime now) noexcept;
  [[nodiscard]] std::string encode() const;
  [[nodiscard]] static std::optional<SendingRecord> decode(std::string_view row);
};

// When an account last wrote to somebody.
struct WrittenTo {
  WallTime last{};
  [[nodiscard]] std::string encode() const;
  [[nodiscard]] static std::optional<WrittenTo> decode(std::string_view row);
};

// What somebody decided about an account, or had to be decided.
struct SendingException {
  std::optional<SendingCeilings> ceilings;
  WallTime suspended{};  // since; zero: not

  [[nodiscard]] bool is_none() const noexcept { return !ceilings && suspended == WallTime{}; }
  [[nodiscard]] std::string encode() const;
  [[nodiscard]] static std::optional<SendingException> decode(std::string_view row);
};

}  // namespace keystonemail::policies
