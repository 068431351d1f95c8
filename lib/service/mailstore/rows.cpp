// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "service/mailstore/rows.hpp"

#include "base/record.hpp"

namespace keystonemail::service {

namespace {
enum MessageBits : std::uint8_t { bit_deleted = 1, bit_listed = 2 };
}

std::optional<MessageRecord> MessageRecord::read(std::string_view row) noexcept {
  if (row.size() < octets_fixed || static_cast<std::uint8_t>(row[0]) >> 4 != row_version) return std::nullopt;
  MessageRecord r;
  const auto bits = static_cast<std::uint8_t>(row[0]);
  r.deleted = (bits & bit_deleted) != 0;
  r.listed = (bits & bit_listed) != 0;
  r.system = static_cast<std::uint8_t>(row[1]);
  const std::size_t count = load_little<std::uint16_t>(row.data() + 2);
  if (count > mailstore::limits::keywords_per_email_max || row.size() != octets_fixed + 2 * count) return std::nullopt;
  r.size = load_little<std::uint32_t>(row.data() + 4);
  r.email = load_little<std::uint64_t>(row.data() + 8);
  r.thread = load_little<std::uint64_t>(row.data() + 16);
  r.modseq = load_little<std::uint64_t>(row.data() + 24);
  r.created = load_little<std::uint64_t>(row.data() + 32);
  r.received = load_little<std::int64_t>(row.data() + 40);
  r.saved = load_little<std::int64_t>(row.data() + 48);
  r.numbers = row.substr(octets_fixed);
  return r;
}

Flat<MessageRecord::octets_max> MessageRecord::encode() const noexcept {
  assert(numbers.size() <= octets_max - octets_fixed);
  Flat<octets_max> flat;
  flat.add(static_cast<std::uint8_t>(row_version << 4 | (deleted ? bit_deleted : 0) | (listed ? bit_listed : 0)));
  flat.add(system);
  flat.add(static_cast<std::uint16_t>(numbers.size() / 2));
  flat.add(size);
  flat.add(email);
  flat.add(thread);
  flat.add(modseq);
  flat.add(created);
  flat.add(received);
  flat.add(saved);
  for (const char c : numbers) flat.add(static_cast<std::uint8_t>(c));
  return flat;
}

mailstore::KeywordSet keywords_of(const MessageRecord& record) {
  mailstore::KeywordSet set;
  set.set_system_bits(record.system);
  for (std::size_t i = 0; i + 1 < record.numbers.size(); i += 2) {
    set.add(load_little<std::uint16_t>(record.numbers.data() + i));
  }
  return set;
}

std::string encode_numbers(const mailstore::KeywordSet& keywords) {
  std::string out(keywords.numbers().size() * 2, '\0');
  char* at = out.data();
  for (const auto number : keywords.numbers()) store_little(at, number), at += 2;
  return out;
}

mailstore::MessageRow to_message_row(mailstore::Uid uid, const MessageRecord& record) {
  mailstore::MessageRow row;
  row.uid = uid;
  row.deleted = record.deleted;
  row.email = mailstore::EmailId{record.email};
  row.thread = mailstore::ThreadId{record.thread};
  row.modseq = record.modseq;
  row.received = from_milliseconds(record.received);
  row.saved = from_milliseconds(record.saved);
  row.octets = record.size;
  row.keywords.set_system_bits(record.system);
  if (!record.numbers.empty()) row.keywords = keywords_of(record);
  return row;
}

std::optional<MailboxObject> MailboxObject::read(std::string_view row) {
  RecordReader reader(row);
  MailboxObject object;
  if (reader.octet() != row_version) return std::nullopt;
  object.parent = static_cast<std::uint32_t>(reader.number());
  const std::uint8_t role = reader.octet();
  if (role > static_cast<std::uint8_t>(mailstore::Role::all)) return std::nullopt;
  object.role = static_cast<mailstore::Role>(role);
  object.subscribed = reader.octet() != 0;
  object.modseq = reader.number();
  object.name = reader.text();
  if (!reader.ok() || !reader.at_end()) return std::nullopt;
  return object;
}

std::string MailboxObject::encode() const {
  RecordWriter writer;
  writer.octet(row_version).number(parent).octet(static_cast<std::uint8_t>(role)).octet(subscribed ? 1 : 0);
  return writer.number(modseq).text(name).take();
}

std::optional<std::string> read_kept_name(std::string_view row) {
  RecordReader reader(row);
  if (reader.octet() != row_version) return std::nullopt;
  std::string path(reader.text());
  if (!reader.ok() || !reader.at_end()) return std::nullopt;
  return path;
}

std::string encode_kept_name(std::string_view path) {
  RecordWriter writer;
  return writer.octet(row_version).text(path).take();
}

namespace {
constexpr std::size_t email_octets_fixed = 1 + 1 + 2 + 4 + 8 + 4 + 4 + 8 + 4 + 4;
constexpr std::size_t email_thread_at = 8, email_mailbox_at = 16, email_uid_at = 20, email_received_at = 24;
}  // namespace

std::optional<EmailRecord> EmailRecord::read(std::string_view row) noexcept {
  if (row.size() < email_octets_fixed || static_cast<std::uint8_t>(row[0]) != row_version) return std::nullopt;
  EmailRecord r;
  r.content_apart = row[1] != 0;
  const std::size_t count = load_little<std::uint16_t>(row.data() + 2);
  const std::size_t summary_octets = load_little<std::uint32_t>(row.data() + 36);
  if (count > thread_hashes_max || row.size() < email_octets_fixed + 8 * count ||
      row.size() - email_octets_fixed - 8 * count < summary_octets) {
    return std::nullopt;
  }
  r.hash_count = static_cast<std::uint8_t>(count);
  r.size = load_little<std::uint32_t>(row.data() + 4);
  r.thread = load_little<std::uint64_t>(row.data() + email_thread_at);
  r.home_mailbox = load_little<std::uint32_t>(row.data() + email_mailbox_at);
  r.home_uid = load_little<std::uint32_t>(row.data() + email_uid_at);
  r.received = load_little<std::int64_t>(row.data() + email_received_at);
  r.subject = load_little<std::uint32_t>(row.data() + 32);
  const char* at = row.data() + email_octets_fixed;
  for (std::size_t i = 0; i < count; ++i) r.hashes[i] = load_little<std::uint64_t>(at + 8 * i);
  r.summary = row.substr(email_octets_fixed + 8 * count, summary_octets);
  r.content = row.substr(email_octets_fixed + 8 * count + summary_octets);
  return r;
}

std::string EmailRecord::encode() const {
  assert(hash_count <= thread_hashes_max);
  std::string row(email_octets_fixed + 8U * hash_count, '\0');
  row.reserve(row.size() + summary.size() + content.size());
  row[0] = static_cast<char>(row_version);
  row[1] = content_apart ? 1 : 0;
  store_little(row.data() + 2, std::uint16_t{hash_count});
  store_little(row.data() + 4, size);
  store_little(row.data() + 32, subject);
  store_little(row.data() + 36, static_cast<std::uint32_t>(summary.size()));
  for (std::size_t i = 0; i < hash_count; ++i) store_little(row.data() + email_octets_fixed + 8 * i, hashes[i]);
  row.append(summary).append(content);
  place(row, thread, home_mailbox, home_uid, received);
  return row;
}

void EmailRecord::place(std::string& row, std::uint64_t thread, std::uint32_t mailbox, std::uint32_t uid,
                        std::int64_t received) noexcept {
  assert(row.size() >= email_octets_fixed);
  store_little(row.data() + email_thread_at, thread);
  store_little(row.data() + email_mailbox_at, mailbox);
  store_little(row.data() + email_uid_at, uid);
  store_little(row.data() + email_received_at, received);
}

}  // namespace keystonemail::service
