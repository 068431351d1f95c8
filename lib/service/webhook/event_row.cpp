// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "service/webhook/event_row.hpp"

#include <algorithm>

#include "base/format.hpp"
#include "base/record.hpp"
#include "keystonemail/crypto/digest.hpp"

namespace keystonemail::webhook {
namespace {

constexpr std::uint8_t row_version = 1;
constexpr std::size_t hook_key_octets = 8;
constexpr std::size_t text_octets_max = 1'000;  // of each; addresses and names of hosts are shorter

std::string_view cut(std::string_view text) noexcept { return text.substr(0, text_octets_max); }

std::uint64_t milliseconds_of(WallTime time) noexcept { return static_cast<std::uint64_t>(std::max<std::int64_t>(time.time_since_epoch().count(), 0)); }

}  // namespace

std::string hook_key(std::string_view url) { return crypto::digest(crypto::Hash::sha256, url).substr(0, hook_key_octets); }

std::string row_key(std::string_view hook, const EventRow& row) {
  std::string key(hook);
  append_big_endian(key, milliseconds_of(row.when), 8);
  append_big_endian(key, row.entry, 8);
  append_big_endian(key, row.recipient_index, 4);
  return key;
}

std::string encode_event(const EventRow& row) {
  RecordWriter writer;
  writer.octet(row_version).octet(static_cast<std::uint8_t>(row.event)).number(milliseconds_of(row.when)).number(row.entry);
  writer.number(row.recipient_index).number(row.attempts).text(cut(row.message_id)).text(cut(row.sender)).text(cut(row.recipient));
  writer.text(cut(row.login)).text(cut(row.host)).text(cut(row.reply));
  return writer.take();
}

std::optional<EventRow> read_event(std::string_view octets) {
  RecordReader reader(octets);
  if (reader.octet() != row_version) return std::nullopt;
  EventRow row;
  const std::uint8_t event = reader.octet();
  if (event > static_cast<std::uint8_t>(Event::suspended)) return std::nullopt;
  row.event = static_cast<Event>(event);
  const std::uint64_t when = reader.number();
  if (when > std::uint64_t{253'402'300'799'000}) return std::nullopt;  // the end of the year 9999
  row.when = WallTime(std::chrono::milliseconds(static_cast<std::int64_t>(when)));
  row.entry = reader.number();
  row.recipient_index = static_cast<std::uint32_t>(reader.number());
  row.attempts = static_cast<std::uint32_t>(reader.number());
  for (std::string* text : {&row.message_id, &row.sender, &row.recipient, &row.login, &row.host, &row.reply}) *text = reader.text();
  return reader.ok() && reader.at_end() ? std::optional(std::move(row)) : std::nullopt;
}

std::string format_time(WallTime time) {
  const auto day = std::chrono::floor<std::chrono::days>(time);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss clock(time - day);
  return format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z", static_cast<int>(date.year()), static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                clock.hours().count(), clock.minutes().count(), clock.seconds().count(), clock.subseconds().count());
}

json::Value to_json(const EventRow& row) {
  json::Object object;
  if (row.event == Event::suspended) {
    object["id"] = format("suspended-{}-{}", milliseconds_of(row.when), row.recipient_index);
    object["event"] = std::string(to_string(row.event));
    object["time"] = format_time(row.when);
    object["login"] = row.login;
    object["peer"] = row.host;
    object["why"] = row.reply;
    return object;
  }
  object["id"] = format("{}-{}-{}-{}", row.entry, row.recipient_index, row.attempts, to_string(row.event));
  object["event"] = std::string(to_string(row.event));
  object["time"] = format_time(row.when);
  object["queue_id"] = static_cast<std::int64_t>(row.entry);
  object["message_id"] = row.message_id;
  object["sender"] = row.sender;
  object["recipient"] = row.recipient;
  object["login"] = row.login;
  object["host"] = row.host;
  object["reply"] = row.reply;
  object["attempts"] = static_cast<std::int64_t>(row.attempts);
  return object;
}

}  // namespace keystonemail::webhook
