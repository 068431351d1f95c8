// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include <algorithm>
#include <array>
#include <cassert>

#include "base/try.hpp"
#include "imap/command/parse.hpp"
#include "keystonemail/base/text.hpp"
#include "keystonemail/codec/charset.hpp"
#include "keystonemail/imap/limits.hpp"

namespace keystonemail::imap {
namespace {

enum class Argument : std::uint8_t { none, text, header, flag, date, number, seconds, uid_set, modseq };

struct KeyName { std::string_view name; SearchOperator op; Argument argument; };

// RFC 9051 §6.4.4 and RFC 3501 §6.4.4 (NEW, OLD, RECENT); RFC 5032, 7162 §3.1.5, 8474 §6, 8514 §4.3.
using enum SearchOperator;
constexpr std::array<KeyName, 42> key_names{{
    {"ALL", all, Argument::none}, {"ANSWERED", answered, Argument::none}, {"BCC", bcc, Argument::text},
    {"BEFORE", before, Argument::date}, {"BODY", body, Argument::text}, {"CC", cc, Argument::text},
    {"DELETED", deleted, Argument::none}, {"DRAFT", draft, Argument::none}, {"EMAILID", email_id, Argument::text},
    {"FLAGGED", flagged, Argument::none}, {"FROM", from, Argument::text}, {"HEADER", header, Argument::header},
    {"KEYWORD", keyword, Argument::flag}, {"LARGER", larger, Argument::number}, {"MODSEQ", modseq, Argument::modseq},
    {"NEW", fresh, Argument::none}, {"OLD", old, Argument::none}, {"OLDER", older, Argument::seconds},
    {"ON", on, Argument::date}, {"RECENT", recent, Argument::none}, {"SAVEDATESUPPORTED", save_date_supported, Argument::none},
    {"SAVEDBEFORE", saved_before, Argument::date}, {"SAVEDON", saved_on, Argument::date},
    {"SAVEDSINCE", saved_since, Argument::date}, {"SEEN", seen, Argument::none},
    {"SENTBEFORE", sent_before, Argument::date}, {"SENTON", sent_on, Argument::date},
    {"SENTSINCE", sent_since, Argument::date}, {"SINCE", since, Argument::date}, {"SMALLER", smaller, Argument::number},
    {"SUBJECT", subject, Argument::text}, {"TEXT", text, Argument::text}, {"THREADID", thread_id, Argument::text},
    {"TO", to, Argument::text}, {"UID", uid, Argument::uid_set}, {"UNANSWERED", unanswered, Argument::none},
    {"UNDELETED", undeleted, Argument::none}, {"UNDRAFT", undraft, Argument::none},
    {"UNFLAGGED", unflagged, Argument::none}, {"UNKEYWORD", unkeyword, Argument::flag}, {"UNSEEN", unseen, Argument::none},
    {"YOUNGER", younger, Argument::seconds}}};

const KeyName* find_key(std::string_view name) noexcept {
  for (const auto& key : key_names) {
    if (iequals(key.name, name)) return &key;
  }
  return nullptr;
}

Parsed<std::string> parse_text(Cursor& cursor, std::string_view charset) {
  KM_TRY(auto text, cursor.astring());
  // Of the others some have nothing but ASCII octets, and mean something else by them: ISO-2022-JP, UTF-7.
  if (!charset.empty() && !iequals(charset, "UTF-8") && !iequals(charset, "US-ASCII")) return codec::to_utf8(text, charset);
  // LENIENT: clients send UTF-8 literals without saying so.
  if (!is_utf8(text)) return std::unexpected(Fault::not_utf8);
  return text;
}

// "MODSEQ" [search-modseq-ext] SP mod-sequence-valzer; search-modseq-ext = SP entry-name SP entry-type-req. One number
// serves all flags of a message, so the entry changes nothing.
Parsed<std::uint64_t> parse_modseq(Cursor& cursor) {
  if (cursor.peek() == '"') {
    KM_TRY(const auto entry, cursor.string());
    KM_CHECK(cursor.space());
    if (!istarts_with(entry, "/flags/")) return std::unexpected(Fault::bad_search_key);
    if (!cursor.take_word("all") && !cursor.take_word("priv") && !cursor.take_word("shared")) {
      return std::unexpected(Fault::bad_search_key);
    }
    KM_CHECK(cursor.space());
  }
  return cursor.number64();
}

Parsed<void> parse_argument(Cursor& cursor, std::string_view charset, Argument argument, SearchKey& key) {
  if (argument == Argument::none) return {};
  KM_CHECK(cursor.space());
  switch (argument) {
    case Argument::none: break;
    case Argument::header:
      {
        KM_TRY(key.field, cursor.astring());
        KM_CHECK(cursor.space());
      }
      [[fallthrough]];
    case Argument::text: { KM_TRY(key.text, parse_text(cursor, charset)); } break;
    case Argument::flag: { KM_TRY(key.text, cursor.atom()); } break;
    case Argument::date: { KM_TRY(key.date, cursor.date()); } break;
    case Argument::number: { KM_TRY(key.number, cursor.number64()); } break;
    case Argument::seconds: { KM_TRY(key.number, cursor.nonzero_number()); } break;
    case Argument::uid_set: { KM_TRY(key.set, cursor.sequence_set()); } break;
    case Argument::modseq: { KM_TRY(key.number, parse_modseq(cursor)); } break;
  }
  return {};
}

// Reads a program with a stack of its own, so that nesting costs no call depth (attack B2).
class ProgramParser {
 public:
  ProgramParser(Cursor& cursor, std::string_view charset) : cursor_(cursor), charset_(charset) {
    program_.keys.push_back({.op = all_of});
    frames_.push_back({0, 0});
  }

