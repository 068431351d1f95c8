// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "service/policies/sending_record.hpp"

#include "base/record.hpp"
#include "service/policies/stored_time.hpp"

namespace keystonemail::policies {
namespace {

using namespace std::chrono_literals;

constexpr std::uint8_t sending_row_version = 1;

// The windows in the order in which they are written.
template <class Record, class Visit>
void for_each_window(Record& record, Visit visit) {
  visit(record.recipients_minute, 1min);
  visit(record.recipients_hour, 1h);
  visit(record.recipients_day, 24h);
  visit(record.new_recipients_day, 24h);
  visit(record.messages_hour, 1h);
  visit(record.messages_day, 24h);
  visit(record.tries_hour, 1h);
  visit(record.held_day, 24h);
}

// The ceilings in theirs.
template <class Ceilings, class Visit>
void for_each_ceiling(Ceilings& ceilings, Visit visit) {
  visit(ceilings.recipients_per_minute);
  visit(ceilings.recipients_per_hour);
  visit(ceilings.recipients_per_day);
  visit(ceilings.new_recipients_per_day);
  visit(ceilings.messages_per_hour);
  visit(ceilings.messages_per_day);
}

}  // namespace

void SendingRecord::renew(WallTime now) noexcept {
  for_each_window(*this, [now](Window& window, std::chrono::milliseconds length) { window.renew(now, length); });
}

std::string SendingRecord::encode() const {
  RecordWriter out;
  out.octet(sending_row_version).number(to_number(last));
  for_each_window(*this, [&](const Window& window, auto) { out.number(to_number(window.start)).number(window.count); });
  return out.take();
}

std::optional<SendingRecord> SendingRecord::decode(std::string_view row) {
  RecordReader in(row);
  if (in.octet() != sending_row_version) return std::nullopt;
  SendingRecord record;
  record.last = to_time(in.number());
  for_each_window(record, [&](Window& window, auto) {
    window.start = to_time(in.number());
    window.count = to_count(in.number());
  });
  if (!in.ok() || !in.at_end()) return std::nullopt;
  return record;
}

std::string WrittenTo::encode() const { return RecordWriter().octet(sending_row_version).number(to_number(last)).take(); }

std::optional<WrittenTo> WrittenTo::decode(std::string_view row) {
  RecordReader in(row);
  if (in.octet() != sending_row_version) return std::nullopt;
  const WrittenTo one{to_time(in.number())};
  if (!in.ok() || !in.at_end()) return std::nullopt;
  return one;
}

std::string SendingException::encode() const {
  RecordWriter out;
  out.octet(sending_row_version).number(to_number(suspended)).octet(ceilings ? 1 : 0);
  if (ceilings) for_each_ceiling(*ceilings, [&](const std::uint32_t& one) { out.number(one); });
  return out.take();
}

std::optional<SendingException> SendingException::decode(std::string_view row) {
  RecordReader in(row);
  if (in.octet() != sending_row_version) return std::nullopt;
  SendingException exception;
  exception.suspended = to_time(in.number());
  if (in.octet() != 0) {
    exception.ceilings.emplace();
    for_each_ceiling(*exception.ceilings, [&](std::uint32_t& one) { one = to_count(in.number()); });
  }
  if (!in.ok() || !in.at_end()) return std::nullopt;
  return exception;
}

}  // namespace keystonemail::policies
