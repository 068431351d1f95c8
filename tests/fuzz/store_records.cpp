// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Rows of the store, damaged in any way: every decoder reads them or says that it cannot, and what it has read encodes
// to a row that reads the same. The first octet chooses the kind of row.
#include <cstdint>
#include <string>

#include "keystonemail/mime/summary.hpp"
#include "service/accounts/records.hpp"
#include "service/mailstore/change_log.hpp"
#include "service/mailstore/content.hpp"
#include "service/mailstore/note.hpp"
#include "service/mailstore/rows.hpp"
#include "service/queue/entry_row.hpp"
#include "service/reports/rows.hpp"

using namespace keystonemail;

namespace {

void check(bool claim) {
  if (!claim) __builtin_trap();
}

void read_account(std::string_view row) {
  const auto record = accounts::decode_account(row);
  if (!record) return;
  const std::string again = accounts::encode(*record);
  const auto second = accounts::decode_account(again);
  check(second && accounts::encode(*second) == again);
}

void read_address(std::string_view row) {
  const auto record = accounts::decode_address(row);
  if (!record) return;
  check(record->alias.kind <= accounts::AliasKind::catch_all);
  const std::string again = accounts::encode(*record);
  const auto second = accounts::decode_address(again);
  check(second && accounts::encode(*second) == again);
}

void read_queue_entry(std::string_view row) {
  const auto entry = service::read_entry(queue::EntryId{7}, row);
  if (!entry) return;
  const std::string again = service::encode_entry(*entry);
  const auto second = service::read_entry(queue::EntryId{7}, again);
  check(second && service::encode_entry(*second) == again);
  if (const auto due = service::next_attempt(*entry)) check(service::due_key(*due, entry->id).size() == 16);
}

template <class Row>
void read_flat(std::string_view row) {
  if (const auto record = service::read_row<Row>(row)) check(std::string_view(service::encode_row(*record)) == row);
}

void read_message(std::string_view row) {
  const auto record = service::MessageRecord::read(row);
  if (!record) return;
  const auto message = service::to_message_row(1, *record);
  check(service::encode_numbers(message.keywords).size() <= record->numbers.size());
  const std::string again(record->encode());
  check(service::MessageRecord::read(again).has_value());
}

void read_email(std::string_view row) {
  const auto record = service::EmailRecord::read(row);
  if (!record) return;
  const std::string again = record->encode();
  check(again.size() == row.size() && service::EmailRecord::read(again).has_value());
  if (!record->content_apart) (void)service::Content::decode(record->content);
  const mime::Summary summary(record->summary);
  (void)summary.envelope();
  (void)summary.parts();
}

void read_mailbox(std::string_view row) {
  const auto object = service::MailboxObject::read(row);
  if (!object) return;
  check(service::MailboxObject::read(object->encode()).has_value());
}

void read_kept_name(std::string_view row) {
  const auto path = service::read_kept_name(row);
  if (!path) return;
  check(service::encode_kept_name(*path).size() <= row.size() && service::read_kept_name(service::encode_kept_name(*path)) == path);
}

void read_log(std::string_view row) {
  auto entry = service::LogEntry::read(row, 10'000);  // a few octets may name millions
  if (!entry) return;
  service::sort_unique(entry->changed);
  service::sort_unique(entry->expunged);
  if (entry->turned.size() == 1) entry->turned.front().uids = entry->changed;
  for (auto& group : entry->turned) service::sort_unique(group.uids);
  const auto second = service::LogEntry::read(entry->encode());
  check(second && second->changed == entry->changed && second->expunged == entry->expunged);
  check(second->turned.size() == entry->turned.size());
  for (std::size_t i = 0; i < entry->turned.size(); ++i) {
    check(second->turned[i].flags == entry->turned[i].flags && second->turned[i].uids == entry->turned[i].uids);
  }
}

void read_content(std::string_view row) {
  const auto blobs = service::Content::decode_blobs(row);
  const auto content = service::Content::decode(row);
  if (!content) return;
  check(blobs && blobs->size() == content->blobs.size());
  std::uint64_t literal = 0;
  for (const service::Piece& piece : content->pieces) {
    check(piece.kind == service::Piece::Kind::literal || piece.blob < content->blobs.size());
    if (piece.kind != service::Piece::Kind::literal) continue;
    check(piece.offset == literal);
    literal += piece.octets;
  }
  check(literal == content->literal.size() && content->octets() >= literal);
  const auto second = service::Content::decode(content->encode());
  check(second && second->literal == content->literal && second->octets() == content->octets());
}

void read_note(std::string_view octets) {
  const auto note = service::decode_note(octets);
  if (!note) return;
  const auto second = service::decode_note(service::encode_note(note->where, note->content));
  check(second && second->where.mailbox == note->where.mailbox && second->where.account == note->where.account &&
        second->where.received == note->where.received && second->content.octets() == note->content.octets());
}

void read_reports(std::string_view row) {
  if (const auto record = reporting::decode_dmarc_content(row)) {
    const std::string again = reporting::encode_content(*record);
    check(again.empty() || reporting::decode_dmarc_content(again).has_value());
  }
  if (const auto content = reporting::decode_tls_content(row)) {
    const std::string again = reporting::encode_content(*content);
    check(again.empty() || reporting::decode_tls_content(again).has_value());
  }
  if (const auto about = reporting::decode_about(row)) check(reporting::decode_about(reporting::encode_about(*about)) == about);
  if (const auto info = reporting::decode_info(row)) check(reporting::decode_info(reporting::encode_info(*info)).has_value());
  if (const auto count = reporting::decode_count(row)) check(reporting::encode_count(count->count, count->content).size() <= row.size());
  (void)reporting::decode_received(row);
  (void)reporting::decode_day(row);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 1) return 0;
  const std::string row(data + 1, data + size);  // a copy, so that reading past it is seen
  switch (data[0] % 12) {
    case 0: read_account(row); break;
    case 1: read_address(row); break;
    case 2: read_queue_entry(row); break;
    case 3: read_flat<service::AccountRow>(row); break;
    case 4: read_flat<service::MailboxRow>(row), read_flat<service::ThreadRow>(row); break;
    case 5: read_message(row); break;
    case 6: read_email(row); break;
    case 7: read_mailbox(row), read_kept_name(row); break;
    case 8: read_log(row); break;
    case 9: read_content(row); break;
    case 10: read_note(row); break;
    default: read_reports(row); break;
  }
  return 0;
}