  Parsed<SearchProgram> parse() {
    for (;;) {
      KM_TRY(const bool complete, parse_key());
      if (!complete) continue;
      KM_TRY(const bool done, close_frames());
      if (done) return std::move(program_);
    }
  }

 private:
  struct Frame { std::uint32_t node; std::uint32_t due; };  // due: operands still to come; 0: as many as there are

  // Whether a key is complete, as opposed to an operator whose operands follow.
  Parsed<bool> parse_key() {
    if (program_.keys.size() > limits::search_keys_max) return std::unexpected(Fault::too_many_search_keys);
    const char c = cursor_.peek();
    if (cursor_.take('(')) return open_frame(all_of, 0);
    if (is_digit(c) || c == '*' || c == '$') {
      SearchKey key{.op = sequence};
      KM_TRY(key.set, cursor_.sequence_set());
      program_.keys.push_back(std::move(key));
      return true;
    }
    const auto name = cursor_.word();
    if (iequals(name, "NOT") || iequals(name, "OR")) {
      KM_CHECK(cursor_.space());
      return iequals(name, "OR") ? open_or() : open_frame(not_of, 1);
    }
    const auto* known = find_key(name);
    if (!known) return std::unexpected(Fault::bad_search_key);
    SearchKey key{.op = known->op};
    KM_CHECK(parse_argument(cursor_, charset_, known->argument, key));
    program_.keys.push_back(std::move(key));
    return true;
  }

  Parsed<bool> open_frame(SearchOperator op, std::uint32_t due) {
    if (frames_.size() > limits::nesting_max) return std::unexpected(Fault::nesting_too_deep);
    frames_.push_back({static_cast<std::uint32_t>(program_.keys.size()), due});
    program_.keys.push_back({.op = op});
    return false;
  }

  // "OR a OR b c" is one alternative of three: long chains of OR, as clients write them, do not nest.
  Parsed<bool> open_or() {
    auto& top = frames_.back();
    if (program_.keys[top.node].op != any_of) return open_frame(any_of, 2);
    ++top.due;
    return false;
  }

  // After a key: ends the operators that it completes. Whether it was the last of all.
  Parsed<bool> close_frames() {
    for (;;) {
      auto& top = frames_.back();
      ++program_.keys[top.node].operands;
      if (top.due > 0) {
        if (--top.due > 0) return next();
      } else if (frames_.size() == 1) {
        if (cursor_.at_end()) return true;
        return next();
      } else if (!cursor_.take(')')) {
        return next();
      }
      frames_.pop_back();
      assert(!frames_.empty());
    }
  }

  Parsed<bool> next() {
    KM_CHECK(cursor_.space());
    return false;
  }

  Cursor& cursor_;
  std::string_view charset_;
  SearchProgram program_;
  std::vector<Frame> frames_;
};

}  // namespace

bool SearchProgram::has(SearchOperator op) const noexcept {
  return std::ranges::find(keys, op, &SearchKey::op) != keys.end();
}

Parsed<SearchProgram> parse_search_program(Cursor& cursor, std::string_view charset) {
  return ProgramParser(cursor, charset).parse();
}

// charset = atom / quoted
Parsed<std::string> parse_charset(Cursor& cursor) {
  KM_TRY(auto charset, cursor.astring());
  if (!iequals(charset, "UTF-8") && !iequals(charset, "US-ASCII") && !codec::is_known_charset(charset)) {
    return std::unexpected(Fault::bad_charset);
  }
  return charset;
}

// search-return-opts = SP "RETURN" SP "(" [search-return-opt *(SP search-return-opt)] ")"
Parsed<SearchReturn> parse_search_return(Cursor& cursor) {
  SearchReturn give{.given = true};
  KM_CHECK(cursor.space());
  KM_CHECK(cursor.open());
  if (cursor.take(')')) {
    give.all = true;  // RFC 4731 §3.1
    return give;
  }
  do {
    const auto name = cursor.word();
    if (iequals(name, "MIN")) give.min = true;
    else if (iequals(name, "MAX")) give.max = true;
    else if (iequals(name, "ALL")) give.all = true;
    else if (iequals(name, "COUNT")) give.count = true;
    else if (iequals(name, "SAVE")) give.save = true;
    else return std::unexpected(Fault::bad_return_option);
  } while (cursor.take(' '));
  KM_CHECK(cursor.close());
  return give;
}

// search = "SEARCH" [search-return-opts] SP ["CHARSET" SP charset SP] search-key *(SP search-key)
Parsed<CommandVariant> parse_search(Cursor& cursor, NumberKind numbers) {
  Search search;
  search.numbers = numbers;
  KM_CHECK(cursor.space());
  if (cursor.take_word("RETURN")) {
    KM_TRY(search.give, parse_search_return(cursor));
    KM_CHECK(cursor.space());
  }
  std::string charset;
  if (cursor.take_word("CHARSET")) {
    if (cursor.features().utf8_accept) return std::unexpected(Fault::charset_with_utf8);  // RFC 6855 §3
    KM_CHECK(cursor.space());
    auto given = parse_charset(cursor);
    if (!given && given.error() == Fault::bad_charset && search.give.save) {
      search.unknown_charset = true;
      cursor.skip_rest();
      return search;
    }
    if (!given) return std::unexpected(given.error());
    charset = *std::move(given);
    KM_CHECK(cursor.space());
  }
  KM_TRY(search.program, parse_search_program(cursor, charset));
  return search;
}

}  // namespace keystonemail::imap
