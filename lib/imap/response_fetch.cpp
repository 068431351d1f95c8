// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// FETCH responses (RFC 9051 §7.5.2).
#include <cassert>

#include "imap/wire.hpp"
#include "keystonemail/imap/response.hpp"
#include "keystonemail/mime/date.hpp"

namespace keystonemail::imap {
namespace {

std::string_view name_of(SectionPart part) noexcept {
  switch (part) {
    case SectionPart::all: return {};
    case SectionPart::header: return "HEADER";
    case SectionPart::header_fields: return "HEADER.FIELDS";
    case SectionPart::header_fields_not: return "HEADER.FIELDS.NOT";
    case SectionPart::text: return "TEXT";
    case SectionPart::mime: return "MIME";
  }
  return {};
}

void append_section(std::string& out, const Section& section, const Features& features) {
  out += '[';
  const auto begin = out.size();
  for (const auto number : section.path) {
    if (out.size() > begin) out += '.';
    append_number(out, number);
  }
  if (section.part != SectionPart::all && out.size() > begin) out += '.';
  out.append(name_of(section.part));
  std::string_view separator = " (";
  for (const auto& field : section.fields) {
    out.append(separator);
    append_astring(out, field, features);
    separator = " ";
  }
  out += section.fields.empty() ? "]" : ")]";
}

char* put(char* at, std::string_view text) noexcept {
  text.copy(at, text.size());
  return at + text.size();
}

char* put(char* at, std::uint64_t number) noexcept { return std::to_chars(at, at + 20, number).ptr; }

}  // namespace

void ResponseWriter::begin_fetch(std::uint32_t sequence_number) {
  assert(!in_fetch_ && sequence_number > 0);
  out_ += "* ";
  append_number(out_, sequence_number);
  out_ += " FETCH (";
  in_fetch_ = true;
  first_item_ = true;
}

void ResponseWriter::end_fetch() {
  assert(in_fetch_ && literal_due_ == 0);
  out_ += ")\r\n";
  in_fetch_ = false;
}

void ResponseWriter::item(std::string_view name) {
  assert(in_fetch_ && literal_due_ == 0);
  if (!first_item_) out_ += ' ';
  first_item_ = false;
  out_.append(name);
}

void ResponseWriter::uid(std::uint32_t uid) {
  item("UID ");
  append_number(out_, uid);
}

void ResponseWriter::flags(FlagView flags) {
  item("FLAGS (");
  append_flags(out_, flags, features_);
  out_ += ')';
}

void ResponseWriter::modseq(std::uint64_t modseq) {
  item("MODSEQ (");
  append_number(out_, modseq);
  out_ += ')';
}

void ResponseWriter::internal_date(WallTime when) {
  item("INTERNALDATE \"");
  mime::append_internal_date(out_, {.time = when});
  out_ += '"';
}

void ResponseWriter::save_date(std::optional<WallTime> when) {
  item("SAVEDATE ");
  if (!when) {
    out_ += "NIL";
    return;
  }
  out_ += '"';
  mime::append_internal_date(out_, {.time = *when});
  out_ += '"';
}

void ResponseWriter::rfc822_size(std::uint64_t octets) {
  item("RFC822.SIZE ");
  append_number(out_, octets);
}

void ResponseWriter::email_id(std::string_view id) {
  item("EMAILID (");
  out_.append(id) += ')';
}

void ResponseWriter::thread_id(std::optional<std::string_view> id) {
  item("THREADID ");
  if (id) out_.append("(").append(*id).append(")");
  else out_ += "NIL";
}

void ResponseWriter::preview(std::optional<std::string_view> text) {
  item("PREVIEW ");
  append_nstring(out_, text, features_);
}

void ResponseWriter::section_label(const FetchItem& item_asked) {
  switch (item_asked.attribute) {
    case FetchAttribute::binary: item("BINARY"); break;
    case FetchAttribute::binary_size: item("BINARY.SIZE"); break;
    default:
      assert(item_asked.attribute == FetchAttribute::section);
      switch (item_asked.name) {
        case SectionName::rfc822: item("RFC822 "); return;
        case SectionName::rfc822_header: item("RFC822.HEADER "); return;
        case SectionName::rfc822_text: item("RFC822.TEXT "); return;
        case SectionName::body: item("BODY"); break;
      }
  }
  append_section(out_, item_asked.section, features_);
  if (item_asked.partial) {  // only the origin is told
    out_ += '<';
    append_number(out_, item_asked.partial->offset);
    out_ += '>';
  }
  out_ += ' ';
}

void ResponseWriter::binary_size(const FetchItem& item, std::uint64_t octets) {
  section_label(item);
  append_number(out_, octets);
}

void ResponseWriter::section_nil(const FetchItem& item) {
  section_label(item);
  out_ += "NIL";
}

void ResponseWriter::section(const FetchItem& item, std::string_view octets) {
  const bool binary = item.attribute == FetchAttribute::binary && octets.find('\0') != std::string_view::npos;
  begin_section(item, octets.size(), binary ? LiteralKind::literal8 : LiteralKind::literal);
  append(octets);
}

void ResponseWriter::begin_section(const FetchItem& item, std::uint64_t octets, LiteralKind kind) {
  section_label(item);
  out_ += kind == LiteralKind::literal8 ? "~{" : "{";
  append_number(out_, octets);
  out_ += "}\r\n";
  literal_due_ = octets;
}

void ResponseWriter::append(std::string_view piece) {
  assert(piece.size() <= literal_due_);
  out_.append(piece);
  literal_due_ -= piece.size();
}

void ResponseWriter::skip(std::uint64_t octets) {
  assert(octets <= literal_due_);
  literal_due_ -= octets;
}

void ResponseWriter::fetch_flags(std::uint32_t sequence_number, std::optional<std::uint32_t> uid, FlagView flags,
                                 std::optional<std::uint64_t> modseq) {
  assert(!in_fetch_ && sequence_number > 0);
  const auto system = system_flags_text(flags.system);
  const bool recent = flags.recent && !features_.imap4rev2;
  std::size_t octets_max = 160 + system.size();
  for (const auto keyword : flags.keywords) octets_max += keyword.size() + 1;
  const std::size_t begin = out_.size();
  out_.resize_and_overwrite(begin + octets_max, [&](char* data, std::size_t) {
    char* at = put(put(put(data + begin, "* "), sequence_number), " FETCH (");
    if (uid) at = put(put(put(at, "UID "), *uid), " ");
    at = put(put(at, "FLAGS ("), system);
    if (recent) at = put(at, system.empty() ? "\\Recent" : " \\Recent");
    bool first = system.empty() && !recent;
    for (const auto keyword : flags.keywords) {
      if (!first) *at++ = ' ';
      at = put(at, keyword);
      first = false;
    }
    *at++ = ')';
    if (modseq) at = put(put(put(at, " MODSEQ ("), *modseq), ")");
    at = put(at, ")\r\n");
    return static_cast<std::size_t>(at - data);
  });
}

}  // namespace keystonemail::imap
