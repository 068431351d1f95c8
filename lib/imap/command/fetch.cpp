// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include <algorithm>
#include <array>
#include <utility>

#include "base/try.hpp"
#include "imap/command/parse.hpp"
#include "keystonemail/base/text.hpp"
#include "keystonemail/imap/limits.hpp"

namespace keystonemail::imap {
namespace {

constexpr std::array<std::pair<std::string_view, FetchAttribute>, 9> plain_items{{
    {"FLAGS", FetchAttribute::flags}, {"UID", FetchAttribute::uid}, {"INTERNALDATE", FetchAttribute::internal_date},
    {"RFC822.SIZE", FetchAttribute::rfc822_size}, {"ENVELOPE", FetchAttribute::envelope},
    {"BODYSTRUCTURE", FetchAttribute::body_structure}, {"EMAILID", FetchAttribute::email_id},
    {"THREADID", FetchAttribute::thread_id}, {"SAVEDATE", FetchAttribute::save_date}}};

// header-list = "(" header-fld-name *(SP header-fld-name) ")"
Parsed<void> parse_header_list(Cursor& cursor, Section& section) {
  KM_CHECK(cursor.space());
  KM_CHECK(cursor.open());
  do {
    if (section.fields.size() == limits::fetch_items_max) return std::unexpected(Fault::too_many_fetch_items);
    KM_TRY(auto name, cursor.astring());
    if (name.empty()) return std::unexpected(Fault::bad_section);
    section.fields.push_back(std::move(name));
  } while (cursor.take(' '));
  return cursor.close();
}

// section-part = nz-number *("." nz-number)
Parsed<void> parse_path(std::string_view& text, Section& section) {
  while (!text.empty() && is_digit(text.front())) {
    const auto digits = text.substr(0, text.find('.'));
    const auto number = parse_decimal(digits, UINT32_MAX);
    if (!number || digits.front() == '0') return std::unexpected(Fault::bad_section);
    if (section.path.size() == limits::nesting_max) return std::unexpected(Fault::nesting_too_deep);
    section.path.push_back(static_cast<std::uint32_t>(*number));
    text.remove_prefix(digits.size());
    if (text.empty()) break;
    text.remove_prefix(1);  // the dot
    if (text.empty()) return std::unexpected(Fault::bad_section);
  }
  return {};
}

// section = "[" [section-spec] "]"
Parsed<Section> parse_section(Cursor& cursor) {
  Section section;
  if (!cursor.take('[')) return std::unexpected(Fault::bad_section);
  auto text = cursor.word();
  KM_CHECK(parse_path(text, section));
  if (iequals(text, "HEADER")) {
    section.part = SectionPart::header;
  } else if (iequals(text, "TEXT")) {
    section.part = SectionPart::text;
  } else if (iequals(text, "MIME") && !section.path.empty()) {
    section.part = SectionPart::mime;
  } else if (iequals(text, "HEADER.FIELDS") || iequals(text, "HEADER.FIELDS.NOT")) {
    section.part = text.size() == 13 ? SectionPart::header_fields : SectionPart::header_fields_not;
    KM_CHECK(parse_header_list(cursor, section));
  } else if (!text.empty()) {
    return std::unexpected(Fault::bad_section);
  }
  if (!cursor.take(']')) return std::unexpected(Fault::bad_section);
  return section;
}

// partial = "<" number64 "." nz-number64 ">"
Parsed<std::optional<Partial>> parse_partial(Cursor& cursor) {
  if (!cursor.take('<')) return std::nullopt;
  Partial partial;
  KM_TRY(partial.offset, cursor.number64());
  if (!cursor.take('.')) return std::unexpected(Fault::bad_partial);
  KM_TRY(partial.octets, cursor.nonzero_number64());
  if (!cursor.take('>')) return std::unexpected(Fault::bad_partial);
  return partial;
}

// "BODY" ["STRUCTURE"] / "BODY" [".PEEK"] section [partial]
Parsed<FetchItem> parse_body(Cursor& cursor, bool peek) {
  FetchItem item;
  item.attribute = FetchAttribute::body;
  if (!peek && cursor.peek() != '[') return item;
  item.attribute = FetchAttribute::section;
  item.peek = peek;
  KM_TRY(item.section, parse_section(cursor));
  KM_TRY(item.partial, parse_partial(cursor));
  return item;
}

// "BINARY" [".PEEK"] section-binary [partial] / "BINARY.SIZE" section-binary (RFC 3516)
Parsed<FetchItem> parse_binary(Cursor& cursor, std::string_view name) {
  FetchItem item;
  item.attribute = iequals(name, "BINARY.SIZE") ? FetchAttribute::binary_size : FetchAttribute::binary;
  item.peek = name.size() > 6;
  KM_TRY(item.section, parse_section(cursor));
  if (item.section.part != SectionPart::all) return std::unexpected(Fault::bad_section);
  if (item.attribute == FetchAttribute::binary) { KM_TRY(item.partial, parse_partial(cursor)); }
  return item;
}

// "PREVIEW" [SP "(" preview-mod *(SP preview-mod) ")"] (RFC 8970 §6)
Parsed<FetchItem> parse_preview(Cursor& cursor) {
  FetchItem item;
  item.attribute = FetchAttribute::preview;
  if (!cursor.rest().starts_with(" (")) return item;
  KM_CHECK(cursor.space());
  KM_CHECK(cursor.open());
  if (!cursor.take_word("LAZY")) return std::unexpected(Fault::bad_modifier);
  item.lazy = true;
  KM_CHECK(cursor.close());
  return item;
}

FetchItem whole(SectionName name, SectionPart part, bool peek) {
  FetchItem item;
  item.attribute = FetchAttribute::section;
  item.name = name;
  item.peek = peek;
  item.section.part = part;
  return item;
}

Parsed<FetchItem> parse_item(Cursor& cursor) {
  const auto name = cursor.word();
  for (const auto& [text, attribute] : plain_items) {
    if (iequals(name, text)) return FetchItem{.attribute = attribute};
  }
  if (iequals(name, "BODY")) return parse_body(cursor, false);
  if (iequals(name, "BODY.PEEK")) return parse_body(cursor, true);
  if (iequals(name, "BINARY") || iequals(name, "BINARY.PEEK") || iequals(name, "BINARY.SIZE")) {
    return parse_binary(cursor, name);
  }
  if (iequals(name, "MODSEQ")) return FetchItem{.attribute = FetchAttribute::modseq};
  if (iequals(name, "PREVIEW")) return parse_preview(cursor);
  // RFC 3501 §6.4.5; gone from RFC 9051, still in use.
  if (iequals(name, "RFC822")) return whole(SectionName::rfc822, SectionPart::all, false);
  if (iequals(name, "RFC822.HEADER")) return whole(SectionName::rfc822_header, SectionPart::header, true);
  if (iequals(name, "RFC822.TEXT")) return whole(SectionName::rfc822_text, SectionPart::text, false);
  return std::unexpected(Fault::bad_fetch_item);
}

// "ALL" / "FULL" / "FAST" (RFC 9051 §6.4.5)
bool parse_macro(Cursor& cursor, Fetch& fetch) {
  const bool full = cursor.take_word("FULL");
  const bool all = full || cursor.take_word("ALL");
  if (!all && !cursor.take_word("FAST")) return false;
  for (const auto attribute : {FetchAttribute::flags, FetchAttribute::internal_date, FetchAttribute::rfc822_size}) {
    fetch.items.push_back({.attribute = attribute});
  }
  if (all) fetch.items.push_back({.attribute = FetchAttribute::envelope});
  if (full) fetch.items.push_back({.attribute = FetchAttribute::body});
  return true;
}

Parsed<void> add_item(Cursor& cursor, Fetch& fetch) {
  if (fetch.items.size() == limits::fetch_items_max) return std::unexpected(Fault::too_many_fetch_items);
  KM_TRY(auto item, parse_item(cursor));
  if (std::ranges::find(fetch.items, item) == fetch.items.end()) fetch.items.push_back(std::move(item));
  return {};
}

Parsed<void> parse_items(Cursor& cursor, Fetch& fetch) {
  fetch.items.reserve(4);
  if (parse_macro(cursor, fetch)) return {};
  if (!cursor.take('(')) return add_item(cursor, fetch);
  do {
    KM_CHECK(add_item(cursor, fetch));
  } while (cursor.take(' '));
  return cursor.close();
}

// fetch-modifiers: "(" "CHANGEDSINCE" SP mod-sequence-value ["VANISHED"] ")" in any order (RFC 7162 §7)
Parsed<void> parse_modifiers(Cursor& cursor, Fetch& fetch) {
  KM_CHECK(cursor.open());
  do {
    if (cursor.take_word("CHANGEDSINCE")) {
      if (fetch.changed_since) return std::unexpected(Fault::duplicate_modifier);
      KM_CHECK(cursor.space());
      KM_TRY(fetch.changed_since, cursor.number64());  // LENIENT: zero, which the grammar excludes, means all
    } else if (cursor.take_word("VANISHED")) {
      fetch.vanished = true;
    } else {
      return std::unexpected(Fault::bad_modifier);
    }
  } while (cursor.take(' '));
  KM_CHECK(cursor.close());
  // RFC 7162 §3.2.6
  if (fetch.vanished && (!fetch.changed_since || fetch.numbers != NumberKind::uid || !cursor.features().qresync)) {
    return std::unexpected(Fault::vanished_needs_qresync);
  }
  return {};
}

}  // namespace

// fetch = "FETCH" SP sequence-set SP ("ALL" / "FULL" / "FAST" / fetch-att / "(" fetch-att *(SP fetch-att) ")")
//         [SP fetch-modifiers]
Parsed<CommandVariant> parse_fetch(Cursor& cursor, NumberKind numbers) {
  Fetch fetch;
  fetch.numbers = numbers;
  KM_CHECK(cursor.space());
  KM_TRY(fetch.set, cursor.sequence_set());
  KM_CHECK(cursor.space());
  KM_CHECK(parse_items(cursor, fetch));
  if (cursor.take(' ')) { KM_CHECK(parse_modifiers(cursor, fetch)); }
  const FetchItem uid{.attribute = FetchAttribute::uid};
  if (numbers == NumberKind::uid && std::ranges::find(fetch.items, uid) == fetch.items.end()) {
    fetch.items.insert(fetch.items.begin(), uid);  // RFC 9051 §6.4.9: always told
  }
  return fetch;
}

}  // namespace keystonemail::imap
