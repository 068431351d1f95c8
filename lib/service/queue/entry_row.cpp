// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "service/queue/entry_row.hpp"

#include <algorithm>

#include "base/record.hpp"

namespace keystonemail::service {

namespace {

constexpr std::uint8_t entry_version = 4;  // 3 had no modes of deadlines; 2 had nothing behind its recipients, 1 neither last_host nor delay_told
constexpr int priority_max = 9;            // RFC 6710 §1.1
constexpr std::size_t recipients_max = 100'000;

std::uint64_t to_number(WallTime time) noexcept {
  return static_cast<std::uint64_t>(std::max<std::int64_t>(time.time_since_epoch().count(), 0));
}
WallTime to_time(std::uint64_t number) noexcept {
  constexpr std::uint64_t far = 253'402'300'799'000;  // the end of year 9999
  return WallTime(std::chrono::milliseconds(static_cast<std::int64_t>(std::min(number, far))));
}

std::uint8_t bits_of(std::initializer_list<bool> flags) noexcept {
  std::uint8_t bits = 0;
  unsigned at = 0;
  for (const bool flag : flags) bits = static_cast<std::uint8_t>(bits | (flag ? 1U << at : 0U)), ++at;
  return bits;
}

void encode_recipient(RecordWriter& writer, const queue::Recipient& r) {
  writer.text(r.address).text(r.original_recipient);
  writer.octet(bits_of({r.notify.specified, r.notify.never, r.notify.success, r.notify.failure, r.notify.delay, r.delay_told}));
  writer.octet(static_cast<std::uint8_t>(r.state)).number(r.attempts).number(to_number(r.next_attempt));
  writer.text(r.last_reply).text(r.last_host);
}

bool read_recipient(RecordReader& reader, std::uint8_t version, queue::Recipient& r) {
  r.address = reader.text();
  r.original_recipient = reader.text();
  const std::uint8_t notify = reader.octet();
  r.notify = {(notify & 1) != 0, (notify & 2) != 0, (notify & 4) != 0, (notify & 8) != 0, (notify & 16) != 0};
  r.delay_told = (notify & 32) != 0;
  const std::uint8_t state = reader.octet();
  if (state > static_cast<std::uint8_t>(queue::RecipientState::failed)) return false;
  r.state = static_cast<queue::RecipientState>(state);
  r.attempts = static_cast<std::uint32_t>(reader.number());
  r.next_attempt = to_time(reader.number());
  r.last_reply = reader.text();
  if (version >= 2) r.last_host = reader.text();
  return reader.ok();
}

bool read_extensions(RecordReader& reader, queue::Entry& entry) {
  entry.session = reader.text();
  entry.route = reader.text();
  entry.envelope.released = to_time(reader.number());
  const std::uint8_t bits = reader.octet();
  const WallTime by = to_time(reader.number());
  if ((bits & 1) != 0) entry.envelope.deliver_by = queue::DeliverBy{by, (bits & 2) != 0, (bits & 4) != 0};
  const std::uint8_t priority = reader.octet();
  entry.envelope.priority = static_cast<int>(priority) - priority_max;
  return reader.ok() && priority <= 2 * priority_max;
}

}  // namespace

std::string encode_entry(const queue::Entry& entry) {
  const queue::Envelope& e = entry.envelope;
  RecordWriter writer;
  writer.octet(entry_version).octet(bits_of({entry.held, e.smtputf8, e.eight_bit, e.binary, e.require_tls, e.tls_optional, e.unproven}));
  writer.octet(static_cast<std::uint8_t>(e.dsn_return)).text(e.sender).text(e.envelope_id);
  writer.text(entry.message_id).text(entry.login).number(to_number(entry.arrived)).number(to_number(entry.expires));
  writer.number(entry.octets).number(entry.recipients.size());
  for (const auto& recipient : entry.recipients) encode_recipient(writer, recipient);
  writer.text(entry.session).text(entry.route).number(to_number(e.released));
  writer.octet(e.deliver_by ? bits_of({true, e.deliver_by->returns, e.deliver_by->trace}) : 0);
  writer.number(e.deliver_by ? to_number(e.deliver_by->when) : 0).octet(static_cast<std::uint8_t>(e.priority + priority_max));
  return writer.take();
}

std::optional<queue::Entry> read_entry(queue::EntryId id, std::string_view row) {
  RecordReader reader(row);
  queue::Entry entry;
  entry.id = id;
  const std::uint8_t version = reader.octet();
  if (version == 0 || version > entry_version) return std::nullopt;
  const std::uint8_t bits = reader.octet();
  entry.held = (bits & 1) != 0;
  queue::Envelope& e = entry.envelope;
  e.smtputf8 = (bits & 2) != 0;
  e.eight_bit = (bits & 4) != 0;
  e.binary = (bits & 8) != 0;
  e.require_tls = (bits & 16) != 0;
  e.tls_optional = (bits & 32) != 0;
  e.unproven = (bits & 64) != 0;
  const std::uint8_t dsn_return = reader.octet();
  if (dsn_return > static_cast<std::uint8_t>(queue::DsnReturn::headers)) return std::nullopt;
  e.dsn_return = static_cast<queue::DsnReturn>(dsn_return);
  e.sender = reader.text();
  e.envelope_id = reader.text();
  entry.message_id = reader.text();
  entry.login = reader.text();
  entry.arrived = to_time(reader.number());
  entry.expires = to_time(reader.number());
  entry.octets = reader.number();
  const std::uint64_t count = reader.number();
  if (!reader.ok() || count > recipients_max) return std::nullopt;
  for (std::uint64_t i = 0; i < count; ++i) {
    if (!read_recipient(reader, version, entry.recipients.emplace_back())) return std::nullopt;
  }
  if (version >= 3 && !read_extensions(reader, entry)) return std::nullopt;
  return reader.at_end() ? std::optional(std::move(entry)) : std::nullopt;
}

std::string entry_key(queue::EntryId id) {
  std::string key;
  append_big_endian(key, static_cast<std::uint64_t>(id), 8);
  return key;
}

std::string due_key(WallTime when, queue::EntryId id) {
  std::string key;
  append_big_endian(key, to_number(when), 8);
  append_big_endian(key, static_cast<std::uint64_t>(id), 8);
  return key;
}

std::optional<queue::Due> read_due_key(std::string_view key) noexcept {
  if (key.size() != 16) return std::nullopt;
  return queue::Due{to_time(read_big_endian(key.substr(0, 8))), queue::EntryId{read_big_endian(key.substr(8))}};
}

std::optional<WallTime> next_attempt(const queue::Entry& entry) noexcept {
  std::optional<WallTime> soonest;
  if (entry.held) return soonest;
  for (const auto& r : entry.recipients) {
    if (r.state != queue::RecipientState::pending) continue;
    if (!soonest || r.next_attempt < *soonest) soonest = r.next_attempt;
  }
  return soonest;
}

}  // namespace keystonemail::service
