// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// An event, as it waits in the store and as it is sent. Both are described in FORMAT.md.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "keystonemail/base/time.hpp"
#include "json/value.hpp"
#include "keystonemail/queue/queue.hpp"
#include "keystonemail/service/webhook/webhooks.hpp"

namespace keystonemail::webhook {

struct EventRow {
  Event event = Event::delivered;
  WallTime when{};
  std::uint64_t entry = 0;
  std::uint32_t recipient_index = 0;
  std::uint32_t attempts = 0;
  std::string message_id, sender, recipient, login, host, reply;
};

// The first octets of the rows of one hook.
[[nodiscard]] std::string hook_key(std::string_view url);
// In the order of time.
[[nodiscard]] std::string row_key(std::string_view hook, const EventRow& row);
[[nodiscard]] std::string encode_event(const EventRow& row);
[[nodiscard]] std::optional<EventRow> read_event(std::string_view row);

[[nodiscard]] json::Value to_json(const EventRow& row);
// RFC 3339, in UTC, with milliseconds.
[[nodiscard]] std::string format_time(WallTime time);

}  // namespace keystonemail::webhook
