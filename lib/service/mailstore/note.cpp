// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "service/mailstore/note.hpp"

#include "base/record.hpp"
#include "base/try.hpp"
#include "service/mailstore/rows.hpp"

namespace keystonemail::service {

namespace {

// No message begins like this: a field's name has no NUL.
constexpr std::string_view magic("KMNOTE1\0", 8);

}  // namespace

std::string encode_note(const Whereabouts& where, const Content& content) {
  RecordWriter writer;
  for (const char c : magic) writer.octet(static_cast<std::uint8_t>(c));
  writer.number(static_cast<std::uint32_t>(where.account)).number(static_cast<std::uint64_t>(where.received));
  writer.text(where.mailbox).text(content.encode());
  return writer.take();
}

bool looks_like_note(std::string_view octets) noexcept { return octets.starts_with(magic); }

Result<Note> decode_note(std::string_view octets) {
  if (!looks_like_note(octets)) return damaged("note");
  RecordReader reader(octets.substr(magic.size()));
  Note note;
  const std::uint64_t account = reader.number();
  note.where.received = static_cast<std::int64_t>(reader.number());
  note.where.mailbox = reader.text();
  const std::string_view content = reader.text();
  if (!reader.ok() || !reader.at_end() || account > UINT32_MAX) return damaged("note");
  note.where.account = mailstore::AccountId{static_cast<std::uint32_t>(account)};
  KM_TRY(note.content, Content::decode(content));
  return note;
}

}  // namespace keystonemail::service
